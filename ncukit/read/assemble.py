"""From what a dialect read to a Report: short names, missing readings, failed launches, derived metrics."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ncukit import gpus, metrics
from ncukit.model import Environment, Opinion, Report, TritonLaunch
from ncukit.read import derive

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ncukit.read.chatter import Chatter
    from ncukit.read.numbers import FloatArray

FAILED_GRID = "(0, 0, 0)"
"""What ncu 2025.3.1 prints as grid of a launch that failed with LaunchFailed: it has a row all the same."""

NUMBERS = ("device", "process")
"""Identification columns that are int64; the others are categorical texts."""

NO_VALUE = "ncu returned n/a for every launch"
_UNRECORDED = {
    "compulsory_bytes": "what the kernels load and store could not be followed",
    "spills": "the compiler's count was not recorded for any launch",
}
"""Why no launch has a value of what comes from the harness."""
_MISSING_SHOWN = 4


@dataclass(slots=True, kw_only=True)
class Draft:
    """What a dialect read, one entry a launch everywhere."""

    identity: dict[str, Any]
    """kernel, grid, block, stream: categorical; device, process: int64 arrays."""
    readings: dict[str, FloatArray]
    """By ncu's name or by short name: values in ncu's base units, NaN where there is none."""
    environment: Environment = field(default_factory=Environment)
    notes: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    incomplete: bool = False
    """Whether rows are known to be lost at the end: cut off, or launches that failed."""
    opinions: list[tuple[Opinion, ...]] = field(default_factory=list)
    """What NVIDIA's rules say, one entry a launch, or nothing at all."""

    def __len__(self) -> int:
        return len(self.identity["kernel"])


def labels(values: Sequence[str]) -> Any:
    """Identification texts as a categorical: few distinct values, many rows."""
    return pd.Categorical(list(values), categories=list(dict.fromkeys(values)))


def whole(values: Sequence[str]) -> npt.NDArray[np.int64]:
    """Identification numbers as int64; 0 where the cell is no number."""
    return np.array([int(v) if v.isdecimal() and len(v) < 19 else 0 for v in values], dtype=np.int64)


def identity(cells: Mapping[str, Sequence[str]], rows: int) -> dict[str, Any]:
    """Identification columns from texts; a column that is not there is empty, or 0."""
    found = {name: nothing(name, rows) for name in ("kernel", "grid", "block", "device", "stream", "process")}
    for name, values in cells.items():
        found[name] = whole(values) if name in NUMBERS else labels(values)
    return found


def nothing(name: str, rows: int) -> Any:
    """An identification column that the source does not have."""
    codes = np.zeros(rows, dtype=np.int8)
    return codes.astype(np.int64) if name in NUMBERS else pd.Categorical.from_codes(codes, categories=pd.Index([""]))


def drop_failed(draft: Draft, path: str, chatter: Chatter) -> None:
    """Remove launches that failed.

    Raises:
        NcukitError: none is left.
    """
    grid = draft.identity["grid"]
    kept = np.asarray(grid != FAILED_GRID) & np.asarray(draft.identity["block"] != FAILED_GRID)
    failed = len(kept) - int(np.count_nonzero(kept))
    if failed == len(kept):
        why = "the launch itself failed: ncu reports it with grid (0, 0, 0)" if failed else ""
        raise chatter.nothing_measured(path, why=why)
    if failed:
        draft.identity = {name: values[kept] for name, values in draft.identity.items()}
        for name in ("kernel", "grid", "block", "stream"):
            draft.identity[name] = draft.identity[name].remove_unused_categories()
        draft.readings = {name: values[kept] for name, values in draft.readings.items()}
        draft.opinions = [said for said, keep in zip(draft.opinions, kept, strict=False) if keep]
        draft.notes.append(f"{failed} launch(es) failed and are left out (ncu reports them with grid (0, 0, 0))")
        draft.incomplete = True


def carry_over(draft: Draft, chatter: Chatter) -> None:
    """Take over what ncu said beside the table."""
    draft.environment = replace(draft.environment, clock_control=chatter.clock_control)
    draft.notes += [f"ncu: {error}" for error in dict.fromkeys(chatter.errors())]
    for name in chatter.refused:
        draft.missing.setdefault(name, "ncu was unable to access it")


