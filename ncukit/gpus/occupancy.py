"""How many blocks of a launch an SM holds at once, and what holds back more: the occupancy calculation.

The limits are those that ncu reports as ``launch__occupancy_limit_*``: each is what one resource alone would hold, so
some are larger than the blocks an SM can have at all. How an SM's memory is divided between shared memory and L1 is the
driver's choice for each launch; without a recording of it, the largest share for shared memory is taken, as CUDA's
occupancy calculator does. No recorded launch had fewer blocks than that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

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
BARRIERS_PER_SM: Mapping[str, int] = {"9.0": 64}
"""Named barriers of an SM by compute capability: read off ncu's ``launch__occupancy_per_barrier_count`` on an H200.
Elsewhere the number is not known here, and barriers limit nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Blocks that each resource of an SM would hold by itself, as ncu counts them."""

    registers: int
    shared_memory: int
    warps: int
    blocks: int
    """Blocks that an SM can have whatever they ask for."""
    barriers: int | None = None
    """None where the block's barriers, or the SM's, are not known."""

    @property
    def by_name(self) -> dict[str, int]:
        """Name in words → blocks, of the limits that are known."""
        found = {"blocks": self.blocks, "warps": self.warps, "registers": self.registers}
        found["shared memory"] = self.shared_memory
        return found if self.barriers is None else {**found, "barriers": self.barriers}

    @property
    def least(self) -> int:
        """Blocks that fit an SM."""
        return min(self.by_name.values())

    @property
    def limiters(self) -> tuple[str, ...]:
        """The resources that run out first; several when they do so together."""
        return tuple(name for name, blocks in self.by_name.items() if blocks == self.least)


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
    """``registers``, ``shared memory``, ``barriers`` or ``block size``: what gives way first."""
    limits: Limits


def occupancy(
    gpu: Gpu,
    *,
    warps: int,
    registers: int,
    shared_bytes: int = 0,
    barriers: int | None = None,
    shared_config: int | None = None,
) -> Occupancy:
    """Blocks and warps of one launch on an SM of ``gpu``.

    Args:
        gpu: the device's limits.
        warps: warps a block.
        registers: registers a thread.
        shared_bytes: shared memory a block asks for, static and dynamic, without what CUDA reserves.
        barriers: named barriers that a block uses, where known.
        shared_config: shared memory of an SM in bytes as the driver set it up for a launch (ncu's
            ``launch__shared_mem_config_size``); by default the most that it can have.

    Returns:
        The smallest of the limits. Formula: NVIDIA's occupancy calculator; held against ``launch__occupancy_limit_*``
        of real runs in the tests.
    """
    found = limits(
        gpu,
        warps=warps,
        registers=registers,
        shared_bytes=shared_bytes,
        barriers=barriers,
        shared_config=shared_config,
    )
    blocks, first = found.least, found.limiters[0]
    return Occupancy(
        blocks=blocks,
        warps=blocks * warps,
        share=blocks * warps / gpu.max_warps_per_sm,
        limiter="block size" if first in ("blocks", "warps") else first,
        limits=found,
    )


def limits(
    gpu: Gpu,
    *,
    warps: int,
    registers: int,
    shared_bytes: int = 0,
    barriers: int | None = None,
    shared_config: int | None = None,
) -> Limits:
    """What each resource of an SM would hold of a launch; arguments as for ``occupancy``.

    A block or thread that asks for more than one may have fits no SM.
    """
    by_warps = min(gpu.max_warps_per_sm // warps, gpu.max_threads_per_sm // (warps * WARP))
    too_many = registers > gpu.max_registers_per_thread
    return Limits(
        registers=0 if too_many else by_registers(gpu, warps=warps, registers=registers),
        shared_memory=by_shared(gpu, shared_bytes=shared_bytes, shared_config=shared_config),
        warps=0 if warps * WARP > gpu.max_threads_per_block else by_warps,
        blocks=gpu.max_blocks_per_sm,
        barriers=by_barriers(gpu, barriers=barriers),
    )


def by_registers(gpu: Gpu, *, warps: int, registers: int) -> int:
    """Blocks an SM's register file holds."""
    a_warp = -(-max(1, registers) * WARP // REGISTER_UNIT) * REGISTER_UNIT
    fitting = gpu.registers_per_sm // a_warp // WARP_UNIT * WARP_UNIT
    return fitting // warps


def by_shared(gpu: Gpu, *, shared_bytes: int, shared_config: int | None = None) -> int:
    """Blocks an SM's shared memory holds; 0 for a block that asks for more than one may have."""
    if shared_bytes > gpu.shared_per_block:
        return 0
    asked = allocated_shared(gpu, shared_bytes)
    whole = gpu.shared_per_sm if shared_config is None else shared_config
    return whole // asked if asked else gpu.max_blocks_per_sm


def allocated_shared(gpu: Gpu, shared_bytes: int) -> int:
    """Bytes that a block of so much shared memory takes: ncu's ``launch__shared_mem_per_block_allocated``."""
    modern = float(gpu.compute_capability) >= 8
    unit = SHARED_UNIT if modern else 256
    return -(-(shared_bytes + (RESERVED_SHARED if modern else 0)) // unit) * unit


def by_barriers(gpu: Gpu, *, barriers: int | None) -> int | None:
    """Blocks an SM's named barriers suffice for; None where one of the numbers is not known."""
    whole = BARRIERS_PER_SM.get(gpu.compute_capability)
    if whole is None or barriers is None:
        return None
    return min(gpu.max_blocks_per_sm, whole // max(1, barriers))
