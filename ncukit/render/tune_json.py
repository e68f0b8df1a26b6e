"""A search for programs: ``schema_version`` 1; additions are free, renames are not. What is missing is null."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ncukit.render.tune import diff

if TYPE_CHECKING:
    from ncukit.optimize.tune import Plan, Tuned
    from ncukit.optimize.tune.advice import Advice
    from ncukit.optimize.tune.record import Trial


def render(tuned: Tuned, advice: Advice) -> str:
    """The document that ``ncukit tune --format json`` prints."""
    race = tuned.race
    document = {
        **_plan(tuned.plan, advice),
        "gpu": tuned.about.get("gpu") or None,
        "versions": dict(tuned.about.get("versions", {})),
        "measured": race is not None,
        "faster": race.faster if race is not None else False,
        "speedup": {"low": race.low, "best": race.ratio, "high": race.high} if race is not None else None,
        "before_us": race.before.median_us if race is not None else None,
        "after_us": race.after.median_us if race is not None else None,
        "best": {tuned.plan.knobs.groups[i].title: _named(tuned.plan, i, s) for i, s in tuned.best.items()},
        "stops": {tuned.plan.knobs.groups[i].title: why for i, why in tuned.stops.items()},
        "trials": [_trial(tuned.plan, trial) for trial in tuned.trials],
        "resumed": tuned.resumed,
        "interrupted": tuned.interrupted,
        "diff": diff(tuned.plan.problem.code, tuned.code, tuned.plan.problem.path) if tuned.better else "",
    }
    return json.dumps(document, indent=2) + "\n"


def plan_document(plan: Plan, advice: Advice) -> str:
    """What would be searched."""
    return json.dumps({**_plan(plan, advice), "measured": False}, indent=2) + "\n"


def _plan(plan: Plan, advice: Advice) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "path": plan.problem.path,
        "sizes": dict(plan.problem.sizes),
        "predicted": asdict(advice.predicted) if advice.predicted is not None else None,
        "predicted_because": advice.because,
        "groups": [_group(plan, index) for index in plan.order],
        "not_turned": [asdict(fixed) for fixed in plan.knobs.fixed],
    }


def _group(plan: Plan, index: int) -> dict[str, Any]:
    group, facts = plan.knobs.groups[index], plan.facts[index]
    return {
        "kernels": list(group.kernels),
        "knobs": [
            {"name": group.label(k), "value": k.value, "values": list(k.values), "line": k.line} for k in group.knobs
        ],
        "settings": len(group.settings),
        "ruled_out": [{"setting": _named(plan, index, s), "why": why} for s, why in facts.ruled_out.items()],
        "suggested": [{"setting": _named(plan, index, s), "why": why} for s, why in plan.suggested[index].items()],
        "note": facts.note or None,
    }


def _named(plan: Plan, index: int, setting: tuple[int, ...]) -> dict[str, int]:
    group = plan.knobs.groups[index]
    return {group.label(knob): value for knob, value in zip(group.knobs, setting, strict=True)}


def _trial(plan: Plan, trial: Trial) -> dict[str, Any]:
    return {
        "kernels": list(plan.knobs.groups[trial.group].kernels),
        "setting": _named(plan, trial.group, trial.setting),
        "outcome": trial.outcome,
        "speedup": {"low": trial.low, "best": trial.ratio, "high": trial.high} if trial.ratio is not None else None,
        "median_us": trial.median_us,
        "turns": trial.runs,
        "error": trial.error,
        "why": trial.why or None,
        "note": trial.note or None,
        "launches": [dict(one) for one in trial.launches],
    }
