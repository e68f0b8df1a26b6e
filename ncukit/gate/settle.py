"""One metric of a pair before and after, asked of the other readings too: a share of a peak may move the wrong way.

DRAM % of peak falls when a kernel moves fewer bytes in less time, and rises when it wastes traffic. So a share that
moved is held against time and work, and time against cycles; where they disagree the change is ambiguous.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ncukit.gate.codes import Code
from ncukit.gate.noise import GAP, Change, Word, changed
from ncukit.metrics import catalogue

if TYPE_CHECKING:
    from ncukit.gate.match import Pair

TIME, CYCLES = "duration_us", "sm_elapsed_cycles"
WORK = {
    "dram_pct": "dram_bytes",
    "dram_gbps": "dram_bytes",
    "l2_pct": "l2_sectors",
    "l2_throughput_pct": "l2_sectors",
    "l2_read_hit_pct": "l2_read_sectors",
    "l1_pct": "l1_wavefronts",
    "issue_pct": "instructions",
    "issue_active_pct": "instructions",
    "sm_pct": "instructions",
    "fma_pct": "instructions",
    "alu_pct": "instructions",
    "lsu_pct": "instructions",
}
"""A share of a peak → what is done in that time."""
ASKED = tuple(dict.fromkeys((TIME, CYCLES, *WORK.values())))
"""Metrics that ``settle`` reads beside the one in question."""


def settle(metric: str, pair: Pair) -> Change | None:
    """What became of a metric; None when a side lacks it."""
    change = _plain(metric, pair)
    if change is None or not change.clear:
        return change
    if metric in ("duration_us", "duration_ns"):
        return _by_cycles(change, pair)
    entry = catalogue().get(metric)
    if entry is None or entry.better != "higher" or entry.unit not in ("%", "GB/s"):
        return change
    time, work = _plain(TIME, pair), _plain(WORK.get(metric, ""), pair)
    if change.word is Word.WORSE and _no_worse(time) and work is not None and work.word is Word.BETTER:
        return _ambiguous(change, Code.FEWER_BYTES if "dram" in metric else Code.LESS_WORK, pair, metric)
    if change.word is Word.BETTER and time is not None and time.word is Word.WORSE:
        reason = f"it rose, and so did the time: {_said(TIME, pair)}"
        return replace(change, word=Word.AMBIGUOUS, code=Code.MORE_WORK.value, reason=reason)
    return change


def _by_cycles(change: Change, pair: Pair) -> Change:
    """Time is cycles over clock: where the time moved and the cycles stayed, the clock moved."""
    (time, later), (cycles, then) = pair.readings(TIME), pair.readings(CYCLES)
    if time is None or later is None or cycles is None or then is None or not (cycles.median and time.median):
        return change
    moved = abs(later.median / time.median - 1)
    # of what the time moved by, cycles explain a quarter at most, and less than repeated launches differ by
    if abs(then.median / cycles.median - 1) > min(GAP, moved / 4):
        return change
    reason = f"{_said(CYCLES, pair)} while the time moved: the SM ran at another clock (see --clock-control)"
    return replace(change, word=Word.AMBIGUOUS, code=Code.CLOCK_MOVED.value, reason=reason)


def _no_worse(time: Change | None) -> bool:
    return time is not None and time.word in (Word.SAME, Word.BETTER)


def _ambiguous(change: Change, code: Code, pair: Pair, metric: str) -> Change:
    reason = f"less to do, in no more time: {_said(WORK[metric], pair)}"
    return replace(change, word=Word.AMBIGUOUS, code=code.value, reason=reason)


def _plain(metric: str, pair: Pair) -> Change | None:
    before, after = pair.readings(metric)
    return None if before is None or after is None else changed(metric, before, after)


def _said(metric: str, pair: Pair) -> str:
    """``dram_bytes 2.25e+10 → 1.5e+10 byte``."""
    before, after = pair.readings(metric)
    entry = catalogue().get(metric)
    if before is None or after is None:
        return f"{metric} unknown"
    return f"{metric} {before.median:.4g} → {after.median:.4g} {entry.unit if entry is not None else ''}".rstrip()
