"""Registers spill to local memory.

What it means
    A thread needs more values than it has registers, so the compiler parks some of them in local memory: DRAM by
    address, L1 and L2 by speed. Stack arrays indexed at run time live there too.

Why it costs
    Every parked value is a store and a load that the algorithm does not need. They fill the same L1, L2 and load/store
    queues as the real data.

How it is computed
    Share = local sectors / (local + global sectors) in L1. It fires from 2 %. L1's, L2's and the load/store pipe's
    floors fall by that share, DRAM's only by what exceeds the compulsory bytes; the gain is what the ladder gives.
    Where warps mostly wait for local memory, the kernel is taken to get within 80 % of the next floor (best); where
    they wait for it less, the time spent waiting for memory falls by that share.

What to try
    More warps for the same tile (each thread holds less), a smaller tile, or fewer values alive at once.

When to ignore it
    A few spilled words outside the hot loop: the share is then far below 2 %.

Sources
    l1tex__t_sectors_pipe_lsu_mem_local_op_ld and _st: NVIDIA Nsight Compute documentation. 65,536 registers an SM, at
    most 255 a thread: CUDA C++ Programming Guide, compute capabilities.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.diagnose import mix
from ncukit.diagnose.advice import more_warps, smaller_tile
from ncukit.diagnose.ladder import compulsory_bytes
from ncukit.model import Evidence, Finding, Gain, Severity, Suggestion

if TYPE_CHECKING:
    from ncukit.diagnose.facts import Kernel
    from ncukit.diagnose.rules import Case

CODE = "MEM105"
CAUSE = "local-memory"
NEEDS = ("local_load_sectors", "local_store_sectors")

FIRES_FROM = 0.02
QUEUEING = 0.4
"""Share of warp time spent waiting for local memory from which that is what the kernel waits for."""


def judge(case: Case) -> Finding | str:
    """Fire when local memory has a share in the traffic."""
    kernel = case.kernel
    local = kernel.metrics["local_load_sectors"] + kernel.metrics["local_store_sectors"]
    rest = (kernel.get("global_load_sectors") or 0.0) + (kernel.get("global_store_sectors") or 0.0)
    if local <= 0:
        return "no local memory was touched"
    share = local / (local + rest)
    if share < FIRES_FROM:
        return f"local memory is {share:.1%} of the sectors"
    spilled = kernel.triton.spills if kernel.triton is not None else None
    title = f"local memory is {share:.0%} of the sectors in L1"
    if spilled:
        title = f"spills {spilled} words a thread: {title}"
    return Finding(
        code=CODE,
        cause=CAUSE,
        severity=Severity.TUNE,
        confidence="high" if spilled else "medium",
        title=title,
        evidence=(
            Evidence(
                metric="local_load_sectors",
                value=kernel.metrics["local_load_sectors"],
                unit="sector",
                compared_with="0",
            ),
            Evidence(
                metric="local_store_sectors",
                value=kernel.metrics["local_store_sectors"],
                unit="sector",
                compared_with="0",
            ),
            *_registers(case),
        ),
        gain=_gain(case, share),
        suggestions=_suggestions(kernel),
        kernels=(kernel.name,),
    )


def _gain(case: Case, share: float) -> Gain | None:
    kernel, ladder = case.kernel, case.ladder
    new = ladder.scaled(1 - share, "l1", "l2", "pipe-lsu")
    reads, writes = compulsory_bytes(kernel) or (0.0, 0.0)
    floor = kernel.limits.needed_us(reads, writes) if reads + writes > 0 else None
    if "dram" in ladder.floors:
        # without recorded arguments: local memory has the same part in DRAM's traffic as in L1's
        new["dram"] = min(ladder.floors["dram"], floor if floor is not None else ladder.floors["dram"] * (1 - share))
    accesses = (kernel.get("memory_instructions") or 0.0) / 32 / (kernel.get("instructions") or 1.0)
    new |= ladder.scaled(1 - min(1.0, accesses) * share, "issue")
    by_floors = ladder.without(new)
    stalled = mix.stall(kernel, *mix.MEMORY_STALLS)
    if ladder.bound not in ("latency", "dram", "l1", "l2", "pipe-lsu") or share * stalled < QUEUEING:
        waiting = ladder.freed(share * stalled, new)
        return max((g for g in (by_floors, waiting) if g is not None), key=lambda g: g.best, default=None)
    return ladder.down_to(new) or by_floors


def _registers(case: Case) -> tuple[Evidence, ...]:
    registers = case.kernel.get("registers")
    block = case.kernel.get("block_size")
    if registers is None:
        return ()
    cap = min(255, int(65536 // block)) if block else 255
    return (Evidence(metric="registers", value=registers, unit="register/thread", compared_with=f"at most {cap}"),)


def _suggestions(kernel: Kernel) -> tuple[Suggestion, ...]:
    smaller = smaller_tile(
        kernel, 0.5, "a smaller tile", "a thread then holds fewer values at once", "spills should reach 0"
    )
    more = more_warps(kernel, "more threads share the tile")
    return (more, smaller) if more is not None else (smaller,)
