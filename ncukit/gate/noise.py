"""How much two measurements of the same thing differ, and whether a change is larger than that.

The numbers are from 12 runs of 5 launches each on one NVIDIA H200 (ncu 2025.3.1, Triton 3.6.0, clocks free; four
kernels, three runs of each, ``tests/golden/repeats`` has four of them; ``tests/bench/noise.py`` prints the table).
Over the 15 launches of a kernel, durations spread by up to 0.8 %, shares of a peak by up to 1.8 %, DRAM bytes by
0.2 %, instruction counts by 0.004 %. A launch of 2 us spreads by 11 %: the clock ticks every 32 ns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ncukit.metrics import catalogue

if TYPE_CHECKING:
    from ncukit.gate.readings import Reading

SINGLE = 0.02
"""With one or two launches a side there is no spread to look at: changes up to this share are noise (see above)."""
GAP = 0.005
"""With repeated launches: the least clear space between two intervals, as a share of the first median. The same half
a percent as in nvbench's comparison, above what any pair of the runs above shows (0.1 %)."""
REPEATS = 3
"""Launches a side from which their own spread is used."""
MANY = 5
"""Launches a side from which the middle half alone may tell two ranges apart."""
LEAST = {"ns": 250.0, "us": 0.25, "%": 0.5}
"""By unit: changes below this are noise whatever their share: eight ticks of the timer, half a point."""
LEAST_OF = {
    **dict.fromkeys(("dram_bytes", "dram_read_bytes", "dram_write_bytes"), float(2**20)),
    **dict.fromkeys(("l2_sectors", "l2_read_sectors", "l2_read_hit_sectors", "l2_write_sectors"), 2.0**15),
    **dict.fromkeys(("shared_load_conflicts", "shared_store_conflicts"), 1000.0),
    "sm_elapsed_cycles": 500.0,
}
"""By metric, for totals that vary by themselves: 1 MiB that ncu's own bookkeeping and the write-back of L2 move, the
same in sectors, a thousand bank conflicts (some hundred showed half as many again), 500 cycles of start."""
EXACT = ("register/thread", "word/thread", "byte/block")
"""Units of what the compiler decided: it has no noise."""


class Word(StrEnum):
    """What became of a reading."""

    SAME = "same"
    BETTER = "better"
    WORSE = "worse"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One reading against another."""

    word: Word
    code: str
    """``equal``, ``within-noise``, ``within-single-noise``, ``clear``, ``clear-single``, ``intervals-overlap``,
    ``no-direction``; after other readings were asked also ``fewer-bytes``, ``less-work``, ``more-work``,
    ``clock-moved``."""
    moved: float
    """Second median less the first, in the metric's unit."""
    reason: str = ""

    @property
    def clear(self) -> bool:
        """Whether it moved by more than the noise."""
        return self.code in ("clear", "clear-single", "no-direction")


def changed(metric: str, before: Reading, after: Reading) -> Change:
    """Whether a reading moved by more than the noise, and if so for better or worse.

    Args:
        metric: short name, for its unit and direction.
        before: the first reading.
        after: the second.
    """
    entry = catalogue().get(metric)
    unit, better = (entry.unit, entry.better) if entry is not None else ("", "neither")
    moved = after.median - before.median
    if moved == 0:
        return Change(word=Word.SAME, code="equal", moved=0.0)
    single = min(before.count, after.count) < REPEATS
    if unit not in EXACT:
        least = LEAST_OF.get(metric, LEAST.get(unit, 0.0))
        noise = max((SINGLE if single else GAP) * abs(before.median), least)
        if abs(moved) <= noise:
            code = "within-single-noise" if single else "within-noise"
            return Change(word=Word.SAME, code=code, moved=moved, reason=f"less than the noise, {noise:.3g} {unit}")
        if not single and not _apart(before, after, better, noise):
            reason = f"{before.count} launches at {_span(before)} and {after.count} at {_span(after)} overlap or touch"
            return Change(word=Word.AMBIGUOUS, code="intervals-overlap", moved=moved, reason=reason)
    if better == "neither":
        return Change(
            word=Word.AMBIGUOUS, code="no-direction", moved=moved, reason="neither higher nor lower is better"
        )
    word = Word.BETTER if (moved > 0) == (better == "higher") else Word.WORSE
    return Change(word=word, code="clear-single" if single and unit not in EXACT else "clear", moved=moved)


def interval(reading: Reading, better: str) -> tuple[float, float]:
    """The range to compare by: without the quarter on the bad side, since a disturbance never makes a kernel faster."""
    if better == "lower":
        return reading.low, reading.q3
    if better == "higher":
        return reading.q1, reading.high
    return reading.low, reading.high


def _apart(before: Reading, after: Reading, better: str, noise: float) -> bool:
    """Whether two ranges have more than the noise between them; of many launches, one lucky one does not count."""
    if _gap(interval(before, better), interval(after, better)) > noise:
        return True
    many = min(before.count, after.count) >= MANY
    return many and _gap((before.q1, before.q3), (after.q1, after.q3)) > noise


def _gap(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Clear space between two ranges; negative where they overlap."""
    return max(second[0] - first[1], first[0] - second[1])


def _span(reading: Reading) -> str:
    return f"{reading.low:.6g} to {reading.high:.6g}"


def share(moved: float, before: float) -> float:
    """A change as a share of what it started from; infinite from zero."""
    return moved / abs(before) if before else math.copysign(math.inf, moved)
