"""What the device allows: bandwidth roofs and sizes, from the report's own attributes and the spec table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ncukit import gpus

if TYPE_CHECKING:
    from ncukit.gpus import Gpu
    from ncukit.model import Environment

COPY_SHARE = 0.885
"""Share of peak DRAM bandwidth that a plain copy reaches where nobody measured the card.

Measured: 0.887 on an H200 (4270 of 4814 GB/s, ncu 2025.3.1); computed from published times: 0.89 on an H100 SXM and
0.95 on an RTX 4090. The low end is taken, so that a roof is not promised where it does not exist."""
READ_SHARE = 0.92
"""The same for a pure read; measured 0.945 on an H200."""
DIRTY_SHARE = 0.35
"""Share of L2 whose written lines are still there, not in DRAM, when a launch ends.

Measured: 20 to 26 MB of an H200's 60 MB over fifteen kernels that write 35 to 270 MB (ncu 2025.3.1, caches flushed
before each pass); the low end is taken."""
EMPTY_LAUNCH_US = 1.7
"""GPU time of an empty kernel under ncu: 1.66 to 1.70 us on an H200 (ncu 2025.3.1, clocks free)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The device's limits, as far as they are known."""

    gpu: Gpu | None
    """Entry of the spec table, or None for an unknown GPU."""
    sm_count: int | None
    peak_gbps: float | None
    """Theoretical DRAM bandwidth in GB/s."""
    copy_gbps: float | None
    """What a copy reaches."""
    read_gbps: float | None
    """What a pure read reaches."""
    measured_roof: bool
    """Whether the two roofs were measured on this GPU model, or are shares of peak."""
    note: str
    """How these were found, for people."""

    def roof_gbps(self, read_bytes: float, write_bytes: float) -> float | None:
        """Bandwidth within reach for a mix of reads and writes, in GB/s.

        Interpolated between the pure read and the half-and-half copy: a DRAM bus that turns around between reading
        and writing loses time each way, so the loss grows with the share of writes up to one half.
        """
        if self.copy_gbps is None or self.read_gbps is None:
            return None
        total = read_bytes + write_bytes
        writes = min(write_bytes / total, 0.5) if total > 0 else 0.5
        return self.read_gbps - (self.read_gbps - self.copy_gbps) * writes / 0.5

    def needed_us(self, read_bytes: float, write_bytes: float) -> float | None:
        """Time that DRAM needs within one launch for tensors of these sizes, in microseconds.

        The last lines written stay in L2 until somebody needs their place, after the launch.
        """
        stay = DIRTY_SHARE * self.gpu.l2_bytes if self.gpu is not None else 0.0
        return self.dram_us(read_bytes, max(0.0, write_bytes - stay))

    def dram_us(self, read_bytes: float, write_bytes: float) -> float | None:
        """Time that DRAM alone needs to move these bytes, in microseconds."""
        roof = self.roof_gbps(read_bytes, write_bytes)
        return (read_bytes + write_bytes) / roof / 1e3 if roof else None


def find_limits(environment: Environment, gpu: str | None = None, implied_peak_gbps: float | None = None) -> Limits:
    """Limits for a report.

    Args:
        environment: what the report says of its device.
        gpu: the user's word for it, for reports that do not name theirs.
        implied_peak_gbps: what ncu's own percentage makes of the bytes it counted, for a GPU nobody knows.

    Raises:
        NcukitError: ``gpu`` is not in the spec table.
    """
    named = gpus.get(gpu) if gpu else None  # a name that is not in the table is an error, needed or not
    known = gpus.find(environment.gpu) if environment.gpu else named
    peak = environment.peak_dram_gbps or (known.dram_gbps if known else None) or implied_peak_gbps
    name = known.name if known else environment.gpu or "unknown GPU"
    if peak is None:
        note = f"{name}: DRAM bandwidth unknown, so no roof can be drawn (name the GPU with --gpu)"
        return Limits(gpu=known, sm_count=environment.sm_count, peak_gbps=None, copy_gbps=None, read_gbps=None,
                      measured_roof=False, note=note)  # fmt: skip
    measured = bool(known and known.dram_copy_gbps)
    copy = known.dram_copy_gbps if known and known.dram_copy_gbps else COPY_SHARE * peak
    read = known.dram_read_gbps if known and known.dram_read_gbps else max(copy, READ_SHARE * peak)
    if environment.peak_dram_gbps is None and known is None:
        name += " (peak as ncu's percentage implies it)"
    how = "measured on this model" if measured else f"taken as {COPY_SHARE:.0%} and {READ_SHARE:.0%} of peak"
    return Limits(
        gpu=known,
        sm_count=environment.sm_count or (known.sm_count if known else None),
        peak_gbps=peak,
        copy_gbps=copy,
        read_gbps=read,
        measured_roof=measured,
        note=f"{name}: peak {peak:,.0f} GB/s; a copy reaches {copy:,.0f}, a read {read:,.0f} ({how})",
    )
