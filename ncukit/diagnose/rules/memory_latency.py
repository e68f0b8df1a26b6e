"""Warps wait for memory that is not busy: too few bytes are in flight.

What it means
    Neither DRAM, L2, L1 nor any pipe is near its limit, and most warps wait for a load. Memory answers after a fixed
    latency; speed is the bytes asked for at once over that latency (Little's law), and too few are asked for.

Why it costs
    Bandwidth that nobody asks for is lost.

How it is computed
    It fires when no floor of the ladder reaches 80 % of the time, warps wait for memory (long scoreboard) at least
    40 % of their time, and memory is the next limit. Bytes in flight needed are the next floor's bandwidth times the
    latency; present are today's bandwidth times the same latency, so their ratio is the gain at most and the latency
    itself cancels out. Best and low assume that the kernel then reaches 92 % and 85 % of the next floor.

What to try
    More independent loads a thread (a larger block, an unrolled loop), more resident warps (fewer registers, smaller
    blocks), or an asynchronous pipeline: `tl.range(..., num_stages=)` in loops without a dot; launch-level
    `num_stages` only pipelines loads that feed a dot.

When to ignore it
    For very short kernels (see PAR304) and for grids too small to fill the GPU (see PAR301): those come first.

Sources
    Stall reasons: NVIDIA Nsight Compute documentation, warp state. Little's law: J. D. C. Little, 1961. What num_stages
    pipelines: Triton's software pipeliner, checked on the generated code of Triton 3.6 and 3.9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.diagnose.ladder import BEST_EFFICIENCY, gain
from ncukit.model import Evidence, Finding, Severity, Suggestion

if TYPE_CHECKING:
    from ncukit.diagnose.rules import Case

CODE = "LAT201"
CAUSE = "memory-latency"
NEEDS = ("stall_long_scoreboard_pct",)

WAITING_PCT = 40.0
"""Below this share of warp time, waiting for memory is not the main thing warps do."""
FULL_BLOCKS = 1.0
"""Waves below this: the grid does not fill the GPU, and that comes first."""


def judge(case: Case) -> Finding | str:
    """Fire when latency is the bound and memory the next limit."""
    kernel, ladder = case.kernel, case.ladder
    stalled = kernel.metrics["stall_long_scoreboard_pct"]
    if ladder.bound != "latency":
        return f"the kernel is held by {ladder.bound}, not by latency"
    if stalled < WAITING_PCT:
        return f"warps wait for memory {stalled:.0f} % of their time; something else keeps them"
    waves = kernel.get("waves")
    if waves is not None and waves < FULL_BLOCKS:
        return "the grid does not fill the GPU: see small-grid"
    if ladder.measured_us is None or "dram" not in ladder.floors:
        return "without DRAM traffic it cannot be said what memory could do"
    limit, floor = max(ladder.floors.items(), key=lambda item: item[1])
    if limit == "launch":
        return "the launch itself is most of the time: see launch-overhead"
    share = floor / ladder.measured_us
    guess = ladder.relative or waves is None
    return Finding(
        code=CODE,
        cause=CAUSE,
        severity=Severity.TUNE,
        confidence="low" if guess else "medium",
        title=f"waits for memory: {share:.0%} of what {limit} allows is in flight",
        evidence=(
            Evidence(
                metric="stall_long_scoreboard_pct",
                value=stalled,
                unit="%",
                compared_with=f"fires at {WAITING_PCT:.0f} %",
            ),
            *_busy(case),
        ),
        gain=None if guess else gain(ladder.measured_us, floor, BEST_EFFICIENCY),
        suggestions=_suggestions(case),
        kernels=(kernel.name,),
    )


def _busy(case: Case) -> tuple[Evidence, ...]:
    kernel = case.kernel
    rows = []
    if (gbps := kernel.get("dram_gbps")) is not None and kernel.limits.copy_gbps:
        reach = f"{kernel.limits.copy_gbps:,.0f} within reach"
        rows.append(Evidence(metric="dram_gbps", value=gbps, unit="GB/s", compared_with=reach))
    if (active := kernel.get("warps_active_pct")) is not None:
        most = kernel.get("theoretical_occupancy_pct")
        limit = f"{most:.0f} % possible with these resources" if most is not None else "100 %"
        rows.append(Evidence(metric="warps_active_pct", value=active, unit="%", compared_with=limit))
    return tuple(rows)


def _suggestions(case: Case) -> tuple[Suggestion, ...]:
    kernel = case.kernel
    block = kernel.block_knob()
    found = [
        Suggestion(
            action="ask for more bytes at once: more independent loads a thread",
            knob=block[0] if block else None,
            from_value=block[1] if block else None,
            to_value=_doubled(block[1]) if block else None,
            location=(block[2] if block else None) or kernel.where,
            why="loads that do not depend on each other overlap; a thread waits once for all of them",
            watch="registers and spills",
        )
    ]
    if kernel.has_dot is False and kernel.function is not None and kernel.function.plain_loops:
        line = kernel.function.plain_loops[0]
        found.append(
            Suggestion(
                action="pipeline the loop: for i in tl.range(..., num_stages=3)",
                knob="tl.range(num_stages=)",
                to_value="3",
                location=f"{kernel.source.path}:{line}" if kernel.source else None,
                why="launch-level num_stages does nothing without a dot; the loop's own does",
                watch="shared memory a block; cache hints on these loads are dropped",
            )
        )
    return tuple(found)


def _doubled(value: str | None) -> str | None:
    return str(2 * int(value)) if value is not None and value.isdigit() else None
