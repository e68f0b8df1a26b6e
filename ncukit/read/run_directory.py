"""A run directory, as ``ncukit profile`` writes it: ``metrics.csv``, ``launches.json``, ``run.json``."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ncukit import metrics
from ncukit.errors import NcukitError
from ncukit.read import columns, jsonfile
from ncukit.read.assemble import Draft, finish
from ncukit.read.join import join
from ncukit.read.launches import Recording, read_launches
from ncukit.read.sniff import read_table

if TYPE_CHECKING:
    from pathlib import Path

    from ncukit.model import Dim3, Environment, Report, TritonLaunch

METRICS, LAUNCHES, RUN = "metrics.csv", "launches.json", "run.json"

_DIM3 = re.compile(r"\((\d{1,10}), (\d{1,10}), (\d{1,10})\)", re.ASCII)
_TEXTS = ("gpu", "compute_capability", "ncu_version", "driver_version", "triton_version", "torch_version")
_CONTROLS = ("clock_control", "cache_control")
NOT_RETURNED = "asked for, not in ncu's output"
NOT_READ = f"no reading of a launch: look it up in {METRICS}"


def read_run_directory(path: Path, *, name: str, gpu: str | None) -> Report:
    """Read a run directory.

    Args:
        path: the directory.
        name: what the user called it.
        gpu: the GPU to assume when the run does not name one.

    Raises:
        NcukitError: a file of it is missing or malformed, or the launches do not match.
    """
    for part in (RUN, METRICS):
        if not (path / part).is_file():
            raise NcukitError(
                f"{name} is no run directory: it has no {part}",
                causes=("it holds run directories; name one of them", "the profiling run was interrupted"),
                next_command=f"ls {name}",
            )
    run = _Run(path / RUN, f"{name}/{RUN}")
    draft, _ = read_table(path / METRICS, name=f"{name}/{METRICS}")
    recording = None
    if (path / LAUNCHES).exists():
        recording = read_launches(path / LAUNCHES, name=f"{name}/{LAUNCHES}")
    draft.environment = run.environment(draft.environment, recording)
    draft.notes[:0] = run.notes
    report = finish(
        draft,
        path=name,
        kind="run-directory",
        gpu=gpu,
        launches=() if recording is None else _joined(draft, recording, run),
        target=run.target,
        repeat=run.repeat,
    )
    missing = {**run.unanswered(report), **report.missing, **run.missing_of(report)}
    return replace(report, missing=missing, problem=run.problem, code=run.code)


def is_recording(table: Path) -> bool:
    """Whether a table is the one of a recorded run directory: read alone it is a recording all the same."""
    try:
        document = jsonfile.load(table.with_name("run.json"), "run.json") if table.name == "metrics.csv" else {}
    except NcukitError:
        return False
    said = document.get("environment") if isinstance(document, dict) else None
    return isinstance(said, dict) and said.get("recorded") is True


def _joined(draft: Draft, recording: Recording, run: _Run) -> tuple[TritonLaunch | None, ...]:
    """Join process by process: children of the program launch kernels too, and were not recorded."""
    kernels = [str(kernel) for kernel in draft.identity["kernel"]]
    grids = [_dim3(grid) for grid in draft.identity["grid"]]
    blocks = [_dim3(block) for block in draft.identity["block"]]
    owners = [int(process) for process in draft.identity["process"]]
    joined: list[TritonLaunch | None] = [None] * len(kernels)
    for process in dict.fromkeys(recording.processes):
        mine = [p == process and x.kernel not in recording.unjoinable for p, x in _pairs(recording)]
        rows = [
            row
            for row, owner in enumerate(owners)
            if (process is None or owner == process) and kernels[row] not in recording.unjoinable
        ]
        launches = join(
            [kernels[row] for row in rows],
            [grids[row] for row in rows],
            [blocks[row] for row in rows],
            [x for x, keep in zip(recording.launches, mine, strict=True) if keep],
            prefix=run.stopped_early or draft.incomplete,
            filtered=run.filtered,
        )
        for row, launch in zip(rows, launches, strict=True):
            joined[row] = launch
    return tuple(joined)


def _pairs(recording: Recording) -> list[tuple[int | None, TritonLaunch]]:
    return list(zip(recording.processes, recording.launches, strict=True))


def _dim3(text: str) -> Dim3:
    found = _DIM3.fullmatch(text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else (0, 0, 0)


class _Run:
    """A checked ``run.json``."""

    def __init__(self, path: Path, name: str) -> None:
        document = jsonfile.versioned(jsonfile.load(path, name), name)
        self._name = name
        self._environment = self._take(document, "environment", dict)
        requested = self._take(document, "requested", dict)
        self._requested = self._strings(requested, "metrics")
        self._missing = {str(k): str(v) for k, v in self._take(document, "missing", dict).items()}
        self.notes = self._strings(document, "notes")
        self.target: str = self._take(document, "target", str)
        command = self._strings(document, "command")
        # collect passes the long option; a target's own "-c" (python -c) is not mistaken for it.
        repeat = requested.get("repeat")
        self.repeat = repeat if isinstance(repeat, int) and repeat > 0 else 1
        self.filtered = requested.get("kernel") is not None
        self.stopped_early = any(word.split("=")[0] == "--launch-count" for word in command)
        self.problem = self._problem(document)
        self.code: str = self._take(document, "code", str)

    def _take(self, document: dict[str, Any], key: str, kind: type) -> Any:
        value = document.get(key)
        if value is None:
            return kind()
        if not isinstance(value, kind):
            raise jsonfile.malformed(self._name, f"{key} is no {kind.__name__}")
        return value

    def _strings(self, document: dict[str, Any], key: str) -> list[str]:
        values = self._take(document, key, list)
        if not all(isinstance(value, str) for value in values):
            raise jsonfile.malformed(self._name, f"{key} holds something other than text")
        return list(values)

    def _problem(self, document: dict[str, Any]) -> dict[str, str]:
        """See ``Report.problem``."""
        said = self._take(document, "problem", dict)
        sizes = self._take(document, "sizes", dict)
        if not all(isinstance(value, str) for value in sizes.values()):
            raise jsonfile.malformed(self._name, "sizes holds something other than text")
        found = {"sizes": ", ".join(f"{name}={value}" for name, value in sizes.items())} if sizes else {}
        for key in ("inputs", "init"):
            if said.get(key) is not None:  # an empty list says that there are none
                found[key] = "; ".join(self._strings(said, key))
        reference = self._take(said, "reference", str)
        return {**found, "reference": reference} if reference else found

    def environment(self, measured: Environment, recording: Recording | None) -> Environment:
        """What run.json says, and where it is silent what the table and the harness say."""
        versions = recording.versions if recording else {}
        said: dict[str, Any] = {key: str(self._environment.get(key) or "") for key in (*_TEXTS, *_CONTROLS)}
        said["triton_version"] = said["triton_version"] or versions.get("triton", "")
        said["torch_version"] = said["torch_version"] or versions.get("torch", "")
        count = self._environment.get("sm_count")
        whole = isinstance(count, int) and not isinstance(count, bool) and count > 0
        return replace(
            measured,
            **{key: value for key, value in said.items() if value},
            sm_count=count if whole else measured.sm_count,
            recorded=self._environment.get("recorded") is True,
        )

    def missing_of(self, report: Report) -> dict[str, str]:
        """The reasons that run.json gives for metrics that are indeed not there."""
        return {name: reason for name, reason in self._missing.items() if name not in report.frame.columns}

    def unanswered(self, report: Report) -> dict[str, str]:
        """Metrics that were asked for and that are not there, by short name."""
        found = set(report.frame.columns)
        missing = {}
        for name in self._requested:
            # A bare counter name comes back as .sum, .avg, .max and .min; "group:x" as whatever is in it.
            names = [name, *(f"{name}.{rollup}" for rollup in ("sum", "avg", "max", "min"))]
            shorts = [metrics.by_ncu_name().get(n, n) for n in names]
            if ":" not in name and not found.intersection(shorts):
                missing[shorts[0]] = NOT_RETURNED if columns.wanted(name) else NOT_READ
        return missing
