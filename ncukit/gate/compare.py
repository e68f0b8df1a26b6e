"""Two runs side by side: what changed for each kernel and metric, why, and what it is worth over all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ncukit.diagnose import diagnose
from ncukit.gate.answer import Difference
from ncukit.gate.codes import Code
from ncukit.gate.match import Pair, match, together
from ncukit.gate.noise import changed
from ncukit.gate.readings import directed
from ncukit.gate.settle import ASKED, TIME, settle
from ncukit.gate.side import GAIN, Side, blocking, differences, side, sizes_told
from ncukit.metrics import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ncukit.gate.noise import Change, Word
    from ncukit.gate.readings import Reading
    from ncukit.model import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One metric before and after."""

    metric: str
    unit: str
    before: Reading | None
    after: Reading | None
    change: Change | None
    """None when one side lacks the metric."""

    @property
    def ratio(self) -> float | None:
        """Second median over the first; None where that says nothing."""
        if self.before is None or self.after is None or self.before.median == 0:
            return None
        return self.after.median / self.before.median


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One kernel, or a group of kernels that do the same work, in both runs."""

    pair: Pair
    rows: tuple[Row, ...]
    """Every metric that either side has, time first, then in the catalogue's order."""
    gone: tuple[str, ...]
    """Causes that the first diagnosis found and the second does not."""
    new: tuple[str, ...]
    """Causes that only the second finds."""
    share: float | None
    """Share of the first run's time (of the second's, for a kernel that is new)."""

    @property
    def time(self) -> Row:
        """The row of its time."""
        return self.rows[0]

    @property
    def word(self) -> Word | None:
        """What became of its time; None when a side has none."""
        return self.time.change.word if self.time.change is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The answer of ``ncukit compare``."""

    before: Side
    after: Side
    differences: tuple[Difference, ...]
    kernels: tuple[Compared, ...]
    total: Row
    """GPU time of one run of the work, over all kernels."""

    @property
    def blocked(self) -> Difference | None:
        """The first difference that forbids the comparison: then nothing else of it means anything."""
        return blocking(self.differences)

    @property
    def word(self) -> Word | None:
        """What became of the whole; None when a time is unknown."""
        return self.total.change.word if self.total.change is not None else None


def measured(report: Report) -> Side:
    """A report as one side of a comparison, diagnosed, with every metric that can become better or worse."""
    return side(report, (*directed(), *ASKED), diagnose(report))


def compare(before: Side, after: Side, allow: Iterable[str] = ()) -> Comparison:
    """What changed from one run to the other.

    Args:
        before: see ``measured``; or a baseline's case.
        after: the same of the other run.
        allow: fields of ``ncukit.gate.side.IDENTITY``, by their words, that may differ.
    """
    accepted, pairs = tuple(allow), match(before.entries, after.entries)
    found = differences(before, after, accepted)
    if not sizes_told(before, after):
        found = (*_other_tensors(pairs, "size" in accepted), *found)
    return Comparison(
        before=before,
        after=after,
        differences=found,
        kernels=tuple(_compared(pair, before, after) for pair in pairs),
        total=_total(Pair(before=before.entries, after=after.entries)),
    )


def _other_tensors(pairs: Iterable[Pair], allowed: bool) -> list[Difference]:
    """Kernels that ran on tensors of other sizes, where the runs do not say what their inputs were."""
    return [
        Difference(
            field=f"tensors of {pair.before[0].kernel}",
            before=pair.before[0].tensors,
            after=pair.after[0].tensors,
            code=Code.OTHER_SIZE,
            allow="size",
            allowed=allowed,
        )
        for pair in pairs
        if pair.other_size
    ]


def _total(whole: Pair) -> Row:
    first, second = together(whole.before, TIME), together(whole.after, TIME)
    moved = changed(TIME, first, second) if first is not None and second is not None else None
    return Row(metric=TIME, unit="us", before=first, after=second, change=moved)


def _compared(pair: Pair, before: Side, after: Side) -> Compared:
    had = {cause for entry in pair.before for cause in entry.causes or ()}
    has = {cause for entry in pair.after for cause in entry.causes or ()}
    looked = all(entry.causes is not None for entry in (*pair.before, *pair.after)) and pair.before and pair.after
    names = {name for entry in (*pair.before, *pair.after) for name in entry.readings} - {TIME, GAIN}
    order = [TIME, GAIN, *(name for name in catalogue() if name in names)]
    mine, total = (pair.before, before.total_us) if pair.before else (pair.after, after.total_us)
    time = sum(entry.time_us or 0.0 for entry in mine)
    return Compared(
        pair=pair,
        rows=tuple(_row(name, pair) for name in order),
        gone=tuple(sorted(had - has)) if looked else (),
        new=tuple(sorted(has - had)) if looked else (),
        share=time / total if total else None,
    )


def _row(metric: str, pair: Pair) -> Row:
    first, second = pair.readings(metric)
    entry = catalogue()[metric]
    return Row(metric=metric, unit=entry.unit, before=first, after=second, change=settle(metric, pair))
