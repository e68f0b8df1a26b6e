"""The gate's answer for people: one line a kernel and budget, what it was compared with, and what the metrics mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit import metrics
from ncukit.gate.answer import WORST_FIRST, overall
from ncukit.model import Status
from ncukit.render.gate_rows import folded, rows
from ncukit.render.gate_text import (
    EXPLAINED,
    MOST_WORDS,
    RECORDED,
    WORD,
    bounded,
    cells,
    compared,
    counts,
    device,
    nothing_judged,
    outcome,
    remark,
    word,
)
from ncukit.render.text import columns, paint

if TYPE_CHECKING:
    from ncukit.gate.answer import Against, Judgement
    from ncukit.model import Environment
    from ncukit.render.gate_rows import Row

_STYLE = {
    Status.PASS: "green",
    Status.FAIL: "red",
    Status.UNJUDGED: "yellow",
    Status.AMBIGUOUS: "cyan",
    Status.WARN: "bold",
    Status.IGNORED: "dim",
}


def render(*judgements: Judgement, color: bool = False) -> str:
    """One page a report; of several, the verdict over all comes first."""
    pages = [_page(judgement, color) for judgement in judgements]
    if len(pages) == 1:
        return pages[0]
    status = overall(judgements)
    told = ", ".join(f"{n} {WORD[s]}" for s in WORST_FIRST if (n := sum(j.status is s for j in judgements)))
    verdict = paint(f"gate: {WORD[status]}", _STYLE[status], color)
    return "\n".join([f"{verdict}   {len(pages)} reports: {told}\n", *pages])


def _page(judgement: Judgement, color: bool) -> str:
    shown, ignored = folded(rows(judgement, short=True))
    lines = [device_line(judgement.environment, color), _headline(judgement, color), ""]
    lines += _table(shown, color)
    lines += [paint(line, "dim", color) for line in ignored]
    lines += [bounded(note, MOST_WORDS) for note in judgement.notes]
    lines += _against(judgement.against, color) if judgement.against is not None else []
    lines += _footnotes(judgement)
    return "\n".join(lines) + "\n"


def device_line(environment: Environment, color: bool) -> str:
    """What was measured where; a recording says so before anything else."""
    line = device(environment)
    return paint(f"{RECORDED}: ", "yellow", color) + line if environment.recorded else line


def _headline(judgement: Judgement, color: bool) -> str:
    verdict = paint(f"gate: {WORD[judgement.status]}", _STYLE[judgement.status], color)
    strict = " (strict: what is ambiguous fails)" if judgement.strict and judgement.count(Status.AMBIGUOUS) else ""
    nothing = nothing_judged(judgement) if judgement.verdicts else ""
    said = ", ".join(filter(None, (counts(judgement), nothing)))
    return f"{verdict}   {said}{strict}   {bounded(judgement.report_path, MOST_WORDS)}"


def _table(shown: list[Row], color: bool) -> list[str]:
    """One line a verdict; the baseline has a column only where something is counted from it."""
    if not shown:
        return []
    table = [["kernel", "metric", "measured", "baseline", "limit", "verdict", ""]]
    for row in shown:
        measured, baseline, limit = cells(row.verdict)
        verdict = paint(word(row.verdict), _STYLE[row.verdict.status], color)
        table.append([row.name, bounded(row.verdict.metric), measured, baseline, limit, verdict, remark(row.verdict)])
    align = "<<>><<<"
    if not any(cell[3] for cell in table[1:]):
        table, align = [cell[:3] + cell[4:] for cell in table], "<<><<<"
    lines = columns(table, align)
    return [paint(lines[0], "dim", color), *lines[1:]]


def _against(against: Against, color: bool) -> list[str]:
    lines = ["", compared(against)]
    if against.differences:
        table = [["field", "before", "after", ""]]
        table += [
            [bounded(one.field), bounded(one.before) or "-", bounded(one.after) or "-", outcome(one)]
            for one in against.differences
        ]
        drawn = columns(table, "<<<<")
        lines += [paint(drawn[0], "dim", color), *drawn[1:]]
    if not against.found and against.save_command:
        lines.append(f"to save this report as that baseline: {bounded(against.save_command, MOST_WORDS)}")
    return lines


def _footnotes(judgement: Judgement) -> list[str]:
    used = {verdict.metric for verdict in judgement.verdicts}
    lines = [f"{name}: {metrics.catalogue()[name].about}" for name in EXPLAINED if name in used]
    if judgement.collect_command:
        lines.append(f"to measure what is missing: {bounded(judgement.collect_command, MOST_WORDS)}")
    return ["", *lines] if lines else []