def finish(
    draft: Draft,
    *,
    path: str,
    kind: str,
    gpu: str | None,
    launches: tuple[TritonLaunch | None, ...] = (),
    target: str = "",
    repeat: int = 1,
) -> Report:
    """The Report of a draft.

    Args:
        draft: what was read; its failed launches are gone.
        path: the report as the user named it.
        kind: the dialect, see ``Report.kind``.
        gpu: the GPU to assume when the report does not name one.
        launches: what the harness recorded, one entry a row, or nothing.
        target: what was profiled.
        repeat: how often the same work was measured.

    Raises:
        NcukitError: ``gpu`` is not in the spec table.
    """
    environment = _environment(draft, gpu)
    columns = _short_names(draft)
    if launches:
        columns["compulsory_bytes"] = derive.compulsory_bytes(launches)
        columns["spills"] = derive.spills(launches)
    undefined = derive.derive(columns, environment)
    empty = [name for name, values in columns.items() if np.isnan(values).all()]
    for name in empty:
        del columns[name]
        draft.missing.setdefault(name, undefined.get(name) or _why_empty(name, empty))
    catalogued = [name for name in metrics.catalogue() if name in columns]
    columns = {name: columns[name] for name in (*catalogued, *(n for n in columns if n not in metrics.catalogue()))}
    gaps = {name: count for name, values in columns.items() if (count := int(np.isnan(values).sum()))}
    notes = [
        *draft.notes,
        *_gap_notes({name: n for name, n in gaps.items() if name not in undefined}, len(draft)),
    ]
    return Report(
        frame=pd.DataFrame({**draft.identity, **columns}),
        environment=environment,
        path=path,
        kind=kind,
        missing={name: reason for name, reason in draft.missing.items() if name not in columns},
        notes=tuple(dict.fromkeys(notes)),
        launches=launches,
        target=target,
        repeat=repeat,
        incomplete=draft.incomplete,
        opinions=tuple(draft.opinions) if any(draft.opinions) else (),
    )


def _why_empty(name: str, empty: list[str]) -> str:
    """Why no launch has a value of ``name``."""
    if name in _UNRECORDED:
        return _UNRECORDED[name]
    metric = metrics.catalogue().get(name)
    lacking = [part for part in metrics.formula_inputs(metric.formula) if part in empty] if metric else []
    return f"computed from {' and '.join(lacking)}, which no launch has" if lacking else NO_VALUE


def _short_names(draft: Draft) -> dict[str, FloatArray]:
    """Readings under their short names in the catalogue's order, then the others under ncu's names.

    Where several names carry one reading, the first of the catalogue's that has a value wins.
    """
    rest = dict(draft.readings)
    columns: dict[str, FloatArray] = {}
    for metric in metrics.catalogue().values():
        names = [n for n in dict.fromkeys((metric.name, *metric.ncu, *metric.chips.values())) if n in rest]
        readings = {name: rest.pop(name) for name in names}
        found = next((n for n in names if not np.isnan(readings[n]).all()), names[0] if names else None)
        if found is not None:
            scale = 1.0 if found == metric.name else metric.ncu_scale
            columns[metric.name] = readings[found] if scale == 1.0 else readings[found] * scale
    # An identification column cannot be shadowed by a reading of the same name.
    columns.update((name, values) for name, values in rest.items() if name not in draft.identity)
    return columns


def _environment(draft: Draft, gpu: str | None) -> Environment:
    environment = draft.environment
    if gpu is not None:
        spec = gpus.get(gpu)
        if not environment.gpu:
            environment = replace(
                environment,
                gpu=spec.name,
                compute_capability=environment.compute_capability or spec.compute_capability,
                sm_count=environment.sm_count or spec.sm_count,
            )
        elif gpus.find(environment.gpu) is not spec:
            draft.notes.append(f"the report names its GPU, {environment.gpu}: '{gpu}' is not used")
    if environment.sm_count is None and "launch__sm_count" in draft.readings:
        counted = draft.readings["launch__sm_count"]
        if not np.isnan(counted).all():
            environment = replace(environment, sm_count=int(np.nanmax(counted)))
    return environment


def _gap_notes(gaps: Mapping[str, int], rows: int) -> list[str]:
    """One note for all metrics that some launches lack."""
    if not gaps:
        return []
    shown = [f"{name} ({count})" for name, count in list(gaps.items())[:_MISSING_SHOWN]]
    more = f" and {len(gaps) - len(shown)} more" if len(gaps) > len(shown) else ""
    return [f"no value in some of the {rows} launches: {', '.join(shown)}{more}"]
