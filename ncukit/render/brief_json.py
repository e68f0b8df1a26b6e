"""A brief for programs: ``schema_version`` 1; additions are free, renames are not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ncukit.optimize.brief.budget import ESTIMATE
from ncukit.optimize.brief.stages import finished

if TYPE_CHECKING:
    from ncukit.optimize.brief import Brief, Facts


def render(brief: Brief, facts: Facts, max_tokens: int | None = None) -> str:
    """The document that ``ncukit brief --format json`` prints."""
    report = facts.report
    document = {
        "schema_version": 1,
        "path": facts.path,
        "gpu": facts.gpu.name,
        "stage": brief.stage.slug,
        "stage_title": brief.stage.title,
        "why": brief.why,
        "causes": list(brief.stage.causes),
        "exit_criterion": brief.stage.exit,
        "finished": finished(brief.stage, facts.diagnosis) if facts.diagnosis is not None else None,
        "nothing_left": brief.nothing_left or None,
        "measured": {"path": report.path, "kind": report.kind, "recorded": report.environment.recorded}
        if report is not None
        else None,
        "notes": list(facts.notes),
        "unmeasured": facts.unmeasured or None,
        "text": brief.text,
        "tokens": brief.tokens,
        "tokens_are": ESTIMATE,
        "max_tokens": max_tokens,
        "left_out": list(brief.left_out),
    }
    return json.dumps(document, indent=2) + "\n"
