"""Two kernel files timed side by side on the GPU."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ncukit.errors import Exit, NcukitError
from ncukit.optimize.session import Ended
from ncukit.optimize.timing import Race, Timing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ncukit.optimize.problem import Problem
    from ncukit.optimize.session import Session

TIMEOUT_S = 180.0
_TIMES = ("median_us", "low_us", "high_us")


def race(
    session: Session, problem: Problem, before: str, after: str, *, timeout_s: float = TIMEOUT_S, target_s: float = 1.0
) -> Race:
    """Time two kernel files in turns: events on the GPU, L2 flushed before each call, rotating inputs.

    Args:
        session: of mode ``gpu``.
        problem: makes the inputs.
        before: text of the first file; its ``ModelNew`` is timed, or its ``Model`` where it has no other.
        after: text of the second one.
        timeout_s: seconds for all of it, compiling included.
        target_s: about as long as the measuring should take.

    Raises:
        NcukitError: one of them failed or did not end; says which.
    """
    now = ["before"]
    job = {
        "do": "race",
        "problem": problem.code,
        "before": before,
        "after": after,
        "sizes": dict(problem.sizes),
        "beside": str(Path(problem.path).resolve().parent) if problem.path != "-" else "",
        "target_s": target_s,
    }
    try:
        answer = session.ask(job, timeout_s, lambda event: now.append(str(event.get("preparing", ""))))
    except Ended as error:
        raise _failed(now[-1], error.message, error.detail) from error
    if "error" in answer:
        raise _failed(now[-1], str(answer["error"]["message"]))
    return summary(answer["times"][0], answer["times"][1], session.about)


def summary(before: Sequence[float], after: Sequence[float], about: Mapping[str, Any]) -> Race:
    """What two rows of times, an entry a turn, say."""
    ratios = [b / a for b, a in zip(before, after, strict=True)]
    low, middle, high = quartiles(ratios)
    return Race(
        before=timing(before),
        after=timing(after),
        ratio=middle,
        low=low,
        high=high,
        gpu=str(about.get("gpu", "")),
        versions=dict(about.get("versions", {})),
    )


def kept_race(values: Mapping[str, Any]) -> Race:
    """A race that was written down.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    sides = [
        Timing(**{name: float(values[side][name]) for name in _TIMES}, runs=int(values[side]["runs"]))
        for side in ("before", "after")
    ]
    return Race(
        before=sides[0],
        after=sides[1],
        ratio=float(values["ratio"]),
        low=float(values["low"]),
        high=float(values["high"]),
        gpu=str(values["gpu"]),
        versions=dict(values["versions"]),
    )


def timing(times: Sequence[float]) -> Timing:
    """Median and quartiles of microseconds."""
    low, middle, high = quartiles(times)
    return Timing(median_us=middle, low_us=low, high_us=high, runs=len(times))


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """First quartile, median, third quartile."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, statistics.median(values), high


def _failed(which: str, message: str, detail: str = "") -> NcukitError:
    who = {"before": "the kernel to beat", "after": "the new kernel"}.get(which, "one of the two kernels")
    return NcukitError(
        f"timing ended in an error of {who}: {message[-1500:]}",
        causes=("it needs more memory or time than there is", "it depends on state that another run leaves"),
        next_command="ncukit doctor; then the same command again",
        exit_code=Exit.ENVIRONMENT,
        detail=detail,
    )
