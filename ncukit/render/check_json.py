"""A checked answer for programs: ``schema_version`` 1; additions are free, renames are not."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ncukit.optimize.verdict import Case, Checked


def render(checked: Checked, problem: str) -> str:
    """The document that ``ncukit check --format json`` prints."""
    document = {
        "schema_version": 1,
        "path": checked.path,
        "problem": problem,
        "verdict": checked.verdict,
        "reasons": [
            {"code": r.code, "line": r.line, "message": r.message, "instead": r.instead or None}
            for r in checked.reasons
        ],
        "unproven": list(checked.unproven),
        "cases": [_case(case) for case in checked.cases],
        "where": checked.where or None,
        "versions": dict(checked.versions),
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _case(case: Case) -> dict[str, Any]:
    error = case.error if case.error is not None and math.isfinite(case.error) else None
    return {"name": case.name, "outcome": case.outcome, "error": error, "note": case.note or None}
