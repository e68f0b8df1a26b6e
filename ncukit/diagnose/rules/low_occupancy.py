"""Too few warps are resident to hide latency.

What it means
    An SM holds fewer warps than it could, because registers, shared memory or the block size use up its resources.

Why it costs
    While one warp waits another works; with few warps there are moments when all of them wait.

How it is computed
    It fires when theoretical occupancy is below 50 %, latency holds the kernel, and the grid would fill more. Raising
    occupancy from a to b gives at most b / a more requests in flight; the next floor of the ladder caps it. b is the
    next whole number of blocks an SM could hold if the limiter gave way.

What to try
    What limits: registers (smaller tile, more warps for the same tile), shared memory (fewer stages, smaller tile), or
    blocks too small to fill the SM's warps (more warps a block).

When to ignore it
    When the kernel is at a roof: a kernel at full DRAM speed with 25 % occupancy needs nothing. Tiles kept in registers
    on purpose trade occupancy for traffic and win.

Sources
    Occupancy limits: CUDA C++ Programming Guide, compute capabilities; launch__occupancy_limit_* of Nsight Compute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.diagnose.ladder import gain
from ncukit.model import Evidence, Finding, Severity, Suggestion

if TYPE_CHECKING:
    from ncukit.diagnose.rules import Case

CODE = "PAR302"
CAUSE = "low-occupancy"
NEEDS = ("theoretical_occupancy_pct", "limit_registers", "limit_shared", "limit_warps", "limit_blocks")

FIRES_BELOW_PCT = 50.0


def judge(case: Case) -> Finding | str:
    """Fire when few resident warps are what keeps the kernel from its next limit."""
    kernel, ladder = case.kernel, case.ladder
    possible = kernel.metrics["theoretical_occupancy_pct"]
    if possible <= 0:
        return "theoretical occupancy was not determined"
    if possible >= FIRES_BELOW_PCT:
        return f"theoretical occupancy is {possible:.0f} %"
    if ladder.bound != "latency":
        return f"occupancy is {possible:.0f} %, but the kernel is held by {ladder.bound}"
    waves = kernel.get("waves")
    if waves is not None and waves < 1:
        return "occupancy is low because the grid is small: see small-grid"
    limits = {
        "registers": kernel.metrics["limit_registers"],
        "shared memory": kernel.metrics["limit_shared"],
        "block size": min(kernel.metrics["limit_warps"], kernel.metrics["limit_blocks"]),
    }
    limiter = min(limits, key=lambda name: limits[name])
    blocks = max(1.0, limits[limiter])
    reachable = min(100.0, possible * min(2 * blocks, sorted(limits.values())[1]) / blocks)
    if reachable <= possible * 1.05:
        reachable = min(100.0, possible * (blocks + 1) / blocks)
    if ladder.measured_us is None:
        return "no time was measured"
    floor = max(*ladder.floors.values(), ladder.measured_us * possible / reachable)
    best = gain(ladder.measured_us, floor, 0.85)
    return Finding(
        code=CODE,
        cause=CAUSE,
        severity=Severity.TUNE,
        confidence="medium",
        title=f"{possible:.0f} % occupancy, limited by {limiter}",
        evidence=(
            Evidence(
                metric="theoretical_occupancy_pct",
                value=possible,
                unit="%",
                compared_with=f"{reachable:.0f} % next",
            ),
            *(
                Evidence(
                    metric=metric,
                    value=kernel.metrics[metric],
                    unit="block",
                    compared_with=f"{blocks:.0f} run at once",
                )
                for metric in ("limit_registers", "limit_shared", "limit_warps")
            ),
        ),
        gain=best,
        suggestions=(_suggestion(case, limiter),),
        kernels=(kernel.name,),
    )


def _warps_at(case: Case) -> str | None:
    kernel = case.kernel
    return (kernel.source.knob(kernel.name, "num_warps") if kernel.source else None) or kernel.launched_at


def _suggestion(case: Case, limiter: str) -> Suggestion:
    kernel = case.kernel
    block = kernel.block_knob()
    warps = kernel.triton.num_warps if kernel.triton is not None else None
    if limiter == "block size":
        return Suggestion(
            action="use more warps a block, so that the blocks an SM can hold fill its warps",
            knob="num_warps",
            from_value=str(warps) if warps else None,
            to_value=str(warps * 2) if warps else None,
            location=_warps_at(case),
            why="an SM holds a limited number of blocks, whatever their size",
            watch="registers a thread",
        )
    if limiter == "shared memory":
        return Suggestion(
            action="use less shared memory a block: fewer pipeline stages or a smaller tile",
            knob="num_stages" if kernel.has_dot else (block[0] if block else None),
            location=kernel.launched_at or kernel.where,
            why="shared memory decides how many blocks fit an SM",
            watch="the pipelining that the stages gave",
        )
    return Suggestion(
        action="use fewer registers a thread: a smaller tile, or more warps for the same tile",
        knob=block[0] if block else "num_warps",
        from_value=block[1] if block else (str(warps) if warps else None),
        location=(block[2] if block else None) or kernel.launched_at or kernel.where,
        why=f"{kernel.get('registers') or 0:.0f} registers a thread leave room for few blocks in 65,536",
        watch="spills must stay 0",
    )
