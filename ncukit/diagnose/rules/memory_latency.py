"""Warps wait for memory that is not busy: too few bytes are in flight.

What it means
    Neither DRAM, L2, L1 nor any pipe is near its limit, and most warps wait for a load. Memory answers after a fixed
    latency; speed is the bytes asked for at once over that latency (Little's law), and too few are asked for.

Why it costs
    Bandwidth that nobody asks for is lost.

How it is computed
    It fires when no floor of the ladder reaches 80 % of the time, warps wait for memory (long scoreboard) at least 40 %
    of their time, memory is the next limit and every SM has a block. Bytes in flight needed are the next floor's
    bandwidth times the latency; present are today's bandwidth times the same latency, so their ratio is the gain at
    most and the latency itself cancels out. Best and low assume that the kernel then reaches 85 % and 55 % of the next
    floor.

    Whether launch-level num_stages does anything is asked of the compiler, where the unchanged kernel file is at hand
    and Triton is installed: the recorded launch is compiled again without a GPU, with other stages (no host code of the
    file is run). --no-compile leaves it out.

What to try
    More independent loads a thread (an unrolled loop, or a larger block: where it helps, the one is named that puts the
    most values in flight on an SM), more resident warps (fewer registers, smaller blocks), or an asynchronous pipeline:
    `tl.range(..., num_stages=)` in loops without a dot; launch-level `num_stages` only pipelines loads that feed a dot.

When to ignore it
    For very short kernels (see PAR304) and for grids too small to fill the GPU (see PAR301): those come first.

Sources
    Stall reasons: NVIDIA Nsight Compute documentation, warp state. Little's law: J. D. C. Little, 1961. What num_stages
    pipelines: Triton's software pipeliner, checked on the generated code of Triton 3.6 and 3.9.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from ncukit.diagnose.advice import larger_tile
from ncukit.model import Evidence, Finding, Severity, Suggestion

if TYPE_CHECKING:
    from ncukit.diagnose.facts import Kernel
    from ncukit.diagnose.rules import Case
    from ncukit.source.inspection import Compiled

CODE = "LAT201"
CAUSE = "memory-latency"
NEEDS = ("stall_long_scoreboard_pct",)

WAITING_PCT = 40.0
"""Below this share of warp time, waiting for memory is not the main thing warps do."""
REACHED, AT_LEAST = 0.85, 0.55
"""Shares of the next floor that more bytes in flight reach."""
MIRRORS = (
    "uncoalesced-access", "narrow-access", "local-memory", "atomic-contention", "workload-imbalance", "tail-effect",
    "low-occupancy", "l2-locality", "excess-traffic", "bank-conflict",
)  # fmt: skip
"""Causes that make warps wait for memory: each explains it better."""


def judge(case: Case) -> Finding | str:
    """Fire when latency is the bound and memory the next limit."""
    kernel, ladder = case.kernel, case.ladder
    stalled = kernel.metrics["stall_long_scoreboard_pct"]
    if ladder.bound != "latency":
        return f"the kernel is held by {ladder.bound}, not by latency"
    if stalled < WAITING_PCT:
        return f"warps wait for memory {stalled:.0f} % of their time; something else keeps them"
    waves = kernel.get("waves")
    grid, sms = kernel.get("grid_size"), kernel.limits.sm_count
    if grid is not None and sms is not None and grid < sms:
        return "the grid does not reach every SM: see small-grid"
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
        gain=None if guess else ladder.down_to({}, best=REACHED, low=AT_LEAST),
        suggestions=_suggestions(case),
        kernels=(kernel.name,),
        unhelpful=_unhelpful(kernel),
    )


def against(kernel: Kernel, compiled: Compiled) -> str:
    """Code without a load is not what was measured to wait for loads."""
    if any(a.space != "shared" and a.kind != "store" for a in compiled.sass.accesses):
        return ""
    waiting = kernel.metrics["stall_long_scoreboard_pct"]
    return f"it loads nothing, where warps waited for memory {waiting:.0f} % of their time"


def _unhelpful(kernel: Kernel) -> tuple[str, ...]:
    stages = kernel.code.compiled.stages if kernel.code is not None else None
    if kernel.code is None or stages is None or stages.changes:
        return ()
    tried = ", ".join(map(str, stages.tried))
    return (f"num_stages at the launch: {tried} give the same code{kernel.code.doubt}",)


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
    short = case.ladder.efficiency or 0.5
    factor = min(8, 2 ** max(1, math.ceil(math.log2(1 / short))))
    larger = [
        larger_tile(
            kernel,
            factor,
            "ask for more bytes at once: more independent loads a thread",
            f"the next limit needs {1 / short:.1f} times the bytes in flight, and independent loads overlap",
            "registers and spills",
            otherwise="issue the loads of several trips, or of several rows, before using the first of them",
        )
    ]
    found = [s for s in larger if s is not None]
    if kernel.has_dot is False and kernel.function is not None and kernel.function.plain_loops:
        line = kernel.function.plain_loops[0]
        buffers = _buffers(kernel)
        if buffers is not None and kernel.limits.gpu is not None and buffers > kernel.limits.gpu.shared_per_block:
            return tuple(found)
        room = f": {buffers / 1024:.3g} KiB a block" if buffers is not None else ""
        found.append(
            Suggestion(
                action="pipeline the loop: for i in tl.range(..., num_stages=3)",
                knob="tl.range(num_stages=)",
                to_value="3",
                location=f"{kernel.source.path}:{line}" if kernel.source else None,
                why="launch-level num_stages does nothing without a dot; the loop's own does",
                watch=f"shared memory{room}; cache hints on these loads are dropped",
            )
        )
    return tuple(found)


def _buffers(kernel: Kernel) -> float | None:
    """Shared memory that two more stages of the tile need, in bytes; None when tile or type is unknown."""
    block = kernel.block_knob() if len(kernel.blocks) == 1 else None  # with several the tile's shape is not known
    loaded = [t for t in kernel.triton.tensors if t.loaded and t.shape] if kernel.triton is not None else []
    if block is None or block[1] is None or not block[1].isdecimal() or not loaded:
        return None
    largest = max(loaded, key=lambda t: t.bytes)
    width = re.search(r"\d+", largest.dtype)
    return 2 * int(block[1]) * (int(width.group()) / 8 if width else 4)
