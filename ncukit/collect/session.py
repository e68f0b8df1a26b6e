"""One profiling session: run the plan in a staging folder, judge what came back, and move it into place whole."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ncukit import __version__, gpus
from ncukit.collect import failures, launches
from ncukit.collect.command import METRICS, PROGRESS, RECORD, environment, ncu_command, neutral
from ncukit.collect.process import Progress, run
from ncukit.collect.target import slug
from ncukit.errors import Exit, NcukitError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ncukit.collect.machine import GpuSeen
    from ncukit.collect.plan import Plan
    from ncukit.model import Report

SCHEMA_VERSION = 1


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
    threading.Thread(target=import_module, args=("ncukit.read",), daemon=True).start()  # pandas loads while ncu runs
    place = output or Path("profiles") / gpu_slug(gpu.name if gpu else "") / plan.target.name
    check_place(place)
    with tempfile.TemporaryDirectory(prefix="ncukit-") as work:
        stage = Path(work) / "run"
        stage.mkdir()
        wall_s, commands = _measure(plan, stage, Path(work), on_progress)
        _write_launches(plan, stage)
        _write_run(plan, stage, gpu, commands, wall_s, notes, recording)
        report = _read_back(stage)
        if output is None and not gpu:
            place = Path("profiles") / gpu_slug(report.environment.gpu) / plan.target.name
            check_place(place)
        _move(stage, place)
    return place, replace(report, path=str(place))


def gpu_slug(name: str) -> str:
    """Folder name of a GPU: its model in the spec table (``h200``), else its name."""
    known = gpus.find(name)
    return slug(known.name if known else name or "unknown-gpu").replace("nvidia_", "")


def check_place(place: Path) -> None:
    """Refuse to replace anything that is not a run directory.

    Raises:
        NcukitError: ``place`` exists and holds something else.
    """
    if place.exists() and not (place / "run.json").is_file() and (not place.is_dir() or any(place.iterdir())):
        raise NcukitError(
            f"{place} exists and is not a run directory of ncukit",
            causes=("-o names a folder with other files, or a file",),
            next_command=f"choose a new folder: -o {place}-run",
        )


def _measure(plan: Plan, stage: Path, work: Path, on_progress: Progress | None) -> tuple[float, list[list[str]]]:
    """Run ncu once, or ``repeat`` times for a program whose repetition is not ours to arrange."""
    times = 1 if plan.target.kind == "kernel" else plan.repeat
    wall_s, commands, logs = 0.0, [], []
    for number in range(times):
        suffix = f".{number}" if times > 1 else ""
        argv = ncu_command(plan, str(work), suffix)
        done = run(
            argv,
            env=environment(),
            folder=work,
            timeout_s=plan.timeout_s,
            progress_file=work / f"{PROGRESS}{suffix}",
            on_progress=on_progress,
        )
        wall_s += done.wall_s
        commands.append(neutral(argv, str(work)))
        log_file = work / f"{METRICS}{suffix}"
        log = log_file.read_text(encoding="utf-8", errors="replace") if log_file.exists() else ""
        record = launches.load_record(work / f"{RECORD}{suffix}") if plan.harnessed else {}
        if "error" in record:
            raise failures.from_record(record["error"], plan.target.argv[0])
        error = failures.explain(log or done.stdout, done.stdout, done.stderr, done.exit_code)
        if error is not None:
            raise error
        if plan.target.kind == "kernel" and not record:
            raise NcukitError(
                "the program ended before its launches were recorded",
                causes=("the file or a library in it ends the process by itself (os._exit, a crash at exit)",),
                next_command=f"python {plan.target.argv[0]}   (without ncu)",
                exit_code=Exit.ENVIRONMENT,
            )
        logs.append(log_file)
    with (stage / METRICS).open("wb") as joined:
        for log_file in logs:
            with log_file.open("rb") as part:
                shutil.copyfileobj(part, joined)
    return wall_s, commands


def _write_launches(plan: Plan, stage: Path) -> None:
    if not plan.harnessed:
        return
    records = [launches.load_record(path) for path in sorted(stage.parent.glob(f"{RECORD}*"))]
    if not records:
        return
    content = launches.to_launches(records, plan.target.argv[0])
    (stage / "launches.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _write_run(
    plan: Plan,
    stage: Path,
    gpu: GpuSeen | None,
    commands: list[list[str]],
    wall_s: float,
    notes: tuple[str, ...],
    recording: bool,
) -> None:
    versions: Mapping[str, Any] = {}
    if (stage / "launches.json").exists():
        versions = json.loads((stage / "launches.json").read_text(encoding="utf-8"))["versions"]
    elif plan.harnessed:
        notes = (*notes, "the script ended before its launches were recorded: ncu's rows stand alone")
    content = {
        "schema_version": SCHEMA_VERSION,
        "ncukit_version": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "target": plan.target.text,
        "kind": plan.target.kind,
        "sizes": dict(plan.target.sizes),
        "command": commands[0],
        "runs": len(commands),
        "wall_s": round(wall_s, 3),
        "environment": {
            "gpu": gpu.name if gpu else "",
            "compute_capability": gpu.compute_capability if gpu else "",
            "driver_version": gpu.driver_version if gpu else "",
            "ncu_version": ".".join(map(str, plan.ncu_version[:3])),
            "triton_version": versions.get("triton", ""),
            "torch_version": versions.get("torch", ""),
            "python_version": versions.get("python", ""),
            "clock_control": plan.clock_control,
            "cache_control": plan.cache_control,
            "recorded": recording,
        },
        "requested": {
            "preset": plan.preset,
            "metrics": list(plan.request.names),
            "kernel": plan.kernel,
            "launches": plan.launches,
            "repeat": plan.repeat,
        },
        "notes": list(notes),
    }
    (stage / "run.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _read_back(stage: Path) -> Report:
    """Read the staged run as everybody will, so that a result that cannot be read is never put in place."""
    from ncukit.read import read

    try:
        report: Report = read(stage)
    except NcukitError as error:
        # the staging folder is gone when the user reads this
        error.message = error.message.replace(f"{stage}/metrics.csv", "ncu's output").replace(f"{stage}/", "")
        raise
    if report.incomplete:
        raise NcukitError(
            "ncu's output ends in the middle of a row",
            causes=("ncu was killed, or the disk is full",),
            next_command="df -h .; then the same command again",
            exit_code=Exit.ENVIRONMENT,
        )
    return report


def _move(stage: Path, place: Path) -> None:
    """Put the stage where it belongs; an older run stays until the new one is complete beside it."""
    beside = place.with_name(f".{place.name}.new")
    old = place.with_name(f".{place.name}.old")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        for leftover in (beside, old):
            if leftover.exists():
                shutil.rmtree(leftover)
        shutil.copytree(stage, beside)
        if place.exists():
            place.rename(old)
        beside.rename(place)
        if old.exists():
            shutil.rmtree(old)
    except OSError as error:
        raise NcukitError(
            f"cannot write {place}: {error.strerror}",
            causes=("the folder is read-only or the disk is full",),
            next_command="choose another folder with -o",
        ) from error
