"""What a diagnosis holds for the stages: findings that are worth a change, and their weight for the whole run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ncukit.diagnose.ladder import WORTH
from ncukit.model import Severity
from ncukit.optimize.brief.words import both, gain, name

if TYPE_CHECKING:
    from ncukit.model import Diagnosis, Finding, KernelDiagnosis

SURE = {"high": 1.0, "medium": 0.8, "low": 0.5}
"""Confidence → share of a gain's logarithm that is counted on."""


def worthwhile(finding: Finding) -> bool:
    """Whether a finding asks for a change that is worth making; one without an estimate does not."""
    return finding.severity == Severity.TUNE and finding.gain is not None and finding.gain.best > WORTH


def findings(diagnosis: Diagnosis) -> list[tuple[Finding, KernelDiagnosis | None]]:
    """Every finding with its kernel; those across kernels have none."""
    own = [(finding, kernel) for kernel in diagnosis.kernels for finding in kernel.findings]
    return [*((finding, None) for finding in diagnosis.pipeline), *own]


def open_findings(diagnosis: Diagnosis) -> list[tuple[Finding, float]]:
    """Worthwhile findings, each with what it is worth to the whole run: a logarithm, weighed by confidence."""
    return [
        (finding, SURE[finding.confidence] * math.log(whole(finding, kernel, diagnosis)))
        for finding, kernel in findings(diagnosis)
        if worthwhile(finding)
    ]


def whole(finding: Finding, kernel: KernelDiagnosis | None, diagnosis: Diagnosis) -> float:
    """The factor by which the time of all kernels would fall; a kernel's own where times are unknown."""
    best = finding.gain.best if finding.gain else 1.0
    times = [(k, k.launches * k.duration_us) for k in diagnosis.kernels if k.duration_us is not None]
    total = sum(time for _, time in times)
    if len(times) < len(diagnosis.kernels) or not total:
        return best
    own = sum(time for k, time in times if (k is kernel if kernel is not None else k.name in finding.kernels))
    return total / max(total - own * (1 - 1 / best), total / best)


def reach(diagnosis: Diagnosis) -> float | None:
    """Share of the time that the highest limit of each kernel accounts for; None when that was not measured."""
    measured = limits = 0.0
    for kernel in diagnosis.kernels:
        floors = [r.time_us for r in kernel.ladder if r.limit not in ("measured", "dram-compulsory")]
        if kernel.duration_us is None or not floors:
            return None
        measured += kernel.launches * kernel.duration_us
        # without the counters of the SMs and of DRAM nobody knows how near a kernel is to them
        limits += kernel.launches * max(floors) if kernel.bound != "unknown" else 0.0
    return min(1.0, limits / measured) if measured else None


def about(finding: Finding) -> str:
    """``fusion (FUS601) on a and b is worth 1.46x (1.34x to 1.58x), high confidence``."""
    where = f" on {both([name(k) for k in finding.kernels[:3]])}" if finding.kernels else ""
    worth = f"is worth {gain(finding.gain)}" if finding.gain else "has no estimate"
    return f"{finding.cause} ({finding.code}){where} {worth}, {finding.confidence} confidence"
