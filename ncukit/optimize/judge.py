"""One answer of the loop: checked, made a whole kernel file, raced against the best so far."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ncukit.collect.reference import PARTS
from ncukit.optimize.folder import KERNEL
from ncukit.optimize.merge import merge
from ncukit.optimize.summary import summary
from ncukit.optimize.tools import DoesNotRun
from ncukit.optimize.verdict import Reason
from ncukit.source.codec import encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from ncukit.optimize.agent import Answer
    from ncukit.optimize.folder import Folder
    from ncukit.optimize.problem import Problem
    from ncukit.optimize.tools import Tools
    from ncukit.optimize.verdict import Checked


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What came of an answer."""

    outcome: Literal["faster", "no faster", "refused", "no answer", "late", "failed"]
    reasons: tuple[Reason, ...] = ()
    ratio: float | None = None
    median_us: float | None = None
    verdict: str = ""
    """Of the check; empty without an answer."""
    unproven: tuple[str, ...] = ()
    summary: str = ""


def judge(
    number: int, best: int, answer: Answer, problem: Problem, folder: Folder, tools: Tools, tell: Callable[[str], None]
) -> Judged:
    """Judge an answer; all that is found on the way is written into the round's folder.

    Args:
        number: of the round.
        best: the round whose kernel is to be beaten; 0 for the start.
        answer: what the program gave; its text is ``answer.md`` there.
        problem: what kernels are held to.
        folder: of the run.
        tools: check and race.
        tell: told what is being done.
    """
    if answer.how == "failed" or answer.how == "endless":
        return Judged(outcome="failed", reasons=_why(answer))
    if answer.how != "answered":
        return Judged(outcome="late" if answer.how == "late" else "no answer", reasons=_why(answer))
    place = folder.round(number)
    tell(f"round {number}: checking the answer")
    checked = tools.check(place / "answer.md")
    document = {"schema_version": 1, **encode(checked)}
    folder.write(place / "verdict.json", json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    says = summary(answer.text, checked.code)

    def refused(reasons: tuple[Reason, ...]) -> Judged:
        return Judged(
            outcome="refused", reasons=reasons, verdict=checked.verdict, unproven=checked.unproven, summary=says
        )

    if reasons := checked.reasons if checked.verdict == "refused" else _not_run(checked):
        return refused(reasons)
    path = "".join(c if c.isprintable() else "?" for c in problem.path)
    merged = merge(problem, checked.code, f"round {number} of ncukit optimize; {', '.join(PARTS)} are those of {path}")
    if isinstance(merged, Reason):
        return refused((merged,))
    folder.write(place / KERNEL, merged)
    tell(f"round {number}: {checked.verdict}; racing it against {f'round {best}' if best else 'the start'}")
    try:
        race = tools.race(folder.code(best), merged)
    except DoesNotRun as error:
        keep = "keep no state from call to call, and take no more memory than the result needs"
        return refused((Reason(code="fails-when-timed", line=None, message=str(error), instead=keep),))
    folder.keep_race(number, race)
    return Judged(
        outcome="faster" if race.faster else "no faster",
        ratio=race.ratio,
        median_us=race.after.median_us,
        verdict=checked.verdict,
        unproven=checked.unproven,
        summary=says,
    )


def _why(answer: Answer) -> tuple[Reason, ...]:
    return (Reason(code=answer.how, line=None, message=answer.why),)


def _not_run(checked: Checked) -> tuple[Reason, ...]:
    """Why an answer that was not refused is still not to be timed: its results were never seen on a GPU."""
    if checked.verdict == "accepted":
        return ()
    on_gpu = checked.where and "interpreter" not in checked.where.lower()
    if on_gpu and any(case.outcome == "right" for case in checked.cases):
        return ()
    why = "; ".join(checked.unproven) or "the check says no more"
    return (
        Reason(
            code="not-proven",
            line=None,
            message=f"no result of it was seen to be right on the GPU: {why}",
            instead="compute the problem's own sizes and dtype",
        ),
    )
