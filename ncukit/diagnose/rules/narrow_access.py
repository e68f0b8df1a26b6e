"""Each lane moves few bytes at a time: the load/store unit is busy with instructions, not with data.

What it means
    Neighbouring lanes read neighbouring bytes, but one instruction moves 1, 2 or 4 bytes a lane where 16 would go.
    Triton emits narrow accesses when it cannot prove that 16 bytes lie together and aligned: a row stride or mask bound
    that is not divisible by 16, a start that is not a multiple of the vector, one value a thread, or strides passed as
    run-time numbers that the compiler knows nothing about.

Why it costs
    Every access costs an issue slot, an address, often a mask, and a place in the load/store queue, whatever its width.
    Sixteen 1-byte loads cost sixteen times that of one 16-byte load for the same bytes.

How it is computed
    Bytes a lane = sectors / requests x the share of each sector that was used. It fires at 4 bytes or fewer when the
    accesses are coalesced (three quarters of each sector used; half for single bytes). Widening to 16 bytes cuts
    requests by 16 / width: the load/store pipe's floor falls by that factor, L1's data stage too while an access fills
    less than its 128 bytes, and the issue floor by the share of instructions that are accesses or the index and mask
    arithmetic that goes with them (three an access at most). A load/store pipe or L1 at 60 % of peak with warps
    queueing before it counts as what holds the kernel; below that, the time warps wait for a place in the queue falls
    likewise. Where warps wait for memory and each moves no more than four wide accesses' bytes in its life, the bytes
    in flight grow with the width, and the next floor is in reach.

    Which argument keeps accesses narrow is asked of the compiler, where the unchanged kernel file is at hand and Triton
    is installed: the recorded launch is compiled again without a GPU, once with each argument promised to be divisible
    by 16 (or to be 1), and the one that widens the access is named with its line. No host code of the file is run.
    Where another Triton was measured, both versions are named; code whose accesses are wide is not what was measured,
    and is left aside (--explain says so). --no-compile leaves all of it out.

What to try
    Make the contiguous stride a constant 1 and row strides multiples of 16, or tell the compiler with tl.multiple_of
    and tl.max_contiguous, on the offset or pointer (on the argument itself the hint is lost); pad or split the mask
    bound; a tile of at least 16 bytes a thread; narrow types unpacked from wider ones.

When to ignore it
    When DRAM is at its roof all the same: then the width changes nothing, and the rule is silent.

Sources
    Widest access 16 bytes a lane, 128 bytes a wavefront: CUDA C++ Programming Guide, device memory accesses. Triton's
    divisibility by 16: generated code of Triton 3.6 and 3.9 (two 128-bit loads become eight 32-bit ones without it).
    Where tl.multiple_of is heard: generated code of Triton 3.7.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from ncukit.diagnose import mix
from ncukit.diagnose.advice import larger_tile, loads_at
from ncukit.diagnose.ladder import BEST_EFFICIENCY, WORTH
from ncukit.model import Evidence, Finding, Gain, Severity, Suggestion

if TYPE_CHECKING:
    from ncukit.diagnose.compiled import Code
    from ncukit.diagnose.facts import Kernel
    from ncukit.diagnose.rules import Case
    from ncukit.source.inspection import Compiled, Narrow

CODE = "MEM103"
CAUSE = "narrow-access"
NEEDS: tuple[str, ...] = ()

WIDEST = 16.0
NARROW = 4.5
"""Bytes a lane up to which an access is narrow; 4 with some slack for unaligned rows."""
NARROW_BITS = int(8 * NARROW)
BYTES = 2.5
"""Bytes a lane up to which a request moves at most 80 of a line's 128 bytes."""
COALESCED, SHIFTED = 0.75, 0.5
"""Share of the sectors that must be used: rows of single bytes that start anywhere share their edge sectors."""
CLOGGED = 0.6
"""Share of the load/store pipe's or L1's peak from which, with a queue before it, it is what holds the kernel."""
QUEUEING = 0.25
WAITING = 0.5
FEW_BYTES = 2048.0
"""Bytes a warp moves in its life (four wide requests) up to which each access' width decides what is in flight."""
INDEXING = 3.0
"""Integer instructions that go with an access: address, mask, bound."""


