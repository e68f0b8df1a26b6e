"""How a launch fills GPUs: what fits an SM of each, in how many waves the grid runs, and what cannot run at all.

Waves are a model: blocks of equal length, each SM as full as it can be. Triton compiles for one architecture at a time,
so a launch is held against the GPUs of exactly that compute capability, though a binary for 8.0 would run on 8.6 too.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ncukit.gpus import all_gpus, by_compute_capability
from ncukit.gpus.occupancy import WARP, Limits, occupancy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncukit.gpus import Gpu
    from ncukit.gpus.occupancy import Occupancy
    from ncukit.source.inspection import Compiled

OLDEST = (8, 0)
"""First compute capability that Triton supports (its list of supported hardware)."""
CLUSTERS = (9, 0)
"""First compute capability with thread block clusters (CUDA C++ Programming Guide)."""
MOST_BLOCKS = (2**31 - 1, 65535, 65535)
"""Blocks of a grid by axis (CUDA C++ Programming Guide, technical specifications)."""
_ARCH = re.compile(r"sm_(\d{1,2})(\d)[af]?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """One launch on one GPU."""

    gpu: str
    compute_capability: str
    sm_count: int
    supported: bool
    """Whether Triton compiles for this GPU."""
    blocks_per_sm: int
    """Blocks that an SM holds at once; 0 when one block alone does not fit."""
    warps_per_sm: int
    occupancy_pct: float
    """Theoretical: those warps over the most an SM can hold."""
    limiters: tuple[str, ...]
    """What runs out first: ``registers``, ``shared memory``, ``warps``, ``blocks``, ``barriers``; several in a tie."""
    limits: Limits
    resident: int
    """Blocks that the whole GPU holds at once; of clusters it may hold fewer."""
    grid: int | None
    """Blocks of the launch; None when unknown."""
    waves: float | None = None
    """Grid over the blocks that fit all SMs, as ncu counts it. None when the grid is unknown or nothing fits."""
    full_waves: int | None = None
    tail: float | None = None
    """Busy share of the last wave: 1 when the grid is a whole number of waves; None without a wave."""
    tail_loss: float | None = None
    """Share of the time that the last wave's idle room costs: 1 - waves / ceil(waves)."""
    busy_sms: float | None = None
    """Share of the SMs that get a block at all."""
    problem: str = ""
    """Why it cannot run; empty when it can."""
    note: str = ""
    """What this model does not know."""

    @property
    def limiter(self) -> str:
        """``registers``, or ``warps and registers`` in a tie."""
        return " and ".join(self.limiters)


def capability_of(arch: str) -> str:
    """``9.0`` of ``sm_90`` or ``sm_90a``; empty for anything else."""
    found = _ARCH.fullmatch(arch)
    return f"{found.group(1)}.{found.group(2)}" if found else ""


def fits_of(compiled: Compiled) -> tuple[Fit, ...]:
    """A compiled launch on each GPU that launches it so, in the order of the spec table, with the grid it has there."""
    launch = compiled.launch
    return tuple(
        fit(
            gpu,
            registers=compiled.registers,
            warps=launch.num_warps,
            shared_bytes=compiled.shared_bytes,
            barriers=compiled.barriers,
            grid=compiled.grids[gpu.name],
            cluster=launch.num_ctas,
            cooperative=bool(launch.options.get("launch_cooperative_grid")),
        )
        for gpu in by_compute_capability(capability_of(compiled.arch))
        if gpu.name in compiled.grids
    )


def fits(
    *,
    arch: str | None = None,
    registers: int,
    warps: int,
    shared_bytes: int = 0,
    barriers: int | None = None,
    grid: Sequence[int] | None = None,
    cluster: int = 1,
    cooperative: bool = False,
) -> tuple[Fit, ...]:
    """A launch on each GPU of ``arch`` (``sm_90``), or of the whole spec table; what is asked for as in ``fit``.

    None for an architecture of which the spec table has no GPU. GPUs that Triton does not support are marked.
    """
    return tuple(
        fit(
            gpu,
            registers=registers,
            warps=warps,
            shared_bytes=shared_bytes,
            barriers=barriers,
            grid=grid,
            cluster=cluster,
            cooperative=cooperative,
        )
        for gpu in (all_gpus() if arch is None else by_compute_capability(capability_of(arch)))
    )


