"""The tables of an inspection's page: launches by architecture, and what another launch would make of a kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ncukit.render import inspect_text as words
from ncukit.render.gate_text import MOST_WORDS, bounded
from ncukit.render.inspect_rows import label_columns, limiters, occupancy, ordered_fits, reference, tail, waves
from ncukit.render.text import columns, length, paint
from ncukit.source.whatif import flags, ranked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ncukit.render.inspect_rows import Section
    from ncukit.source.fit import Fit
    from ncukit.source.inspection import Compiled
    from ncukit.source.whatif import Variant

MOST_ROWS = 24
MOST_VARIANTS = 16
LOW_OCCUPANCY = 50.0
_HEAD = ("arch", "grid", "regs", "spills", "shared", "occupancy", "blocks/SM", "waves", "tail", "on", "code")
_ALIGN = "<>>>><>>><>"
_SPARED = ("code", "blocks/SM", "tail", "on", "waves", "grid", "shared")
"""What is left out, one after the other, where a page is narrow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A kernel's rows as lines."""

    lines: list[str]
    left_out: int
    grid: str
    """The grid where all rows have the same one, in words; else empty, and a column has it."""


def launch_table(section: Section, *, color: bool, width: int, all_gpus: bool) -> Table:
    """A row an architecture; of several launches a row each, with the range over its architectures."""
    titles, names = label_columns(section)
    rows = [_range(row, color) for row in section.launches]
    if all_gpus or not titles:
        parts = [_by_arch(row, color, all_gpus) for row in section.launches]
        rows = [row for part in parts for row in part]
        blank = [""] * len(titles)
        names = [own if i == 0 else blank for own, part in zip(names, parts, strict=True) for i in range(len(part))]
    hidden = {name for i, name in enumerate(_HEAD) if all(row[i] in ("", "-") for row in rows)}
    grids = {row[1] for row in rows}
    hidden |= {"grid"} if len(grids) == 1 else set()
    hidden |= {"arch"} if titles and len({row[0] for row in rows}) == 1 else set()
    most = MOST_ROWS * (4 if all_gpus else 1)
    wide = _Wide(titles, names[:most], rows[:most])
    for name in _SPARED:
        if max(map(length, wide.drawn(hidden))) > width - 2:
            hidden.add(name)
    lines = wide.drawn(hidden)
    return Table(lines=lines, left_out=len(rows) - most, grid=f"grid {grids.pop()}" if len(grids) == 1 else "")


@dataclass(frozen=True, slots=True)
class _Wide:
    """A table from which columns may be left out."""

    titles: list[str]
    names: list[list[str]]
    rows: list[list[str]]

    def drawn(self, hidden: set[str]) -> list[str]:
        shown = [i for i, name in enumerate(_HEAD) if name not in hidden]
        cells = [[*self.titles, *(_HEAD[i] for i in shown)]]
        cells += [[*name, *(row[i] for i in shown)] for name, row in zip(self.names, self.rows, strict=True)]
        return columns(cells, ">" * len(self.titles) + "".join(_ALIGN[i] for i in shown))


def _by_arch(every: Iterable[Compiled], color: bool, all_gpus: bool) -> list[list[str]]:
    """A row an architecture, or GPU."""
    rows = []
    for one in every:
        fits: list[Fit | None] = list(ordered_fits(one)) if all_gpus else [reference(one)]
        for place, fit in enumerate(fits or [None]):
            row = _row(one, fit, color)
            # what the compiler made of it does not depend on the GPU
            rows.append(row if place == 0 else ["", row[1], "", "", "", *row[5:-1], ""])
    return rows


def _row(one: Compiled, fit: Fit | None, color: bool) -> list[str]:
    spills, full = f"{one.spills:,}", occupancy(fit)
    if fit is not None and fit.occupancy_pct < LOW_OCCUPANCY:
        full = paint(full, "yellow" if fit.blocks_per_sm else "red", color)
    return [
        one.arch,
        words.grid(one.grids.get(fit.gpu) if fit is not None else one.launch.grid),
        str(one.registers),
        paint(spills, "red", color) if one.spills else spills,
        words.size(one.shared_bytes),
        full,
        str(fit.blocks_per_sm) if fit is not None else "-",
        waves(fit),
        tail(fit),
        bounded(fit.gpu.removesuffix(" Edition"), 40) if fit is not None else "-",
        words.size(one.code_bytes),
    ]


