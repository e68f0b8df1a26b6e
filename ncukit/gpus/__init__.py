"""GPU facts: the limits and peaks of known GPUs, each number with a source, found by name or compute capability."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from ncukit.errors import NcukitError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU model. Rates are dense (no sparsity) at boost clock; sizes are bytes unless the name says otherwise."""

    name: str
    aliases: tuple[str, ...] = ()
    """Other names: what nvidia-smi or CUDA prints, and what people type."""
    architecture: str
    chip: str
    """ncu's chip name, such as ``gh100``."""
    compute_capability: str
    sm_count: int
    memory_gb: float
    dram_gbps: float
    """Peak DRAM bandwidth in GB/s (10^9 bytes), from the data sheet."""
    dram_copy_gbps: float | None = None
    """Bandwidth that a plain copy reaches (reads + writes), measured; None when nobody here measured it."""
    dram_read_gbps: float | None = None
    """Bandwidth that a plain read reaches, measured."""
    l2_bytes: int
    fp32_tflops: float
    fp64_tflops: float | None = None
    tf32_tflops: float | None = None
    fp16_tflops: float | None = None
    bf16_tflops: float | None = None
    fp8_tflops: float | None = None
    max_threads_per_sm: int
    max_warps_per_sm: int
    max_blocks_per_sm: int
    registers_per_sm: int = 65536
    max_registers_per_thread: int = 255
    max_threads_per_block: int = 1024
    shared_per_sm: int
    shared_per_block: int
    """Most shared memory one block may ask for (opt-in)."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Field (or ``*`` for the rest) → where the number comes from."""


@cache
def all_gpus() -> tuple[Gpu, ...]:
    """Every GPU of the spec table, in its order."""
    raw = tomllib.loads(files(__package__).joinpath("specs.toml").read_text(encoding="utf-8"))
    architectures = raw.pop("architecture")
    gpus = []
    for entry in raw["gpu"]:
        shared = architectures[entry["compute_capability"]]
        sources = {**shared.get("sources", {}), **entry.get("sources", {})}
        merged = {**shared, **entry, "sources": sources}
        merged["aliases"] = tuple(merged.get("aliases", ()))
        gpus.append(Gpu(**merged))
    return tuple(gpus)


def _key(name: str) -> str:
    """Name without vendor words, case, spaces and punctuation, so that "NVIDIA GeForce RTX 4090" equals "rtx4090"."""
    words = re.sub(r"\b(nvidia|geforce|tesla|quadro|gpu)\b", " ", name.lower())
    return re.sub(r"[^a-z0-9]", "", words)


def find(name: str) -> Gpu | None:
    """The GPU called ``name`` by its model name or an alias, loosely written; None when there is none."""
    key = _key(name)
    return next((gpu for gpu in all_gpus() if key and key in (_key(n) for n in (gpu.name, *gpu.aliases))), None)


def get(name: str) -> Gpu:
    """The GPU called ``name``, or an error that names the nearest ones."""
    gpu = find(name)
    if gpu is not None:
        return gpu
    names = [g.name for g in all_gpus()]
    keys = {_key(n): n for g in all_gpus() for n in (g.name, *g.aliases)}
    close = list(dict.fromkeys(keys[k] for k in nearest(_key(name), list(keys))))
    raise NcukitError(
        f"no GPU called '{name}' in the spec table",
        causes=(f"did you mean {' or '.join(close)}?",) if close else (f"known: {', '.join(names)}",),
        next_command="ncukit gpus",
    )


def by_compute_capability(capability: str) -> tuple[Gpu, ...]:
    """GPUs of one compute capability such as ``9.0``."""
    return tuple(gpu for gpu in all_gpus() if gpu.compute_capability == capability)


def chip_of(capability: str) -> str:
    """ncu's chip name for a compute capability, or an empty string: enough to choose metric names."""
    gpus = by_compute_capability(capability)
    return gpus[0].chip if gpus else ""