def judge(case: Case) -> Finding | str:
    """Fire when narrow accesses are what the kernel's time goes into."""
    kernel = case.kernel
    widths = _widths(kernel)
    if not widths:
        return "requests and sectors were not measured, or there is no global access"
    side, width = next(iter(widths.items()))
    used = (kernel.get(f"{side}_sector_use_pct") or 100.0) / 100
    if width < 0.9 * _narrowest(kernel, side):
        return f"lanes of a {side} share their bytes: one value for many lanes is no narrow access"
    if used < (COALESCED if width > BYTES else SHIFTED):
        return f"{side}s use {used:.0%} of their sectors: see uncoalesced-access"
    if width > NARROW:
        return f"a lane of a {side} moves {width:.1f} bytes"
    gain = _gain(case, width)
    if gain is None or gain.best < WORTH:
        return f"a lane of a {side} moves {width:.1f} bytes, but the accesses are not what holds the kernel"
    named = [s for one, w in widths.items() if w <= NARROW for s in _named(kernel, one)]
    certain = bool(named) and kernel.code is not None and kernel.code.same
    return Finding(
        code=CODE,
        cause=CAUSE,
        severity=Severity.TUNE,
        confidence="high" if certain else "medium" if mix.shares(kernel) else "low",
        title=f"a lane moves {width:.2g} bytes an access where {WIDEST:.0f} would go",
        evidence=_evidence(kernel, side),
        gain=gain,
        suggestions=(*named, *_suggestions(kernel, side, width, known=bool(named))),
        kernels=(kernel.name,),
    )


def against(kernel: Kernel, compiled: Compiled) -> str:
    """Code that moves many bytes a lane is not what was measured to move few."""
    side, width = next(iter(_widths(kernel).items()))
    kinds = ("load", "async-copy", "bulk-copy") if side == "load" else (side,)
    bits = [a.bits or 0 for a in compiled.sass.accesses if a.space == "global" and a.kind in kinds]
    if not bits:
        return f"it has no global {side}"
    return (
        f"a lane of a {side} moves {min(bits)} bits, {8 * width:.0f} were measured" if min(bits) > NARROW_BITS else ""
    )


def _widths(kernel: Kernel) -> dict[str, float]:
    """Side → bytes a lane, the side with more requests first."""
    found = {side: w for side in ("load", "store") if (w := mix.width(kernel, side)) is not None and w > 0}
    return dict(sorted(found.items(), key=lambda one: -(kernel.get(f"global_{one[0]}_requests") or 0.0)))


def _narrowest(kernel: Kernel, side: str) -> float:
    """Bytes of the smallest element type on that side, as recorded; 0 when unknown.

    Fewer bytes a lane than that means lanes that read one and the same value.
    """
    tensors = kernel.triton.tensors if kernel.triton is not None else ()
    touched = [t for t in tensors if (t.loaded if side == "load" else t.stored) and t.shape and math.prod(t.shape)]
    return min((t.bytes / math.prod(t.shape) for t in touched), default=0.0)


def _gain(case: Case, width: float) -> Gain | None:
    kernel, ladder = case.kernel, case.ladder
    factor = WIDEST / width
    instructions = kernel.get("instructions")
    kinds = mix.shares(kernel)
    accesses = mix.requests(kernel) / instructions if instructions else kinds.get("memory", 0.0)
    along = min(1.0, accesses + min(kinds.get("integer", 1.0), INDEXING * accesses))
    rest = 1 - along * (1 - 1 / factor)
    floors = ladder.floors
    new = ladder.scaled(rest, "issue", "pipe-alu", "pipe-fma") | ladder.scaled(1 / factor, "pipe-lsu")
    new |= ladder.scaled(min(1.0, width / 4), "l1")
    found = [ladder.without(new)] if ladder.bound not in ("latency", "unknown") else []
    queue = mix.stall(kernel, "lg_throttle", "mio_throttle")
    clogged = max(floors.get("pipe-lsu", 0.0), floors.get("l1", 0.0)) >= CLOGGED * (ladder.measured_us or math.inf)
    if clogged and queue >= QUEUEING:
        found.append(ladder.down_to(new))
    found.append(ladder.freed(queue * (1 - 1 / factor), new) if queue > 0.1 else None)
    grid, block = kernel.get("grid_size"), kernel.get("block_size")
    waiting = mix.stall(kernel, *mix.MEMORY_STALLS)
    if grid and block and ladder.bound == "latency" and waiting >= WAITING:
        a_warp = mix.requests(kernel) / (grid * block / 32)
        if a_warp * width * mix.LANES <= FEW_BYTES:
            found.append(ladder.down_to(new, best=BEST_EFFICIENCY))
    return max((g for g in found if g is not None), key=lambda g: g.best, default=None)


def _evidence(kernel: Kernel, side: str) -> tuple[Evidence, ...]:
    rows = [
        Evidence(
            metric=f"sectors_per_{side}",
            value=kernel.get(f"sectors_per_{side}") or 0.0,
            unit="sector",
            compared_with=f"{WIDEST:.0f} when a lane moves 16 bytes",
        )
    ]
    for metric, meaning in (
        ("lsu_pct", "100 % of the load/store pipe"),
        ("issue_pct", "100 % of the issue slots"),
        ("stall_lg_throttle_pct", "0 % when the queue is free"),
    ):
        if (value := kernel.get(metric)) is not None:
            rows.append(Evidence(metric=metric, value=value, unit="%", compared_with=meaning))
    return tuple(rows)


