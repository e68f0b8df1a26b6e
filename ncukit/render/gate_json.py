"""The gate's answer for programs: ``schema_version`` 1; additions are free, renames are not."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from ncukit import metrics
from ncukit.render.gate import EXPLAINED

if TYPE_CHECKING:
    from ncukit.gate import Judgement


def render(judgement: Judgement) -> str:
    """The judgement as JSON."""
    environment = judgement.environment
    used = {verdict.metric for verdict in judgement.verdicts}
    document = {
        "schema_version": 1,
        "report": judgement.report_path,
        "recorded": environment.recorded,
        "device": {"name": environment.gpu, "compute_capability": environment.compute_capability},
        "ncu_version": environment.ncu_version,
        "clock_control": environment.clock_control,
        "status": judgement.status.value,
        "verdicts": _verdicts(judgement),
        "explained": {name: metrics.catalogue()[name].about for name in EXPLAINED if name in used},
        "collect_command": judgement.collect_command or None,
        "notes": list(judgement.notes),
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _verdicts(judgement: Judgement) -> list[dict[str, Any]]:
    return [
        {
            "kernel": kernel.kernel,
            "grid": _dim3(kernel.grid),
            "block": _dim3(kernel.block),
            "constexprs": kernel.constexprs or None,
            "launches": kernel.launches,
            "metric": verdict.metric,
            "unit": verdict.unit,
            "bound": verdict.bound,
            "limit": verdict.limit,
            "measured": verdict.measured,
            "status": verdict.status.value,
            "reason": verdict.reason,
        }
        for kernel in judgement.kernels
        for verdict in kernel.verdicts
    ]


def _dim3(text: str) -> list[int] | None:
    """``(7168, 1, 1)`` as three numbers; None when the report does not say."""
    numbers = re.findall(r"\d+", text)
    return [int(n) for n in numbers] if len(numbers) == 3 else None
