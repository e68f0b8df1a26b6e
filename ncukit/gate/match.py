"""Which kernels of two runs do the same work: one with one, or several with several where they were fused or split.

A kernel that keeps its name while another is fused into it does more than before: compared alone it would look worse,
and the kernel that is gone like a gain. So kernels that came, went, or changed beside them are compared as a group,
by what can be added up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from ncukit.gate.noise import EXACT, changed
from ncukit.gate.readings import KEY, Entry, Reading
from ncukit.metrics import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WEIGHT = 0.01
"""Share of a side's time below which a kernel that came or went says nothing about the others."""
ADDITIVE = ("ns", "us", "byte", "sector", "inst", "cycle")
"""Units of what can be added up over kernels."""
_RATIOS = ("load_bytes_per_sector", "store_bytes_per_sector")
"""In bytes, and no amount."""
_BYTES = re.compile(r"(\d+) B(?:,|$)")
_ELAPSED = "pct_of_peak_sustained_elapsed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Kernels of the first run and the kernels of the second that do their work; either may be empty."""

    before: tuple[Entry, ...]
    after: tuple[Entry, ...]
    guessed: bool = False
    """Whether a kernel is in the group only because nothing was recorded of who shares data."""

    @property
    def single(self) -> bool:
        """Whether one kernel stands against one, launched equally often."""
        return len(self.before) == len(self.after) == 1 and self.before[0].per_run == self.after[0].per_run

    @property
    def other_size(self) -> str:
        """``x_ptr float32 4096 B → x_ptr float32 8192 B`` of kernels launched on tensors of other sizes, or empty.

        Only bytes count: the same memory may be viewed in another shape or type.
        """
        if self.single:
            before, after = self.before[0].tensors, self.after[0].tensors
            other = sorted(_BYTES.findall(before)) != sorted(_BYTES.findall(after))
        else:  # a fusion removes what was handed over; what is largest mostly stays
            before, after = (", ".join(e.tensors for e in side if e.tensors) for side in (self.before, self.after))
            other = max(map(int, _BYTES.findall(before)), default=0) != max(map(int, _BYTES.findall(after)), default=0)
        return f"{before} → {after}" if other and before and after else ""

    @property
    def name(self) -> str:
        """``compute_moments_kernel + normalize_kernel → cooperative_kernel``."""
        first, second = (" + ".join(dict.fromkeys(e.kernel for e in side)) for side in (self.before, self.after))
        return first if first == second else f"{first or '(none)'} → {second or '(none)'}"

    def readings(self, metric: str) -> tuple[Reading | None, Reading | None]:
        """The metric before and after: a launch's of single kernels, a run's of several."""
        if self.single:
            return self.before[0].readings.get(metric), self.after[0].readings.get(metric)
        return together(self.before, metric), together(self.after, metric)


def together(entries: Sequence[Entry], metric: str) -> Reading | None:
    """A metric over several kernels: added up, the mean over time of a share of elapsed time, or the most of registers.

    None where neither makes sense (hit rates, registers), and where a kernel lacks the value: a sum without one of
    its parts is another quantity.
    """
    if not entries:
        return None
    entry = catalogue().get(metric)
    if entry is None or metric in _RATIOS:
        return None
    if entry.unit in EXACT:
        known = [reading for one in entries if (reading := one.readings.get(metric)) is not None]
        return max(known, key=lambda reading: reading.median) if len(known) == len(entries) else None
    if entry.unit in ADDITIVE and entry.better != "neither":
        return _sum([(one.readings.get(metric), one.per_run) for one in entries])
    if metric in ("dram_gbps", "useful_dram_pct") or any(_ELAPSED in name for name in entry.ncu):
        total = sum(one.time_us or 0.0 for one in entries)
        if total > 0 and all(one.time_us is not None for one in entries):
            return _sum([(one.readings.get(metric), (one.time_us or 0.0) / total) for one in entries])
    return None


def _sum(parts: Iterable[tuple[Reading | None, float]]) -> Reading | None:
    scaled = []
    for reading, factor in parts:
        if reading is None:
            return None
        scaled.append(reading.scaled(factor))
    return Reading(
        count=min(r.count for r in scaled),
        low=sum(r.low for r in scaled),
        q1=sum(r.q1 for r in scaled),
        median=sum(r.median for r in scaled),
        q3=sum(r.q3 for r in scaled),
        high=sum(r.high for r in scaled),
    )


