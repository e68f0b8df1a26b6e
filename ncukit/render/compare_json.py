"""The comparison for programs: ``schema_version`` 1; additions are free, renames are not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ncukit.gate.compare import Compared, Comparison, Row
    from ncukit.gate.readings import Reading
    from ncukit.gate.side import Side


def render(comparison: Comparison) -> str:
    """The comparison as JSON; without kernels where the two cannot be compared."""
    blocked = comparison.blocked
    document = {
        "schema_version": 1,
        "status": "not-comparable" if blocked is not None else _word(comparison.total),
        "before": _side(comparison.before),
        "after": _side(comparison.after),
        "differences": [
            {
                "field": one.field,
                "before": one.before,
                "after": one.after,
                "code": one.code,
                "allow": one.allow or None,
                "allowed": one.allowed,
            }
            for one in comparison.differences
        ],
        "total": None if blocked is not None else _row(comparison.total),
        "kernels": [] if blocked is not None else [_kernel(one) for one in comparison.kernels],
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _side(side: Side) -> dict[str, Any]:
    return {
        "path": side.path,
        "case": side.case,
        "target": side.target,
        "recorded": side.recorded,
        "identity": dict(side.identity),
    }


def _kernel(kernel: Compared) -> dict[str, Any]:
    return {
        "before": [entry.kernel for entry in kernel.pair.before],
        "after": [entry.kernel for entry in kernel.pair.after],
        "status": kernel.word,
        "share": kernel.share,
        "causes_gone": list(kernel.gone),
        "causes_new": list(kernel.new),
        "metrics": [_row(row) for row in kernel.rows],
    }


def _row(row: Row) -> dict[str, Any]:
    change = row.change
    return {
        "metric": row.metric,
        "unit": row.unit,
        "before": _reading(row.before),
        "after": _reading(row.after),
        "ratio": row.ratio,
        "status": _word(row),
        "code": None if change is None else change.code,
        "reason": None if change is None else change.reason,
    }


def _word(row: Row) -> str | None:
    return None if row.change is None else row.change.word.value


def _reading(reading: Reading | None) -> dict[str, float] | None:
    if reading is None:
        return None
    names = ("count", "low", "q1", "median", "q3", "high")
    return {name: getattr(reading, name) for name in names}
