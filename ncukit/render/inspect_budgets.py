"""Budgets on an inspection's page: what is not kept, a row each; what is kept, a line each budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.gate.static_verdict import StaticCode
from ncukit.model import Status
from ncukit.render import inspect_text as words
from ncukit.render.gate_text import MOST_WORDS, WORD, bounded
from ncukit.render.inspect_rows import labels
from ncukit.render.text import columns, length, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ncukit.gate.static_verdict import StaticVerdict
    from ncukit.render.inspect_page import Page
    from ncukit.render.inspect_rows import Section

MOST_ROWS = 30
MOST_LINES = 12
_STYLE = {Status.FAIL: "red", Status.UNJUDGED: "yellow", Status.AMBIGUOUS: "cyan", Status.WARN: "bold"}
_Names = dict[tuple[str, str, "str | None"], str]


def add_budgets(page: Page, verdicts: Sequence[StaticVerdict], sections: Sequence[Section]) -> None:
    """The verdicts, worst kinds as they come; nothing where there is no budget."""
    told = [v for v in verdicts if v.status not in (Status.PASS, Status.IGNORED)]
    quiet = _quiet(verdicts)
    if not told and not quiet:
        return
    page.heading("budgets")
    names = _names(sections)
    rows = [_row(verdict, names, page) for verdict in told[:MOST_ROWS]]
    page.table(_fitting(rows, page.width - 2), head=False)
    page.more(len(told) - MOST_ROWS, "verdict")
    for text in [*dict.fromkeys(filter(None, map(_why, told)))][:MOST_LINES]:
        page.add(text, "  ", "      ")
    for text, style in quiet[:MOST_LINES]:
        page.add(text, "  ", "      ", style=style)
    page.more(len(quiet) - MOST_LINES, "budget")


def _fitting(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """The rows as lines; where they are too wide, with shorter names."""
    if not rows:
        return []
    drawn = columns(rows, "<<<<>>")
    room = max(len(row[1]) for row in rows) - max(0, max(map(length, drawn)) - width)
    return columns([[row[0], bounded(row[1], max(8, room)), *row[2:]] for row in rows], "<<<<>>")


def _names(sections: Sequence[Section]) -> _Names:
    """Kernel, architecture and configuration → what tells it from the other configurations."""
    return {
        (one.launch.kernel, one.arch, one.launch.config): label
        for section in sections
        if section.tuned
        for label, row in zip(labels(section), section.launches, strict=True)
        for one in row
    }


def _row(verdict: StaticVerdict, names: Mapping[tuple[str, str, str | None], str], page: Page) -> list[str]:
    value, limit = words.numbers(verdict)
    label = names.get((verdict.kernel, verdict.arch, verdict.config), "")
    name = " ".join(filter(None, (bounded(verdict.kernel, 60), bounded(label, 60))))
    word = page.paint(WORD[verdict.status], _STYLE[verdict.status])
    bound = "at least" if verdict.bound == "min" else "at most"
    return [word, name, bounded(verdict.arch, 12), bounded(verdict.metric, 40), value, f"{bound} {limit}"]


def _why(verdict: StaticVerdict) -> str:
    """What the numbers do not say."""
    if verdict.status is Status.AMBIGUOUS:
        return f"ambiguous: {words.MEANINGS[verdict.code]}"
    if verdict.status is Status.UNJUDGED:
        return f"{bounded(verdict.kernel)}: {bounded(verdict.reason or words.MEANINGS[verdict.code], MOST_WORDS)}"
    return ""


def _quiet(verdicts: Sequence[StaticVerdict]) -> list[tuple[str, str]]:
    """A line with its style for every budget that is kept, and for what is left out on purpose."""
    groups: dict[tuple[str, str], list[StaticVerdict]] = {}
    for verdict in verdicts:
        # of a kernel that nobody launches, a note tells
        if verdict.status in (Status.PASS, Status.IGNORED) and verdict.code != StaticCode.UNNAMED:
            why = verdict.reason or words.MEANINGS[verdict.code] if verdict.status is Status.IGNORED else ""
            groups.setdefault((words.asked(verdict), why), []).append(verdict)
    return [
        (f"{asked}: {len(group)} ignored ({bounded(why, MOST_WORDS)})", "dim")
        if why
        else (f"{asked}: kept by {len(group)}{_farthest(group)}", "green")
        for (asked, why), group in groups.items()
    ]


def _farthest(group: Sequence[StaticVerdict]) -> str:
    """The value that is nearest to the limit."""
    values = [verdict.value for verdict in group if verdict.value is not None]
    if not values:
        return ""
    lowest = group[0].bound == "min"
    return f" (lowest {number(min(values))})" if lowest else f" (highest {number(max(values))})"
