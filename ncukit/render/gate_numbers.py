"""The readings that dashboards draw: per kernel the medians of metrics that have a better direction."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ncukit.metrics import catalogue
from ncukit.render.gate_rows import identities, subject, unique

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.gate.answer import Judgement
    from ncukit.gate.readings import Entry, Reading
    from ncukit.metrics import Metric


def series(judgement: Judgement) -> list[tuple[str, Entry]]:
    """Each kernel under a name that stays the same from run to run: ``naive_instance_norm/normalize_kernel``.

    A name that repeats is told apart by its grid, and further as ``identities`` does. A recording has other names
    than a live run, so that no dashboard draws both on one line.
    """
    before = subject(judgement)
    names = unique({"case": f"{before}/{' '.join(one.values())}"} for one in identities(judgement.entries))
    return list(zip(names, judgement.entries, strict=True))


def directed_readings(entry: Entry) -> Iterator[tuple[Metric, Reading]]:
    """Its readings for which higher or lower is better, in the catalogue's order; time once, in us."""
    for metric in catalogue().values():
        reading = entry.readings.get(metric.name)
        twice = metric.name == "duration_ns" and "duration_us" in entry.readings
        if reading is not None and not twice and metric.better != "neither" and math.isfinite(reading.median):
            yield metric, reading


def spread(reading: Reading) -> tuple[float, float] | None:
    """Least and greatest of several launches; None for one launch, which has no spread."""
    finite = math.isfinite(reading.low) and math.isfinite(reading.high)
    return (reading.low, reading.high) if reading.count > 1 and finite else None
