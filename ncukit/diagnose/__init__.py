"""Report × source × GPU → diagnosis: the ladder of limits, findings with evidence and gain, and reasons for silence."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from ncukit import make_callable
from ncukit.diagnose import rules
from ncukit.diagnose.facts import gather
from ncukit.diagnose.ladder import climb
from ncukit.diagnose.limits import find_limits
from ncukit.diagnose.rules import Case
from ncukit.model import Diagnosis, Finding, KernelDiagnosis, Report, Rung, Severity, Silence
from ncukit.source.syntax import read_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ncukit.diagnose.ladder import Ladder

__all__ = ["diagnose"]

NEGLIGIBLE = 0.01
"""A kernel with less than this of the longest one's time gets no advice: nobody would notice if it were free."""


def diagnose(
    report: Report, *, gpu: str | None = None, source: str | None = None, recompile: bool = False
) -> Diagnosis:
    """Say which limit holds each kernel, what removing a cause is worth, and what to change.

    Args:
        report: what ``ncukit.read`` returned.
        gpu: name of the GPU, for reports that do not say it.
        source: the kernel file, for file:line; by default the report's own target when it is at hand.
        recompile: whether to start a process that compiles kernels again, without a GPU, where that says why.

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
    longest = max((case.share for case in cases if case.kernel.duration_us), default=0.0)
    notes: dict[int, str] = {}
    if recompile:
        cases, notes = _with_code(cases, report, longest)
    named: dict[str, list[Case]] = {}
    for case in cases:
        named.setdefault(case.kernel.name, []).append(case)
    pipeline = [_across(f, _members(f, named)) for rule in rules.pipeline_rules() for f in rule.judge_all(cases)]
    return Diagnosis(
        report_path=report.path,
        report_kind=report.kind,
        environment=report.environment,
        gpu_note=limits.note,
        kernels=tuple(replace(_entry(c, report, longest), code_note=notes.get(c.kernel.first, "")) for c in cases),
        pipeline=tuple(_ordered(pipeline)),
        ladder=_together(cases, pipeline, named),
        notes=(*report.notes, *(("the report is incomplete: launches may be missing",) if report.incomplete else ())),
        target=report.target,
    )


def _with_code(cases: list[Case], report: Report, longest: float) -> tuple[list[Case], dict[int, str]]:
    """The cases with what the compiler makes of those kernels whose findings ask, and what came of asking by row."""
    from ncukit.diagnose.compiled import compile_again  # a diagnosis that asks nothing needs none of it

    asked = [(case, rules.asking(_judged(case, longest)[0])) for case in cases]
    asked = sorted(((c, r) for c, r in asked if r), key=lambda one: -one[0].share)
    answers = compile_again(report, [(case.kernel, asking) for case, asking in asked])
    by_row = {case.kernel.first: answer for (case, _), answer in zip(asked, answers, strict=True)}
    codes = {row: answer.code for row, answer in by_row.items()}
    found = [replace(c, kernel=replace(c.kernel, code=codes.get(c.kernel.first))) for c in cases]
    return found, {row: answer.note for row, answer in by_row.items()}


def _judged(case: Case, longest: float) -> tuple[list[Finding], list[Silence]]:
    """Findings that stand for themselves, and why the other rules are silent."""
    answers = [rules.judge(rule, case) for rule in rules.kernel_rules()]
    if case.share < NEGLIGIBLE * longest:
        answers = [_weighed(answer, case) for answer in answers]
    findings, folded = rules.fold([a for a in answers if isinstance(a, Finding)])
    return findings, [*(a for a in answers if isinstance(a, Silence)), *folded]


def _entry(case: Case, report: Report, longest: float) -> KernelDiagnosis:
    findings, silences = _judged(case, longest)
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
        silences=tuple(silences),
        opinions=report.opinions[kernel.first] if report.opinions else (),
    )


def _weighed(answer: Finding | Silence, case: Case) -> Finding | Silence:
    """Advice on a kernel of no weight becomes a reason for silence; what is at a limit may say so."""
    if isinstance(answer, Silence) or answer.severity == Severity.LIMIT:
        return answer
    return Silence(
        code=answer.code,
        cause=answer.cause,
        reason=f"{answer.title}, but this is {100 * case.share:.2g}% of the time of all kernels",
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


def _members(finding: Finding, named: Mapping[str, list[Case]]) -> list[Case]:
    """The kernels that a finding across kernels is about."""
    return [case for name in dict.fromkeys(finding.kernels) for case in named.get(name, ())]


def _across(finding: Finding, members: list[Case]) -> Finding:
    """A finding across kernels, with the readings that are there, and the command that would settle it."""
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


def _together(cases: list[Case], pipeline: list[Finding], named: Mapping[str, list[Case]]) -> tuple[Rung, ...]:
    """The ladder of all kernels as one operation: measured, same bytes at the roof, needed bytes at the roof."""
    if not cases or any(c.ladder.measured_us is None or c.ladder.relative for c in cases):
        return ()
    once = math.gcd(*(c.kernel.launches for c in cases))  # a repeated measurement is still one operation

    def total(some: Iterable[Case], time: Callable[[Ladder], float]) -> float:
        return sum(c.kernel.launches // once * time(c.ladder) for c in some)

    measured = total(cases, lambda ladder: ladder.measured_us or 0.0)
    rungs = [Rung(limit="measured", time_us=measured, how="")]
    if all("dram" in c.ladder.floors for c in cases):
        same = total(cases, lambda ladder: ladder.floors["dram"])
        left = max(0.0, 1 - total(cases, lambda ladder: max(ladder.floors.values())) / measured)
        rungs.append(Rung(limit="dram", time_us=same, how=f"tuning alone can win {left:.0%} at most"))
        saved = 0.0
        fused = [f for f in pipeline if f.cause == "fusion" and f.gain]
        for f in fused:
            members = _members(f, named)
            fallen = total(members, lambda ladder: ladder.measured_us or 0.0) / (f.gain.high if f.gain else 1.0)
            saved += max(0.0, total(members, lambda ladder: ladder.floors["dram"]) - fallen)
        inside = {name for f in fused for name in f.kernels}
        alone = [c for c in cases if c.ladder.compulsory_us is not None and c.kernel.name not in inside]
        saved += total(alone, lambda ladder: max(0.0, ladder.floors["dram"] - (ladder.compulsory_us or 0.0)))
        if same - saved < 0.98 * same:
            rungs.append(Rung(limit="dram-compulsory", time_us=same - saved, how="each tensor once, by one kernel"))
    return tuple(rungs)


make_callable(__name__)
