"""Shared memory answers a warp in several turns: lanes want different words of one bank.

What it means
    Shared memory has 32 banks of 4 bytes. A warp whose lanes touch different rows of the same bank is answered one row
    at a time; n rows make an n-way conflict and n wavefronts.

Why it costs
    Each extra wavefront is a cycle in which the SM's shared memory and L1 serve nobody else, and the warp waits longer.

How it is computed
    Share = conflict wavefronts / shared-memory wavefronts. It fires from 10 %, and only when removing them is worth
    something: L1's data stage falls by the conflicts' part of all its wavefronts; where latency holds the kernel, the
    time that warps wait for shared memory (short scoreboard, MIO throttle) falls by the conflicts' share. The larger of
    the two gains counts.

What to try
    Triton chooses conflict-free layouts for dots and transposes by itself; conflicts come from gathers through shared
    memory with clustered indices, from histograms, and from Gluon or inline code with a layout of one's own: pad the
    row by one word, swizzle, or change which index runs along the lanes.

When to ignore it
    When shared memory is a small part of the work. Wide accesses (8 or 16 bytes a lane) always take several wavefronts;
    ncu does not count those as conflicts.

Sources
    32 banks of 4 bytes: CUDA C++ Programming Guide, shared memory. l1tex__data_bank_conflicts_pipe_lsu_mem_shared and
    l1tex__data_pipe_lsu_wavefronts_mem_shared: NVIDIA Nsight Compute documentation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.diagnose import mix
from ncukit.diagnose.ladder import WORTH
from ncukit.model import Evidence, Finding, Gain, Severity, Suggestion

if TYPE_CHECKING:
    from ncukit.diagnose.rules import Case

CODE = "MEM106"
CAUSE = "bank-conflict"
NEEDS = ("shared_wavefronts", "shared_load_conflicts", "shared_store_conflicts")

FIRES_FROM = 0.1
MIRRORS = ("tensor-core-unused",)


def judge(case: Case) -> Finding | str:
    """Fire when conflict wavefronts are what shared memory spends its time on."""
    kernel = case.kernel
    shared = kernel.metrics["shared_wavefronts"]
    loads, stores = kernel.metrics["shared_load_conflicts"], kernel.metrics["shared_store_conflicts"]
    if shared <= 0:
        return "no shared memory was used"
    share = min(1.0, (loads + stores) / shared)
    if share < FIRES_FROM:
        return f"bank conflicts are {share:.0%} of the shared-memory wavefronts"
    gain = _gain(case, loads + stores, share)
    if gain is None or gain.best < WORTH:
        return f"bank conflicts are {share:.0%} of the shared-memory wavefronts, but shared memory does not hold it"
    ways = 1 / (1 - share) if share < 1 else 32.0
    return Finding(
        code=CODE,
        cause=CAUSE,
        severity=Severity.TUNE,
        confidence="high" if case.ladder.bound == "l1" else "medium",
        title=f"{share:.0%} of the shared-memory wavefronts are bank conflicts (about {ways:.0f}-way)",
        evidence=(
            Evidence(metric="shared_wavefronts", value=shared, unit="", compared_with=f"{shared - loads - stores:.3g}"),
            Evidence(metric="shared_load_conflicts", value=loads, unit="", compared_with="0"),
            Evidence(metric="shared_store_conflicts", value=stores, unit="", compared_with="0"),
        ),
        gain=gain,
        suggestions=(
            Suggestion(
                action="change the shared-memory layout or the index that runs along the lanes: pad each row by one "
                "word, swizzle, or gather along the other axis",
                location=kernel.where,
                why="32 lanes on 32 banks are answered in one wavefront",
                watch=f"shared_{'load' if loads >= stores else 'store'}_conflicts should fall to 0",
            ),
        ),
        kernels=(kernel.name,),
    )


def _gain(case: Case, conflicts: float, share: float) -> Gain | None:
    kernel, ladder = case.kernel, case.ladder
    total = kernel.get("l1_wavefronts") or kernel.metrics["shared_wavefronts"]
    rest = 1 - min(1.0, conflicts / total)
    new = ladder.scaled(rest, "l1")
    by_floor = ladder.without(new)
    waiting = mix.stall(kernel, "short_scoreboard", "mio_throttle")
    by_wait = ladder.freed(waiting * share, new) if ladder.bound == "latency" else None
    return max((g for g in (by_floor, by_wait) if g is not None), key=lambda g: g.best, default=None)