def _narrow(kernel: Kernel, side: str) -> list[Narrow]:
    """The compiler's narrow accesses of that side."""
    found = kernel.code.compiled.narrow if kernel.code is not None else ()
    return [n for n in found if n.kind == side and n.bits <= NARROW_BITS]


def _named(kernel: Kernel, side: str) -> list[Suggestion]:
    """What to tell the compiler, one suggestion for each argument that prevents wider accesses."""
    same: dict[str, list[Narrow]] = {}
    for one in _narrow(kernel, side):
        if one.wider_bits is not None:
            same.setdefault(one.argument or one.cause, []).append(one)
    return [_promise(kernel.code, side, accesses) for accesses in same.values()] if kernel.code is not None else []


def _promise(code: Code, side: str, accesses: list[Narrow]) -> Suggestion:
    one, name = accesses[0], accesses[0].argument or ""
    value = next((a.value for a in code.compiled.launch.arguments if a.name == name), None)
    wider = one.wider_bits or one.bits
    what = {
        "promise": f"tell Triton that 16 divides {name}: take it out of do_not_specialize, or put the offset that it "
        "makes into tl.multiple_of(…, 16)",
        "divisible": f"make {name} a multiple of 16 (pad what it counts)",
        "one": f"let the dimension that {name} strides over be contiguous",
        "aligned": f"let {name} start at a multiple of 16 bytes: no view that begins inside of a tensor",
    }.get(one.lack, "let 16 divide all of them, and tell Triton")
    to = "1" if one.lack == "one" else None
    if one.lack == "divisible" and isinstance(value, int):
        to = str(-(-value // 16) * 16)
    more = [f":{n.line}" for n in accesses[1:] if n.line]
    return Suggestion(
        action=f"{what}; a thread then {side}s {wider} bits at once instead of {one.bits}",
        knob=name or None,
        from_value=str(value) if to else None,
        to_value=to,
        location=code.at(one.line),
        why=f"{one.cause}{'; the same at ' + ', '.join(more) if more else ''}{code.doubt}",
        watch=f"sectors_per_{side} should rise to {wider / 8:.0f}",
    )


def _suggestions(kernel: Kernel, side: str, width: float, *, known: bool) -> tuple[Suggestion, ...]:
    larger = _larger(kernel, width)
    why = next(((n, kernel.code) for n in _narrow(kernel, side) if n.wider_bits is None), None)
    if known or (why is not None and why[0].lack == "tile" and larger):
        return larger
    place, name = loads_at(kernel, side)
    odd = _odd(kernel)
    found = Suggestion(
        action=f"let Triton widen the {side} of {name}: a contiguous stride of constant 1, row strides and mask "
        "bounds divisible by 16 (pad them, or state it with tl.multiple_of)",
        knob=odd[0] if odd else None,
        from_value=odd[1] if odd else None,
        to_value=str(-(-int(odd[1]) // 16) * 16) if odd else None,
        location=place,
        why=f"{odd[0]} = {odd[1]} is not divisible by 16, so the compiler may not join neighbouring accesses"
        if odd
        else "the compiler joins accesses only where it can prove alignment and contiguity",
        watch=f"sectors_per_{side} should rise to {WIDEST:.0f}",
    )
    if why is not None and why[1] is not None:
        ask = replace(found, knob=None, from_value=None, to_value=None)
        found = replace(ask, location=why[1].at(why[0].line) or place, why=f"{why[0].cause}{why[1].doubt}")
    return (found, *larger)


def _larger(kernel: Kernel, width: float) -> tuple[Suggestion, ...]:
    values = _values_a_thread(kernel)
    if not values or values * width >= WIDEST:
        return ()
    larger = larger_tile(
        kernel,
        2 ** max(1, round(math.log2(WIDEST / width / values))),
        "a larger tile: at least 16 bytes a thread",
        f"a thread holds {values:g} values of {width:.2g} bytes, less than one wide access",
        "the number of blocks must still fill the GPU",
    )
    return (larger,) if larger is not None else ()


def _odd(kernel: Kernel) -> tuple[str, str] | None:
    """An integer argument that looks like a size or stride and is not divisible by 16."""
    scalars = kernel.triton.scalars if kernel.triton is not None else {}
    found = [(n, v) for n, v in scalars.items() if isinstance(v, int) and not isinstance(v, bool) and v > 16 and v % 16]
    return (found[0][0], str(found[0][1])) if found else None


def _values_a_thread(kernel: Kernel) -> float | None:
    block = kernel.block_knob()
    threads = kernel.get("block_size")
    if block is None or block[1] is None or not block[1].isdecimal() or not threads:
        return None
    return int(block[1]) / threads
