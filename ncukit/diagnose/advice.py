"""What can be turned in Triton, and what this device makes of it: knob, from, to, place and arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ncukit.gpus.occupancy import Occupancy, occupancy
from ncukit.model import Suggestion

if TYPE_CHECKING:
    from ncukit.diagnose.facts import Kernel, Knob

OVERHEAD_REGISTERS = 24
"""Registers a thread that hold addresses and counters, not tile values: an empty copy of one value compiles to 16 to
28 (Triton 3.6, sm_90). The rest is taken to grow with the values a thread holds."""
OVERHEAD_SHARE = 0.75
"""The same where a thread has fewer registers than that in all: a quarter is taken to hold values."""
MOST_WARPS = 32
"""Warps a block may have (1024 threads)."""


@dataclass(frozen=True, slots=True)
class Change:
    """A tile change and what the device makes of it."""

    registers: int
    occupancy: Occupancy | None

    @property
    def words(self) -> str:
        """``about 40 registers a thread, room for 12 blocks of 4 warps an SM (75 % occupancy)``."""
        text = f"about {self.registers} registers a thread"
        if self.occupancy is None or not self.occupancy.blocks:
            return text
        blocks, share = self.occupancy.blocks, self.occupancy.share
        each = self.occupancy.warps // blocks
        return f"{text}, room for {blocks} blocks of {each} warps an SM ({share:.0%} occupancy)"


def scaled(kernel: Kernel, values: float, warps_factor: float = 1.0, shared: float = 1.0) -> Change | None:
    """What becomes of registers and occupancy when a thread holds ``values`` times as many tile values.

    Args:
        kernel: the kernel as measured.
        values: factor on the values a thread holds.
        warps_factor: factor on the warps of a block.
        shared: factor on the shared memory of a block.

    Returns:
        None when the kernel's registers or warps are unknown, or the device allows no such block.
    """
    registers, block = kernel.get("registers"), kernel.get("block_size")
    if registers is None or not block:
        return None
    gpu = kernel.limits.gpu
    fixed = min(OVERHEAD_REGISTERS, OVERHEAD_SHARE * registers)
    new = round(fixed + (registers - fixed) * values)
    warps = round(block / 32 * warps_factor)
    if warps < 1 or warps > MOST_WARPS:
        return None
    if gpu is None:
        return Change(registers=new, occupancy=None)
    if new > min(gpu.max_registers_per_thread, gpu.registers_per_sm // (warps * 32)):
        return None  # it would spill
    bytes_ = round((kernel.triton.shared_bytes if kernel.triton else 0) * shared)
    found = occupancy(gpu, warps=warps, registers=new, shared_bytes=bytes_)
    return Change(registers=new, occupancy=found) if found.blocks else None


def warps_place(kernel: Kernel) -> str | None:
    """Where ``num_warps`` is set, or the launch that leaves it at Triton's four."""
    return (kernel.source.knob(kernel.name, "num_warps") if kernel.source else None) or kernel.launched_at


def warps_of(kernel: Kernel) -> int | None:
    """Warps a block: as launched, or from the block size."""
    if kernel.triton is not None:
        return kernel.triton.num_warps
    block = kernel.get("block_size")
    return round(block / 32) if block else None


def times(value: str | None, factor: float) -> str | None:
    """A whole number in text, scaled; None for anything else or when it would fall below one."""
    if value is None or not value.isdecimal() or not math.isfinite(factor):
        return None
    new = int(value) * factor
    return str(int(new)) if math.isfinite(new) and new >= 1 and new == int(new) else None


def more_warps(kernel: Kernel, why: str) -> Suggestion | None:
    """Twice the warps for the same tile; None when the block is full."""
    warps = warps_of(kernel)
    change = scaled(kernel, 0.5, warps_factor=2.0)
    if warps is None or 2 * warps > MOST_WARPS or change is None:
        return None
    return Suggestion(
        action="give the tile more warps, so that each thread holds fewer values",
        knob="num_warps",
        from_value=str(warps),
        to_value=str(2 * warps),
        location=warps_place(kernel),
        why=f"{why}; {change.words}",
        watch="reductions across warps get a step longer",
    )


