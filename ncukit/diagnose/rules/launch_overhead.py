"""The launch costs as much as the work.

What it means
    A kernel that runs for a few microseconds spends most of them starting and ending. Between two such kernels the
    host also needs time that ncu does not see.

Why it costs
    An empty kernel takes 1.7 us on the GPU (measured on an H200), and a host that launches back to back starts one
    only every few microseconds.

How it is computed
    One kernel: it fires when an empty launch is at least 30 % of its time; no gain is promised for it alone, since the
    time on the host was not measured. Several: n launches under 10 us each, of one run, could be one. High: one empty
    launch, the arithmetic of all and half of their traffic, for values that stay in registers in between; best: the
    longest of them, and the work of all at 80 % of its limit; low: three quarters of the n - 1 empty launches go, as in
    one kernel that does them in turn. The gaps between launches, which ncu cannot see, come on top and are not
    promised. A repeated measurement counts once.

What to try
    Fuse the small kernels, batch several problems into one grid, or capture the sequence in a CUDA graph.

When to ignore it
    When it runs rarely, beside kernels that take milliseconds.

Sources
    Empty-kernel time: measured with ncu 2025.3.1 on an H200, Triton 3.6. Values of kernels under about 20 us do not fit
    together across passes: NVIDIA Nsight Compute documentation.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ncukit.diagnose.ladder import FREED_BEST
from ncukit.diagnose.limits import EMPTY_LAUNCH_US
from ncukit.model import Evidence, Finding, Gain, Severity, Suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncukit.diagnose.rules import Case

CODE = "PAR304"
CAUSE = "launch-overhead"
NEEDS = ("duration_us",)

FIRES_FROM = 0.3
MATTERS_FROM = 0.05
"""Share of the whole GPU time below which a short kernel is nobody's concern."""
SMALL_US = 10.0
WORTH = 1.1
LOW_SAVED = 0.75
MANY = 3
"""Launches that make a sequence worth merging."""


def judge(case: Case) -> Finding | str:
    """Compare the kernel's time with that of an empty launch."""
    time = case.kernel.metrics["duration_us"]
    share = min(1.0, EMPTY_LAUNCH_US / time) if time > 0 else 1.0
    if share < FIRES_FROM:
        return f"an empty launch is {share:.1%} of the time"
    if case.share < MATTERS_FROM:
        return f"the kernel is short, and {case.share:.1%} of what the others take"
    return Finding(
        code=CODE,
        cause=CAUSE,
        severity=Severity.TUNE,
        confidence="medium",
        title=f"runs {time:.1f} us, of which an empty launch alone takes {EMPTY_LAUNCH_US} us",
        evidence=(
            Evidence(
                metric="duration_us",
                value=time,
                unit="us",
                compared_with=f"{EMPTY_LAUNCH_US} us for an empty launch",
            ),
        ),
        gain=None,
        suggestions=(_suggestion(case),),
        kernels=(case.kernel.name,),
    )


def _suggestion(case: Case) -> Suggestion:
    return Suggestion(
        action="fuse it with its neighbours, batch several problems, or capture the sequence in a CUDA graph",
        location=case.kernel.launched_at or case.kernel.where,
        why="no tuning inside the kernel shortens its start and end",
        watch="end-to-end time on the host, which ncu does not show",
    )


def _work_us(case: Case) -> float:
    """Time that the launch's own work needs at the nearest limit, without starting and ending."""
    return max((t for limit, t in case.ladder.floors.items() if limit != "launch"), default=0.0)


def _staying_us(case: Case) -> float:
    """The part of it that stays when values pass in registers: arithmetic whole, traffic by half."""
    memory = ("dram", "l2", "l1", "pipe-lsu")
    return max(
        (t / 2 if limit in memory else t for limit, t in case.ladder.floors.items() if limit != "launch"), default=0
    )


def judge_all(cases: Sequence[Case]) -> list[Finding]:
    """Runs of small launches that could be one."""
    small = [c for c in cases if (t := c.kernel.duration_us) is not None and t < SMALL_US]
    count = sum(c.operations for c in small)
    if count < MANY or sum(c.share for c in small) < MATTERS_FROM:
        return []
    total = sum(c.operations * (c.kernel.duration_us or 0.0) for c in small)
    work = sum(c.operations * _work_us(c) for c in small)
    longest = max(c.kernel.duration_us or 0.0 for c in small)
    gain = Gain(
        low=max(1.0, total / max(longest, total - LOW_SAVED * (count - 1) * EMPTY_LAUNCH_US)),
        best=max(1.0, total / (longest + work / FREED_BEST)),
        high=max(1.0, total / (EMPTY_LAUNCH_US + sum(c.operations * _staying_us(c) for c in small))),
    )
    if gain.best < WORTH:
        return []
    return [
        Finding(
            code=CODE,
            cause=CAUSE,
            severity=Severity.TUNE,
            confidence="medium",
            title=f"{count} launches under {SMALL_US:.0f} us take {total:.0f} us on the GPU together",
            evidence=(
                Evidence(
                    metric="duration_us",
                    value=total / count,
                    unit="us",
                    compared_with=f"{EMPTY_LAUNCH_US} us for an empty launch",
                ),
            ),
            gain=replace(gain, low=min(gain.low, gain.best)),
            suggestions=(_suggestion(small[0]),),
            kernels=tuple(dict.fromkeys(c.kernel.name for c in small)),
        )
    ]