def match(before: Sequence[Entry], after: Sequence[Entry]) -> tuple[Pair, ...]:
    """Pair the kernels of two runs, in the order of the second; what has no counterpart stands with an empty side."""
    pairs, gone, new = _by_name(before, after)
    heavy_gone, heavy_new = _heavy(gone, before), _heavy(new, after)
    if heavy_gone or heavy_new:
        first, second, guessed = list(heavy_gone), list(heavy_new), False
        for pair in [p for p in pairs if _moved(p)]:
            shares = _share_data(pair, heavy_gone, heavy_new)
            if shares is not False:
                pairs.remove(pair)
                first += pair.before
                second += pair.after
                guessed |= shares is None
        pairs.append(Pair(before=_ordered(first, before), after=_ordered(second, after), guessed=guessed))
    pairs += [Pair(before=(entry,), after=()) for entry in gone if entry not in heavy_gone]
    pairs += [Pair(before=(), after=(entry,)) for entry in new if entry not in heavy_new]
    order = {id(entry): place for place, entry in enumerate((*after, *before))}
    return tuple(sorted(pairs, key=lambda p: min(order[id(e)] for e in (p.after or p.before))))


@lru_cache(maxsize=4096)
def function_name(name: str) -> str:
    """``foo`` of a demangled ``void ns::foo<int, 4>(float *)``; any other name as it is."""
    bare = name.replace("(anonymous namespace)::", "").replace("<unnamed>::", "")
    kept, depth = [], 0
    for letter in bare if bare.count("<") == bare.count(">") else "":
        depth += (letter == "<") - (letter == ">")
        if depth < 0:
            break
        kept.append(letter if not depth and letter != ">" else "")
    words = ("".join(kept) if depth == 0 and kept else bare).partition("(")[0].rpartition("::")[2].split()
    return words[-1] if words else name


def _by_name(before: Sequence[Entry], after: Sequence[Entry]) -> tuple[list[Pair], list[Entry], list[Entry]]:
    """Equal keys first, then equal names, since a tuned kernel has another grid; the rest has no partner."""
    left, right = {_key(e): e for e in before}, {_key(e): e for e in after}
    pairs = [Pair(before=(left[key],), after=(entry,)) for key, entry in right.items() if key in left]
    gone = [entry for key, entry in left.items() if key not in right]
    new = [entry for key, entry in right.items() if key not in left]
    for name in dict.fromkeys(entry.kernel for entry in new):
        mine, theirs = [e for e in gone if e.kernel == name], [e for e in new if e.kernel == name]
        if not mine:
            continue
        if len(mine) == len(theirs):
            pairs += [Pair(before=(a,), after=(b,)) for a, b in zip(mine, theirs, strict=True)]
        else:
            pairs.append(Pair(before=tuple(mine), after=tuple(theirs)))
        gone = [e for e in gone if e.kernel != name]
        new = [e for e in new if e.kernel != name]
    return pairs, gone, new


def _key(entry: Entry) -> tuple[str, ...]:
    return tuple(getattr(entry, part) for part in KEY)


def _heavy(entries: Sequence[Entry], side: Sequence[Entry]) -> list[Entry]:
    """Those whose time counts; all of them where times are unknown."""
    total = sum(entry.time_us or 0.0 for entry in side)
    return [entry for entry in entries if entry.time_us is None or entry.time_us >= WEIGHT * total]


def _moved(pair: Pair) -> bool:
    """Whether time or bytes changed by more than the noise."""
    for metric in ("duration_us", "dram_bytes"):
        first, second = pair.readings(metric)
        if first is not None and second is not None and changed(metric, first, second).clear:
            return True
    return False


def _share_data(pair: Pair, gone: Sequence[Entry], new: Sequence[Entry]) -> bool | None:
    """Whether a pair may share work with kernels that came or went; None where nothing tells."""
    unknown = False
    for entries, others in ((pair.before, gone), (pair.after, new)):
        for mine in entries:
            for other in others:
                if set(mine.buffers) & set(other.buffers):
                    return True
                unknown |= not (mine.buffers and other.buffers)
    return None if unknown else False


def _ordered(entries: Iterable[Entry], side: Sequence[Entry]) -> tuple[Entry, ...]:
    chosen = [id(entry) for entry in entries]
    return tuple(entry for entry in side if id(entry) in chosen)
