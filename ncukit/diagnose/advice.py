"""What can be turned in Triton, and what this device makes of it: knob, from, to, place and arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ncukit.gpus.occupancy import Occupancy, occupancy
from ncukit.model import Suggestion

if TYPE_CHECKING:
    from ncukit.diagnose.facts import Kernel

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
        """``about 40 registers a thread, 12 blocks of 4 warps an SM (75 % occupancy)``."""
        text = f"about {self.registers} registers a thread"
        if self.occupancy is None or not self.occupancy.blocks:
            return text
        each = self.occupancy.warps // self.occupancy.blocks
        return f"{text}, {self.occupancy.blocks} blocks of {each} warps an SM ({self.occupancy.share:.0%} occupancy)"


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
    new = min(new, gpu.max_registers_per_thread, gpu.registers_per_sm // (warps * 32))
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


def tile(kernel: Kernel, factor: float, action: str, why: str, watch: str) -> Suggestion:
    """A larger or smaller tile, with the registers and occupancy that would follow."""
    block = kernel.block_knob()
    factor = _spared(kernel, factor)
    change = scaled(kernel, factor, shared=factor) if factor != 1 else None
    while change is None and factor > 2:
        factor /= 2  # the device does not hold so much: as much of it as fits
        change = scaled(kernel, factor, shared=factor)
    return Suggestion(
        action=action,
        knob=block[0] if block else None,
        from_value=block[1] if block else None,
        to_value=times(block[1], factor) if block and change else None,
        location=(block[2] if block else None) or kernel.launched_at or kernel.where,
        why=f"{why}; {change.words}" if change else why,
        watch=watch,
    )


def _spared(kernel: Kernel, factor: float) -> float:
    """``factor`` cut down to what leaves a block for every SM: a larger tile makes the grid smaller."""
    grid, sms = kernel.get("grid_size"), kernel.limits.sm_count
    while factor > 1 and grid and sms and grid / factor < sms:
        factor /= 2
    return max(1.0, factor) if factor >= 1 or grid is None else factor


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
