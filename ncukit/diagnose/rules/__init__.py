"""The rules: one cause a file. A rule returns a finding, or a reason for its silence.

A rule module has ``CODE``, ``CAUSE``, ``NEEDS`` (metrics without which it cannot speak), ``judge(case)``, and a
docstring that is its page: ``ncukit explain CODE`` prints it.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from ncukit.errors import NcukitError, nearest
from ncukit.model import Finding, Severity, Silence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncukit.diagnose.facts import Kernel
    from ncukit.diagnose.ladder import Ladder

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


class PipelineRule(Protocol):
    """A rule about several kernels in launch order."""

    CODE: str
    CAUSE: str

    def judge_all(self, cases: Sequence[Case]) -> list[Finding]:
        """Findings across kernels, possibly none."""


_KERNEL = (
    "excess_traffic",
    "uncoalesced_access",
    "local_memory",
    "small_grid",
    "tail_effect",
    "low_occupancy",
    "memory_latency",
    "launch_overhead",
    "dram_roof",
)
_PIPELINE = ("fusion", "launch_overhead")


def kernel_rules() -> tuple[Rule, ...]:
    """Rules about one kernel, causes before their consequences."""
    return tuple(cast("Rule", import_module(f"{__name__}.{name}")) for name in _KERNEL)


def pipeline_rules() -> tuple[PipelineRule, ...]:
    """Rules across kernels."""
    return tuple(cast("PipelineRule", import_module(f"{__name__}.{name}")) for name in _PIPELINE)


def judge(rule: Rule, case: Case) -> Finding | Silence:
    """One rule on one kernel; metrics it needs and does not find make it silent, with the reason."""
    absent = [name for name in rule.NEEDS if case.kernel.get(name) is None]
    if absent:
        reasons = [f"{name} ({case.kernel.missing.get(name, 'not collected')})" for name in absent]
        return Silence(code=rule.CODE, cause=rule.CAUSE, reason=f"needs {', '.join(reasons)}")
    answer = rule.judge(case)
    if isinstance(answer, str):
        return Silence(code=rule.CODE, cause=rule.CAUSE, reason=answer)
    return replace(answer, gain=case.ladder.capped(answer.gain)) if answer.severity == Severity.TUNE else answer


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
