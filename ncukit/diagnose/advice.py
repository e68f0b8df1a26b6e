"""What can be turned in Triton, and what this device makes of it: knob, from, to, place and arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from ncukit.gpus.occupancy import Occupancy, occupancy
from ncukit.model import Suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncukit.diagnose.facts import Kernel, Knob

OVERHEAD_REGISTERS = 24
"""Registers a thread that hold addresses and counters, not tile values: an empty copy of one value compiles to 16 to
28 (Triton 3.6, sm_90). The rest is taken to grow with the values a thread holds."""
OVERHEAD_SHARE = 0.75
"""The same where a thread has fewer registers than that in all: a quarter is taken to hold values."""
MOST_DIMENSIONS = 6
"""Dimensions of a tensor that are looked at for sizes of the grid: their products grow as a power of two."""
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
        fits = f"{blocks} block{'s' if blocks > 1 else ''} of {each} warp{'s' if each > 1 else ''}"
        return f"{text}, room for {fits} an SM ({share:.0%} occupancy)"


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


def smaller_tile(kernel: Kernel, factor: float, action: str, why: str, watch: str) -> Suggestion:
    """A tile ``factor`` (below 1) times as large, with the registers and occupancy that would follow."""
    block, change = kernel.block_knob(), scaled(kernel, factor, shared=factor)
    if _covers(kernel, block, 2.0):
        action += " (and a loop over it, where a program owns a whole row)"
    return _turned(kernel, block, factor, change, action, why, watch)


def larger_tile(
    kernel: Kernel,
    factor: float,
    action: str,
    why: str,
    watch: str,
    *,
    otherwise: str = "",
    names: Sequence[str] | None = None,
) -> Suggestion | None:
    """A tile up to ``factor`` times as large, with the registers and occupancy that would follow.

    Named is as much of it as the device holds, as leaves a block for every SM, and as a program's row fills.

    Args:
        kernel: the kernel as measured.
        factor: on the tile; a power of two.
        action: what to do, in words.
        why: what it is for.
        watch: what to look at afterwards.
        otherwise: what to do where more values a thread only take the place of other warps. With it the tile is named
            that puts the most values in flight on an SM.
        names: the tile constants to choose from; by default all of the kernel's.

    Returns:
        None when no larger tile helps and there is no ``otherwise``. Without a number when it cannot be told.
    """
    named = kernel.blocks if names is None else names
    knobs: list[Knob | None] = [knob for name in named if (knob := kernel.knob(name)) is not None]
    if not knobs and names is None:
        knobs = [kernel.block_knob()]
    factors = [factor / 2**i for i in range(max(1, math.ceil(math.log2(factor))))]
    fitting = [
        (knob, f, change)
        for knob in knobs
        for f in factors
        if _has_room(kernel, knob, f) and (change := scaled(kernel, f, shared=f)) is not None
    ]
    if otherwise:
        flying = [(f * _resident(kernel, knob, f, change), -f, (knob, f, change)) for knob, f, change in fitting]
        most, _, chosen = max(flying, key=lambda row: row[:2], default=(0.0, 0.0, None))
        today = scaled(kernel, 1.0)
        chosen = chosen if today is None or most > _resident(kernel, None, 1.0, today) else None
    else:
        chosen = max(fitting, key=lambda option: option[1], default=None)
    if chosen is not None:
        return _turned(kernel, *chosen, action, why, watch)
    obstacle = _obstacle(kernel, knobs)
    if knobs and obstacle is None:
        return _turned(kernel, knobs[0], factor, None, action, why, watch)
    if not otherwise or obstacle is None:
        return None
    return Suggestion(action=otherwise, location=kernel.where, why=f"{why}; {obstacle}", watch=watch)


def _turned(
    kernel: Kernel, block: Knob | None, factor: float, change: Change | None, action: str, why: str, watch: str
) -> Suggestion:
    """The suggestion to turn that knob; without a new value where nothing is known of what it would do."""
    return Suggestion(
        action=action,
        knob=block[0] if block else None,
        from_value=block[1] if block else None,
        to_value=times(block[1], factor) if block and change else None,
        location=(block[2] if block else None) or kernel.launched_at or kernel.where,
        why=f"{why}; {change.words}" if change else why,
        watch=watch,
    )


def _obstacle(kernel: Kernel, knobs: Sequence[Knob | None]) -> str | None:
    """Why none of these tiles can usefully be larger; None when that cannot be told."""
    if kernel.get("registers") is None or not kernel.get("block_size"):
        return None
    if scaled(kernel, 2.0, shared=2.0) is None:
        return "a larger tile would spill, or not fit an SM"
    if all(_covers(kernel, knob, 2.0) for knob in knobs):
        return "the tile holds the whole row already"
    growing = [knob for knob in knobs if not _covers(kernel, knob, 2.0)]
    if any(knob is None or grid_follows(kernel, knob) is None for knob in growing):
        return None
    return "a larger tile would only take the place of other blocks"


def _has_room(kernel: Kernel, knob: Knob | None, factor: float) -> bool:
    """Whether so large a tile leaves a block for every SM that has one today, and has data for its lanes."""
    enough = _blocks(kernel, knob, factor) >= min(1.0, _blocks(kernel, knob, 1.0))
    return enough and not _covers(kernel, knob, factor)


def _covers(kernel: Kernel, knob: Knob | None, factor: float) -> bool:
    """Whether half of a tile ``factor`` times as large would hold the row that a program owns: the rest has no data."""
    row, value = kernel.row, knob[1] if knob else None
    return row is not None and value is not None and value.isdecimal() and int(value) * factor >= 2 * row


def _resident(kernel: Kernel, knob: Knob | None, factor: float, change: Change) -> float:
    """Blocks that an SM holds at once with that tile, mean over the SMs: what fits, as far as the grid goes."""
    return min(change.occupancy.blocks if change.occupancy is not None else 1, _blocks(kernel, knob, factor))


def _blocks(kernel: Kernel, knob: Knob | None, factor: float) -> float:
    """Blocks for each SM in the grid that a tile ``factor`` times as large would have; infinite when unknown.

    Where it cannot be told whether the grid follows the tile, it is taken to.
    """
    grid, sms = kernel.get("grid_size"), kernel.limits.sm_count
    if not grid or not sms:
        return math.inf
    return grid / sms / (1.0 if knob and grid_follows(kernel, knob) is False else factor)


def grid_follows(kernel: Kernel, block: Knob) -> bool | None:
    """Whether the grid is some size over this tile, so that another tile means another grid.

    Sizes are what was recorded at launch: integer arguments, and the products of each tensor's dimensions. Several tile
    constants may share one axis of the grid, as in a matrix product.

    Returns:
        None when nothing was recorded, and where two readings fit: the tile holds a row (a kernel that gives each
        program a row looks like one that cuts the whole tensor into such tiles), or the grid is a size itself (a
        program for each sample, whose number some product of dimensions over the tile happens to be).
    """
    if kernel.triton is None or kernel.grid is None or block[1] is None or not block[1].isdecimal():
        return None
    value = int(block[1])
    sizes = {v for v in kernel.triton.scalars.values() if isinstance(v, int) and not isinstance(v, bool)}
    for tensor in kernel.triton.tensors:
        dimensions = tensor.shape[:MOST_DIMENSIONS]
        for count in range(1, len(dimensions) + 1):
            sizes |= {math.prod(some) for some in combinations(dimensions, count)}
    if value < 1 or not sizes or (kernel.row is not None and value / 2 < kernel.row <= value):
        return None
    programs = math.prod(kernel.grid)
    tiles = {-(-size // value) for size in sizes if size > value}
    others = [int(str(kernel.triton.constexprs[name])) for name in kernel.blocks if name != block[0]]
    beside = {-(-size // other) for other in others if other > 0 for size in sizes if size > 0}
    counted = {programs, *kernel.grid}
    follows = any(programs % n == 0 and (n in counted or programs // n in beside) for n in tiles)
    return None if follows and programs in sizes else follows


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
