"""One profiling session: run the plans in a staging folder, judge what came back, and move it into place whole."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ncukit import gpus
from ncukit.collect.place import check_place, check_places, put_in_place
from ncukit.collect.stage import About, read_back, write_stage
from ncukit.collect.target import slug
from ncukit.collect.turns import named, take_turns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncukit.collect.machine import GpuSeen
    from ncukit.collect.plan import Plan
    from ncukit.collect.process import Progress
    from ncukit.model import Report


def profile(
    plan: Plan,
    *,
    gpu: GpuSeen | None,
    output: Path | None,
    notes: tuple[str, ...] = (),
    recording: bool = False,
    on_progress: Progress | None = None,
) -> tuple[Path, Report]:
    """Measure and keep the result.

    Args:
        plan: what to measure.
        gpu: the GPU that will run it, as the driver names it; None when the driver was not asked.
        output: run directory to write; None for ``profiles/<gpu>/<target>``.
        notes: what was decided on the way, for the record.
        recording: mark the result as a recording to be shown in place of a live measurement.
        on_progress: called with the harness's events.

    Returns:
        The run directory and its report.

    Raises:
        NcukitError: the run failed, measured nothing, or what came back does not fit together. Nothing is written.
    """
    _load_reader()
    place = output or Path("profiles") / gpu_slug(gpu.name if gpu else "") / plan.target.name
    check_place(place)
    with tempfile.TemporaryDirectory(prefix="ncukit-") as work:
        (runs,) = take_turns((plan,), 1, (Path(work),), on_progress)
        stage = write_stage(Path(work), plan, runs, About(gpu=gpu, notes=notes, recording=recording))
        report = read_back(stage)
        if output is None and not gpu:
            place = Path("profiles") / gpu_slug(report.environment.gpu) / plan.target.name
            check_place(place)
        put_in_place({place: stage})
    return place, replace(report, path=str(place))


def in_turns(
    plans: Sequence[Plan],
    rounds: int,
    *,
    gpu: GpuSeen | None,
    outputs: Sequence[Path],
    notes: tuple[str, ...] = (),
    on_progress: Progress | None = None,
) -> tuple[tuple[Path, Report], ...]:
    """Measure several plans alternately (A B, B A, A B, …), so that a shared machine's drift meets all alike.

    Args:
        plans: what to measure.
        rounds: how often each is measured, by a process of its own each time.
        gpu: the GPU that will run them, as the driver names it; None when the driver was not asked.
        outputs: run directory to write, one a plan.
        notes: what was decided on the way, for the record of each.
        on_progress: called with the harness's events, and with the name of each turn.

    Returns:
        The run directory and its report, one a plan. The rows of all rounds stand in one report, whose ``repeat``
        counts the rounds too.

    Raises:
        NcukitError: as for :func:`profile`, with the target's name; or two outputs are the same folder. No run
            directory is written then.
    """
    _load_reader()
    check_places(outputs)
    with tempfile.TemporaryDirectory(prefix="ncukit-") as work:
        folders = [Path(work) / str(index) for index in range(len(plans))]
        for folder in folders:
            folder.mkdir()
        stages, reports = [], []
        for index, runs in enumerate(take_turns(plans, rounds, folders, on_progress)):
            turns = {"position": index, "of": len(plans), "rounds": rounds}
            with named(plans[index], plans):
                about = About(gpu=gpu, notes=notes, turns=turns)
                stages.append(write_stage(folders[index], plans[index], runs, about))
                reports.append(read_back(stages[-1]))
        put_in_place(dict(zip(outputs, stages, strict=True)))
    return tuple((place, replace(report, path=str(place))) for place, report in zip(outputs, reports, strict=True))


def gpu_slug(name: str) -> str:
    """Folder name of a GPU: its model in the spec table (``h200``), else its name."""
    known = gpus.find(name)
    return slug(known.name if known else name[:80] or "unknown-gpu").replace("nvidia_", "")


def _load_reader() -> None:
    """Load pandas while ncu runs."""
    threading.Thread(target=import_module, args=("ncukit.read",), daemon=True).start()