def _range(row: Sequence[Compiled], color: bool) -> list[str]:
    """One launch over its architectures."""
    if len(row) == 1:
        return _row(row[0], reference(row[0]), color)
    fits = [fit for one in row if (fit := reference(one)) is not None]
    spills = _over((one.spills for one in row), "{:,}".format)
    full = _over((fit.occupancy_pct for fit in fits), "{:.3g} %".format)
    held = ", ".join(dict.fromkeys(name for fit in fits for name in limiters(fit)))
    return [
        words.listed((one.arch for one in row), 3),
        " ".join(dict.fromkeys(words.grid(one.launch.grid) for one in row)),
        _over((one.registers for one in row), str),
        paint(spills, "red", color) if spills != "0" else spills,
        _over((one.shared_bytes for one in row), words.size),
        f"{full} {held}".rstrip(),
        _over((fit.blocks_per_sm for fit in fits), str),
        _over((fit.waves for fit in fits if fit.waves is not None), words.three),
        "",
        "",
        _over((one.code_bytes for one in row), words.size),
    ]


def _over(values: Iterable[float], text: Callable[..., str]) -> str:
    """A number over several architectures: ``40``, or ``38–40``; a unit that both have stands once."""
    known = sorted(values)
    if not known:
        return "-"
    low, high = text(known[0]), text(known[-1])
    number, _, unit = low.partition(" ")
    return low if low == high else f"{number if unit and high.endswith(f' {unit}') else low}–{high}"


def limits(section: Section) -> list[str]:
    """Where it cannot run, and what the model of waves does not know; GPUs with the same problem together."""
    problems: dict[str, dict[str, None]] = {}
    notes: dict[str, None] = {}
    for one in section.every:
        for fit in ordered_fits(one):
            if fit.problem:
                problems.setdefault(fit.problem, {})[fit.gpu] = None
            if fit.note:
                notes[fit.note] = None
    said = [f"cannot run on {words.listed(gpus, 4)}: {bounded(why, MOST_WORDS)}" for why, gpus in problems.items()]
    return [*said, *(bounded(note, MOST_WORDS) for note in notes)]


def what_if(one: Compiled, table: Sequence[Variant], *, color: bool) -> list[str]:
    """Other warps and tiles, the launch as it is first; an order to look at, none of speed."""
    own, *others = table
    rows = [["what if", "regs", "spills", "shared", "occupancy", ""], _variant(own, own, color)]
    shown = ranked(others)
    rows += [_variant(variant, own, color) for variant in shown[:MOST_VARIANTS]]
    lines = columns(rows, "<>>><<")
    left = len(shown) - MOST_VARIANTS
    lines += [f"… and {left} more (--format json has all)"] if left > 0 else []
    notes = dict.fromkeys(variant.note for variant in others if variant.note and variant.registers is not None)
    said = [f"on {one.arch}; an order to look at: only a GPU tells the speed", *notes]
    return [*lines, *(paint(bounded(note, MOST_WORDS), "dim", color) for note in said)]


def _variant(variant: Variant, own: Variant, color: bool) -> list[str]:
    changed = [] if variant.num_warps == own.num_warps else [f"num_warps={variant.num_warps}"]
    changed += [f"{bounded(name, 40)}={value}" for name, value in variant.constexprs.items()]
    name = "as it is" if variant is own else ", ".join(changed)
    if variant.registers is None:
        return [name, "-", "-", "-", "-", paint(f"does not compile: {bounded(variant.note, 40)}", "dim", color)]
    share = "-" if variant.occupancy_pct is None else f"{variant.occupancy_pct:.3g} %"
    said = "" if variant is own else ", ".join(flags(variant, own))
    spills = paint(f"{variant.spills:,}", "red", color) if variant.spills else "0"
    return [name, str(variant.registers), spills, words.size(variant.shared_bytes or 0), share, said]
