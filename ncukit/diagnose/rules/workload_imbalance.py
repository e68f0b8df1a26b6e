"""Some programs have far more work than others: SMs wait for the last ones.

What it means
    Blocks are handed out as SMs become free, so unequal blocks even out only when many small ones follow. A few long
    blocks, or long ones that start last, keep some SMs busy while the others have nothing left, or keep an SM with few
    of the warps it could hold.

Why it costs
    The launch ends with its last block.

How it is computed
    Two readings. Between SMs: idle = 1 - mean / longest active cycles. Within them: blocks leave gaps when achieved
    occupancy stays below what was possible, though the grid has more than one wave. What a fractional last wave of
    equal blocks explains (tail-effect) is taken off. It fires when at least 15 % of the work's room stays empty. High:
    the work that was done fills all of the room; best: nine tenths of it; low: half of the empty room is won. The
    floors of the ladder cap it. Within an SM, empty room costs only when latency holds the kernel, so it counts then.

What to try
    Cut long items into pieces of equal size; hand out the longest first; pair long with short ones in one program; a
    persistent grid that takes the next item from a counter.

When to ignore it
    For launches of a few microseconds, in which starting and ending take most of the time.

Sources
    sm__cycles_active min, avg and max: NVIDIA Nsight Compute documentation, workload distribution. Longest first: R. L.
    Graham, Bounds on multiprocessing timing anomalies, 1969.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ncukit.diagnose.ladder import BEST_EFFICIENCY, LOW_EFFICIENCY, WORTH
from ncukit.diagnose.limits import EMPTY_LAUNCH_US
from ncukit.model import Evidence, Finding, Gain, Severity, Suggestion

if TYPE_CHECKING:
    from ncukit.diagnose.facts import Kernel
    from ncukit.diagnose.rules import Case

CODE = "PAR305"
CAUSE = "workload-imbalance"
NEEDS = ("sm_active_cycles", "sm_active_cycles_max", "grid_size", "duration_us")

FIRES_FROM = 0.15
BALANCED = 0.9
"""Busy share of SMs with equal blocks in several waves: what starting, ending and rounding leave."""
NORMAL_GAPS = 0.9
"""Achieved over possible occupancy of kernels with equal blocks: what blocks starting and ending cost."""
SHORT_US = 6 * EMPTY_LAUNCH_US
MIRRORS = ("tail-effect", "atomic-contention")


def judge(case: Case) -> Finding | str:
    """Hold the room that stayed empty against what equal blocks would leave."""
    kernel, ladder = case.kernel, case.ladder
    if kernel.metrics["duration_us"] < SHORT_US:
        return "the launch is too short to tell"
    sms = kernel.limits.sm_count
    if sms is not None and kernel.metrics["grid_size"] < sms:
        return "fewer blocks than SMs: see small-grid"
    between, within = idle(kernel), gaps(kernel) if ladder.bound == "latency" else 0.0
    tail = tail_share(kernel)
    if between <= tail + 0.05 and within < FIRES_FROM:
        return f"the SMs idled {between:.0%} of the time; a fractional last wave explains {tail:.0%}"
    empty = 1 - min(1.0, (1 - between) / (1 - tail)) * (1 - within)
    if empty < FIRES_FROM:
        return f"{empty:.0%} of the SMs' room stayed empty"
    whole = 1 - (1 - between) * (1 - within)  # the tail too: balanced pieces need not leave one
    gain = _gain(case, empty, whole)
    if gain is None or gain.best < WORTH:
        return f"{empty:.0%} of the SMs' room stayed empty, but {ladder.bound} holds the kernel"
    longest = kernel.metrics["sm_active_cycles_max"]
    rows = [
        Evidence(
            metric="sm_active_cycles",
            value=kernel.metrics["sm_active_cycles"],
            unit="cycle",
            compared_with=f"{longest:,.0f} on the busiest SM",
        )
    ]
    if (least := kernel.get("sm_active_cycles_min")) is not None:
        rows.append(Evidence(metric="sm_active_cycles_min", value=least, unit="cycle", compared_with=f"{longest:,.0f}"))
    achieved, possible = kernel.get("warps_active_pct"), kernel.get("theoretical_occupancy_pct")
    if achieved is not None and possible:
        row = Evidence(metric="warps_active_pct", value=achieved, unit="%", compared_with=f"{possible:.0f} % possible")
        rows.append(row)
    return Finding(
        code=CODE,
        cause=CAUSE,
        severity=Severity.TUNE,
        confidence="medium",
        title=f"unequal programs leave {empty:.0%} of the SMs' room empty",
        evidence=tuple(rows),
        gain=gain,
        suggestions=(
            Suggestion(
                action="give every program the same work: cut long items into equal pieces, start the longest first, "
                "or pair long with short ones",
                location=kernel.launched_at or kernel.where,
                why="the launch ends with its last block",
                watch="the cost of combining the pieces of one item",
            ),
        ),
        kernels=(kernel.name,),
    )


def idle(kernel: Kernel) -> float:
    """Share of the SMs' time, 0 to 1, in which they held no warp while the busiest one did."""
    longest = kernel.get("sm_active_cycles_max") or 0.0
    return max(0.0, 1 - (kernel.get("sm_active_cycles") or 0.0) / longest) if longest else 0.0


def tail_share(kernel: Kernel) -> float:
    """Idle share that equal blocks leave by a fractional last wave; 0 below one wave or when unknown."""
    waves = kernel.get("waves")
    if waves is None or waves < 1:
        return 0.0
    return 1 - waves / math.ceil(waves - 1e-9)


def gaps(kernel: Kernel) -> float:
    """Share of the possible warps that were missing while SMs were busy, beyond what starting and ending cost.

    Zero with less than two waves: then the grid itself does not fill the SMs.
    """
    achieved, possible = kernel.get("warps_active_pct"), kernel.get("theoretical_occupancy_pct")
    waves = kernel.get("waves")
    if achieved is None or not possible or waves is None or waves < 2:
        return 0.0
    return max(0.0, 1 - achieved / (possible * NORMAL_GAPS * (1 - tail_share(kernel))))


def _gain(case: Case, empty: float, whole: float) -> Gain | None:
    ladder = case.ladder
    if ladder.measured_us is None or not ladder.floors:
        return None
    time, floor = ladder.measured_us, max(ladder.floors.values())

    def to(load: float, efficiency: float) -> float:
        return max(1.0, time / max(floor / efficiency, load))

    load = time * (1 - empty)
    return Gain(
        low=to(time * (1 - empty / 2), LOW_EFFICIENCY),
        best=to(load / BALANCED, BEST_EFFICIENCY),
        high=to(time * (1 - whole), 1.0),
    )
