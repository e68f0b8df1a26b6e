"""The gate's answer as Markdown, for ``$GITHUB_STEP_SUMMARY`` or a comment: worst first, bounded, and inert.

GitHub takes 1 MiB a step and fails the upload of more without failing the job, so the table is cut before that, at a
row. Names from outside stand in code spans, where Markdown and GitHub look for nothing: no tag, no link, no mention.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit import metrics
from ncukit.gate.answer import WORST_FIRST, overall
from ncukit.gate.codes import MEANING, Code
from ncukit.model import Status
from ncukit.render.gate_rows import folded, rows, worst_first
from ncukit.render.gate_text import (
    EXPLAINED,
    MOST_WORDS,
    RECORDED,
    WORD,
    cells,
    compared,
    counts,
    device,
    nothing_judged,
    outcome,
    remark,
    used_codes,
)
from ncukit.render.markdown_text import MOST_BYTES, code, prose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncukit.gate.answer import Against, Judgement
    from ncukit.render.gate_rows import Row

_SHOWN = 20
"""Notes, differences and lines of ignored verdicts shown at most."""


def render(*judgements: Judgement) -> str:
    """The judgement as Markdown, in less than ``MOST_BYTES`` bytes of UTF-8; of several reports the worst first."""
    if len(judgements) == 1:
        return _page(judgements[0], MOST_BYTES)
    order = sorted(judgements, key=lambda judgement: WORST_FIRST.index(judgement.status))
    head = f"## ncukit gate: {WORD[overall(judgements)]}, {len(judgements)} reports\n"
    room, pages = MOST_BYTES - len(head) - 200, []
    for place, judgement in enumerate(order):
        # what earlier pages did not use is there for the later ones, and the worst come first
        page = _page(judgement, room // (len(order) - place))
        if room < len(page.encode()):
            pages.append(f"{len(order) - place} more reports left out: GitHub takes 1 MiB a step.\n")
            break
        pages.append(page)
        room -= len(page.encode()) + 1
    return "\n".join([head, *pages])


def _page(judgement: Judgement, most: int) -> str:
    shown, ignored = folded(worst_first(rows(judgement, short=True)))
    head = _head(judgement)
    tail = _list([prose(line) for line in ignored])
    tail += _list([prose(note) for note in judgement.notes])
    tail += _against(judgement.against) if judgement.against is not None else []
    tail += _details(judgement)
    room = most - len("\n".join([*head, *tail]).encode()) - 1000
    return "\n".join([*head, *_table(shown, room), *tail]) + "\n"


def _head(judgement: Judgement) -> list[str]:
    lines = [f"### ncukit gate: {WORD[judgement.status]}", ""]
    if judgement.environment.recorded:
        lines += [f"**{RECORDED}.**", ""]
    facts = [prose(counts(judgement))]
    facts += [f"case {code(judgement.case)}"] if judgement.case else []
    facts += [f"report {code(judgement.report_path)}", prose(device(judgement.environment))]
    facts += ["strict: what is ambiguous fails"] if judgement.strict else []
    nothing = nothing_judged(judgement) if judgement.verdicts else ""
    return [*lines, " · ".join(facts), *(["", prose(nothing)] if nothing else [])]


def _table(shown: Sequence[Row], room: int) -> list[str]:
    if not shown:
        return []
    lines = ["", "| verdict | kernel | metric | measured | baseline | limit | why |", "|---|---|---|---:|---:|---|---|"]
    for count, row in enumerate(shown):
        line = _row(row)
        room -= len(line.encode()) + 1
        if room < 0:
            left = len(shown) - count
            return [*lines, "", f"{left} more row{'s' if left != 1 else ''} left out: GitHub takes 1 MiB a step."]
        lines.append(line)
    return lines


def _row(row: Row) -> str:
    verdict = row.verdict
    status = WORD[verdict.status] if verdict.status is Status.PASS else f"**{WORD[verdict.status]}**"
    status += "" if verdict.status is Status.PASS else f" {code(verdict.code)}"
    numbers = [prose(cell) for cell in cells(verdict)]
    return f"| {' | '.join((status, code(row.name), code(verdict.metric), *numbers, prose(remark(verdict))))} |"


def _list(items: Sequence[str]) -> list[str]:
    lines = [f"- {item}" for item in items[:_SHOWN]]
    if items[_SHOWN:]:
        lines.append(f"- and {len(items) - _SHOWN} more")
    return ["", *lines] if lines else []


def _against(against: Against) -> list[str]:
    said = prose(compared(against))
    lines = ["", "#### Baseline", "", f"{said[:1].upper()}{said[1:]}"]
    if against.differences:
        lines += ["", "| field | before | after | |", "|---|---|---|---|"]
        lines += [
            f"| {code(one.field)} | {code(one.before)} | {code(one.after)} | {prose(outcome(one))} |"
            for one in against.differences[:_SHOWN]
        ]
    if not against.found and against.save_command:
        lines += ["", f"To save this report as that baseline: {code(against.save_command, MOST_WORDS)}"]
    return lines


def _details(judgement: Judgement) -> list[str]:
    lines = []
    if judgement.collect_command:
        lines += ["", f"To measure what is missing: {code(judgement.collect_command, MOST_WORDS)}"]
    used = {verdict.metric for verdict in judgement.verdicts}
    words = {name: metrics.catalogue()[name].about for name in EXPLAINED if name in used}
    words |= {name: meaning for name, meaning in used_codes(judgement).items() if MEANING[Code(name)][0] != Status.PASS}
    return lines + _list([f"{code(name)}: {prose(meaning)}" for name, meaning in words.items()])
