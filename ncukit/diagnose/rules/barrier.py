"""Warps wait for each other at block barriers.

What it means
    A reduction over a tile that several warps share ends in a barrier: partial results go through shared memory, and
    nobody goes on before the slowest warp has come. In a loop that happens every trip.

Why it costs
    At a barrier the whole block stands still for a round trip through shared memory plus the spread between its warps;
    the more warps a block has, the longer it is.

How it is computed
    Share of warp time spent waiting at barriers. It fires from 20 %. The gain frees that share and the waits for the
    exchange around it (shared memory, its queue): with the same warps resident, time falls to 1 - share (high), four
    fifths of it (best) or half (low), and never below the ladder's floors; of those, the issue slots lose the shuffles,
    moves and branches, and shared memory three quarters of its work. With few warps a row the per-warp overhead goes as
    well: high is then the arithmetic's own share of the issue slots.

    Barriers and shuffles of a trip are counted in the compiler's machine code, where the unchanged kernel file is at
    hand and Triton is installed: the recorded launch is compiled again without a GPU (no host code of the file is run).
    --no-compile leaves it out.

What to try
    Carry a vector accumulator through the loop and reduce once after it, in place of a scalar tl.sum each trip; fewer
    warps a block (one warp needs no barrier); one row a warp; two rows a program, so that one works while the other
    waits.

When to ignore it
    When the wait hides the arrival of data that DRAM delivers at its roof: then the rule is silent.

Sources
    Stall reason barrier: NVIDIA Nsight Compute documentation, warp state. Cost of a scalar reduction in a loop: 14
    shuffles and 4 barriers a trip in the generated code of Triton 3.6 and 3.9 (4 warps).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ncukit.diagnose import mix
from ncukit.diagnose.advice import scaled, warps_of, warps_place
from ncukit.diagnose.ladder import WORTH
from ncukit.model import Evidence, Finding, Severity, Suggestion

if TYPE_CHECKING:
    from ncukit.diagnose.facts import Kernel
    from ncukit.diagnose.rules import Case
    from ncukit.source.inspection import Compiled

CODE = "LAT202"
CAUSE = "barrier"
NEEDS = ("stall_barrier_pct",)

FIRES_FROM_PCT = 20.0
EXCHANGE = ("barrier", "shuffle")
LEFT = 0.25
"""Part of the shared-memory traffic that stays when reductions become rare."""
MIRRORS = (
    "atomic-contention", "workload-imbalance", "local-memory", "bank-conflict", "l2-locality", "excess-traffic",
    "small-grid", "tail-effect",
)  # fmt: skip


def judge(case: Case) -> Finding | str:
    """Fire when barriers are what warps wait for."""
    kernel, ladder = case.kernel, case.ladder
    waiting = kernel.metrics["stall_barrier_pct"]
    if waiting < FIRES_FROM_PCT:
        return f"warps wait at barriers {waiting:.0f} % of their time"
    # with the barrier goes the exchange of partial results that it guards, and that exchange's instructions
    share = waiting / 100 + mix.stall(kernel, "short_scoreboard", "mio_throttle")
    kinds = mix.shares(kernel)
    exchange = kinds.get("misc", 0.0) + kinds.get("control", 0.0)
    new = ladder.scaled(1 - exchange, "issue")
    if "sm" in ladder.floors:  # ncu's busiest SM counter counts the exchange too: what stays is known limit by limit
        new["sm"] = max((t for limit, t in ladder.floors.items() if limit != "sm"), default=0.0)
    if exchange:
        new |= ladder.scaled(LEFT, "l1", "pipe-lsu")
    gain = ladder.freed(min(0.95, share), new)
    floats = kinds.get("fp32", 0.0) + kinds.get("fp64", 0.0) + kinds.get("conversion", 0.0)
    if gain is not None and 0 < floats < 1 and "issue" in new:
        alone = ladder.down_to({**new, "issue": ladder.floors["issue"] * floats})
        gain = replace(gain, high=max(gain.high, alone.high if alone else 1.0))
    if gain is None or gain.best < WORTH:
        return f"warps wait at barriers {waiting:.0f} % of their time, but {ladder.bound} holds the kernel"
    warps = warps_of(kernel)
    rows = [
        Evidence(
            metric="stall_barrier_pct",
            value=waiting,
            unit="%",
            compared_with=f"fires at {FIRES_FROM_PCT:.0f} %",
        )
    ]
    if warps:
        rows.append(
            Evidence(metric="block_size", value=32.0 * warps, unit="thread", compared_with="32: one warp, no barrier")
        )
    return Finding(
        code=CODE,
        cause=CAUSE,
        severity=Severity.TUNE,
        confidence="high" if mix.main_stall(kernel) == "barrier" else "medium",
        title=f"warps wait at barriers {waiting:.0f} % of their time",
        evidence=tuple(rows),
        gain=gain,
        suggestions=_suggestions(kernel, warps),
        kernels=(kernel.name,),
    )


def against(kernel: Kernel, compiled: Compiled) -> str:
    """Code without a barrier is not what was measured to wait at one."""
    waiting = kernel.metrics["stall_barrier_pct"]
    return (
        ""
        if compiled.sass.mix.get("barrier")
        else f"it has no barrier, where warps waited {waiting:.0f} % of their time"
    )


def _a_trip(kernel: Kernel) -> tuple[str, str | None]:
    """What a trip of the innermost loop with barriers holds, in words, and where; empty where that is not known."""
    code = kernel.code
    loops = [x for x in code.compiled.sass.loops if x.mix.get("barrier") and not x.waits] if code is not None else []
    if code is None or not loops:
        return "", None
    loop = max(loops, key=lambda x: (x.depth, x.mix["barrier"]))
    counts = [f"{loop.mix[kind]} {kind}{'s' if loop.mix[kind] > 1 else ''}" for kind in EXCHANGE if loop.mix.get(kind)]
    return f"a trip has {' and '.join(counts)} among {loop.instructions} instructions{code.doubt}", code.at(loop.line)


def _suggestions(kernel: Kernel, warps: int | None) -> tuple[Suggestion, ...]:
    found = []
    trip, loop = _a_trip(kernel)
    carried = kernel.function.carried_reductions if kernel.function is not None else ()
    if carried and kernel.source is not None:
        cost = "a reduction to one value inside the loop costs shuffles and barriers every trip"
        found.append(
            Suggestion(
                action="carry a vector through the loop and reduce it once behind it",
                location=f"{kernel.source.path}:{carried[0]}",
                why=f"{cost}: {trip}" if trip else cost,
                watch="a vector accumulator holds a register for each value of the tile",
            )
        )
    elif loop is not None:
        found.append(
            Suggestion(
                action="reduce less often than every trip of this loop",
                location=loop,
                why=f"each reduction over several warps ends in a barrier: {trip}",
                watch="registers a thread",
            )
        )
    # a quarter of the warps, or half of them, if the registers of the larger share fit
    steps = [(f, change) for f in (4, 2) if warps and warps >= f and (change := scaled(kernel, f, 1 / f)) is not None]
    if steps and warps is not None:
        factor, change = steps[0]
        found.append(
            Suggestion(
                action="fewer warps a block: fewer come to each barrier, and a smaller tile for one warp needs none",
                knob="num_warps",
                from_value=str(warps),
                to_value=str(warps // factor),
                location=warps_place(kernel),
                why=f"each thread then holds {factor} times the values; {change.words}",
                watch="spills must stay 0",
            )
        )
    if not found:
        found.append(
            Suggestion(
                action="reduce less often: accumulate a vector, reduce once",
                location=kernel.where,
                why="each reduction over several warps ends in a barrier",
            )
        )
    return tuple(found)
