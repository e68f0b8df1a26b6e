"""A run directory before it is put in place: written from what ncu and the harness left, and read back."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from ncukit import __version__
from ncukit.collect import launches
from ncukit.collect.command import METRICS
from ncukit.errors import Exit, NcukitError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ncukit.collect.machine import GpuSeen
    from ncukit.collect.plan import Plan
    from ncukit.collect.turns import Measured
    from ncukit.model import Report

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What ``run.json`` says beside the plan and its runs."""

    gpu: GpuSeen | None
    """The GPU as the driver names it; None when the driver was not asked."""
    notes: tuple[str, ...] = ()
    """What was decided on the way."""
    recording: bool = False
    """Whether the result is to be shown in place of a live measurement."""
    turns: Mapping[str, int] = field(default_factory=dict)
    """``position``, ``of`` and ``rounds`` of a plan that was measured in turns with others."""


def write_stage(folder: Path, plan: Plan, runs: Sequence[Measured], about: About) -> Path:
    """Write the run directory of one plan's runs, beside their output.

    Raises:
        NcukitError: the output of a run is cut off, and that of another follows.
    """
    stage = folder / "run"
    stage.mkdir()
    _join_tables(runs, stage / METRICS)
    records = [one.record for one in runs if one.record]
    if records:
        _write(stage / "launches.json", launches.to_launches(records, plan.target.argv[0]))
    _write(stage / "run.json", _run(plan, runs, records, about))
    return stage


def read_back(stage: Path) -> Report:
    """Read the staged run as everybody will, so that a result that cannot be read is never put in place.

    Raises:
        NcukitError: it cannot be read, or is cut off.
    """
    from ncukit.read import read

    try:
        report: Report = read(stage)
    except NcukitError as error:
        # the staging folder is gone when the user reads this
        error.message = error.message.replace(f"{stage}/{METRICS}", "ncu's output").replace(f"{stage}/", "")
        raise
    if report.incomplete:
        raise _cut_off()
    return report


def _join_tables(runs: Sequence[Measured], path: Path) -> None:
    """One table below the other. A row that is cut off before the next table would be taken for a damaged one."""
    with path.open("wb") as joined:
        for number, one in enumerate(runs, start=1):
            with one.log.open("rb") as log:
                shutil.copyfileobj(log, joined)
                if number < len(runs) and not _ends_a_line(log):
                    raise _cut_off()


def _ends_a_line(log: BinaryIO) -> bool:
    if not log.seek(0, os.SEEK_END):
        return True
    log.seek(-1, os.SEEK_END)
    return log.read() == b"\n"


def _cut_off() -> NcukitError:
    return NcukitError(
        "ncu's output ends in the middle of a row",
        causes=("ncu was killed, or the disk is full",),
        next_command="df -h .; then the same command again",
        exit_code=Exit.ENVIRONMENT,
    )


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _run(plan: Plan, runs: Sequence[Measured], records: Sequence[Mapping[str, Any]], about: About) -> dict[str, Any]:
    """``run.json``."""
    gpu, notes = about.gpu, list(about.notes)
    versions = records[0].get("versions", {}) if records else {}
    if plan.harnessed and not records:
        notes.append("the script ended before its launches were recorded: ncu's rows stand alone")
    content: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "ncukit_version": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "target": plan.target.text,
        "kind": plan.target.kind,
        "sizes": dict(plan.target.sizes),
        "code": plan.target.code,
        "command": runs[0].command,
        "runs": len(runs),
        "wall_s": round(sum(one.wall_s for one in runs), 3),
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
            "recorded": about.recording,
        },
        "requested": {
            "preset": plan.preset,
            "metrics": list(plan.request.names),
            "kernel": plan.kernel,
            "launches": plan.launches,
            "repeat": plan.repeat * about.turns.get("rounds", 1),
        },
        "notes": notes,
    }
    if about.turns:
        content["turns"] = dict(about.turns)
    if plan.target.kind == "kernel":
        said = records[0].get("problem", {}) if records else {}
        content["problem"] = {**said, "reference": plan.target.reference}
    return content