def fit(
    gpu: Gpu,
    *,
    registers: int,
    warps: int,
    shared_bytes: int = 0,
    barriers: int | None = None,
    grid: Sequence[int] | None = None,
    cluster: int = 1,
    cooperative: bool = False,
) -> Fit:
    """A launch on one GPU.

    Args:
        gpu: its limits.
        registers: registers a thread.
        warps: warps a block.
        shared_bytes: shared memory of a block, static and dynamic, without what CUDA reserves.
        barriers: named barriers a block, where known.
        grid: programs by axis; None when unknown.
        cluster: blocks a program (``num_ctas``).
        cooperative: whether all blocks have to run at the same time.
    """
    blocks = None if grid is None else _blocks(grid, cluster)
    held = occupancy(gpu, warps=warps, registers=registers, shared_bytes=shared_bytes, barriers=barriers)
    resident = held.blocks * gpu.sm_count // cluster * cluster
    problem = (
        _does_not_fit(gpu, held, warps=warps, registers=registers, shared_bytes=shared_bytes)
        or _no_cluster(gpu, cluster)
        or _too_large(blocks)
        or _not_together(blocks, resident, cooperative)
    )
    return _fit(gpu, held, resident, blocks, problem=problem, note=_note(blocks, cluster))


def _blocks(grid: Sequence[int], cluster: int) -> tuple[int, ...]:
    """Blocks by axis: a program of several blocks has them along the first."""
    axes = (*grid, 1, 1)[:3]
    return (axes[0] * cluster, *axes[1:])


def _fit(gpu: Gpu, held: Occupancy, resident: int, blocks: tuple[int, ...] | None, *, problem: str, note: str) -> Fit:
    total = None if blocks is None else math.prod(blocks)
    fit = Fit(
        gpu=gpu.name,
        compute_capability=gpu.compute_capability,
        sm_count=gpu.sm_count,
        supported=_version(gpu) >= OLDEST,
        blocks_per_sm=held.blocks,
        warps_per_sm=held.warps,
        occupancy_pct=100 * held.share,
        limiters=held.limits.limiters,
        limits=held.limits,
        resident=resident,
        grid=total,
        problem=problem,
        note=note,
    )
    return fit if total is None or not held.blocks else _in_waves(fit, total)


def _in_waves(fit: Fit, total: int) -> Fit:
    """The fit with the waves that so many blocks need."""
    at_once = fit.blocks_per_sm * fit.sm_count
    paid = -(-total // at_once)
    return replace(
        fit,
        waves=total / at_once,
        full_waves=total // at_once,
        tail=(total - (paid - 1) * at_once) / at_once if total else None,
        tail_loss=1 - total / (paid * at_once) if total else None,
        busy_sms=min(1.0, total / fit.sm_count),
    )


def _version(gpu: Gpu) -> tuple[int, ...]:
    return tuple(int(part) for part in gpu.compute_capability.split("."))


def _does_not_fit(gpu: Gpu, held: Occupancy, *, warps: int, registers: int, shared_bytes: int) -> str:
    if held.blocks:
        return ""
    threads = warps * WARP
    if threads > gpu.max_threads_per_block:
        return f"asks for {threads:,} threads a block, {gpu.max_threads_per_block:,} allowed"
    if registers > gpu.max_registers_per_thread:
        return f"asks for {registers} registers a thread, {gpu.max_registers_per_thread} allowed"
    if not held.limits.shared_memory:
        asked, allowed = _sizes(shared_bytes, gpu.shared_per_block)
        return f"asks for {asked} shared memory a block, {allowed} allowed"
    return f"{registers} registers for each of {threads:,} threads are more than an SM's {gpu.registers_per_sm:,}"


def _sizes(asked: int, allowed: int) -> tuple[str, str]:
    """``110 KB`` and ``99 KB``; in bytes where rounding would make them equal."""
    texts = f"{asked / 1024:.4g} KB", f"{allowed / 1024:.4g} KB"
    return texts if texts[0] != texts[1] else (f"{asked:,} bytes", f"{allowed:,} bytes")


def _no_cluster(gpu: Gpu, cluster: int) -> str:
    if cluster < 2 or _version(gpu) >= CLUSTERS:
        return ""
    return f"clusters of {cluster} blocks (num_ctas) need compute capability 9.0"


def _too_large(blocks: tuple[int, ...] | None) -> str:
    for axis, count, most in zip("xyz", blocks or (), MOST_BLOCKS, strict=False):
        if count > most:
            return f"a grid of {count:,} blocks along {axis}, {most:,} allowed"
    return ""


def _not_together(blocks: tuple[int, ...] | None, resident: int, cooperative: bool) -> str:
    if not cooperative or blocks is None or math.prod(blocks) <= resident:
        return ""
    total = math.prod(blocks)
    return f"a cooperative launch of {total:,} blocks where {resident:,} can be resident: the driver refuses it"


def _note(blocks: tuple[int, ...] | None, cluster: int) -> str:
    if blocks is not None and not math.prod(blocks):
        return "the grid is empty: nothing is launched"
    if cluster > 1:
        # 132 SMs of an H200 hold 15 clusters of 8 single blocks, not 16 (tests/golden/occupancy)
        return f"a cluster of {cluster} blocks stays in one group of SMs, so fewer may be resident than fit the SMs"
    return ""
