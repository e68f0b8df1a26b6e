"""Programs fetch the same data from DRAM again: they run too far apart for L2 to keep it.

What it means
    Several programs read the same bytes, but by the time the next of them runs L2 has dropped what the first one
    brought. The order in which programs walk the data decides that: a tiled matrix product in plain row-major order
    reads one operand again for every row of tiles.

Why it costs
    DRAM delivers the same bytes many times, at a sixth of what L2 could deliver.

How it is computed
    Bytes read from DRAM over the bytes of the tensors that are read (from the recorded arguments). It fires above 1.15
    when no tensor is swept twice by one program (that is excess-traffic) and sectors are used whole (else
    uncoalesced-access), and DRAM holds the kernel. High: DRAM's floor falls to the compulsory bytes and the next floor
    is reached; low: it falls half of the way (in logarithm), because an order that fits L2 still fetches some bytes
    more than once, and half of the next floor is reached; best lies between. Where the arguments are unknown, a matrix
    product at the DRAM roof whose reads mostly miss L2 is named with low confidence.

What to try
    Let programs that share data run at the same time: grouped (swizzled) program order, so that a few rows of tiles
    walk together along the columns; larger tiles, which ask for each byte fewer times; eviction hints that keep the
    operand that is used again (evict_last) and let the other stream (evict_first).

When to ignore it
    When the tensors are read by index and the hot rows are few: then the hit rate is already what it can be.

Sources
    Program order for L2: Triton's matrix multiplication tutorial. L2 bytes per device: ncukit gpus.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ncukit.diagnose.advice import grid_follows, larger_tile, loads_at
from ncukit.diagnose.ladder import WORTH, compulsory_bytes
from ncukit.model import Confidence, Evidence, Finding, Gain, Severity, Suggestion

if TYPE_CHECKING:
    from ncukit.diagnose.facts import Kernel
    from ncukit.diagnose.rules import Case

CODE = "MEM104"
CAUSE = "l2-locality"
NEEDS = ("dram_read_bytes", "dram_write_bytes", "duration_us")

FIRES_ABOVE = 1.15
MIRRORS = ("local-memory", "uncoalesced-access")
MISSING_PCT = 60.0
"""L2 hit rate of reads below which a matrix product at the DRAM roof is surely fetching again."""


def judge(case: Case) -> Finding | str:
    """Compare what DRAM read with what there is to read."""
    kernel, ladder = case.kernel, case.ladder
    read, write = kernel.metrics["dram_read_bytes"], kernel.metrics["dram_write_bytes"]
    needed = compulsory_bytes(kernel)
    if needed is None or sum(needed) <= 0:
        return _by_hit_rate(case)
    if needed[0] <= 0:
        return "the kernel reads no tensor"
    if read <= FIRES_ABOVE * max(needed[0], 1.0):
        return f"DRAM reads {read / max(needed[0], 1.0):.2f} times the bytes of the tensors"
    if kernel.sweeps:
        return "one program sweeps a tensor twice: see excess-traffic"
    if (kernel.get("load_sector_use_pct") or 100.0) < 75:
        return "sectors are used in part: see uncoalesced-access"
    full = kernel.limits.dram_us(needed[0], min(write, needed[1]) if needed[1] else write)
    half = kernel.limits.dram_us(math.sqrt(read * needed[0]), write)
    if full is None or half is None:
        return "the DRAM bandwidth of this device is unknown"
    all_of_it, some = ladder.down_to({"dram": full}), ladder.down_to({"dram": half})
    if ladder.bound != "dram" or all_of_it is None or some is None or all_of_it.best < WORTH:
        return f"DRAM reads {read / needed[0]:.2f} times the bytes of the tensors, but that does not hold the kernel"
    gain = Gain(low=some.low, best=math.sqrt(some.best * all_of_it.best), high=all_of_it.high)
    title = f"DRAM reads {read / 1e9:.3g} GB of tensors that hold {needed[0] / 1e9:.3g} GB ({read / needed[0]:.2f}x)"
    return _finding(case, "high" if kernel.limits.measured_roof else "medium", title, needed[0], gain)


def _by_hit_rate(case: Case) -> Finding | str:
    kernel, ladder = case.kernel, case.ladder
    hit = kernel.get("l2_read_hit_pct")
    product = kernel.has_dot or (kernel.get("tensor_pct") or 0.0) > 3
    if not product or hit is None or ladder.bound != "dram":
        return "the bytes of the tensors are unknown: without recorded arguments re-fetched bytes cannot be told"
    if hit > MISSING_PCT:
        return f"{hit:.0f} % of the reads hit L2"
    some = ladder.without({"dram": ladder.floors["dram"] / 2})
    if some is None:
        return "DRAM is not what holds the kernel"
    title = f"a matrix product at the DRAM roof whose reads hit L2 only {hit:.0f} % of the time"
    return _finding(case, "low", title, None, some)


def _finding(case: Case, confidence: Confidence, title: str, needed: float | None, gain: Gain) -> Finding:
    kernel = case.kernel
    read = kernel.metrics["dram_read_bytes"]
    compared = f"{needed / 1e9:.4g} GB in the tensors" if needed else "unknown: no arguments recorded"
    rows = [Evidence(metric="dram_read_bytes", value=read, unit="byte", compared_with=compared)]
    if (hit := kernel.get("l2_read_hit_pct")) is not None:
        rows.append(Evidence(metric="l2_read_hit_pct", value=hit, unit="%", compared_with="reuse that L2 caught"))
    l2 = kernel.limits.gpu.l2_bytes if kernel.limits.gpu else None
    return Finding(
        code=CODE,
        cause=CAUSE,
        severity=Severity.TUNE,
        confidence=confidence,
        title=title,
        evidence=tuple(rows),
        gain=gain,
        suggestions=_suggestions(kernel, l2),
        kernels=(kernel.name,),
    )


def _suggestions(kernel: Kernel, l2: int | None) -> tuple[Suggestion, ...]:
    group = kernel.knob("GROUP_M", "GROUP_SIZE_M", "GROUP_SIZE", "GROUP")
    fits = f"what runs at once must share data that fits {l2 / 2**20:.0f} MiB of L2" if l2 else "L2 is limited"
    small = group is not None and group[1] is not None and group[1].isdecimal() and int(group[1]) < 8
    order = Suggestion(
        action="order the programs so that those sharing data run together: grouped tiles in place of row-major",
        knob=group[0] if group else "program order",
        from_value=group[1] if group else None,
        to_value="8" if small else None,
        location=(group[2] if group else None) or kernel.where,
        why=fits,
        watch="l2_read_hit_pct should rise, dram_read_bytes fall",
    )
    if not kernel.has_dot:
        place, name = loads_at(kernel)
        stream = Suggestion(
            action=f'let what is read once leave L2 first: eviction_policy="evict_first" on it, "evict_last" on what '
            f"comes again (the largest tensor read is {name})",
            location=place,
            why=fits,
            watch="a hint moves a few per cent; the order of programs moves the rest",
        )
        return (order, stream)
    # a deeper tile along the summed dimension asks for as much: the grid does not follow that one
    outer = [n for n in kernel.blocks if (knob := kernel.knob(n)) and grid_follows(kernel, knob) is not False]
    words = "a larger tile asks for each operand fewer times"
    larger = larger_tile(kernel, 2, words, fits, "registers and shared memory", names=outer if kernel.blocks else None)
    return (order, larger) if larger is not None else (order,)
