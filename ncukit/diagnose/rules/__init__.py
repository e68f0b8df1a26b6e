"""The rules: one cause a file. A rule returns a finding, or a reason for its silence.

A rule module has ``CODE``, ``CAUSE``, ``NEEDS`` (metrics without which it cannot speak), ``judge(case)``, and a
docstring that is its page: ``ncukit explain CODE`` prints it.
"""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from ncukit.diagnose.ladder import WORTH
from ncukit.errors import NcukitError, nearest
from ncukit.model import Finding, Severity, Silence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncukit.diagnose.facts import Kernel
    from ncukit.diagnose.ladder import Ladder
    from ncukit.source.inspection import Compiled

SECTIONS = (
    "What it means",
    "Why it costs",
    "How it is computed",
    "What to try",
    "When to ignore it",
    "Sources",
)
"""What every rule's page holds, in this order; a test holds them to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a rule judges: one kernel and its ladder."""

    kernel: Kernel
    ladder: Ladder
    share: float = 1.0
    """Share of the report's whole GPU time that this kernel's launches take; 1 when times are unknown."""
    operations: int = 1
    """Launches of this kernel in one run of the work: a repeated measurement counts once."""


class Rule(Protocol):
    """A rule about one kernel."""

    CODE: str
    CAUSE: str
    NEEDS: tuple[str, ...]

    def judge(self, case: Case) -> Finding | str:
        """A finding, or the reason why there is none."""


@runtime_checkable
class AskingRule(Protocol):
    """A rule whose finding says more when the kernel has been compiled again (``Kernel.code``).

    A rule that asks in some cases only also has ``asks(finding)``.
    """

    CAUSE: str

    def against(self, kernel: Kernel, compiled: Compiled) -> str:
        """Why this cannot be the code that was measured, as far as the rule can tell; empty when it can."""


class PipelineRule(Protocol):
    """A rule about several kernels in launch order."""

    CODE: str
    CAUSE: str

    def judge_all(self, cases: Sequence[Case]) -> list[Finding]:
        """Findings across kernels, possibly none."""


_KERNEL = (
    "excess_traffic",
    "uncoalesced_access",
    "narrow_access",
    "l2_locality",
    "local_memory",
    "bank_conflict",
    "atomic_contention",
    "small_grid",
    "tail_effect",
    "workload_imbalance",
    "low_occupancy",
    "launch_overhead",
    "fp64",
    "tensor_core_unused",
    "sfu_bound",
    "integer_bound",
    "divergence",
    "issue_bound",
    "barrier",
    "instruction_latency",
    "memory_latency",
    "dram_roof",
    "compute_roof",
)
_PIPELINE = ("fusion", "launch_overhead")


@cache
def kernel_rules() -> tuple[Rule, ...]:
    """Rules about one kernel, causes before their consequences."""
    return tuple(cast("Rule", import_module(f"{__name__}.{name}")) for name in _KERNEL)


def asking(findings: Sequence[Finding]) -> tuple[AskingRule, ...]:
    """The rules behind these findings that have a use for the compiled code."""
    by_cause = {f.cause: f for f in findings if f.severity == Severity.TUNE}
    return tuple(
        rule
        for rule in kernel_rules()
        if isinstance(rule, AskingRule)
        and (finding := by_cause.get(rule.CAUSE)) is not None
        and getattr(rule, "asks", lambda _: True)(finding)
    )


@cache
def pipeline_rules() -> tuple[PipelineRule, ...]:
    """Rules across kernels."""
    return tuple(cast("PipelineRule", import_module(f"{__name__}.{name}")) for name in _PIPELINE)


def judge(rule: Rule, case: Case) -> Finding | Silence:
    """One rule on one kernel; metrics it needs and does not find make it silent, with the reason."""
    absent = [name for name in rule.NEEDS if case.kernel.get(name) is None]
    if absent:
        reasons = [f"{name} ({case.kernel.missing.get(name, 'not collected')})" for name in absent]
        reason = f"needs {', '.join(reasons)}"
        return Silence(code=rule.CODE, cause=rule.CAUSE, reason=reason, missing=tuple(absent))
    answer = rule.judge(case)
    if isinstance(answer, str):
        return Silence(code=rule.CODE, cause=rule.CAUSE, reason=answer)
    if answer.severity != Severity.TUNE:
        return answer
    answer = replace(answer, evidence=tuple(e for e in answer.evidence if e.metric in case.kernel.metrics))
    if answer.confidence == "high" and not {"issue", "sm"} & case.ladder.floors.keys():
        answer = replace(answer, confidence="medium")  # nobody looked at the SMs: another limit may stand in the way
    capped = case.ladder.capped(answer.gain)
    if capped is not None and capped.best < WORTH:
        return Silence(code=rule.CODE, cause=rule.CAUSE, reason="the needed bytes alone take the time it would leave")
    return replace(answer, gain=capped)


