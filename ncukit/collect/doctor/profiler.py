"""Checks of Nsight Compute itself: there, whole, recent enough, and free to reach the program."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from ncukit import gpus
from ncukit.collect import machine
from ncukit.collect.doctor.check import ANSWER_S, Answer, Machine, ask, check, fail, ok, skip, warn
from ncukit.collect.doctor.versions import driver_for, too_old
from ncukit.errors import NcukitError

if TYPE_CHECKING:
    from collections.abc import Iterator

NEWER = "install a newer Nsight Compute, then export NCUKIT_NCU=/path/to/ncu"
CONNECTIONS = ("uds", "tcp", "named-pipes")
"""What ``NV_COMPUTE_PROFILER_LOCAL_CONNECTION_OVERRIDE`` takes (documented)."""
_TOOL = re.compile(r"cupti|inject|nsight|nsys|nvbit|nvtx|sanitizer", re.IGNORECASE)
"""File names of libraries that, preloaded, take the place ncu needs in the program."""


@check("nsight-compute", "Nsight Compute")
def nsight_compute(here: Machine) -> Answer:
    """Whether there is an ncu, and a recent one."""
    if here.ncu is not None:
        return ok(f"{here.ncu.version_text} at {here.ncu.path}")
    if not isinstance(here.profiler, NcukitError):
        return skip("nobody looked for it")
    evidence = "; ".join((here.profiler.message, *here.profiler.causes))
    locked = next(_not_executable(), None)
    if locked is not None:
        return fail(f"{evidence}; {locked} is not executable", f"sudo chmod +x {shlex.quote(str(locked))}")
    return fail(evidence, here.profiler.next_command)


@check("nsight-compute-choice", "choice of ncu")
def choice(here: Machine) -> Answer:
    """Whether a newer ncu than the one in use is installed, and would suit the driver."""
    used = here.ncu
    if used is None:
        return skip("there is no ncu")
    found = {used.version: used}
    for path in machine.candidates():
        if os.path.realpath(path) == os.path.realpath(used.path):
            continue
        try:
            other = machine.find_ncu(path, ANSWER_S)
        except NcukitError:
            continue
        found.setdefault(other.version, other)
    everything = ", ".join(f"{one.version_text} at {one.path}" for _, one in sorted(found.items()))
    if here.asked:
        return ok(f"{here.asked} is asked for; installed: {everything}")
    driver = here.gpus[0].driver_version if here.gpus else ""
    suited = [v for v in found if not too_old(driver, driver_for(v) or 0)]
    newest = found[max(suited, default=used.version)]
    if newest.version > used.version:
        return warn(
            f"installed are {everything}; {used.version_text} is used",
            f"export NCUKIT_NCU={shlex.quote(newest.path)}",
        )
    return ok(f"installed: {everything}")


@check("nsight-compute-files", "ncu's own files")
def files(here: Machine) -> Answer:
    """Whether ncu finds its sections and rules: without them every run ends with exit code 1."""
    if here.ncu is None:
        return skip("there is no ncu to ask")
    said = _ncu(here.ncu, "--list-sets")
    if said is not None and "Failed to add" in said.text:
        line = next(line for line in said.text.splitlines() if "Failed to add" in line)
        fix = "install the whole of Nsight Compute (Debian: apt-get install nsight-compute), not its target part alone"
        return fail(f"{here.ncu.path}: {line.strip()}", fix)
    if said is None or said.exit_code != 0:
        return skip(f"{here.ncu.path} --list-sets does not answer")
    return ok(f"{here.ncu.path} lists its sets of sections")


@check("gpu-support", "GPU supported by ncu")
def supported(here: Machine) -> Answer:
    """Whether ncu can profile this chip: not before Volta, not one newer than ncu, and no mining card."""
    gpu = here.gpu
    if gpu is not None and re.search(r"\bCMP \d", gpu.name):
        fix = "use another GPU: NVIDIA does not let mining processors be profiled (ERR_NVCMPGPU)"
        return fail(f"{gpu.name} is a mining processor", fix)
    capability = re.fullmatch(r"(\d+)\.(\d+)", gpu.compute_capability) if gpu else None
    if capability is None:
        return skip("no compute capability to look at")
    if int(capability[1]) < 7:
        fix = "use a GPU of compute capability 7.0 (Volta) or newer"
        return fail(f"compute capability {capability[0]} is below 7.0", fix)
    if here.ncu is None:
        return skip("there is no ncu to ask")
    chip = gpus.chip_of(capability[0])
    said = _ncu(here.ncu, "--list-chips")
    known = re.findall(r"\b[a-z]{2}\d{2}[0-9a-z]\b", said.text) if said and said.exit_code == 0 else []
    if not chip or not known:
        return skip(f"no list of chips for compute capability {capability[0]}")
    if not any(one.startswith(chip[:4]) for one in known):
        names = ", ".join(known)
        return fail(f"{here.ncu.path} knows no {chip} (compute capability {capability[0]}); it knows {names}", NEWER)
    return ok(f"{chip}, compute capability {capability[0]}")


@check("connection", "connection to the program")
def connection(here: Machine) -> Answer:
    """Whether another tool sits in the program, where ncu loads its own library ("Failed to connect to process")."""
    found, fixes = [], []
    for variable in ("CUDA_INJECTION64_PATH", "NVTX_INJECTION64_PATH"):
        value = here.environment.get(variable, "")
        if value not in ("", "none"):
            found.append(f"{variable}={value}")
            fixes.append(f"unset {variable}")
    preloaded = [Path(p).name for p in re.split(r"[ :]+", here.environment.get("LD_PRELOAD", "")) if p]
    tools = [name for name in preloaded if _TOOL.search(name)]
    if tools:
        found.append(f"LD_PRELOAD loads {', '.join(tools)}")
        fixes.append("unset LD_PRELOAD")
    override = "NV_COMPUTE_PROFILER_LOCAL_CONNECTION_OVERRIDE"
    value = here.environment.get(override, "")
    if value and value not in CONNECTIONS:
        found.append(f"{override}={value} is none of {', '.join(CONNECTIONS)}")
        fixes.append(f"unset {override}")
    if found:
        return warn(f"{'; '.join(found)}: ncu may fail to connect to the program", "; ".join(fixes))
    return ok("no other tool is injected into CUDA programs")


def _ncu(ncu: machine.Ncu, word: str) -> machine.Output | None:
    """Ask ncu for a list, without the copy of its section files that it would leave in the home folder."""
    return ask("env", "NV_COMPUTE_PROFILER_DISABLE_STOCK_FILE_DEPLOYMENT=1", ncu.path, word)


def _not_executable() -> Iterator[Path]:
    """Files called ncu where ncu is looked for, that may not be run."""
    named = os.environ.get("NCUKIT_NCU", "")
    folders = [Path(folder) for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder]
    for pattern in machine.INSTALL_FOLDERS:
        folders += sorted(Path("/").glob(pattern.lstrip("/")))
    for path in (*([Path(named)] if named else []), *(folder / "ncu" for folder in folders)):
        if path.is_file() and not os.access(path, os.X_OK):
            yield path
