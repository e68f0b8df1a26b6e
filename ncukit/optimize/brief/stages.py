"""Which stage comes next: the one whose findings are worth most, and that earlier rounds have not exhausted.

The stages themselves, their causes, targets and exit criteria, are in ``ncukit.optimize.brief.table``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ncukit.diagnose.ladder import HELD, WORTH
from ncukit.errors import NcukitError, nearest
from ncukit.optimize.brief.found import about, findings, open_findings, reach, worthwhile
from ncukit.optimize.brief.table import STAGES, Stage
from ncukit.optimize.brief.words import both

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncukit.model import Diagnosis
    from ncukit.optimize.verdict import Round
    from ncukit.source.inspection import Inspection

__all__ = [
    "STAGES",
    "Choice",
    "Stage",
    "choice",
    "choose",
    "exhausted",
    "finished",
    "measured",
    "named",
    "nothing_left",
    "stage_of",
]

TRIES = 2.0
"""Rounds of a stage without success, since the code last became faster, after which it is exhausted."""
COST = {"no faster": 1.0}
"""Outcome → how much of a try it was; an answer that was refused or never came says half as much about a stage."""
UNKNOWN = ("memory", "advanced", "tiling", "grid")
"""Stages by how likely they hold what no rule names: time above every limit is mostly latency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A stage, and the reason."""

    stage: Stage
    why: str
    """A sentence without its full stop."""
    nothing_left: str = ""
    """Why there is nothing left to do, as far as was measured; empty when there is, or when nobody knows."""


def choose(diagnosis: Diagnosis | None, rounds: Sequence[Round] = (), inspection: Inspection | None = None) -> Stage:
    """The stage to work on next."""
    return choice(diagnosis, rounds, inspection).stage


def choice(diagnosis: Diagnosis | None, rounds: Sequence[Round] = (), inspection: Inspection | None = None) -> Choice:
    """The stage to work on next, and why.

    Args:
        diagnosis: of the code as it is; None when it was not measured.
        rounds: what was tried before, the oldest first.
        inspection: what the compiler says, for code that was not measured.
    """
    tired = {stage.slug: exhausted(stage, rounds) for stage in STAGES}
    if diagnosis is None:
        return _unmeasured(inspection, tired)
    ranked = sorted(open_findings(diagnosis), key=lambda one: -one[1])
    for finding, _ in ranked:
        stage = stage_of(finding.cause)
        if not tired[stage.slug]:
            return Choice(stage=stage, why=f"{about(finding)}, which is the most of what is open")
    left = nothing_left(diagnosis, rounds)
    slug = next((s for s in UNKNOWN if not tired[s]), "advanced")
    why = left or (
        "what was measured is too little for any rule to name a cause"
        if all(kernel.bound == "unknown" for kernel in diagnosis.kernels)
        else f"no cause is worth more than {WORTH:g}x, but the time is well above every limit that was measured"
    )
    return Choice(stage=named(slug if not left else "advanced"), why=why, nothing_left=left)


def named(slug: str) -> Stage:
    """The stage called ``slug``.

    Raises:
        NcukitError: there is none.
    """
    stage = next((s for s in STAGES if s.slug == slug), None)
    if stage is None:
        known = [s.slug for s in STAGES]
        close = nearest(slug, known)
        raise NcukitError(
            f"no stage is called '{slug}'",
            causes=(f"did you mean {close[0]}?" if close else f"stages: {', '.join(known)}",),
            next_command=f"--stage {(close or known)[0]}",
        )
    return stage


def stage_of(cause: str) -> Stage:
    """The stage that a cause belongs to."""
    return next(s for s in STAGES if cause in s.causes)


def unseen(stage: Stage, diagnosis: Diagnosis) -> dict[str, tuple[str, ...]]:
    """Causes of the stage that no kernel could be searched for → the metrics that were missing."""
    found = {finding.cause for finding, _ in findings(diagnosis)}
    missing: dict[str, tuple[str, ...]] = {}
    for kernel in diagnosis.kernels:
        for silence in kernel.silences:
            if silence.cause not in stage.causes:
                continue
            if silence.missing:
                missing.setdefault(silence.cause, silence.missing)
            else:
                found.add(silence.cause)
    return {cause: metrics for cause, metrics in missing.items() if cause not in found}


def finished(stage: Stage, diagnosis: Diagnosis) -> bool:
    """Whether the stage is done: it was looked at, and nothing worthwhile was found. Nothing measured is never done."""
    if all(kernel.bound == "unknown" for kernel in diagnosis.kernels) or not measured(stage, diagnosis):
        return False
    return not any(f.cause in stage.causes and worthwhile(f) for f, _ in findings(diagnosis))


def measured(stage: Stage, diagnosis: Diagnosis) -> bool:
    """Whether enough was measured to say something of the stage: most of its causes, and what it always looks at."""
    if len(unseen(stage, diagnosis)) > len(stage.causes) / 2:
        return False
    always = [t.metric for t in stage.targets if not t.causes]
    return all(any(metric in kernel.metrics for kernel in diagnosis.kernels) for metric in always)


def exhausted(stage: Stage, rounds: Sequence[Round]) -> bool:
    """Whether the stage was tried often enough on the code as it is."""
    tried = 0.0
    for past in reversed(rounds):
        if past.outcome == "faster":
            break  # before it the code was another one
        tried += COST.get(past.outcome, 0.5) if past.stage == stage.slug else 0.0
    return tried >= TRIES


def nothing_left(diagnosis: Diagnosis | None, rounds: Sequence[Round] = ()) -> str:
    """Why there is nothing left to do; empty when there is, or when it was not measured."""
    if diagnosis is None:
        return ""
    found = [finding for finding, _ in open_findings(diagnosis)]
    tired = [stage for stage in STAGES if exhausted(stage, rounds)]
    if any(stage_of(f.cause) not in tired for f in found):
        return ""
    if found:
        slugs = dict.fromkeys(stage_of(f.cause).slug for f in found)
        causes = dict.fromkeys(f.cause for f in found)
        return f"{both(list(causes))} is left, and the rounds of {both(list(slugs))} made nothing faster"
    reached = reach(diagnosis)
    if reached is None:
        return ""
    if reached < HELD and len(tired) < len(STAGES):
        return ""
    return f"the kernels run at {reached:.0%} of what their limits allow, and no cause is worth more than {WORTH:g}x"


def _unmeasured(inspection: Inspection | None, tired: dict[str, bool]) -> Choice:
    """By what the compiler says; without that the stages in their order."""
    compiled = inspection.compiled if inspection is not None else ()
    if any(one.spills for one in compiled) and not tired["tiling"]:
        return Choice(stage=named("tiling"), why="nothing was measured, and the compiler spills registers")
    if any(n.wider_bits for one in compiled for n in one.narrow) and not tired["memory"]:
        return Choice(stage=named("memory"), why="nothing was measured, and the compiler keeps accesses narrow")
    stage = next((s for s in STAGES if not tired[s.slug]), STAGES[-1])
    return Choice(stage=stage, why="nothing was measured, so the stages come in their order")
