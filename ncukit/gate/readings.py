"""A report's kernels as the gate reads them: one entry a kernel, and of each metric the spread over its launches."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ncukit.diagnose.facts import LARGEST
from ncukit.metrics import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from ncukit.model import Report, TritonLaunch

    Tensor = tuple[str, str, int]
    """Name, element type and bytes."""

KEY = ("kernel", "grid", "block", "constexprs", "tensors")
POSITIVE = ("duration_ns", "duration_us", "sm_elapsed_cycles")
"""Readings that cannot be zero."""
TINY = 5e-324
TELLING = 0.01
"""Share of a launch's bytes from which a tensor's size makes it other work (as in ``diagnose``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One metric over the launches of one kernel: five numbers in its unit, and how many values are behind them."""

    count: int
    low: float
    q1: float
    median: float
    q3: float
    high: float

    def scaled(self, factor: float) -> Reading:
        """The reading of ``factor`` such launches together."""
        return Reading(
            count=self.count,
            low=factor * self.low,
            q1=factor * self.q1,
            median=factor * self.median,
            q3=factor * self.q3,
            high=factor * self.high,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One kernel: launches of equal name, grid, block, constexprs and tensors."""

    kernel: str
    grid: str = ""
    block: str = ""
    constexprs: str = ""
    """``BLOCK=1024, VEC=4``; empty when no harness recorded the launch."""
    tensors: str = ""
    """``x_ptr float32 7516192768 B``: the tensors that make up most of its bytes; empty when not recorded."""
    buffers: tuple[int, ...] = ()
    """Which memory these tensors are, by numbers that hold within one run: kernels that share one share data."""
    launches: int
    per_run: float = 1.0
    """Launches in one run of the work: a repeated measurement counts once."""
    readings: Mapping[str, Reading] = field(default_factory=dict)
    """Metric → reading. A metric without any value is not there."""
    causes: tuple[str, ...] | None = None
    """Causes of the tuning findings about it; None when no diagnosis was made."""
    limits: tuple[str, ...] = ()
    """Limits that the diagnosis says it has reached: ``dram-roof``."""
    unlooked: tuple[str, ...] = ()
    """Causes that the diagnosis could not look for, since it lacked readings."""
    path: str = ""
    line: int | None = None

    def median(self, metric: str) -> float | None:
        """The median of a metric; None when it has no value."""
        reading = self.readings.get(metric)
        return None if reading is None else reading.median

    @property
    def time_us(self) -> float | None:
        """GPU time of its launches in one run of the work."""
        median = self.median("duration_us")
        return None if median is None else median * self.per_run


def directed() -> tuple[str, ...]:
    """The metrics of the catalogue for which higher or lower is better: what can become better or worse."""
    return tuple(metric.name for metric in catalogue().values() if metric.better != "neither")


def entries(report: Report, metrics: Iterable[str]) -> tuple[Entry, ...]:
    """The kernels of a report in the order of their first launch, with the readings of ``metrics``."""
    frame = _keyed(report, metrics)
    names = [name for name in frame.columns if name not in KEY]
    grouped = frame.groupby(list(KEY), sort=False, observed=True, dropna=False)
    launched = grouped.size()
    # only a run directory says how often the work ran; elsewhere what all kernels' launches have in common tells
    runs = report.repeat if report.kind == "run-directory" else math.gcd(*map(int, launched))
    firsts = [int(min(grouped.indices[key])) for key in launched.index]
    readings = {name: _readings(grouped[name]) for name in names}
    found = []
    for place, (key, launches) in enumerate(launched.items()):
        launch = report.launches[firsts[place]] if len(report.launches) == len(frame) else None
        kernel, grid, block, constexprs, tensors = map(str, _parts(key))
        entry = Entry(
            kernel=kernel,
            grid=grid,
            block=block,
            constexprs=constexprs,
            tensors=tensors,
            buffers=_buffers(launch),
            launches=int(launches),
            per_run=int(launches) / max(runs, 1),
            readings={name: reading for name in names if (reading := readings[name][place]) is not None},
            path=(launch.file or "") if launch is not None else "",
            line=launch.line if launch is not None else None,
        )
        found.append((firsts[place], entry))
    return tuple(entry for _, entry in sorted(found, key=lambda pair: pair[0]))


def _parts(key: object) -> tuple[object, ...]:
    return key if isinstance(key, tuple) else (key,)


def _readings(column: Any) -> list[Reading | None]:
    """Of each group: five numbers, or None when it has no value."""
    quartiles = [column.quantile(share) for share in (0.25, 0.5, 0.75)]
    rows = zip(column.count(), column.min(), *quartiles, column.max(), strict=True)
    return [
        Reading(count=int(count), low=float(low), q1=float(q1), median=float(median), q3=float(q3), high=float(high))
        if count
        else None
        for count, low, q1, median, q3, high in rows
    ]


def _keyed(report: Report, metrics: Iterable[str]) -> pd.DataFrame:
    """The columns that matter, with constexprs and tensors beside the other parts of the key."""
    present = [name for name in dict.fromkeys((*KEY[:3], *metrics)) if name in report.frame.columns]
    frame = report.frame[present].copy(deep=False)
    for name in present:
        if name not in KEY:  # what cannot be a reading is missing: damaged files hold infinities and negative times
            least = TINY if name in POSITIVE else 0.0
            frame[name] = frame[name].where(frame[name].between(least, LARGEST))
    launches = report.launches if len(report.launches) == len(frame) else (None,) * len(frame)
    # many launches share one compiled kernel and its tensors: say each once
    words: dict[object, str] = {}
    constexprs = [words.setdefault(key, _constexprs(key)) for key in map(_constexpr_items, launches)]
    tensors = [words.setdefault(key, _tensors(key)) for key in map(_tensor_items, launches)]
    absent = {name: "" for name in KEY[:3] if name not in frame.columns}
    return frame.assign(**absent, constexprs=constexprs, tensors=tensors)


def _constexpr_items(launch: TritonLaunch | None) -> tuple[tuple[str, object], ...]:
    # Triton keeps them in a set's order, which is another one in every process
    return tuple(sorted(launch.constexprs.items())) if launch is not None else ()


def _constexprs(items: tuple[tuple[str, object], ...]) -> str:
    return ", ".join(f"{name}={value}" for name, value in items)


def _tensor_items(launch: TritonLaunch | None) -> tuple[Tensor, ...]:
    """The tensors whose sizes set a launch apart: a slice of a few values that moves along is no other work."""
    tensors = launch.tensors if launch is not None else ()
    total = sum(tensor.bytes for tensor in tensors)
    return tuple((t.name, t.dtype, t.bytes) for t in tensors if t.bytes >= TELLING * total)


def _buffers(launch: TritonLaunch | None) -> tuple[int, ...]:
    telling = {name for name, _, _ in _tensor_items(launch)}
    return tuple(sorted({t.buffer for t in (launch.tensors if launch is not None else ()) if t.name in telling}))


def _tensors(items: tuple[Tensor, ...]) -> str:
    return ", ".join(f"{name} {dtype} {size} B" for name, dtype, size in items)
