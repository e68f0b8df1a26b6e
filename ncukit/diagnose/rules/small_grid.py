"""The grid does not fill the GPU.

What it means
    There are fewer blocks than the SMs can hold at once, so some SMs idle, or run with too few warps to hide latency,
    for the whole launch.

Why it costs
    An idle SM contributes neither issue slots nor requests to memory.

How it is computed
    It fires when the grid is smaller than 80 % of the number of SMs, or fills less than half of one wave while no limit
    of the device is reached. With n blocks on m SMs the work spreads over m: at least 0.7 m / n (low). More blocks also
    put more warps on each SM, which is taken to be worth twice that at most (high), 85 % of it best, and never more
    than the next floor of the ladder. From one block an SM on, the share of a wave takes the place of n / m.

What to try
    Split the work finer: smaller blocks, or split the reduction dimension and combine (split-K).

When to ignore it
    When the problem itself is tiny: then the launch is the cost (PAR304).

Sources
    Waves: NVIDIA Nsight Compute documentation, launch statistics.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ncukit.diagnose.advice import grid_follows, times
from ncukit.diagnose.ladder import WORTH
from ncukit.diagnose.limits import EMPTY_LAUNCH_US
from ncukit.gpus.occupancy import WARP
from ncukit.model import Evidence, Finding, Gain, Severity, Suggestion

if TYPE_CHECKING:
    from ncukit.diagnose.facts import Kernel
    from ncukit.diagnose.rules import Case

CODE = "PAR301"
CAUSE = "small-grid"
NEEDS = ("grid_size",)

HALF_WAVE = 0.5
MOSTLY = 0.8
"""Share of the SMs from which a grid below one block an SM is good enough: persistent grids end there."""
PER_SM = 2.0
"""What more warps on an SM add at most to what more SMs bring."""
BEST_SHARE, LOW_SHARE = 0.85, 0.7
MIRRORS = ("instruction-latency", "memory-latency")
"""What explains a grid that reaches every SM with few warps better than its size does."""


def judge(case: Case) -> Finding | str:
    """Compare the grid with what the GPU can run at once."""
    kernel, ladder = case.kernel, case.ladder
    grid, sms = kernel.metrics["grid_size"], kernel.limits.sm_count
    if sms is None:
        return "the number of SMs is unknown"
    waves = kernel.get("waves")
    filled = grid / sms if grid < sms else waves
    if not filled or filled >= (HALF_WAVE if grid >= sms else MOSTLY):
        return f"{grid:,.0f} blocks fill {sms} SMs"
    if ladder.measured_us is None or ladder.relative or not ladder.floors:
        return f"{grid:,.0f} blocks on {sms} SMs, but without a time it cannot be said what that costs"
    if ladder.measured_us < 3 * EMPTY_LAUNCH_US:
        return "the launch itself is most of the time: see launch-overhead"
    if ladder.bound not in ("latency", "unknown"):
        return f"the grid is small, but the kernel reaches the {ladder.bound} limit all the same"
    near = ladder.measured_us / max(ladder.floors.values())
    most = min(near, PER_SM / filled) if grid < sms else near  # more SMs, and more warps on each
    spread = min(near, 1 / min(filled, 1.0))
    best = Gain(
        low=max(1.0, LOW_SHARE * spread),
        best=max(1.0, BEST_SHARE * (most if grid < sms else spread)),
        high=max(1.0, most),
    )
    if best.best < WORTH:
        return "the grid is small, but the next limit leaves nothing to win"
    return Finding(
        code=CODE,
        cause=CAUSE,
        severity=Severity.TUNE,
        confidence="high" if grid < sms else "medium",
        title=f"{grid:,.0f} blocks on {sms} SMs: {min(filled, 1.0):.0%} of the GPU has work",
        evidence=(Evidence(metric="grid_size", value=grid, unit="block", compared_with=f"{sms} SMs"),),
        gain=best,
        suggestions=(suggestion(kernel, sms),),
        kernels=(kernel.name,),
    )


def suggestion(kernel: Kernel, sms: int) -> Suggestion:
    """A smaller tile where the grid follows it; else programs that combine; both where that cannot be told."""
    block = kernel.block_knob()
    why = f"at least {sms} blocks, better several times that, keep every SM busy"
    follows = grid_follows(kernel, block) if block is not None else None
    if follows is None:
        return Suggestion(
            action="split the work into more programs: a smaller tile, or several programs a row that combine",
            knob=block[0] if block else None,
            from_value=block[1] if block else None,
            location=(block[2] if block else None) or kernel.launched_at or kernel.where,
            why=why,
            watch="the cost of combining partial results",
        )
    if block is not None and follows:
        smaller = times(block[1], 2.0 ** -max(1, math.ceil(math.log2(sms / kernel.metrics["grid_size"]))))
        if smaller is not None and int(smaller) >= WARP:
            return Suggestion(
                action="a smaller tile, so that there are more programs",
                knob=block[0],
                from_value=block[1],
                to_value=smaller,
                location=block[2] or kernel.launched_at or kernel.where,
                why=why,
                watch="a warp for each 32 values at most: num_warps falls with the tile",
            )
    return Suggestion(
        action="split each program's work over several programs and combine their partial results",
        location=kernel.launched_at or kernel.where,
        why=why,
        watch="the cost of combining",
    )
