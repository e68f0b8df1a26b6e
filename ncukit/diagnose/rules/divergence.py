"""Lanes of a warp stand idle: branches split them, or the tile is wider than its data.

What it means
    An instruction is issued for 32 lanes, but only some of them take part. Lanes that took the other side of a branch
    wait until both sides are done: slow paths of library functions for a few large or special arguments do that. A tile
    much wider than its row leaves the lanes behind the end masked off.

Why it costs
    An instruction takes its slot whether 32 lanes use it or one.

How it is computed
    Active threads an instruction, of 32. It fires below 24, when the issue slots or an arithmetic pipe hold the kernel
    or latency does. Packed into full warps the same work takes active / 32 of the instructions: floors of issue slots
    and pipes fall by that factor; where latency holds, so does the time: 80 % of the way (best), half (low). High is
    the next floor of another kind, for a slow path that can be avoided altogether. Lanes that are masked off compute
    all the same and count as active: they show as fewer than 18 threads with a true predicate, or, where the recorded
    arguments tell both, as a tile twice as wide as the smallest power of two that holds the row.

What to try
    Reduce the argument before the slow function so that nobody takes the slow path (sin, cos, pow, fmod); compute both
    sides and select when they are short; sort or partition the data so that whole warps agree; a tile that fits the
    row, with several rows a program.

When to ignore it
    When divergent code runs rarely: then the mean stays near 32.

Sources
    smsp__thread_inst_executed_per_inst_executed: NVIDIA Nsight Compute documentation; 24 of 32 is the threshold of
    NVIDIA's own rule.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ncukit.diagnose.ladder import BEST_EFFICIENCY, WORTH
from ncukit.model import Evidence, Finding, Gain, Severity, Suggestion

if TYPE_CHECKING:
    from ncukit.diagnose.facts import Kernel
    from ncukit.diagnose.rules import Case

CODE = "CMP405"
CAUSE = "divergence"
NEEDS = ("active_threads",)

FIRES_BELOW = 24.0
MASKED_BELOW = 18.0
"""Threads whose predicate was true: uniform predicates alone keep this well above, masked-off tiles do not."""
FALLING = ("issue", "pipe-fma", "pipe-alu", "pipe-xu", "pipe-fp64", "pipe-lsu")
FITS = 0.75
"""Part of the tile that the smallest tile for the row would take: half, a quarter, ... or all of it."""


def judge(case: Case) -> Finding | str:
    """Fire when idle lanes take a good part of the slots."""
    kernel, ladder = case.kernel, case.ladder
    active = kernel.metrics["active_threads"]
    useful = kernel.get("useful_threads")
    fits = tile_share(kernel)
    masked = active >= FIRES_BELOW and ((useful is not None and useful < MASKED_BELOW) or fits < FITS)
    if active >= FIRES_BELOW and not masked:
        return f"{active:.1f} of 32 threads are active"
    share = min(fits, (useful or active) / 32) if masked else active / 32
    gain = _gain(case, share)
    if gain is None or gain.best < WORTH:
        return f"{32 * share:.1f} of 32 threads are active, but {ladder.bound} holds the kernel"
    rows = [Evidence(metric="active_threads", value=active, unit="thread", compared_with="32")]
    if useful is not None:
        rows.append(
            Evidence(metric="useful_threads", value=useful, unit="thread", compared_with="32, predicate counted")
        )
    return Finding(
        code=CODE,
        cause=CAUSE,
        severity=Severity.TUNE,
        confidence="medium" if masked else "high",
        title=f"{share:.0%} of the lanes do work: the rest of the tile is masked off"
        if masked
        else f"{32 * share:.1f} of 32 threads take part in an instruction",
        evidence=tuple(rows),
        gain=gain,
        suggestions=(
            Suggestion(
                action="fit the tile to the data: as wide as the row, with several rows a program"
                if masked
                else "keep a warp on one path: reduce the argument before the slow function, select in place of "
                "branching, or group the data so that whole warps agree",
                location=kernel.where,
                why=f"{1 - share:.0%} of the lanes wait for the rest",
                watch="the work that sorting or reducing adds",
            ),
        ),
        kernels=(kernel.name,),
    )


def tile_share(kernel: Kernel) -> float:
    """Smallest tile that holds a program's row over the tile it has, 0 to 1; 1 when that is not known for certain."""
    block = kernel.block_knob() if len(kernel.blocks) == 1 else None
    if kernel.row is None or block is None or block[1] is None or not block[1].isdecimal() or int(block[1]) < 1:
        return 1.0
    return min(1.0, 2.0 ** math.ceil(math.log2(kernel.row)) / int(block[1]))  # a tile is a power of two


def _gain(case: Case, share: float) -> Gain | None:
    ladder = case.ladder
    if ladder.measured_us is None or not ladder.floors:
        return None
    new = ladder.scaled(share, *FALLING)
    floor = max({**ladder.floors, **new}.values())
    if floor <= 0:
        return None
    held = max(ladder.floors, key=lambda limit: ladder.floors[limit])
    if ladder.bound not in ("latency", "unknown") and held not in FALLING:
        return None
    time = ladder.measured_us

    def to(part: float, efficiency: float) -> float:
        return max(1.0, time / max(floor / efficiency, time * (1 - part * (1 - share))))

    # where the argument can be reduced so that nobody takes the slow path, its instructions go altogether
    gone = ladder.down_to(dict.fromkeys(FALLING, 0.0))
    return Gain(low=to(0.5, 0.8), best=to(0.8, BEST_EFFICIENCY), high=max(to(1.0, 1.0), gone.high if gone else 1.0))