def tile(kernel: Kernel, factor: float, action: str, why: str, watch: str, *, otherwise: str = "") -> Suggestion:
    """A larger or smaller tile, with the registers and occupancy that would follow.

    Args:
        kernel: the kernel as measured.
        factor: on the tile; of a larger one as much is named as the device holds and as leaves a block for every SM.
        action: what to do, in words.
        why: what it is for.
        watch: what to look at afterwards.
        otherwise: what to do where more values a thread only take the place of other warps. With it the tile is named
            that puts the most values in flight on an SM.
    """
    knobs: list[Knob | None] = [knob for name in kernel.blocks if (knob := kernel.knob(name)) is not None]
    knobs = knobs or [kernel.block_knob()]
    chosen = _chosen(kernel, knobs, factor, in_flight=bool(otherwise))
    if chosen is not None:
        block, factor, change = chosen
        why = f"{why}; {change.words}"
    else:
        block = knobs[0]
        if block is not None and factor > 1 and kernel.get("registers") is not None:
            full = scaled(kernel, 2.0, shared=2.0) is None
            why += f"; a larger {block[0]} does not: {'the SM is full' if full else 'fewer blocks would run'}"
            return Suggestion(action=otherwise or action, location=kernel.where, why=why, watch=watch)
    return Suggestion(
        action=action,
        knob=block[0] if block else None,
        from_value=block[1] if block else None,
        to_value=times(block[1], factor) if block and chosen else None,
        location=(block[2] if block else None) or kernel.launched_at or kernel.where,
        why=why,
        watch=watch,
    )


def _chosen(
    kernel: Kernel, knobs: list[Knob | None], factor: float, *, in_flight: bool
) -> tuple[Knob | None, float, Change] | None:
    """The tile, the factor on it, and what the device makes of it; None when nothing runs, or nothing is won."""
    factors = [factor / 2**i for i in range(max(1, math.ceil(math.log2(factor))))] if factor > 1 else [factor]
    fitting = [
        (knob, f, change)
        for knob in knobs
        for f in factors
        if f <= 1 or _blocks(kernel, knob, f) >= min(1.0, _blocks(kernel, knob, 1.0))
        if (change := scaled(kernel, f, shared=f)) is not None
    ]
    if not in_flight:
        return max(fitting, key=lambda option: option[1], default=None)
    today = scaled(kernel, 1.0)
    least = _resident(kernel, None, 1.0, today) if today is not None else 0.0
    flying = [(f * _resident(kernel, knob, f, change), -f, (knob, f, change)) for knob, f, change in fitting]
    most, _, option = max(flying, key=lambda row: row[:2], default=(0.0, 0.0, None))
    return option if most > least else None


def _resident(kernel: Kernel, knob: Knob | None, factor: float, change: Change) -> float:
    """Blocks that an SM holds at once with that tile, mean over the SMs: what fits, as far as the grid goes."""
    return min(change.occupancy.blocks if change.occupancy is not None else 1, _blocks(kernel, knob, factor))


def _blocks(kernel: Kernel, knob: Knob | None, factor: float) -> float:
    """Blocks for each SM in the grid that a tile ``factor`` times as large would have; infinite when unknown."""
    grid, sms = kernel.get("grid_size"), kernel.limits.sm_count
    if not grid or not sms:
        return math.inf
    return grid / sms / (factor if grid_follows(kernel, knob) else 1.0)


def grid_follows(kernel: Kernel, block: Knob | None) -> bool:
    """Whether the grid is some size over this tile, so that another tile means another grid.

    Sizes are those recorded at launch: integer arguments, tensor dimensions and element counts. True when nothing was
    recorded, because most grids follow.
    """
    if kernel.triton is None or kernel.grid is None or block is None or not (block[1] or "").isdecimal():
        return True
    sizes = {v for v in kernel.triton.scalars.values() if isinstance(v, int)}
    for tensor in kernel.triton.tensors:
        sizes |= {*tensor.shape, math.prod(tensor.shape)}
    value = max(1, int(block[1] or 1))
    return any(-(-size // value) in (*kernel.grid, math.prod(kernel.grid)) for size in sizes if size > value)


def loads_at(kernel: Kernel, side: str = "load") -> tuple[str | None, str]:
    """``path:line`` of the access to the largest tensor, and the tensor's name (``the tensor`` if unknown)."""
    if kernel.triton is not None:
        touched = [t for t in kernel.triton.tensors if (t.loaded if side == "load" else t.stored)]
        biggest = max(touched, key=lambda t: t.bytes, default=None)
        if biggest is not None:
            lines = biggest.load_lines if side == "load" else biggest.store_lines
            return (f"{kernel.triton.file}:{lines[0]}" if lines and kernel.triton.file else kernel.where), biggest.name
    if kernel.function is not None and kernel.source is not None:
        accesses = kernel.function.loads if side == "load" else kernel.function.stores
        if accesses:
            return f"{kernel.source.path}:{accesses[0].line}", accesses[0].pointer or "the tensor"
    return kernel.where, "the tensor"
