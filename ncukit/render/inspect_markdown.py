"""An inspection as Markdown, for ``$GITHUB_STEP_SUMMARY`` or a comment: what failed first, bounded, and inert."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.model import Status
from ncukit.render import inspect_text as words
from ncukit.render.gate_text import MOST_WORDS
from ncukit.render.gate_text import WORD as STATUS
from ncukit.render.inspect_facts import facts
from ncukit.render.inspect_problems import BUDGET, problems
from ncukit.render.inspect_rows import labels, occupancy, reference, sections, tail, waves
from ncukit.render.markdown_text import MOST_BYTES, code, prose, spans

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncukit.gate.examined import Examined
    from ncukit.gate.static_verdict import StaticVerdict
    from ncukit.render.inspect_problems import Problem
    from ncukit.render.inspect_rows import Section
    from ncukit.source.inspection import Inspection

MOST_LISTED = 20
_COLUMNS = ("kernel", "arch", "registers", "spills", "shared", "occupancy", "waves", "tail", "on", "code")
_RULE = "|---|---|---:|---:|---:|---|---:|---:|---|---:|"


def render(examined: Examined) -> str:
    """The inspection as Markdown, in less than ``MOST_BYTES`` bytes of UTF-8: what comes last is cut first."""
    inspection = examined.inspection
    parts = [
        _head(examined),
        _problems([one for one in problems(examined) if one.code != BUDGET]),
        _budgets(examined.verdicts),
        _kernels(inspection),
        _facts(inspection),
        _notes(examined),
    ]
    lines: list[str] = []
    room = MOST_BYTES
    for line in (line for part in parts for line in part):
        room -= len(line.encode(errors="replace")) + 1
        if room < 200:
            return "\n".join([*lines, "", "More is left out: GitHub takes 1 MiB a step."]) + "\n"
        lines.append(line)
    return "\n".join(lines) + "\n"


def _head(examined: Examined) -> list[str]:
    inspection = examined.inspection
    said = words.NOT_MEASURED if inspection.compiled else "nothing was compiled"
    facts_ = [code(inspection.path), said, prose(words.versions(inspection))]
    facts_ += [f"launches from {prose(words.came_from(inspection))}"] if inspection.source else []
    why = prose(words.reason(examined))
    return [f"### ncukit {words.title(examined)}", "", why, "", " · ".join(filter(None, facts_))]


def _problems(found: Sequence[Problem]) -> list[str]:
    shown = [one for one in found if one.suppressed is None]
    accepted = [one for one in found if one.suppressed is not None]
    lines = []
    if shown:
        lines = ["", "| | code | where | what | instead |", "|---|---|---|---|---|", *map(_problem, shown)]
    if accepted:
        lines += ["", f"{len(accepted)} accepted by a comment:", ""]
        lines += [_accepted(one) for one in accepted[:MOST_LISTED]]
        lines += [f"- and {len(accepted) - MOST_LISTED} more"] if accepted[MOST_LISTED:] else []
    return lines


def _problem(one: Problem) -> str:
    said = f"**{one.severity}**" if one.counts else one.severity
    subject = f"{prose(one.subject)}: " if one.subject else ""
    cells = (said, code(one.code), _place(one), subject + spans(one.message), spans(one.instead))
    return f"| {' | '.join(cells)} |"


def _place(one: Problem) -> str:
    return code(words.place(one.path, one.line, one.column))


def _accepted(one: Problem) -> str:
    return f"- {code(one.code)} {_place(one)}: {prose(one.suppressed or '')}"


def _kernels(inspection: Inspection) -> list[str]:
    rows = [row for section in sections(inspection.compiled) for row in _rows(section)]
    if not rows:
        return []
    head = ["", "Occupancy and waves are theoretical.", "", f"| {' | '.join(_COLUMNS)} |", _RULE]
    return [*head, *(f"| {' | '.join(cells)} |" for cells in rows)]


def _rows(section: Section) -> list[list[str]]:
    several = len(section.launches) > 1
    rows = []
    for label, row in zip(labels(section), section.launches, strict=True):
        for one in row:
            fit = reference(one)
            rows.append(
                [
                    code(" ".join(filter(None, (one.launch.kernel, label if several else "")))),
                    code(one.arch),
                    str(one.registers),
                    f"**{one.spills:,}**" if one.spills else "0",
                    words.size(one.shared_bytes),
                    prose(occupancy(fit)),
                    waves(fit),
                    tail(fit),
                    prose(fit.gpu) if fit is not None else "-",
                    words.size(one.code_bytes),
                ]
            )
    return rows


def _facts(inspection: Inspection) -> list[str]:
    lines = []
    for section in sections(inspection.compiled):
        found = facts(section.launches)
        if found:
            launch = section.first.launch
            lines += ["", f"{code(launch.kernel)} {code(words.place(launch.file, launch.line))}", ""]
            lines += [f"- {one.label}: {prose(one.text + (f' ({one.where})' if one.where else ''))}" for one in found]
        for origin in dict.fromkeys(one.launch.origin for one in section.every):
            lines += [f"- {words.ORIGINS[origin]}"] if origin in words.ORIGINS else []
    return lines


def _budgets(verdicts: Sequence[StaticVerdict]) -> list[str]:
    """A row for each that is not kept; of the others how many."""
    told = [verdict for verdict in verdicts if verdict.status not in (Status.PASS, Status.IGNORED)]
    kept = sum(verdict.status is Status.PASS for verdict in verdicts)
    lines = ["", f"Budgets kept: {kept}"] if kept else []
    if told:
        lines += ["", "| verdict | kernel | arch | metric | value | limit | why |", "|---|---|---|---|---:|---|---|"]
    for verdict in told:
        value, limit = words.numbers(verdict)
        bound = "at least" if verdict.bound == "min" else "at most"
        name = code(" ".join(filter(None, (verdict.kernel, words.config(verdict.config)))))
        why = prose(verdict.reason or words.MEANINGS[verdict.code])
        cells = (f"**{STATUS[verdict.status]}**", name, code(verdict.arch), code(verdict.metric), value)
        lines.append(f"| {' | '.join((*cells, f'{bound} {limit}', why))} |")
    return lines


def _notes(examined: Examined) -> list[str]:
    inspection = examined.inspection
    left = () if examined.lint_only else words.not_launched(inspection)
    said = [f"not compiled, since no launch is known: {code(words.listed(left), MOST_WORDS)}"] if left else []
    said += [f"{prose(note.message)}{f' (line {note.line})' if note.line else ''}" for note in inspection.notes]
    lines = [f"- {text}" for text in said[:MOST_LISTED]]
    lines += [f"- and {len(said) - MOST_LISTED} more"] if said[MOST_LISTED:] else []
    return ["", *lines] if lines else []
