"""Report × source × GPU → diagnosis: the ladder of limits, findings with evidence and gain, and reasons for silence."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from ncukit import make_callable
from ncukit.diagnose import rules
from ncukit.diagnose.facts import Kernel, gather
from ncukit.diagnose.ladder import Ladder, climb
from ncukit.diagnose.limits import find_limits
from ncukit.diagnose.rules import Case
from ncukit.model import Diagnosis, Finding, KernelDiagnosis, Report, Rung, Severity, Silence
from ncukit.source.syntax import read_source

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["diagnose"]


def diagnose(report: Report, *, gpu: str | None = None, source: str | None = None) -> Diagnosis:
    """Say which limit holds each kernel, what removing a cause is worth, and what to change.

    Args:
        report: what ``ncukit.read`` returned.
        gpu: name of the GPU, for reports that do not say it.
        source: the kernel file, for file:line; by default the report's own target when it is at hand.

    Returns:
        One entry a kernel (launches of equal name, grid, block, constexprs and tensors), and findings across kernels.

    Raises:
        NcukitError: ``gpu`` is unknown.
    """
    limits = find_limits(
        report.environment, gpu, _implied_peak(report) if report.environment.peak_dram_gbps is None else None
    )
    text = read_source(source or report.target) or read_source(report.target.split(" ")[0])
    kernels = gather(report, limits, text)
    total = sum(k.launches * (k.duration_us or 0.0) for k in kernels)
    cases = [
        Case(
            kernel=k,
            ladder=climb(k),
            share=k.launches * k.duration_us / total if k.duration_us and total else 1.0,
            operations=max(1, k.launches // report.repeat),
        )
        for k in kernels
    ]
    named: dict[str, list[Case]] = {}
    for case in cases:
        named.setdefault(case.kernel.name, []).append(case)
    pipeline = [_across(f, named) for rule in rules.pipeline_rules() for f in rule.judge_all(cases)]
    return Diagnosis(
        report_path=report.path,
        report_kind=report.kind,
        environment=report.environment,
        gpu_note=limits.note,
        kernels=tuple(_entry(case, report) for case in cases),
        pipeline=tuple(_ordered(pipeline)),
        ladder=_together(cases, pipeline),
        notes=(*report.notes, *(("the report is incomplete: launches may be missing",) if report.incomplete else ())),
        target=report.target,
    )


def _entry(case: Case, report: Report) -> KernelDiagnosis:
    answers = [rules.judge(rule, case) for rule in rules.kernel_rules()]
    findings, folded = rules.fold([a for a in answers if isinstance(a, Finding)])
    kernel, ladder = case.kernel, case.ladder
    return KernelDiagnosis(
        name=kernel.name,
        launches=kernel.launches,
        grid=kernel.grid,
        block=kernel.block,
        duration_us=kernel.duration_us,
        bound=ladder.bound,
        metrics=kernel.metrics,
        missing=kernel.missing,
        ladder=ladder.rungs,
        findings=tuple(_ordered(_settled(findings, case))),
        silences=(*(a for a in answers if isinstance(a, Silence)), *folded),
        opinions=report.opinions[kernel.first] if report.opinions else (),
    )


def _implied_peak(report: Report) -> float | None:
    """Peak bandwidth in GB/s that ncu's DRAM percentage implies, from the launch that moved the most."""
    frame = report.frame
    if not {"dram_gbps", "dram_pct", "dram_bytes"} <= set(frame.columns):
        return None
    moved = frame.dropna(subset=["dram_bytes", "dram_pct", "dram_gbps"])
    if moved.empty:
        return None
    row = moved.sort_values("dram_bytes").iloc[-1]
    return float(100 * row["dram_gbps"] / row["dram_pct"]) if row["dram_pct"] > 5 and row["dram_gbps"] > 0 else None


