"""How many blocks of a launch an SM holds at once, and what holds back more: the occupancy calculation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ncukit.gpus import Gpu

WARP = 32
REGISTER_UNIT = 256
"""Registers are given to a warp in units of 256 (CUDA C++ Programming Guide; ncu's occupancy calculator)."""
WARP_UNIT = 4
"""Warps are spread over four schedulers, so register space for a number of warps is used in fours."""
SHARED_UNIT = 128
"""Shared memory is given to a block in units of 128 bytes (compute capability 8.0 and newer; 256 before)."""
RESERVED_SHARED = 1024
"""Bytes of every block's shared memory that CUDA keeps for itself from compute capability 8.0 on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupancy:
    """What fits one SM."""

    blocks: int
    """Blocks that run at once; 0 when one block alone does not fit."""
    warps: int
    """Warps that are then resident."""
    share: float
    """Those warps over the most an SM can hold."""
    limiter: str
    """``registers``, ``shared memory`` or ``block size``: what gives way first."""


def occupancy(gpu: Gpu, *, warps: int, registers: int, shared_bytes: int = 0) -> Occupancy:
    """Blocks and warps of one launch on an SM of ``gpu``.

    Args:
        gpu: the device's limits.
        warps: warps a block.
        registers: registers a thread.
        shared_bytes: shared memory a block asks for, without what CUDA reserves.

    Returns:
        The smallest of the limits by registers, shared memory, warps and blocks. Formula: NVIDIA's occupancy
        calculator; held against ``launch__occupancy_limit_*`` of real runs in the tests.
    """
    modern = float(gpu.compute_capability) >= 8
    by_size = min(gpu.max_blocks_per_sm, gpu.max_warps_per_sm // warps, gpu.max_threads_per_sm // (warps * WARP))
    if warps * WARP > gpu.max_threads_per_block or registers > gpu.max_registers_per_thread:
        return Occupancy(blocks=0, warps=0, share=0.0, limiter="block size")
    unit = SHARED_UNIT if modern else 256
    asked = -(-(shared_bytes + (RESERVED_SHARED if modern else 0)) // unit) * unit
    by_shared = gpu.shared_per_sm // asked if asked else by_size
    if shared_bytes > gpu.shared_per_block:
        by_shared = 0
    limits = {
        "registers": by_registers(gpu, warps=warps, registers=registers),
        "shared memory": by_shared,
        "block size": by_size,
    }
    limiter = min(limits, key=lambda name: (limits[name], name != "block size"))
    blocks = limits[limiter]
    return Occupancy(blocks=blocks, warps=blocks * warps, share=blocks * warps / gpu.max_warps_per_sm, limiter=limiter)


def by_registers(gpu: Gpu, *, warps: int, registers: int) -> int:
    """Blocks an SM's register file holds."""
    a_warp = -(-max(1, registers) * WARP // REGISTER_UNIT) * REGISTER_UNIT
    fitting = gpu.registers_per_sm // a_warp // WARP_UNIT * WARP_UNIT
    return fitting // warps
