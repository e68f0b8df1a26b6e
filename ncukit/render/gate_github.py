"""The gate's answer as GitHub annotations: one workflow command a verdict that did not pass, worst first.

GitHub keeps ten annotations of a level a step and drops the rest in silence (actions/toolkit#734), so no more than
ten are printed, and the last one says how many there would have been.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.gate.answer import WORST_FIRST
from ncukit.model import Status
from ncukit.render.annotation import MOST, command
from ncukit.render.gate_rows import file_of, place, rows, subject, worst_first
from ncukit.render.gate_text import RECORDED, blocks, bounded, counts, nothing_judged, statement, word

if TYPE_CHECKING:
    from ncukit.gate.answer import Judgement
    from ncukit.render.gate_rows import Row


def render(*judgements: Judgement) -> str:
    """The judgements as workflow commands: errors for what keeps the gate from passing, else warnings.

    A pass has no annotation, and neither has what is ignored. When nothing else is left to say, one notice says so:
    a log without any annotation would look the same when the gate never ran. A report of which nothing was judged
    has a line of its own.
    """
    told = [(j, row) for j in judgements for row in worst_first(rows(j)) if row.verdict.status not in _QUIET]
    told.sort(key=lambda one: (not blocks(one[0], one[1].verdict), WORST_FIRST.index(one[1].verdict.status)))
    lines = [_only(judgement) for judgement in judgements if nothing_judged(judgement)][:MOST]
    room = MOST - len(lines)
    shown = told if len(told) <= room else told[: max(room - 1, 0)]
    lines += [_annotation(judgement, row) for judgement, row in shown]
    if told[len(shown) :] and room:
        lines.append(_rest(told[len(shown) :]))
    return "\n".join(lines or [_only(judgement) for judgement in judgements][:MOST]) + "\n"


_QUIET = (Status.PASS, Status.IGNORED)


def _annotation(judgement: Judgement, row: Row) -> str:
    where = place(row.kernel)
    file = file_of(row.kernel)
    properties = {"file": file, "line": str(row.kernel.line or "") if file else ""}
    verdict = row.verdict
    properties["title"] = f"ncukit gate: {bounded(row.name)} {bounded(verdict.metric)} {word(verdict)}"
    said = f"{statement(row.name, verdict)} [{bounded(verdict.code)}]{f' {where}' if where else ''}"
    return command(_level(judgement, row), properties, _labelled(judgement, said))


def _level(judgement: Judgement, row: Row) -> str:
    return "error" if blocks(judgement, row.verdict) else "warning"


def _rest(left: list[tuple[Judgement, Row]]) -> str:
    judgement, first = left[0]
    said = (
        f"{len(left)} more verdicts did not pass, and GitHub shows ten annotations a step; "
        "the job's summary has all of them"
    )
    title = {"title": f"ncukit gate: {len(left)} more"}
    return command(_level(judgement, first), title, _labelled(judgement, said))


def _only(judgement: Judgement) -> str:
    """What is said when no verdict has an annotation."""
    nothing = nothing_judged(judgement)
    said = f"{subject(judgement)}: {nothing or counts(judgement)}"
    title = {"title": f"ncukit gate: {'not judged' if nothing else 'pass'}"}
    return command("error" if nothing else "notice", title, _labelled(judgement, said))


def _labelled(judgement: Judgement, said: str) -> str:
    return f"{RECORDED}: {said}" if judgement.environment.recorded else said