EXPLAINS_FROM = 0.4
"""Share of a finding's gain, in logarithm, from which another finding explains it."""


def _worth(finding: Finding) -> float:
    return finding.gain.best if finding.gain is not None else 0.0


def _explains(root: Finding, finding: Finding) -> bool:
    """Whether ``root`` is worth enough of ``finding`` to be what brings it about."""
    if root.severity != Severity.TUNE or finding.severity != Severity.TUNE or not (root.gain and finding.gain):
        return False
    return math.log(root.gain.best) >= EXPLAINS_FROM * math.log(finding.gain.best)


def fold(findings: Sequence[Finding]) -> tuple[list[Finding], list[Silence]]:
    """Findings without those that only mirror another, each of which is named by the one that explains it.

    A rule's ``MIRRORS`` are the causes that bring its own reading about: too few warps after a small grid, waiting for
    memory after uncoalesced accesses. It is folded into one of them that is worth at least two fifths as much (in
    logarithm); a weaker one does not explain it.
    """
    if len(findings) < 2:
        return list(findings), []
    causes = _mirrors()
    into: dict[str, str] = {}
    for finding in findings:
        roots = [f for f in findings if f.cause in causes.get(finding.cause, ()) and _explains(f, finding)]
        if roots:
            into[finding.cause] = max(roots, key=_worth).cause
    for finding in findings:
        passed = [finding.cause]
        while (root := into.get(passed[-1])) is not None and root not in passed:
            passed.append(root)
        if root is not None:  # they mirror each other in a circle: the one worth most stays
            circle = passed[passed.index(root) :]
            del into[max((f for f in findings if f.cause in circle), key=_worth).cause]
    for cause in into:
        while into[cause] in into:
            into[cause] = into[into[cause]]
    kept = [
        replace(f, mirrored=tuple(g.title for g in findings if into.get(g.cause) == f.cause))
        for f in findings
        if f.cause not in into
    ]
    quiet = [
        Silence(code=f.code, cause=f.cause, reason=f"follows from {into[f.cause]}: {f.title}")
        for f in findings
        if f.cause in into
    ]
    return kept, quiet


@cache
def _mirrors() -> dict[str, tuple[str, ...]]:
    """Cause → the causes that bring its reading about."""
    return {cast("Rule", m).CAUSE: tuple(getattr(m, "MIRRORS", ())) for m in _modules().values()}


def _modules() -> dict[str, object]:
    names = dict.fromkeys((*_KERNEL, *_PIPELINE))
    return {name: import_module(f"{__name__}.{name}") for name in names}


def codes() -> list[tuple[str, str, str]]:
    """(code, cause, title) of every rule, by code."""
    rows = []
    for module in _modules().values():
        title = (inspect.getdoc(module) or "").splitlines()[0]
        rows.append((cast("Rule", module).CODE, cast("Rule", module).CAUSE, title.rstrip(".")))
    return sorted(rows)


def page(code: str) -> str:
    """The page of one rule, by code or cause.

    Raises:
        NcukitError: there is no such rule.
    """
    for module in _modules().values():
        rule = cast("Rule", module)
        if code.lower() in (rule.CODE.lower(), rule.CAUSE):
            return f"{rule.CODE} {rule.CAUSE}\n\n{inspect.getdoc(module)}\n"
    known = [name for row in codes() for name in row[:2]]
    close = nearest(code.upper(), known) or nearest(code.lower(), known)
    raise NcukitError(
        f"no rule is called '{code}'",
        causes=(f"did you mean {' or '.join(close)}?",)
        if close
        else (f"rules: {', '.join(row[0] for row in codes())}",),
        next_command="ncukit explain",
    )
