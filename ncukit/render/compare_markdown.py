"""The comparison as Markdown, for a step summary or a comment on a change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.gate.noise import Word
from ncukit.render import units
from ncukit.render.compare import amount, conditions_of, effect, name, percent, remedy, shown_rows, unimportant
from ncukit.render.markdown_text import prose

if TYPE_CHECKING:
    from ncukit.gate.compare import Comparison

WORDS = {Word.BETTER: "better", Word.WORSE: "**worse**", Word.AMBIGUOUS: "ambiguous", Word.SAME: "same"}
MOST_KERNELS = 200


def render(comparison: Comparison) -> str:
    """The comparison as Markdown; the kernels that take the most time first."""
    lines = [f"## {_headline(comparison)}", ""]
    for letter, side in (("A", comparison.before), ("B", comparison.after)):
        recorded = " (recorded, not measured now)" if side.recorded else ""
        lines.append(f"- {letter}: {prose(side.path)}, {prose(conditions_of(side))}{recorded}")
    if comparison.differences:
        lines += ["", "| differs | A | B | |", "| --- | --- | --- | --- |"]
        for one in comparison.differences:
            state = "" if one.code is None else "allowed" if one.allowed else str(one.code)
            lines.append(f"| {prose(one.field)} | {prose(one.before)} | {prose(one.after)} | {state} |")
    if comparison.blocked is not None:
        return "\n".join([*lines, "", f"Not compared: {remedy(comparison.differences)}."]) + "\n"
    lines += ["", "| kernel | metric | before | after | change | |", "| --- | --- | ---: | ---: | ---: | --- |"]
    kernels = [kernel for kernel in comparison.kernels if not unimportant(kernel)]
    kernels.sort(key=lambda kernel: -(kernel.share or 0.0))
    for kernel in kernels[:MOST_KERNELS]:
        for place, row in enumerate(shown_rows(kernel)):
            said = WORDS[row.change.word] if row.change is not None else "-"
            label = prose(name(kernel)) if place == 0 else ""
            values = f"{amount(row, 'before')} | {amount(row, 'after')} | {percent(row)}"
            lines.append(f"| {label} | {row.metric} | {values} | {said} |")
    left_out = len(comparison.kernels) - min(len(kernels), MOST_KERNELS)
    if left_out:
        small = f", {sum(map(unimportant, comparison.kernels))} of them under 1 % of the time"
        lines += ["", f"Kernels not shown: {left_out}{small}."]
    for kernel in kernels[:MOST_KERNELS]:
        lines += [f"- {prose(name(kernel))}: no longer {', '.join(kernel.gone)}"] if kernel.gone else []
        lines += [f"- {prose(name(kernel))}: now {', '.join(kernel.new)}"] if kernel.new else []
    return "\n".join(lines) + "\n"


def _headline(comparison: Comparison) -> str:
    row, word = comparison.total, comparison.word
    if comparison.blocked is not None:
        return "ncukit compare: not comparable"
    if row.before is None or row.after is None or word is None:
        return "ncukit compare: a kernel's time was not measured"
    times = f"{units.time(row.before.median)} → {units.time(row.after.median)}"
    return f"ncukit compare: {word.value}, {times}, {effect(row.ratio or 1.0)}"
