"""Two runs side by side, for people: the total first, then each kernel's telling changes and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.gate.match import WEIGHT, function_name
from ncukit.gate.noise import Word
from ncukit.render import units
from ncukit.render.text import columns, number, paint, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ncukit.gate.answer import Difference
    from ncukit.gate.compare import Compared, Comparison, Row
    from ncukit.gate.side import Side

CLOSE = 0.005
"""Ratios nearer to 1 are "as fast"."""
TELLING = (
    "gain_left",
    "dram_bytes",
    "dram_pct",
    "useful_dram_pct",
    "traffic_ratio",
    "l2_read_hit_pct",
    "load_sector_use_pct",
    "store_sector_use_pct",
    "local_load_sectors",
    "shared_load_conflicts",
    "instructions",
    "issue_pct",
    "tensor_pct",
    "registers",
    "spills",
    "shared_bytes",
    "stall_long_scoreboard_pct",
    "stall_barrier_pct",
)
"""Metrics shown when they moved; ``--all`` shows every one that did."""
STYLE = {Word.BETTER: "green", Word.WORSE: "red", Word.AMBIGUOUS: "yellow", Word.SAME: "dim"}


def render(comparison: Comparison, *, color: bool = False, everything: bool = False) -> str:
    """The comparison as text.

    Args:
        comparison: see ``ncukit.gate.compare``.
        color: with ANSI colours.
        everything: all metrics that moved, not only the telling ones.
    """
    lines = [*_sides(comparison, color), ""]
    if comparison.differences:
        lines += [*_differences(comparison.differences, color), ""]
    if comparison.blocked is not None:
        return "\n".join([*lines, f"{paint('not compared', 'yellow', color)}: {remedy(comparison.differences)}"]) + "\n"
    lines += [_headline(comparison, color), ""]
    table = [["kernel", "metric", "before", "after", "change", "verdict", ""]]
    light = [] if everything else [kernel for kernel in comparison.kernels if unimportant(kernel)]
    for kernel in comparison.kernels:
        table += _rows(kernel, color, everything) if kernel not in light else []
    drawn = columns(table, "<<>>><<")
    lines += [paint(drawn[0], "dim", color), *drawn[1:]]
    if light:
        words = f"not shown, under 1 % of the time: {', '.join(map(name, light))}"
        lines.append(paint(words, "dim", color))
    causes = [line for kernel in comparison.kernels for line in _causes(kernel, color)]
    lines += ["", *causes] if causes else []
    return "\n".join(lines) + "\n"


def unimportant(kernel: Compared) -> bool:
    """Whether a kernel takes so little time that it says nothing about the whole, and got no worse."""
    return kernel.share is not None and kernel.share < WEIGHT and kernel.word is not Word.WORSE


def remedy(differences: Iterable[Difference]) -> str:
    """What makes the two comparable: words for ``--allow``, or another measurement."""
    blocking = [one for one in differences if one.code is not None and not one.allowed]
    if not all(one.allow for one in blocking):
        return "measure again, whole"
    return (
        " ".join(f"--allow {word}" for word in dict.fromkeys(one.allow for one in blocking)) + " compares all the same"
    )


def effect(ratio: float) -> str:
    """``1.57x faster``, ``1.04x slower`` or ``as fast``, of a second time over a first."""
    if ratio <= 0 or abs(ratio - 1) < CLOSE:
        return "as fast"
    return f"{1 / ratio:.3g}x faster" if ratio < 1 else f"{ratio:.3g}x slower"


def percent(row: Row) -> str:
    """``-36.3%`` of the first median; ``+3.8 points`` of what is a share itself."""
    if row.unit == "%" and row.change is not None:
        return f"{row.change.moved:+.3g} points"
    if row.ratio is None:
        return ""
    return f"{100 * (row.ratio - 1):+.1f}%" if row.ratio < 10 else f"{row.ratio:,.0f}x"


def _sides(comparison: Comparison, color: bool) -> list[str]:
    rows = []
    for letter, side in (("A", comparison.before), ("B", comparison.after)):
        conditions = conditions_of(side)
        rows.append(
            [letter, visible(side.path), visible(conditions), units.time(side.total_us) if side.total_us else "-"]
        )
    lines = columns(rows, "<<<<")
    recorded = [side.path for side in (comparison.before, comparison.after) if side.recorded]
    if recorded:
        which = "both are recordings" if len(recorded) == 2 else f"{visible(recorded[0])} is a recording"
        lines.insert(0, paint(f"RECORDED, not measured now: {which}", "yellow", color))
    return lines


def conditions_of(side: Side) -> str:
    """``NVIDIA H200 · ncu 2025.3.1 · Triton 3.6.0 · clocks free``."""
    said = side.identity
    parts = [
        said.get("gpu", "unknown GPU"),
        f"ncu {said['ncu_version']}" if "ncu_version" in said else "",
        f"Triton {said['triton_version']}" if "triton_version" in said else "",
        {"none": "clocks free", "base": "clocks locked to base"}.get(said.get("clock_control", ""), ""),
    ]
    return " · ".join(part for part in parts if part)


def _differences(differences: Sequence[Difference], color: bool) -> list[str]:
    rows = [["differs", "A", "B", ""]]
    for one in differences:
        state = "worth knowing" if one.code is None else "allowed" if one.allowed else f"{one.code}: not comparable"
        style = "dim" if one.code is None or one.allowed else "yellow"
        rows.append([visible(one.field), visible(one.before), visible(one.after), paint(state, style, color)])
    drawn = columns(rows, "<<<<")
    return [paint(drawn[0], "dim", color), *drawn[1:]]


def _headline(comparison: Comparison, color: bool) -> str:
    row, word = comparison.total, comparison.word
    if row.before is None or row.after is None or word is None:
        return "total: unknown, since a kernel's time was not measured"
    verdict = paint(word.value.upper(), STYLE[word], color)
    times = f"{units.time(row.before.median)} → {units.time(row.after.median)}"
    reason = f"   ({row.change.reason})" if row.change is not None and row.change.reason else ""
    return f"total: {verdict}   {times}   {effect(row.ratio or 1.0)} ({percent(row)}){reason}"


def _rows(kernel: Compared, color: bool, everything: bool) -> list[list[str]]:
    shown = shown_rows(kernel, everything)
    label = name(kernel)
    rows = []
    for place, row in enumerate(shown):
        word = row.change.word if row.change is not None else None
        said = paint(word.value, STYLE[word], color) if word is not None else "-"
        reason = row.change.reason if row.change is not None and word is not Word.SAME else ""
        cells = [amount(row, "before"), amount(row, "after"), percent(row), said, visible(reason)]
        rows.append([label if place == 0 else "", row.metric, *cells])
    return rows


def name(kernel: Compared) -> str:
    """``compute_moments_kernel + normalize_kernel → cooperative_kernel``, by function names."""
    sides = [
        " + ".join(dict.fromkeys(visible(function_name(e.kernel)) for e in entries))
        for entries in (kernel.pair.before, kernel.pair.after)
    ]
    return sides[0] if sides[0] == sides[1] else f"{sides[0] or '(new)'} → {sides[1] or '(gone)'}"


def shown_rows(kernel: Compared, everything: bool = False) -> list[Row]:
    """Time, and the metrics that moved: the telling ones, or all."""
    moved = [row for row in kernel.rows[1:] if row.change is not None and row.change.word is not Word.SAME]
    if not everything:
        moved = sorted((row for row in moved if row.metric in TELLING), key=lambda row: TELLING.index(row.metric))
    return [kernel.time, *moved]


def amount(row: Row, which: str) -> str:
    """The median of one side with its unit."""
    reading = row.before if which == "before" else row.after
    if reading is None:
        return "-"
    if row.unit == "byte":
        return units.size(reading.median)
    return f"{number(float(f'{reading.median:.4g}'))} {row.unit}".rstrip()


def _causes(kernel: Compared, color: bool) -> list[str]:
    lines = []
    if kernel.gone:
        lines.append(f"{name(kernel)}: no longer {', '.join(paint(c, 'green', color) for c in kernel.gone)}")
    if kernel.new:
        lines.append(f"{name(kernel)}: now {', '.join(paint(c, 'yellow', color) for c in kernel.new)}")
    return lines
