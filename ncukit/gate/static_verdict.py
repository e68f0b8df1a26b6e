"""What is said of a budget without a measurement: the verdict, and the codes that give its reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ncukit.model import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ncukit.gate.budget import Budget
    from ncukit.model import Bound, Level
    from ncukit.source.inspection import Launch


class StaticCode(StrEnum):
    """Why a verdict is what it is. Stable; what the gate knows too is called as there."""

    WITHIN_LIMIT = "within-limit"
    BELOW_MIN = "below-min"
    ABOVE_MAX = "above-max"
    CONFIG_UNSURE = "config-unsure"
    NOT_COMPILED = "not-compiled"
    NOT_LAUNCHED = "not-launched"
    NOTHING_LAUNCHED = "nothing-launched"
    LAUNCHES_UNKNOWN = "launches-unknown"
    KERNEL_ABSENT = "kernel-absent"
    CASE_ABSENT = "case-absent"
    METRIC_MISSING = "metric-missing"
    NOTHING_JUDGED = "nothing-judged"
    CONFIG_DROPPED = "config-dropped"
    UNNAMED = "unnamed"
    IGNORED = "ignored"


MEANING: Mapping[StaticCode, tuple[Status, str]] = {
    StaticCode.WITHIN_LIMIT: (Status.PASS, "the compiled kernel keeps the limit"),
    StaticCode.BELOW_MIN: (Status.FAIL, "the value is below the minimum"),
    StaticCode.ABOVE_MAX: (Status.FAIL, "the value is above the maximum"),
    StaticCode.CONFIG_UNSURE: (Status.AMBIGUOUS, "this configuration breaks it, others keep it: one of them will run"),
    StaticCode.NOT_COMPILED: (Status.UNJUDGED, "the kernel is launched, and could not be compiled"),
    StaticCode.NOT_LAUNCHED: (Status.UNJUDGED, "a budget names this kernel, and no launch of it is known"),
    StaticCode.NOTHING_LAUNCHED: (Status.UNJUDGED, "no launch of any kernel is known"),
    StaticCode.LAUNCHES_UNKNOWN: (Status.UNJUDGED, "the host code could not be followed to its end"),
    StaticCode.KERNEL_ABSENT: (Status.UNJUDGED, "no kernel of the file has this name"),
    StaticCode.CASE_ABSENT: (Status.UNJUDGED, "no launch is of this case"),
    StaticCode.METRIC_MISSING: (Status.UNJUDGED, "the value is not known for this launch"),
    StaticCode.NOTHING_JUDGED: (Status.UNJUDGED, "nothing was compiled, or every kernel was left out"),
    StaticCode.CONFIG_DROPPED: (Status.IGNORED, "this configuration cannot run, and the autotuner drops it"),
    StaticCode.UNNAMED: (Status.IGNORED, "no launch of this kernel is known, and no budget names it"),
    StaticCode.IGNORED: (Status.IGNORED, "an ignore entry of the configuration names it, with a reason"),
}
"""Code → the status it stands for (a broken budget of level ``warn`` warns instead) and what it means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticVerdict:
    """One budget held against one compiled launch, or against what is not there."""

    kernel: str
    """Its name, or the glob that no kernel matched."""
    arch: str
    """``sm_90``; empty where it is about no architecture."""
    config: str | None = None
    """Text of the autotune configuration; None when nothing is tuned."""
    metric: str
    unit: str
    bound: Bound
    limit: float
    value: float | None
    """None when it is not known."""
    status: Status
    code: str
    """One of ``StaticCode``."""
    reason: str
    """In words; empty where the numbers or the code say it."""
    level: Level = "error"
    origin: str = ""
    """Where the budget stands: ``command line`` or the configuration file."""
    launch: Launch | None = None
    path: str | None = None
    line: int | None = None


def about(
    budget: Budget,
    kernel: str,
    code: StaticCode,
    reason: str = "",
    *,
    arch: str = "",
    launch: Launch | None = None,
    value: float | None = None,
) -> StaticVerdict:
    """A verdict with the status that its code stands for."""
    return StaticVerdict(
        kernel=kernel,
        arch=arch,
        config=launch.config if launch is not None else None,
        metric=budget.metric,
        unit=budget.unit,
        bound=budget.bound,
        limit=budget.limit,
        value=value,
        status=MEANING[code][0],
        code=code.value,
        reason=reason,
        level=budget.level,
        origin=budget.origin,
        launch=launch,
        path=launch.file if launch is not None else None,
        line=launch.line if launch is not None else None,
    )
