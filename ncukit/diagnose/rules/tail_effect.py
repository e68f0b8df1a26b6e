"""The last wave leaves SMs idle.

What it means
    Blocks run in waves: as many at once as fit. When the grid is not a whole number of waves, the last one fills only
    part of the GPU, and the rest waits for it.

Why it costs
    With w waves of which the last is a fraction, about ceil(w) are paid and w are used.

How it is computed
    Model: idle share = 1 - w / ceil(w), from the grid and the blocks that fit an SM. Measured: idle share = 1 - mean /
    longest active cycles over the SMs. Both must agree that something is lost: the smaller of the two counts. High: the
    idle share goes; best: 92 % of that, so that it fires from about an eighth. The ladder caps the gain: a kernel whose
    DRAM floor is near has nothing to win from a fuller wave.

What to try
    A grid that is a multiple of the blocks that run at once, smaller blocks, or a persistent grid of exactly one wave
    that loops over tiles.

When to ignore it
    Above about eight waves, where the model's share is small anyway.

Sources
    NVIDIA Nsight Compute documentation, launch statistics (tail effect); the measured side is sm__cycles_active.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ncukit.diagnose.ladder import BEST_EFFICIENCY, WORTH, gain
from ncukit.model import Evidence, Finding, Severity, Suggestion

if TYPE_CHECKING:
    from ncukit.diagnose.rules import Case

CODE = "PAR303"
CAUSE = "tail-effect"
NEEDS = ("waves", "sm_active_cycles", "sm_active_cycles_max", "duration_us")

FIRES_FROM = 0.05
MIRRORS = ("workload-imbalance", "local-memory")


def judge(case: Case) -> Finding | str:
    """Hold the wave model against the measured idleness."""
    kernel, ladder = case.kernel, case.ladder
    waves = kernel.metrics["waves"]
    if waves < 1:
        return "less than one wave: see small-grid"
    longest = kernel.metrics["sm_active_cycles_max"]
    model = 1 - waves / math.ceil(waves)
    measured = 1 - kernel.metrics["sm_active_cycles"] / longest if longest > 0 else 0.0
    idle = min(model, measured)
    if idle < FIRES_FROM:
        return f"{waves:.2f} waves: the model loses {model:.0%}, the SMs idled {measured:.0%}"
    if ladder.measured_us is None or not ladder.floors:
        return "no floors to cap the gain"
    floor = max(*ladder.floors.values(), ladder.measured_us * (1 - idle))
    best = gain(ladder.measured_us, floor, BEST_EFFICIENCY)
    if best.best < WORTH:
        return f"the last wave idles {idle:.0%}: too little to win, with {ladder.bound} holding the kernel"
    per_sm = kernel.get("blocks_per_sm")
    sms = kernel.limits.sm_count
    fits = f"{per_sm:.0f} blocks on each of {sms} SMs" if per_sm and sms else "the blocks that run at once"
    return Finding(
        code=CODE,
        cause=CAUSE,
        severity=Severity.TUNE,
        confidence="medium",
        title=f"{waves:.2f} waves: the last one leaves {idle:.0%} of the time idle",
        evidence=(
            Evidence(metric="waves", value=waves, unit="", compared_with=f"{math.ceil(waves)} paid"),
            Evidence(
                metric="sm_active_cycles",
                value=kernel.metrics["sm_active_cycles"],
                unit="cycle",
                compared_with=f"{longest:,.0f} on the busiest SM",
            ),
        ),
        gain=best,
        suggestions=(
            Suggestion(
                action=f"launch a whole number of waves ({fits}), or one persistent wave that loops over tiles",
                location=kernel.launched_at or kernel.where,
                why="every SM then ends at the same time",
                watch="work per program",
            ),
        ),
        kernels=(kernel.name,),
    )