def _across(finding: Finding, named: Mapping[str, list[Case]]) -> Finding:
    """A finding across kernels, with the readings that are there, and the command that would settle it."""
    members = [case for name in dict.fromkeys(finding.kernels) for case in named.get(name, ())]
    there = {metric for case in members for metric in case.kernel.metrics}
    finding = replace(finding, evidence=tuple(e for e in finding.evidence if e.metric in there))
    if all(_looked(case) for case in members) or finding.next_command:
        return finding
    sure = "medium" if finding.confidence == "high" else finding.confidence
    return replace(finding, confidence=sure, next_command=_command(members[0]) if members else "")


def _looked(case: Case) -> bool:
    """Whether both the SMs' counters and the launch's arguments were there to be looked at."""
    return "issue" in case.ladder.floors and case.kernel.triton is not None


def _command(case: Case) -> str:
    return f"ncukit profile {case.kernel.source.path if case.kernel.source else 'FILE.py'} --preset default"


def _settled(findings: list[Finding], case: Case) -> list[Finding]:
    """Findings that are not certain name the command that would settle them."""
    if _looked(case):
        return findings
    command = _command(case)
    return [f if f.confidence == "high" or f.next_command else replace(f, next_command=command) for f in findings]


def _ordered(findings: list[Finding]) -> list[Finding]:
    """Tuning before statements of the limit, each by best gain."""
    return sorted(findings, key=lambda f: (f.severity == Severity.LIMIT, -(f.gain.best if f.gain else 0.0)))


def _together(cases: list[Case], pipeline: list[Finding]) -> tuple[Rung, ...]:
    """The ladder of all kernels as one operation: measured, same bytes at the roof, needed bytes at the roof."""
    ladders: list[tuple[Kernel, Ladder]] = [(c.kernel, c.ladder) for c in cases]
    if not ladders or any(ladder.measured_us is None or ladder.relative for _, ladder in ladders):
        return ()
    once = math.gcd(*(k.launches for k, _ in ladders))  # a repeated measurement is still one operation
    total = sum(k.launches // once * (ladder.measured_us or 0.0) for k, ladder in ladders)
    rungs = [Rung(limit="measured", time_us=total, how="")]
    if all("dram" in ladder.floors for _, ladder in ladders):
        same = sum(k.launches // once * ladder.floors["dram"] for k, ladder in ladders)
        left = max(0.0, 1 - sum(k.launches // once * max(ladder.floors.values()) for k, ladder in ladders) / total)
        rungs.append(Rung(limit="dram", time_us=same, how=f"tuning alone can win {left:.0%} at most"))
        fused = [f for f in pipeline if f.cause == "fusion"]
        inside = {name for f in fused for name in f.kernels}
        by_name: dict[str, list[tuple[Kernel, Ladder]]] = {}
        for k, ladder in ladders:
            by_name.setdefault(k.name, []).append((k, ladder))
        alone = sum(
            k.launches // once * max(0.0, ladder.floors["dram"] - ladder.compulsory_us)
            for k, ladder in ladders
            if ladder.compulsory_us is not None and k.name not in inside
        )
        needed = same - alone - sum(_saved(f, by_name, once) for f in fused)
        if needed < 0.98 * same:
            rungs.append(Rung(limit="dram-compulsory", time_us=needed, how="each tensor once, by one kernel"))
    return tuple(rungs)


def _saved(finding: Finding, by_name: Mapping[str, list[tuple[Kernel, Ladder]]], once: int) -> float:
    """DRAM time that a fusion removes from one operation, in microseconds."""
    members = [one for name in dict.fromkeys(finding.kernels) for one in by_name.get(name, ())]
    if not finding.gain:
        return 0.0
    measured = sum(k.launches // once * (ladder.measured_us or 0.0) for k, ladder in members)
    floors = sum(k.launches // once * ladder.floors.get("dram", 0.0) for k, ladder in members)
    return max(0.0, floors - measured / finding.gain.high)


make_callable(__name__)
