"""An inspection for people: a table a kernel, what matters in its code, errors, lint, budgets, and one verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.errors import Exit
from ncukit.render import inspect_text as words
from ncukit.render.gate_text import MOST_WORDS, bounded
from ncukit.render.inspect_budgets import add_budgets
from ncukit.render.inspect_facts import facts
from ncukit.render.inspect_page import Page
from ncukit.render.inspect_problems import errors, lint
from ncukit.render.inspect_rows import common, sections
from ncukit.render.inspect_tables import launch_table, limits, what_if

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncukit.gate.examined import Examined
    from ncukit.render.inspect_problems import Problem
    from ncukit.render.inspect_rows import Section
    from ncukit.source.inspection import Compiled

MOST_SECTIONS = 12
MOST_PROBLEMS = 30
MOST_NOTES = 12
_STYLE = {Exit.OK: "green", Exit.FAILED: "red", Exit.NOTHING: "yellow"}


def render(examined: Examined, *, color: bool = False, width: int = 100, all_gpus: bool = False) -> str:
    """The inspection as text.

    Args:
        examined: what was found, and what counts.
        color: with ANSI colours.
        width: columns to stay within; a path or a name may be longer.
        all_gpus: a row for every GPU of an architecture, where otherwise one stands for it.
    """
    page = Page(color, width)
    found = sections(examined.inspection.compiled)
    violations = lint(examined)
    _header(page, examined)
    for section in found[:MOST_SECTIONS]:
        _section(page, section, examined, all_gpus)
    page.more(len(found) - MOST_SECTIONS, "kernel", "")
    _errors(page, errors(examined.inspection.errors), violations)
    _lint(page, violations)
    _notes(page, examined)
    add_budgets(page, examined.verdicts, found)
    title = words.title(examined)
    page.lines.append("")
    page.add(f"{title}   {words.reason(examined)}", "", "      ", style=_STYLE[examined.exit_code], head=title)
    return "\n".join(page.lines) + "\n"


def _header(page: Page, examined: Examined) -> None:
    inspection = examined.inspection
    path = bounded(inspection.path)
    if examined.lint_only:
        page.add(f"{path}   lint only", style="bold", head=path)
        return
    said = words.NOT_MEASURED if inspection.compiled else "nothing was compiled"
    archs = "" if inspection.compiled else words.listed(inspection.archs)
    facts_ = " · ".join(filter(None, (said, words.versions(inspection), archs)))
    page.add(f"{path}   {facts_}", "", "  ", style="bold", head=path)
    if inspection.source:
        page.add(f"launches from {words.came_from(inspection)}", "", "  ", style="dim")


def _section(page: Page, section: Section, examined: Examined, all_gpus: bool) -> None:
    """One kernel: how it is launched, what the compiler made of it, and what matters in that."""
    launch = section.first.launch
    lines = dict.fromkeys(row[0].launch.launch_line for row in section.launches)
    called = " ".join(f":{line}" for line in lines if line)
    count = launch.count if len(section.launches) == 1 else 1
    parts = [words.place(launch.file, launch.line), f"launched at {called}" if called else ""]
    parts += [f"{count:,} times"] if count > 1 else []
    name = bounded(launch.kernel)
    page.lines.append("")
    page.add(f"{name}  {' · '.join(filter(None, parts))}", "", "  ", style="bold", head=name)
    table = launch_table(section, color=page.color, width=page.width, all_gpus=all_gpus)
    page.add(" · ".join(filter(None, (_launches(section), table.grid, *common(section)))), "  ")
    for origin in dict.fromkeys(one.launch.origin for one in section.every):
        if origin in words.ORIGINS:
            page.add(words.ORIGINS[origin], "  ", style="yellow")
    page.table(table.lines)
    page.more(table.left_out, "row")
    for text in limits(section):
        page.add(text, "  ", "    ", style="red" if text.startswith("cannot run") else "")
    _facts(page, section.launches)
    for index, one in enumerate(examined.inspection.compiled):
        if index in examined.tables and any(one is other for other in section.every):
            page.lines.append("")
            page.table(what_if(one, examined.tables[index], color=page.color))


def _launches(section: Section) -> str:
    """``4 autotune configurations on sm_80, sm_90``; empty when there is one."""
    count = len(section.launches)
    if count == 1:
        return ""
    archs = f" on {words.listed(section.archs)}" if len(section.archs) > 1 else ""
    return f"{count:,} {'autotune configurations' if section.tuned else 'launches'}{archs}"


def _facts(page: Page, rows: Sequence[Sequence[Compiled]]) -> None:
    before = ""
    for fact in facts(rows):
        label = "" if fact.label == before else fact.label
        before = fact.label
        where = f" ({fact.where})" if fact.where else ""
        style = "yellow" if fact.problem and label else ""
        page.add(f"{fact.text}{where}", f"  {label:<9} ", " " * 12, style=style, head=label)


def _errors(page: Page, found: Sequence[Problem], violations: Sequence[Problem]) -> None:
    if not found:
        return
    page.heading("errors")
    advice = {(one.path, one.line, one.instead): one.code for one in violations if one.instead}
    for one in found[:MOST_PROBLEMS]:
        dropped = "" if one.counts else " (the autotuner drops this configuration and goes on)"
        text = ": ".join(filter(None, (f"{one.subject}{dropped}", bounded(one.message, MOST_WORDS))))
        code = advice.get((one.path, one.line, one.instead))
        instead = f"see {code} below" if code else bounded(one.instead, MOST_WORDS)
        page.problem(words.place(one.path, one.line, one.column), text, one.severity, instead)
    page.more(len(found) - MOST_PROBLEMS, "error")


def _lint(page: Page, violations: Sequence[Problem]) -> None:
    if not violations:
        return
    page.heading("lint")
    found = [one for one in violations if one.suppressed is None]
    found.sort(key=lambda one: (one.severity != "error", one.line or 0, one.column or 0))
    for one in found[:MOST_PROBLEMS]:
        text = f"{bounded(one.code)} {one.severity}: {bounded(one.message, MOST_WORDS)}"
        place = words.place(one.path, one.line, one.column)
        page.problem(place, text, one.severity, bounded(one.instead, MOST_WORDS))
    page.more(len(found) - MOST_PROBLEMS, "violation")
    accepted = [one for one in violations if one.suppressed is not None]
    if accepted:
        said = [f":{one.line} {bounded(one.code)} ({bounded(one.suppressed or '')})" for one in accepted]
        rest = f" and {len(said) - MOST_NOTES} more" if said[MOST_NOTES:] else ""
        page.add(
            f"{len(said)} accepted by a comment: {', '.join(said[:MOST_NOTES])}{rest}", "  ", "      ", style="dim"
        )


def _notes(page: Page, examined: Examined) -> None:
    inspection = examined.inspection
    left = () if examined.lint_only else words.not_launched(inspection)
    said = [f"not compiled, since no launch is known: {words.listed(left)}"] if left else []
    for note in inspection.notes:
        place = words.place(inspection.path, note.line) if note.line else ""
        where = ": ".join(filter(None, (place, bounded(note.kernel or ""))))
        said.append(f"{bounded(note.message, MOST_WORDS)}{f' ({where})' if where else ''}")
    if not said:
        return
    page.lines.append("")
    for text in said[:MOST_NOTES]:
        page.add(f"note: {text}", "", "      ")
    page.more(len(said) - MOST_NOTES, "note", "")
