"""The gate's answer for programs: ``schema_version`` 1; additions are free, renames are not.

Names and reasons stand here in full, as they were read: a program can look them up again.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ncukit import metrics
from ncukit.gate.answer import WORST_FIRST, overall
from ncukit.render.gate_text import EXPLAINED, used_codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncukit.gate.answer import Against, Judgement


def render(*judgements: Judgement) -> str:
    """The judgement as JSON; several as ``{"status", "reports": [one document each]}``."""
    documents = [_document(judgement) for judgement in judgements]
    document = documents[0] if len(documents) == 1 else _several(judgements, documents)
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _several(judgements: Sequence[Judgement], documents: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "status": overall(judgements).value,
        "counts": {s.value: sum(j.count(s) for j in judgements) for s in WORST_FIRST},
        "reports": documents,
    }


def _document(judgement: Judgement) -> dict[str, Any]:
    environment = judgement.environment
    used = {verdict.metric for verdict in judgement.verdicts}
    return {
        "schema_version": 1,
        "report": judgement.report_path,
        "case": judgement.case or None,
        "target": judgement.target or None,
        "recorded": environment.recorded,
        "device": {"name": environment.gpu, "compute_capability": environment.compute_capability},
        "ncu_version": environment.ncu_version,
        "clock_control": environment.clock_control,
        "status": judgement.status.value,
        "strict": judgement.strict,
        "counts": {status.value: judgement.count(status) for status in WORST_FIRST},
        "verdicts": _verdicts(judgement),
        "codes": used_codes(judgement),
        "against": _against(judgement.against) if judgement.against is not None else None,
        "explained": {name: metrics.catalogue()[name].about for name in EXPLAINED if name in used},
        "collect_command": judgement.collect_command or None,
        "notes": list(judgement.notes),
    }


def _verdicts(judgement: Judgement) -> list[dict[str, Any]]:
    return [
        {
            "kernel": kernel.kernel,
            "grid": _dim3(kernel.grid),
            "block": _dim3(kernel.block),
            "constexprs": kernel.constexprs or None,
            "launches": kernel.launches,
            "share": _finite(kernel.share),
            "path": kernel.path or None,
            "line": kernel.line,
            "metric": verdict.metric,
            "unit": verdict.unit,
            "bound": verdict.bound,
            "limit": _finite(verdict.limit),
            "relative": verdict.relative,
            "measured": _finite(verdict.measured),
            "baseline": _finite(verdict.baseline),
            "status": verdict.status.value,
            "code": verdict.code,
            "reason": verdict.reason,
            "level": verdict.level,
            "origin": verdict.origin or None,
        }
        for kernel in judgement.kernels
        for verdict in kernel.verdicts
    ]


def _against(against: Against) -> dict[str, Any]:
    return {
        "name": against.name,
        "path": against.path,
        "found": against.found,
        "saved": against.saved or None,
        "reason": against.reason or None,
        "differences": [asdict(difference) for difference in against.differences],
        "save_command": against.save_command or None,
    }


def _dim3(text: str) -> list[int] | None:
    """``(7168, 1, 1)`` as three numbers; None when the report does not say."""
    found = re.fullmatch(r"\D*(\d{1,15})\D+(\d{1,15})\D+(\d{1,15})\D*", text)
    return [int(n) for n in found.groups()] if found else None


def _finite(value: float | None) -> float | None:
    """JSON has no NaN and no infinity."""
    return value if value is not None and math.isfinite(value) else None
