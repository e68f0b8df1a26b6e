"""Threads of a warp touch more sectors than the bytes they use.

What it means
    Global memory moves in sectors of 32 bytes. The threads of a warp asked for few bytes in each sector they touched:
    a large stride between neighbouring threads, or rows shorter than a sector.

Why it costs
    L1 and L2 look up every touched sector, and DRAM moves all of it. At 4 used bytes of 32, seven eighths of the
    traffic is waste.

How it is computed
    Share used = bytes the threads asked for / 32 for each touched sector (ncu's average data bytes per sector, for
    loads and stores apart). It fires below 75 %, when at least 15 % of all touched sectors' bytes go unused. L1's and
    L2's floors fall by the wasted share; DRAM's falls to what the used bytes need, but not below the compulsory bytes.
    The gain is what the ladder gives for that; where warps queue for memory though no floor is near, the kernel is
    taken to get within 80 % of the next one (best).

What to try
    Let the fastest-changing index of the tile run along the contiguous dimension (stride 1): swap the roles of the
    tile's axes, or transpose through shared memory. Store likewise.

When to ignore it
    When the data is tiny or comes from cache anyway (then the ladder shows no gain), and for true gathers by index.

Sources
    smsp__sass_average_data_bytes_per_sector_mem_global_op_ld and _st: NVIDIA Nsight Compute documentation. Rows of at
    least 128 bytes: published coalescing measurements on H100 (64-byte granules, 512 B rows 2894 GB/s, 32 B 1466 GB/s).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.diagnose import mix
from ncukit.diagnose.advice import loads_at
from ncukit.diagnose.ladder import WORTH, compulsory_bytes
from ncukit.model import Evidence, Finding, Gain, Severity, Suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ncukit.diagnose.rules import Case

CODE = "MEM102"
CAUSE = "uncoalesced-access"
NEEDS: tuple[str, ...] = ()

QUEUEING = 0.5
"""Share of warp time spent waiting for memory from which the sectors are what the kernel waits for."""
WASTED = 0.15
"""Unused share of all touched sectors below which it does not matter who wastes them."""
PARTLY_WRITTEN = 0.5
FIRES_BELOW_PCT = 75.0
"""Masked edges and unaligned rows cost up to a quarter without being a pattern."""
MOST_SECTORS_COALESCED = 16.5
"""A full warp of 128-bit accesses touches 16 sectors; more than that cannot be coalesced, whatever the width."""


def judge(case: Case) -> Finding | str:
    """Judge the worse of loads and stores, weighted by the sectors they touch."""
    kernel = case.kernel
    sides = {side: _use(case, side) for side in ("load", "store")}
    known = {side: use for side, use in sides.items() if use is not None}
    if not known:
        return "neither sector use nor sectors per request were measured, or there is no global access"
    total = sum(kernel.get(f"global_{side}_sectors") or 1.0 for side in known)
    worst = max(known, key=lambda side: (1 - known[side]) * (kernel.get(f"global_{side}_sectors") or 1.0))
    if known[worst] * 100 >= FIRES_BELOW_PCT:
        return f"{known[worst]:.0%} of the sectors that {worst}s touch is used"
    used = sum(known[side] * (kernel.get(f"global_{side}_sectors") or 1.0) for side in known) / total
    if 1 - used < WASTED:
        return f"{worst}s use {known[worst]:.0%} of their sectors, but those are few: {used:.0%} of all sectors is used"
    gain = _gain(case, _floors(case, used, known))
    if gain is None or gain.best < WORTH:
        return f"{worst}s use {known[worst]:.0%} of the sectors they touch, but that is not what holds the kernel"
    exact = kernel.get(f"{worst}_sector_use_pct") is not None
    return Finding(
        code=CODE,
        cause=CAUSE,
        severity=Severity.TUNE,
        confidence="high" if exact else "medium",
        title=f"{worst}s use {known[worst]:.0%} of the bytes in the sectors they touch",
        evidence=_evidence(case, worst),
        gain=gain,
        suggestions=(_suggestion(case, worst),),
        kernels=(kernel.name,),
    )


def _use(case: Case, side: str) -> float | None:
    """Used share of the touched sectors, 0 to 1: measured, or bounded by sectors per request."""
    kernel = case.kernel
    if (kernel.get(f"global_{side}_sectors") or 1.0) <= 0:
        return None
    percent = kernel.get(f"{side}_sector_use_pct")
    if percent is not None and percent > 0:
        return min(1.0, percent / 100)
    per_request = kernel.get(f"sectors_per_{side}")
    if per_request is not None and per_request > MOST_SECTORS_COALESCED:
        return 16.0 / per_request
    return None


def _gain(case: Case, new: dict[str, float]) -> Gain | None:
    """What is left once sectors are used whole.

    A kernel whose warps queue for memory waits because of the extra sectors: it then gets near the next floor, as other
    kernels do. One that waits for something else keeps the efficiency it has.
    """
    kept = case.ladder.without(new)
    if case.ladder.bound != "latency" or mix.stall(case.kernel, *mix.MEMORY_STALLS, "mio_throttle") < QUEUEING:
        return kept
    near = case.ladder.down_to(new)
    if near is None or kept is None:
        return kept
    return Gain(low=min(kept.low, near.low), best=max(kept.best, near.best), high=near.high)


def _floors(case: Case, used: float, shares: Mapping[str, float]) -> dict[str, float]:
    """Floors once every touched sector is used whole."""
    kernel, floors = case.kernel, case.ladder.floors
    new = case.ladder.scaled(used, "l1", "l2")
    read, write = kernel.get("dram_read_bytes"), kernel.get("dram_write_bytes")
    if read is not None and write is not None and "dram" in floors:
        needs = compulsory_bytes(kernel) or (0.0, 0.0)
        # bytes fetched again for other reasons are other findings': no more than the unused part goes
        loads, stores = shares.get("load", 1.0), shares.get("store", 1.0)
        need_read, need_write = max(read * loads, min(read, needs[0])), max(write * stores, min(write, needs[1]))
        if stores < PARTLY_WRITTEN and read > needs[0] > 0:
            need_read = needs[0]  # a sector written in part may be read first, to be completed
        whole = 0 < needs[1] == need_write  # then the tensors are what is left, and their last lines stay in L2
        fallen = (kernel.limits.needed_us if whole else kernel.limits.dram_us)(need_read, need_write)
        if fallen is not None:
            new["dram"] = min(fallen, floors["dram"])
    return new


def _evidence(case: Case, side: str) -> tuple[Evidence, ...]:
    kernel = case.kernel
    rows = []
    if (percent := kernel.get(f"{side}_sector_use_pct")) is not None:
        rows.append(
            Evidence(metric=f"{side}_sector_use_pct", value=percent, unit="%", compared_with="100 % of 32 bytes")
        )
    if (per := kernel.get(f"sectors_per_{side}")) is not None:
        rows.append(
            Evidence(
                metric=f"sectors_per_{side}",
                value=per,
                unit="sector",
                compared_with="4 (32-bit) to 16 (128-bit)",
            )
        )
    return tuple(rows)


def _suggestion(case: Case, side: str) -> Suggestion:
    location, name = loads_at(case.kernel, side)
    return Suggestion(
        action=f"let neighbouring lanes of the {side} (likely of {name}) walk the contiguous dimension (stride 1)",
        why="lanes with a stride touch a sector each; with stride 1 eight fp32 lanes share one",
        location=location,
        watch=f"sectors_per_{side} should fall to 4 (32-bit) or 16 (128-bit accesses)",
    )
