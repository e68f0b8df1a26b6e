"""The target GPU: facts of the spec table, those of the seed's list first; what the table lacks is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.gpus.occupancy import WARP
from ncukit.optimize.brief.budget import Part, Section, Value
from ncukit.optimize.brief.words import line

if TYPE_CHECKING:
    from ncukit.gpus import Gpu

SPARSE_FROM = 8.0
"""Compute capability from which tensor cores know structured sparsity, and data sheets print its rates."""
_DENSE = "Tensor rates are dense. What a data sheet prints with sparsity is twice as much; tl.dot does not reach it."


def device(gpu: Gpu, note: str = "") -> Section:
    """The section ``# Target GPU``.

    Args:
        gpu: entry of the spec table.
        note: what sets the card apart that was measured on, if anything.
    """
    head = f"GPU Name: {line(gpu.name)}\nArchitecture: {line(gpu.architecture)}"
    rows = [f"• {label}: {value}" for label, value in _rows(gpu) if value]
    if float(gpu.compute_capability) >= SPARSE_FROM and gpu.fp16_tflops:
        rows.append(_DENSE)
    if note:
        rows.append(line(note))
    return Section(
        title="# Target GPU",
        parts=(
            Part(text=head, value=Value.MUST, name="GPU"),
            Part(text="\n".join(rows), value=Value.DEVICE, name="facts of the GPU"),
        ),
    )


def _rows(gpu: Gpu) -> list[tuple[str, str]]:
    """Label and value; an empty value for what is not known."""
    copy = f" (a plain copy reaches {gpu.dram_copy_gbps:g})" if gpu.dram_copy_gbps else ""
    return [
        ("Compute Capability", gpu.compute_capability),
        ("Number of SMs", str(gpu.sm_count)),
        ("Memory Bandwidth", f"{gpu.dram_gbps:g} GB/s{copy}"),
        ("TF32 Tensor Core TFLOPS", _dense(gpu.tf32_tflops)),
        ("BFLOAT16 Tensor Core TFLOPS", _dense(gpu.bf16_tflops)),
        ("FP16 Tensor Core TFLOPS", _dense(gpu.fp16_tflops)),
        ("FP8 Tensor Core TFLOPS", _dense(gpu.fp8_tflops)),
        ("FP32 TFLOPS without tensor cores", f"{gpu.fp32_tflops:g}"),
        ("FP64 TFLOPS", f"{gpu.fp64_tflops:g}" if gpu.fp64_tflops else ""),
        ("Maximum number of registers per thread", str(gpu.max_registers_per_thread)),
        ("Registers per SM", str(gpu.registers_per_sm)),
        ("Maximum threads per block", str(gpu.max_threads_per_block)),
        ("Maximum threads per SM", str(gpu.max_threads_per_sm)),
        ("Warp size", str(WARP)),
        ("Maximum concurrent warps per SM", str(gpu.max_warps_per_sm)),
        ("Maximum concurrent blocks per SM", str(gpu.max_blocks_per_sm)),
        ("Shared memory capacity per SM", f"{gpu.shared_per_sm / 1024:g} KB"),
        ("Maximum shared memory per thread block", f"{gpu.shared_per_block / 1024:g} KB"),
        ("L2 cache (global, all SM shared)", f"{gpu.l2_bytes / 2**20:g} MB"),
    ]


def _dense(tflops: float | None) -> str:
    return f"{tflops:g} dense" if tflops else ""
