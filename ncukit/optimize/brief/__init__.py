"""A brief for a language model: target GPU, stage, current code, measurements, physics, task and rules.

``[CURRENT CODE]``, the titles and the order are those that such prompts have; what is measured, what the ladder makes
of it and what the compiler says stand beside them. A brief is the same text for the same facts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ncukit.optimize.brief import rules
from ncukit.optimize.brief.budget import Part, Section, fit
from ncukit.optimize.brief.compiled import compiled
from ncukit.optimize.brief.device import device
from ncukit.optimize.brief.evidence import evidence
from ncukit.optimize.brief.focus import focus, targets
from ncukit.optimize.brief.found import findings
from ncukit.optimize.brief.history import Repair, repair, rounds
from ncukit.optimize.brief.physics import futile, ladder, traffic
from ncukit.optimize.brief.readings import readings
from ncukit.optimize.brief.stages import STAGES, Choice, Stage, choice, choose, finished, named, nothing_left
from ncukit.optimize.brief.words import Listing

if TYPE_CHECKING:
    from ncukit.gpus import Gpu
    from ncukit.model import Diagnosis, Report
    from ncukit.optimize.problem import Problem
    from ncukit.optimize.verdict import Round
    from ncukit.source.inspection import Inspection

__all__ = [
    "STAGES", "Brief", "Facts", "Part", "Repair", "Section", "Stage", "brief", "choose", "finished", "nothing_left",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that a brief is made of."""

    code: str
    """The code to make faster."""
    path: str
    """Its file, as the user named it."""
    gpu: Gpu
    """The GPU to write for."""
    report: Report | None = None
    """Measurements of this very code; None when there are none."""
    diagnosis: Diagnosis | None = None
    """Of ``report``."""
    inspection: Inspection | None = None
    """What the compiler says of this code."""
    rounds: tuple[Round, ...] = ()
    """What was tried before, the oldest first."""
    repair: Repair | None = None
    """An answer that was refused and is to be given again."""
    problem: Problem | None = None
    """What the answer is held to."""
    unmeasured: str = ""
    """Why there is no report."""
    uncompiled: str = ""
    """Why there is no inspection; empty to leave that unsaid."""
    notes: tuple[str, ...] = ()
    """What a reader must know of the measurement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """A text for a model, and what it is about."""

    text: str
    stage: Stage
    why: str
    """Why this stage, in words."""
    nothing_left: str
    """Why the measurements know of nothing left to do; empty when they do, or were not made."""
    left_out: tuple[str, ...]
    """What did not fit, in the order of the text."""
    tokens: int
    """Estimated length (``budget.ESTIMATE``)."""


def brief(facts: Facts, *, stage: str | None = None, max_tokens: int | None = None) -> Brief:
    """Write the brief.

    Args:
        facts: what is known.
        stage: slug of the stage to work on; None to choose it by the findings and the rounds.
        max_tokens: the most that it may be long, by the estimate; the least useful parts go first.

    Raises:
        NcukitError: there is no such stage, or not even what is indispensable fits.
    """
    chosen = choice(facts.diagnosis, facts.rounds, facts.inspection)
    if stage is not None:
        chosen = Choice(stage=named(stage), why="it was asked for", nothing_left="")
    fitted = fit(tuple(_sections(facts, chosen)), max_tokens)
    return Brief(
        text=fitted.text,
        stage=chosen.stage,
        why=chosen.why,
        nothing_left=chosen.nothing_left,
        left_out=fitted.left_out,
        tokens=fitted.tokens,
    )


def _sections(facts: Facts, chosen: Choice) -> list[Section]:
    """In the order of the seed; what it does not have stands between the measurements and the task."""
    diagnosis, listing = facts.diagnosis, Listing(code=facts.code, path=facts.path)
    sections = [
        rules.opening(),
        device(facts.gpu),
        *focus(chosen, facts.gpu, diagnosis, listing),
        rules.current(facts.code),
        rules.statement(facts.problem, facts.code),
        readings(diagnosis, facts.gpu.chip, _looked_at(chosen.stage, diagnosis), _notes(facts), facts.unmeasured),
    ]
    if diagnosis is not None:
        sections += [
            ladder(diagnosis),
            evidence(diagnosis, chosen.stage, listing),
            traffic(diagnosis, facts.report, listing),
        ]
    return [
        *sections,
        futile(diagnosis, facts.inspection),
        compiled(facts.inspection, facts.gpu, listing, facts.uncompiled),
        rounds(facts.rounds),
        repair(facts.repair, facts.code),
        rules.task(chosen.stage.title, measured=diagnosis is not None, repairs=facts.repair is not None),
        rules.rules(),
    ]


def _notes(facts: Facts) -> tuple[str, ...]:
    """What a reader must know of the measurement: what was computed, and what is not certain."""
    said = facts.report.problem if facts.report is not None else {}
    words = {"inputs": "Inputs of the run", "sizes": "Sizes that were set for the run"}
    return (*(f"{words[key]}: {said[key]}." for key in words if said.get(key)), *facts.notes)


def _looked_at(stage: Stage, diagnosis: Diagnosis | None) -> list[str]:
    """Metrics that the stage or its findings speak of."""
    names = [name for target in targets(stage, diagnosis) for name in (target.metric, target.of) if name]
    for finding, _ in findings(diagnosis) if diagnosis is not None else ():
        if finding.cause in stage.causes:
            names += [evidence.metric for evidence in finding.evidence]
    return names
