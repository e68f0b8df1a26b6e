"""What several checks need, asked once and side by side: the GPUs, their state, ncu, and the Python of the kernels."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ncukit.collect import machine
from ncukit.collect.doctor import interpreter
from ncukit.collect.doctor.check import ANSWER_S, Machine, text_of
from ncukit.errors import NcukitError

SMI_S = 8.0
"""How long nvidia-smi may take. Without persistence mode it loads the driver first, which takes seconds a GPU."""
CONDITION_QUERY = (
    "nvidia-smi",
    # the older name of clocks_event_reasons, which newer drivers take as well
    "--query-gpu=index,persistence_mode,display_active,compute_mode,clocks_throttle_reasons.active,"
    "memory.used,memory.total,utilization.gpu,temperature.gpu",
    "--format=csv,noheader,nounits",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """The present state of one GPU; empty strings and None for what nvidia-smi does not say."""

    persistence: str = ""
    """``Enabled`` or ``Disabled``."""
    display: str = ""
    """``Enabled`` when a screen is driven, which keeps the driver loaded."""
    compute_mode: str = ""
    """``Default``, ``Exclusive_Process`` or ``Prohibited``."""
    reasons: int | None = None
    """Bit mask of what holds the clocks down (nvml.h, nvmlClocksEventReason)."""
    used_mb: int | None = None
    total_mb: int | None = None
    busy_pct: int | None = None
    """Share of the last second or less in which a kernel ran."""
    temperature_c: int | None = None


def gather(ncu: str | None = None, python: str | None = None, proc: Path = Path("/proc")) -> Machine:
    """This machine, as far as several checks need it.

    Args:
        ncu: the ncu that the configuration asks for.
        python: the Python that runs kernel files; None is this one.
        proc: where the kernel tells about itself.
    """
    # before anything is asked: an ncu that says its version must not be taken for another profiler at work
    processes = processes_in(proc)
    with ThreadPoolExecutor() as pool:
        listed = pool.submit(machine.ask, machine.GPU_QUERY, SMI_S)
        stated = pool.submit(machine.ask, CONDITION_QUERY, SMI_S)
        profiler = pool.submit(_profiler, ncu)
        found = pool.submit(interpreter_of, python)
    gpus = machine.gpus_in(listed.result())
    gpu = machine.visible_gpu(gpus)
    return Machine(
        asked=ncu or os.environ.get("NCUKIT_NCU", ""),
        python=python,
        proc=proc,
        environment=os.environ,
        processes=processes,
        gpus=gpus,
        smi=listed.result(),
        condition=conditions_in(stated.result()).get(gpu.index) if gpu else None,
        profiler=profiler.result(),
        interpreter=found.result(),
    )


def processes_in(proc: Path) -> dict[str, str]:
    """Number → name of every process in sight."""
    found = {comm.parent.name: text_of(comm).strip() for comm in proc.glob("[0-9]*/comm")}
    return {process: name for process, name in found.items() if name}


def interpreter_of(python: str | None) -> interpreter.Interpreter | None:
    """What the Python that runs kernel files has; None when it does not run."""
    if python is None:
        return interpreter.look()
    said = machine.ask([python, interpreter.__file__], ANSWER_S)
    return interpreter.parse(said.text) if said is not None and said.exit_code == 0 else None


def conditions_in(said: machine.Output | None) -> dict[int, Condition]:
    """Index → state, from nvidia-smi's answer to ``CONDITION_QUERY``."""
    if said is None or said.exit_code != 0:
        return {}
    found = {}
    for line in said.text.splitlines():
        cells = ["" if cell.startswith("[") else cell.strip() for cell in line.split(", ")]
        if len(cells) == 9 and cells[0].isdigit():
            mask = re.fullmatch(r"0x([0-9a-fA-F]+)", cells[4])
            used, total, busy, temperature = (int(cell) if cell.isdigit() else None for cell in cells[5:])
            found[int(cells[0])] = Condition(
                persistence=cells[1],
                display=cells[2],
                compute_mode=cells[3],
                reasons=int(mask[1], 16) if mask else None,
                used_mb=used,
                total_mb=total,
                busy_pct=busy,
                temperature_c=temperature,
            )
    return found


def _profiler(ncu: str | None) -> machine.Ncu | NcukitError:
    try:
        return machine.find_ncu(ncu, ANSWER_S)
    except NcukitError as error:
        return error
