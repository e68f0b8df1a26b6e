"""Too few warps are resident to hide latency.

What it means
    An SM holds fewer warps than it could, because registers, shared memory or the block size use up its resources.

Why it costs
    While one warp waits another works; with few warps there are moments when all of them wait.

How it is computed
    It fires when theoretical occupancy is below 50 %, latency holds the kernel, and the grid would fill more. Raising
    occupancy from a to b gives at most b / a more requests in flight; the next floor of the ladder caps it. For best
    and low, b is twice the blocks or the next limit's, whichever is less; for high, what the named change gives on this
    device. Registers after a change are taken as 24 plus what grows with the values a thread holds; blocks, warps and
    occupancy then follow from the device's limits.

    Fewer stages are only suggested where they change the code, if the compiler can be asked: where the unchanged kernel
    file is at hand and Triton is installed, the recorded launch is compiled again without a GPU, with other stages (no
    host code of the file is run). --no-compile leaves it out.

What to try
    What limits: registers (smaller tile, more warps for the same tile), shared memory (fewer stages, of which two stay,
    or a smaller tile), or blocks too small to fill the SM's warps (more warps a block).

When to ignore it
    When the kernel is at a roof: a kernel at full DRAM speed with 25 % occupancy needs nothing. Tiles kept in registers
    on purpose trade occupancy for traffic and win.

Sources
    Occupancy limits: CUDA C++ Programming Guide, compute capabilities; launch__occupancy_limit_* of Nsight Compute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.diagnose.advice import Change, more_warps, scaled, smaller_tile, warps_of, warps_place
from ncukit.diagnose.ladder import WORTH, gain
from ncukit.model import Evidence, Finding, Gain, Severity, Suggestion

if TYPE_CHECKING:
    from ncukit.diagnose.facts import Kernel
    from ncukit.diagnose.rules import Case
    from ncukit.source.inspection import Compiled

CODE = "PAR302"
CAUSE = "low-occupancy"
NEEDS = ("theoretical_occupancy_pct", "limit_registers", "limit_shared", "limit_warps", "limit_blocks")

FIRES_BELOW_PCT = 50.0
REACHED = 0.85
"""Share of what more warps allow that a kernel gets."""
ENOUGH = 0.5
BUSY_TENSOR_PCT = 50.0
MIRRORS = (
    "local-memory", "small-grid", "workload-imbalance", "tail-effect", "tensor-core-unused", "uncoalesced-access",
    "atomic-contention", "bank-conflict",
)  # fmt: skip


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
    if (tensor := kernel.get("tensor_pct") or 0.0) >= BUSY_TENSOR_PCT:
        return f"tensor cores are busy {tensor:.0f} % of the time: large tiles in registers are what feeds them"
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
    suggestion, share = _change(kernel, limiter)
    most = max(reachable, 100 * (share or 0.0))
    if ladder.measured_us is None:
        return "no time was measured"
    floor = max(*ladder.floors.values(), ladder.measured_us * possible / reachable)
    best = gain(ladder.measured_us, floor, REACHED)
    near = gain(ladder.measured_us, max(*ladder.floors.values(), ladder.measured_us * possible / most), REACHED)
    best = Gain(low=best.low, best=best.best, high=near.high)
    if best.best < WORTH:
        return f"occupancy is {possible:.0f} %, but the next limit leaves nothing to win"
    more = more_warps(kernel, "more threads share the tile") if limiter == "registers" else None
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
                compared_with=f"{most:.0f} % with the change below" if share else f"{reachable:.0f} % next",
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
        suggestions=tuple(s for s in (suggestion, more) if s is not None),
        kernels=(kernel.name,),
    )


def asks(finding: Finding) -> bool:
    """Whether the compiled code could change the advice: it says whether stages take shared memory at all."""
    return any(s.knob == "num_stages" for s in finding.suggestions)


def against(kernel: Kernel, compiled: Compiled) -> str:
    """Code that asks for no shared memory is not what shared memory was measured to limit."""
    limit, others = kernel.metrics["limit_shared"], (kernel.metrics["limit_registers"], kernel.metrics["limit_warps"])
    return (
        "" if compiled.shared_bytes or limit >= min(others) else "it asks for no shared memory, which limits the blocks"
    )


def _change(kernel: Kernel, limiter: str) -> tuple[Suggestion, float | None]:
    """What to turn, and the occupancy (0 to 1) that this device would then have, where it can be computed."""
    if limiter == "block size":
        warps = warps_of(kernel)
        found = scaled(kernel, 1.0, warps_factor=2.0)
        why = f"an SM holds a limited number of blocks, whatever their size{f'; {found.words}' if found else ''}"
        return Suggestion(
            action="more warps a block (and a tile as much larger), so that the blocks an SM can hold fill its warps",
            knob="num_warps",
            from_value=str(warps) if warps else None,
            to_value=str(warps * 2) if warps and found else None,
            location=warps_place(kernel),
            why=why,
            watch="registers a thread",
        ), _share(found)
    if limiter == "shared memory":
        return _less_shared(kernel)
    # the first halving that fills half of the warps, or the smallest of the three
    factor, found = next(
        ((f, c) for f in (0.5, 0.25, 0.125) if (_share(c := scaled(kernel, f)) or 0.0) >= ENOUGH),
        (0.5, scaled(kernel, 0.5)),
    )
    why = f"{kernel.get('registers') or 0:.0f} registers a thread leave room for few blocks"
    smaller = smaller_tile(kernel, factor, "a smaller tile: fewer values a thread", why, "spills must stay 0")
    return smaller, _share(found)


def _less_shared(kernel: Kernel) -> tuple[Suggestion, float | None]:
    stages = kernel.triton.num_stages if kernel.triton is not None and kernel.has_dot else 0
    why = "shared memory decides how many blocks fit an SM"
    known = kernel.code.compiled.stages if kernel.code is not None else None
    if kernel.code is not None and known is not None and not known.changes:
        numbers = ", ".join(map(str, known.tried))
        why += f"; num_stages is no way to less: {numbers} give the same code{kernel.code.doubt}"
        stages = 0
    # the most stages that fill half of the warps; where none does, those that fill the most: two still overlap
    tried = [(n, change) for n in range(stages - 1, 1, -1) if (change := scaled(kernel, 1.0, shared=n / stages))]
    fewer, found = max(tried, key=lambda one: min(_share(one[1]) or 0.0, ENOUGH), default=(0, None))
    now, then = _share(scaled(kernel, 1.0)), _share(found)
    if then is None and stages > 2:
        fewer = max(2, stages // 2)  # what the device makes of it cannot be computed
    if fewer and (then is None or now is None or then > now):
        place = (kernel.source.knob(kernel.name, "num_stages") if kernel.source else None) or kernel.launched_at
        return Suggestion(
            action="fewer pipeline stages: each holds a tile of both operands",
            knob="num_stages",
            from_value=str(stages),
            to_value=str(fewer),
            location=place,
            why=f"{why}; {found.words}" if found and then else why,
            watch="the pipelining that the stages gave",
        ), then
    smaller = smaller_tile(kernel, 0.5, "a smaller tile: less shared memory a block", why, "reuse within the tile")
    return smaller, _share(scaled(kernel, 0.5, shared=0.5))


def _share(change: Change | None) -> float | None:
    return change.occupancy.share if change is not None and change.occupancy is not None else None
