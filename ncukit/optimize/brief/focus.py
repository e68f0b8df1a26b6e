"""The stage in words: focus, metrics with their targets and what they are now, exit criteria, guidelines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit import metrics
from ncukit.optimize.brief.budget import Part, Section, Value
from ncukit.optimize.brief.found import findings, open_findings, worthwhile
from ncukit.optimize.brief.readings import heavy, keys
from ncukit.optimize.brief.stages import finished, stage_of, unseen
from ncukit.optimize.brief.table import HOPPER, SMS, STAGES
from ncukit.optimize.brief.words import line, listed, quoted, reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.gpus import Gpu
    from ncukit.model import Diagnosis, Suggestion
    from ncukit.optimize.brief.stages import Choice
    from ncukit.optimize.brief.table import Stage, Target
    from ncukit.optimize.brief.words import Listing

MOST_ADVICE = 6
"""Findings of the stage whose suggestions are given."""
COPY_ENGINE = 9.0
"""Compute capability from which tensor descriptors are more than ordinary loads."""


def focus(choice: Choice, gpu: Gpu, diagnosis: Diagnosis | None, listing: Listing) -> tuple[Section, ...]:
    """The sections from ``[OPTIMIZATION STAGE]`` to the guidelines."""
    stage = choice.stage
    number = STAGES.index(stage) + 1
    head = f"Stage {number} of {len(STAGES)}: {stage.title} (`{stage.slug}`)."
    why = f"Why this one: {line(choice.why)}."
    if choice.nothing_left:
        why = f"Nothing is left that the measurements know of: {line(choice.nothing_left)}."
    return (
        Section(
            title="[OPTIMIZATION STAGE]\n\n## Current Optimization Stage",
            parts=(
                Part(text=head, value=Value.MUST, name="stage"),
                Part(text=why, value=Value.STAGE, name="why this stage"),
            ),
        ),
        Section(title="", parts=(Part(text=f"**Focus**: {stage.focus}", value=Value.STAGE, name="focus"),)),
        Section(title="**NCU Metrics to Check**:", parts=tuple(_checks(stage, gpu, diagnosis))),
        Section(title="", parts=(Part(text=_exit(stage, diagnosis), value=Value.STAGE, name="exit criteria"),)),
        Section(title="**Guidelines**:", parts=(*_advice(stage, diagnosis, listing), *_general(stage, gpu))),
    )


def targets(stage: Stage, diagnosis: Diagnosis | None) -> list[Target]:
    """The stage's targets, those of single causes only where such a cause was found."""
    found = {f.cause for f, _ in findings(diagnosis)} if diagnosis is not None else set()
    return [t for t in stage.targets if not t.causes or found.intersection(t.causes)]


def _checks(stage: Stage, gpu: Gpu, diagnosis: Diagnosis | None) -> Iterator[Part]:
    for target in targets(stage, diagnosis):
        metric = metrics.catalogue()[target.metric]
        asked = f"• `{metric.ncu_name(gpu.chip)}` (target: {target.bound} {_limit(target, gpu)}; {target.why})"
        now = _now(target, gpu, diagnosis) if diagnosis is not None else ""
        yield Part(text=f"{asked}{now}", value=Value.CHECKS, name=f"target of {target.metric}")


def _limit(target: Target, gpu: Gpu) -> str:
    if target.of == SMS:
        return f"{target.limit * gpu.sm_count:g}, the number of SMs"
    if not target.of:
        return reading(target.limit, metrics.unit(target.metric)) if target.limit else "0"
    name = metrics.catalogue()[target.of].ncu_name(gpu.chip)
    base = f"`{name}`" if name else "its compulsory bytes"
    return f"{100 * target.limit:g} % of {base}"


def _now(target: Target, gpu: Gpu, diagnosis: Diagnosis) -> str:
    """What the kernels that matter have, and whether that reaches it."""
    said = []
    names = keys(diagnosis)
    for kernel in heavy(diagnosis):
        met = target.met(kernel.metrics, gpu)
        if met is not None:
            value, base = kernel.metrics[target.metric], target.base(kernel.metrics, gpu)
            if target.of in metrics.catalogue() and base:
                words = f"{100 * value / base:.3g} %"
            else:
                words = reading(value, metrics.unit(target.metric))
            said.append(f"{names[id(kernel)]} {words} ({'met' if met else 'not met'})")
    return f". Now: {listed(said, 3)}" if said else ". Now: not measured"


def _exit(stage: Stage, diagnosis: Diagnosis | None) -> str:
    text = f"Exit criterion: {stage.exit}"
    if diagnosis is None:
        return f"{text} Now: not measured."
    left = [f for f, _ in findings(diagnosis) if f.cause in stage.causes and worthwhile(f)]
    if left:
        worth = listed((f"{f.cause} {f.gain.best:.2f}x" for f in left if f.gain), 3)
        return f"{text} Now: not met, {worth}."
    if finished(stage, diagnosis):
        return f"{text} Now: met."
    gone = listed(unseen(stage, diagnosis))
    return f"{text} Now: cannot be said, metrics are missing{f' for {gone}' if gone else ''}."


def _advice(stage: Stage, diagnosis: Diagnosis | None, listing: Listing) -> Iterator[Part]:
    """What the findings of this stage suggest, the one worth most first."""
    if diagnosis is None:
        return
    ranked = sorted(open_findings(diagnosis), key=lambda one: -one[1])
    mine = [finding for finding, _ in ranked if stage_of(finding.cause) is stage]
    for finding in mine[:MOST_ADVICE]:
        for suggestion in finding.suggestions:
            yield Part(
                text=f"- {advice(suggestion, listing)}", value=Value.ADVICE, name=f"guideline for {finding.cause}"
            )


def advice(suggestion: Suggestion, listing: Listing) -> str:
    """A suggestion in one line: what to turn, where, why, and what may get worse."""
    words = line(suggestion.action)
    if suggestion.knob and suggestion.to_value:
        change = f"{suggestion.from_value} to {suggestion.to_value}" if suggestion.from_value else suggestion.to_value
        words = f"{quoted(suggestion.knob)}, {line(change, 60)}: {words}"
    else:
        words = words[:1].upper() + words[1:]
    if suggestion.location:
        words += f" [{listing.at(suggestion.location)}]"
    why = f". Because {listing.told(line(suggestion.why), suggestion.location)}" if suggestion.why else ""
    return f"{words}{why}{f'. Watch: {line(suggestion.watch)}' if suggestion.watch else ''}"


def _general(stage: Stage, gpu: Gpu) -> Iterator[Part]:
    copies = stage.slug == "advanced" and float(gpu.compute_capability) >= COPY_ENGINE
    for words in (*stage.general, *([HOPPER] if copies else [])):
        yield Part(text=f"- {words}", value=Value.GENERAL, name="general guidelines")
