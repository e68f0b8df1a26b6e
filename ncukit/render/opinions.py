"""NVIDIA's opinion as text: a line under each of our findings, then what only NVIDIA says, with our reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ncukit.diagnose import opinions
from ncukit.diagnose.opinions import Verdict
from ncukit.render import units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncukit.model import Diagnosis, Finding, KernelDiagnosis, Opinion

HOW_TO_GET = (
    "this report carries no results of NVIDIA's rules: measure with `ncu --set full -o run.ncu-rep …`, then read "
    "run.ncu-rep, or what `ncu --import run.ncu-rep --csv --page details` prints"
)
SHOWN_ALONE = 12
"""Advice of NVIDIA's alone that the page shows; all of it is in --format json."""


def beside(same: Sequence[Finding], diagnosis: Diagnosis) -> list[str]:
    """What NVIDIA's rules say of a finding: one line for each different answer.

    Args:
        same: the finding, and the equal ones on other kernels that the page shows with it.
        diagnosis: what they are from.
    """
    lines = []
    for finding in same:
        across = all(finding is not f for kernel in diagnosis.kernels for f in kernel.findings)
        for kernel in diagnosis.kernels:
            concerned = kernel.name in finding.kernels if across else any(finding is f for f in kernel.findings)
            if concerned and kernel.opinions:
                lines.append(_beside(finding, kernel.opinions, across=across))
    return list(dict.fromkeys(lines))


def alone(diagnosis: Diagnosis) -> list[str]:
    """What only NVIDIA advises, with our reason beside it; advice of one rule and reason on one line."""
    grouped: dict[tuple[str, str], list[tuple[str, Opinion]]] = {}
    for kernel in diagnosis.kernels:
        for opinion in opinions.alone(kernel.opinions, opinions.findings_on(kernel, diagnosis.pipeline)):
            key = opinion.rule, opinions.our_reason(opinion, kernel.silences)
            grouped.setdefault(key, []).append((units.kernel(kernel.name), opinion))
    if not grouped:
        return []
    lines = []
    for (rule, reason), said in list(grouped.items())[:SHOWN_ALONE]:
        names = list(dict.fromkeys(name for name, _ in said))
        others = f" and {len(names) - 3} more" if len(names) > 3 else ""
        where = f"{', '.join(names[:3])}{others}: " if len(diagnosis.kernels) > 1 else ""
        most = _share(max((opinion for _, opinion in said), key=lambda o: o.speedup_pct or 0.0))
        estimate = f" ({'up to ' if len(said) > 1 else ''}{most})" if most else ""
        lines.append(f"  {where}{rule}{estimate}: {reason}")
    more = len(grouped) - len(lines)
    rest = [f"  … and {more} more: --format json"] if more > 0 else []
    return ["NVIDIA only, and why we do not say so:", *lines, *rest, ""]


def nvidia_entry(kernel: KernelDiagnosis, pipeline: Sequence[Finding]) -> dict[str, Any]:
    """The key ``nvidia`` of a kernel's entry in JSON; nothing when the report carries no rule results."""
    if not kernel.opinions:
        return {}
    findings = opinions.findings_on(kernel, pipeline)
    return {"nvidia": [_entry(opinion, findings) for opinion in kernel.opinions]}


def _entry(opinion: Opinion, findings: Sequence[Finding]) -> dict[str, Any]:
    verdict = opinions.verdict(opinion, findings)
    return {
        "rule": opinion.rule,
        "type": opinion.kind,
        "section": opinion.section,
        "title": opinion.title or None,
        "message": opinion.message,
        "speedup_pct": opinion.speedup_pct,
        "scope": opinion.scope or None,
        "cause": list(opinions.cause_of(opinion)),
        "verdict": str(verdict) if verdict else None,
    }


def _beside(finding: Finding, said: Sequence[Opinion], *, across: bool) -> str:
    verdict, nearest = opinions.judge(finding, said)
    if nearest is None:
        return f"nvidia: {verdict}{' (its rules look at one launch at a time)' if across else ''}"
    gain = opinions.factor(nearest)
    ours = finding.gain.best if finding.gain else None
    odds = f": {gain:.2f}x, ours {ours:.2f}x" if verdict == Verdict.OTHER_GAIN and gain and ours else ""
    cited = ", ".join(word for word in (nearest.rule, _share(nearest)) if word)
    return f"nvidia: {verdict} ({cited}){odds}"


def _share(opinion: Opinion) -> str:
    if opinion.speedup_pct is None:
        return ""
    return f"{opinion.speedup_pct:.3g} %{' of its unit' if opinion.scope == 'local' else ''}"
