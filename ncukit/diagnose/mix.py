"""What a kernel's instructions are, and what its warps wait for: readings that several rules share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ncukit.diagnose.facts import Kernel

KINDS = ("integer", "fp32", "fp64", "conversion", "memory", "control", "misc")
STALLS = ("long_scoreboard", "short_scoreboard", "barrier", "wait", "math_pipe", "lg_throttle", "mio_throttle")
MEMORY_STALLS = ("long_scoreboard", "lg_throttle")
LANES = 32


def shares(kernel: Kernel) -> dict[str, float]:
    """Kind → share of the thread instructions; empty when the mix was not measured."""
    counts = {kind: value for kind in KINDS if (value := kernel.get(f"{kind}_instructions")) is not None}
    total = sum(counts.values())
    return {kind: count / total for kind, count in counts.items()} if total > 0 and len(counts) > 2 else {}


def stall(kernel: Kernel, *names: str) -> float:
    """Share of warp time, 0 to 1, that warps wait for these reasons together; 0 when not measured."""
    return sum(kernel.get(f"stall_{name}_pct") or 0.0 for name in names) / 100


def main_stall(kernel: Kernel) -> str | None:
    """The reason that warps wait for most, or None when none was measured."""
    known = {name: value for name in STALLS if (value := kernel.get(f"stall_{name}_pct")) is not None}
    return max(known, key=lambda name: known[name]) if known else None


def requests(kernel: Kernel) -> float:
    """Warp-wide global loads and stores."""
    return (kernel.get("global_load_requests") or 0.0) + (kernel.get("global_store_requests") or 0.0)


def width(kernel: Kernel, side: str) -> float | None:
    """Bytes that one lane of a global ``load`` or ``store`` request moves, mean; None when not measured."""
    count, sectors = kernel.get(f"global_{side}_requests"), kernel.get(f"global_{side}_sectors")
    if sectors is None and count is not None and (per := kernel.get(f"sectors_per_{side}")) is not None:
        sectors = per * count
    if not count or sectors is None:
        return None
    used = (kernel.get(f"{side}_sector_use_pct") or 100.0) / 100
    return 32 * used * sectors / count / LANES


def sector_use(kernel: Kernel) -> float:
    """Share of the bytes in all touched global sectors, 0 to 1, that the threads asked for; 1 when not measured."""
    touched = {side: kernel.get(f"global_{side}_sectors") or 0.0 for side in ("load", "store")}
    used = sum(sectors * (kernel.get(f"{side}_sector_use_pct") or 100.0) for side, sectors in touched.items()) / 100
    return used / sum(touched.values()) if sum(touched.values()) else 1.0


def fma_share_of_fp32(kernel: Kernel) -> float | None:
    """Share of the FMA pipe's peak, 0 to 1, that the single precision instructions alone take.

    128 lanes an SM and cycle (64 before Ampere's 8.6, except 9.0 and newer); the rest of the pipe's time is integer
    multiplication. Source: CUDA C++ Programming Guide, arithmetic instruction throughput.
    """
    count, cycles, sms = kernel.get("fp32_instructions"), kernel.get("sm_elapsed_cycles"), kernel.limits.sm_count
    if count is None or not cycles or not sms:
        return None
    return count / (fp32_lanes(kernel) * sms * cycles)


def fp32_lanes(kernel: Kernel) -> int:
    """Single precision lanes of an SM; 128 where the device is unknown."""
    gpu = kernel.limits.gpu
    return 64 if gpu is not None and gpu.compute_capability in ("7.0", "7.5", "8.0") else 128


def fma_slots(kernel: Kernel) -> float:
    """Share of an SM's issue slots, 0 to 1, that multiply-adds take: 64 lanes are full at half of the slots."""
    busy = (kernel.get("fma_pct") or 0.0) / 100
    floats = fma_share_of_fp32(kernel)
    # the pipe multiplies integers too; those are not the work itself
    return min(busy, floats if floats is not None else busy) * fp32_lanes(kernel) / 128
