"""A diagnosis as JSON, schema version 1: additions are free, renames are not."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ncukit.render.opinions import nvidia_entry

if TYPE_CHECKING:
    from ncukit.model import Diagnosis, Environment, Finding, KernelDiagnosis, Rung

SCHEMA_VERSION = 1


def render(diagnosis: Diagnosis) -> str:
    """The document that ``ncukit diagnose --format json`` prints. Missing values are null or absent, never zero."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "source": {
            "path": diagnosis.report_path,
            "kind": diagnosis.report_kind,
            "ncu_version": diagnosis.environment.ncu_version or None,
            "recorded": diagnosis.environment.recorded,
            "target": diagnosis.target or None,
        },
        "device": device(diagnosis.environment, diagnosis.gpu_note),
        "kernels": [_kernel(kernel) | nvidia_entry(kernel, diagnosis.pipeline) for kernel in diagnosis.kernels],
        "pipeline": [_finding(finding) for finding in diagnosis.pipeline],
        "ladder": [_rung(rung) for rung in diagnosis.ladder],
        "notes": list(diagnosis.notes),
    }
    return json.dumps(_finite(document), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def device(environment: Environment, note: str = "") -> dict[str, Any]:
    """Where it was measured; null for what the report does not say."""
    return {
        "name": environment.gpu or None,
        "compute_capability": environment.compute_capability or None,
        "sm_count": environment.sm_count,
        "peak_dram_gbps": environment.peak_dram_gbps,
        "driver_version": environment.driver_version or None,
        "triton_version": environment.triton_version or None,
        "torch_version": environment.torch_version or None,
        "clock_control": environment.clock_control or None,
        "cache_control": environment.cache_control or None,
        "limits": note or None,
    }


def _kernel(kernel: KernelDiagnosis) -> dict[str, Any]:
    return {
        "name": kernel.name,
        "launches": kernel.launches,
        "grid": kernel.grid,
        "block": kernel.block,
        "duration_us": kernel.duration_us,
        "bound": kernel.bound,
        "metrics": dict(kernel.metrics),
        "missing": [{"metric": name, "reason": reason} for name, reason in kernel.missing.items()],
        "ladder": [_rung(rung) for rung in kernel.ladder],
        "findings": [_finding(finding) for finding in kernel.findings],
        "silent": [asdict(silence) for silence in kernel.silences],
        "code": kernel.code_note or None,
    }


def _rung(rung: Rung) -> dict[str, Any]:
    return {"limit": rung.limit, "time_us": rung.time_us, "how": rung.how}


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "cause": finding.cause,
        "severity": str(finding.severity),
        "confidence": finding.confidence,
        "title": finding.title,
        "kernels": list(finding.kernels),
        "evidence": [asdict(evidence) for evidence in finding.evidence],
        "estimated_speedup": asdict(finding.gain) if finding.gain else None,
        "suggestions": [
            {
                "action": s.action,
                "knob": s.knob,
                "from": s.from_value,
                "to": s.to_value,
                "location": s.location,
                "why": s.why,
                "watch": s.watch or None,
            }
            for s in finding.suggestions
        ],
        "will_not_help": list(finding.unhelpful),
        "follows_from_it": list(finding.mirrored),
        "next": finding.next_command or None,
    }


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return value
