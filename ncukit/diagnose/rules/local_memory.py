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

    Which values spill is read off the compiler's machine code, where the unchanged kernel file is at hand and Triton is
    installed: the recorded launch is compiled again without a GPU (no host code of the file is run), and each store to
    local memory counts for the line that computed what it puts away. Where another Triton was measured, both versions
    are named; code without local memory is not what was measured, and is left aside (--explain says so). --no-compile
    leaves it out.

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
    from ncukit.diagnose.compiled import Code
    from ncukit.diagnose.facts import Kernel
    from ncukit.diagnose.rules import Case
    from ncukit.source.inspection import Compiled, Spill

CODE = "MEM105"
CAUSE = "local-memory"
NEEDS = ("local_load_sectors", "local_store_sectors")

FIRES_FROM = 0.02
OTHERS = 3
"""Places that spill too, named after the first."""
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


def against(kernel: Kernel, compiled: Compiled) -> str:
    """Code without local memory is not what was measured to use it."""
    if compiled.stack_bytes or compiled.sass.mix.get("local"):
        return ""
    return f"it uses no local memory, of which {kernel.metrics['local_load_sectors']:,.0f} sectors were loaded"


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
    alive = _alive(kernel.code) if kernel.code is not None else None
    return tuple(s for s in (more, smaller, alive) if s is not None)


def _alive(code: Code) -> Suggestion | None:
    """The place whose values spill most, in a loop if there is one: those go and come every trip."""
    spills = sorted((s for s in code.compiled.sass.spills if s.line), key=lambda s: (s.in_loop, s.bytes), reverse=True)
    if not spills:
        return None
    first = spills[0]
    what = code.assigned.get(first.line or 0, "what is computed here")
    trip = " every trip of the loop" if first.in_loop else ""
    also = f"; also stored: {', '.join(map(_words, spills[1 : 1 + OTHERS]))}" if spills[1:] else ""
    return Suggestion(
        action=f"fewer values alive at once: {what} spills, {first.bytes:,} bytes a thread{trip}",
        location=code.at(first.line),
        why=f"a thread's local memory has {code.compiled.stack_bytes:,} bytes{also}{code.doubt}",
        watch="spills should reach 0",
    )


def _words(spill: Spill) -> str:
    return f"{spill.bytes:,} bytes at :{spill.line}{' every trip' if spill.in_loop else ''}"
