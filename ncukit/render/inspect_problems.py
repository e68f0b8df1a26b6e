"""Everything that is wrong in an inspection as one list: what every format shows at a place in the source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ncukit.gate.static_verdict import StaticCode
from ncukit.model import Status
from ncukit.render import inspect_text as words
from ncukit.render.gate_text import MOST_WORDS, bounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncukit.gate.examined import Examined
    from ncukit.gate.static_verdict import StaticVerdict
    from ncukit.source.inspection import CompileError, Violation

Severity = Literal["error", "warning", "note"]
COMPILE, HOST, BUDGET = "compile-error", "host-error", "budget"
"""Codes of what is no lint rule's."""
_SEVERITIES = ("error", "warning", "note")
_UNSURE = (Status.WARN, Status.AMBIGUOUS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong; of a compile error and a budget on all architectures together."""

    code: str
    """``TRI101``, ``compile-error``, ``host-error`` or ``budget``."""
    name: str = ""
    """Slug of a lint rule."""
    severity: Severity
    counts: bool
    """Whether it makes the inspection fail, or keeps it from passing."""
    kernel: str = ""
    subject: str = ""
    """``rms_kernel on sm_80, sm_90``, for people; empty where the message says what it is about."""
    message: str
    """Unbounded, as it was read."""
    identity: str = ""
    """What stays the same of the message while the kernel changes; empty when all of it does."""
    instead: str = ""
    path: str | None = None
    line: int | None = None
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None
    suppressed: str | None = None
    """Reason of the comment that accepts it."""
    judged: bool = True
    """False for a budget that could not be held against anything."""


def problems(examined: Examined) -> list[Problem]:
    """What does not compile, what the lint says, and budgets that are not kept; in this order, the worst first.

    Those that a comment accepts come last.
    """
    broken = errors(examined.inspection.errors)
    kernels = {one.kernel for one in broken}
    # why a kernel could not be compiled is told once
    verdicts = [v for v in examined.verdicts if v.code != StaticCode.NOT_COMPILED or v.kernel not in kernels]
    found = [*broken, *lint(examined), *budgets(verdicts)]
    return sorted(found, key=lambda one: (one.suppressed is not None, not one.counts, _SEVERITIES.index(one.severity)))


def errors(found: Sequence[CompileError]) -> list[Problem]:
    """Errors at one place with one message together."""
    groups: dict[tuple[object, ...], list[CompileError]] = {}
    for error in found:
        key = (error.kernel, error.path, error.line, error.column, error.message, error.tolerated)
        groups.setdefault(key, []).append(error)
    return [_error(group) for group in groups.values()]


def _error(group: Sequence[CompileError]) -> Problem:
    first = group[0]
    configs = list(dict.fromkeys(e.config for e in group if e.config))
    tuned = f" with {words.config(configs[0]) if len(configs) == 1 else f'{len(configs)} configurations'}"
    archs = words.listed(dict.fromkeys(e.arch for e in group if e.arch))
    subject = f"{bounded(first.kernel)}{f' on {archs}' if archs else ''}{tuned if configs else ''}"
    return Problem(
        code=COMPILE if first.kernel else HOST,
        severity="note" if first.tolerated else "error",
        counts=not first.tolerated,
        kernel=first.kernel,
        subject=subject if first.kernel else "",
        message=first.message,
        instead=first.instead,
        path=first.path,
        line=first.line,
        column=first.column,
    )


def lint(examined: Examined) -> list[Problem]:
    """The lint's violations."""
    counted = set(examined.failed_lint)
    return [_violation(one, one in counted) for one in examined.inspection.lint]


def _violation(one: Violation, counts: bool) -> Problem:
    return Problem(
        code=one.code,
        name=one.rule,
        severity=one.severity,
        counts=counts,
        kernel=one.kernel or "",
        message=one.message,
        instead=one.instead,
        path=one.path,
        line=one.line,
        column=one.column,
        end_line=one.end_line,
        end_column=one.end_column,
        suppressed=one.suppressed,
    )


def budgets(verdicts: Sequence[StaticVerdict]) -> list[Problem]:
    """Budgets that were broken, may be, or could not be judged; the architectures of one kernel together."""
    groups: dict[tuple[object, ...], list[StaticVerdict]] = {}
    for one in verdicts:
        if one.status not in (Status.PASS, Status.IGNORED):
            key = (one.kernel, one.config, one.path, one.line, one.metric, one.bound, one.limit, one.status, one.level)
            groups.setdefault(key, []).append(one)
    return [_budget(group) for group in groups.values()]


def _budget(group: Sequence[StaticVerdict]) -> Problem:
    first = group[0]
    judged = first.status is not Status.UNJUDGED
    by_value: dict[str, list[str]] = {}
    for one in group:
        by_value.setdefault(words.numbers(one)[0], []).append(one.arch)
    values = " and ".join(
        value + (f" on {words.listed(archs)}" if any(archs) else "") for value, archs in by_value.items()
    )
    reasons = "; ".join(dict.fromkeys(bounded(one.reason, MOST_WORDS) for one in group if one.reason and not judged))
    message = f"{words.asked(first)}: {values if judged else f'not judged: {reasons or words.MEANINGS[first.code]}'}"
    if first.status is Status.AMBIGUOUS:
        message += f" ({words.MEANINGS[first.code]})"
    return Problem(
        code=BUDGET,
        severity="error" if first.level == "error" and first.status not in _UNSURE else "warning",
        counts=first.level == "error" and first.status in (Status.FAIL, Status.UNJUDGED),
        kernel=first.kernel,
        subject=f"{bounded(first.kernel)}{f' with {words.config(first.config)}' if first.config else ''}",
        message=message,
        identity=f"{words.asked(first)} {first.config or ''}",
        path=first.path,
        line=first.line,
        judged=judged,
    )
