"""The occupancy calculation against what ncu says of every recorded launch, and against published examples."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncukit import gpus
from ncukit.gpus.occupancy import by_registers, occupancy
from ncukit.read import read

if TYPE_CHECKING:
    from ncukit.model import Report

ROOT = Path(__file__).parents[3]
KB = 1024
RUNS = sorted(
    path.parent for folder in ("profiles/h200", "tests/golden") for path in (ROOT / folder).rglob("launches.json")
)
LIMITS = ("limit_registers", "limit_shared", "limit_warps", "limit_blocks")


@cache
def launches(run: Path) -> Report:
    return read(run)


def name_of(run: Path) -> str:
    return "-".join(run.parts[-2:])


def test_there_are_many_recorded_launches_of_many_shapes() -> None:
    shapes = {
        tuple(shape)
        for run in RUNS
        for shape in launches(run).frame[["block_size", "registers", "limit_shared"]].values
    }
    assert len(shapes) > 40
    assert {size for size, _, _ in shapes} >= {32.0, 128.0, 256.0, 512.0, 1024.0}


@pytest.mark.parametrize("run", RUNS, ids=name_of)
def test_the_register_limit_is_ncus(run: Path) -> None:
    gpu = gpus.get(launches(run).environment.gpu)
    for row in launches(run).frame.to_dict("records"):
        found = by_registers(gpu, warps=round(row["block_size"] / 32), registers=int(row["registers"]))
        assert found == row["limit_registers"], row["kernel"]


@pytest.mark.parametrize("run", RUNS, ids=name_of)
def test_the_occupancy_is_ncus(run: Path) -> None:
    """By the shared memory that Triton recorded where it did; by ncu's own reading for every launch."""
    report = launches(run)
    gpu = gpus.get(report.environment.gpu)
    for row, launch in zip(report.frame.to_dict("records"), report.launches, strict=True):
        asked = {row["launch__shared_mem_per_block_dynamic"] + row["launch__shared_mem_per_block_static"]}
        asked |= {launch.shared_bytes} if launch is not None else set()
        for bytes_ in asked:
            found = occupancy(
                gpu, warps=round(row["block_size"] / 32), registers=int(row["registers"]), shared_bytes=int(bytes_)
            )
            assert 100 * found.share == pytest.approx(row["theoretical_occupancy_pct"], abs=0.01), row["kernel"]
            assert found.blocks == min(row[limit] for limit in LIMITS)
            assert found.warps == found.blocks * row["block_size"] / 32


# (GPU, warps a block, registers a thread, shared memory a block) → blocks, warps of those an SM has, limiter
PUBLISHED = [
    # CUDA C++ Best Practices Guide, calculating occupancy: 37 registers are rounded up to 40, 256 a warp at a time
    ("V100", 4, 37, 0, 12, 64, "registers"),
    ("V100", 10, 37, 0, 4, 64, "registers"),
    ("V100", 8, 32, 0, 8, 64, "block size"),
]
# NVIDIA's occupancy calculator: register space in 256 a warp, its warps in fours, shared memory in units with 1 KB
# kept of each block from 8.0 on, and the limits of the CUDA C++ Programming Guide's table.
CALCULATED = [
    ("A100", 8, 32, 0, 8, 64, "block size"),
    ("A100", 8, 33, 0, 6, 64, "registers"),  # 33 take 40
    ("A100", 8, 128, 0, 2, 64, "registers"),
    ("A100", 32, 65, 0, 0, 64, "registers"),  # 72 x 1024 threads are more than there are
    ("A100", 1, 16, 0, 32, 64, "block size"),  # 32 blocks at most
    ("A100", 4, 32, 163 * KB, 1, 64, "shared memory"),  # the most one block may ask for
    ("A100", 4, 32, 81 * KB, 2, 64, "shared memory"),
    ("A100", 4, 32, 82 * KB, 1, 64, "shared memory"),  # two would need 166 KB of 164
    ("A100", 4, 32, 164 * KB, 0, 64, "shared memory"),
    ("RTX 3090", 8, 32, 0, 6, 48, "block size"),
    ("RTX 3090", 8, 42, 0, 5, 48, "registers"),  # 48 x 32 is 1536 a warp: 42 warps, in fours 40
    ("RTX 3090", 1, 32, 0, 16, 48, "block size"),  # 16 blocks at most
    ("RTX 3090", 4, 32, 48 * KB, 2, 48, "shared memory"),
    ("RTX 3090", 4, 32, 99 * KB, 1, 48, "shared memory"),
    ("RTX 3090", 4, 32, 100 * KB, 0, 48, "shared memory"),
    ("RTX 4090", 1, 32, 0, 24, 48, "block size"),  # 24 blocks, where 8.6 has 16
    ("RTX 4090", 32, 64, 0, 1, 48, "block size"),
    ("RTX 4090", 4, 255, 0, 2, 48, "registers"),
    ("RTX 4090", 4, 32, 24 * KB, 4, 48, "shared memory"),
    ("T4", 8, 64, 0, 4, 32, "block size"),
    ("T4", 8, 72, 0, 3, 32, "registers"),
    ("T4", 1, 32, 0, 16, 32, "block size"),
    ("T4", 4, 32, 32 * KB, 2, 32, "shared memory"),  # nothing is kept before 8.0
    ("T4", 4, 32, 64 * KB, 1, 32, "shared memory"),
    ("T4", 32, 32, 0, 1, 32, "block size"),
]


@pytest.mark.parametrize(
    ("gpu", "warps", "registers", "shared", "blocks", "most", "limiter"), [*PUBLISHED, *CALCULATED]
)
def test_published_examples(
    gpu: str, warps: int, registers: int, shared: int, blocks: int, most: int, limiter: str
) -> None:
    found = occupancy(gpus.get(gpu), warps=warps, registers=registers, shared_bytes=shared)
    assert (found.blocks, found.warps, found.limiter) == (blocks, blocks * warps, limiter)
    assert found.share == pytest.approx(blocks * warps / most)


GPUS = st.sampled_from(gpus.all_gpus())


@given(gpu=GPUS, warps=st.integers(1, 40), registers=st.integers(0, 300), shared=st.integers(0, 300 * KB))
def test_what_runs_at_once_fits_the_sm(gpu: gpus.Gpu, warps: int, registers: int, shared: int) -> None:
    found = occupancy(gpu, warps=warps, registers=registers, shared_bytes=shared)
    assert found.blocks >= 0
    assert found.warps == found.blocks * warps <= gpu.max_warps_per_sm
    assert found.share == found.warps / gpu.max_warps_per_sm
    assert found.blocks <= gpu.max_blocks_per_sm
    assert found.warps * 32 * registers <= gpu.registers_per_sm
    assert found.blocks * shared <= gpu.shared_per_sm
    if warps * 32 > gpu.max_threads_per_block or registers > 255 or shared > gpu.shared_per_block:
        assert found.blocks == 0


@given(
    gpu=GPUS,
    warps=st.integers(1, 32),
    registers=st.integers(1, 254),
    shared=st.integers(0, 200 * KB),
    more=st.sampled_from([{"registers": 1}, {"shared_bytes": 1}, {"shared_bytes": 4096}]),
)
def test_asking_for_more_never_fits_more_blocks(
    gpu: gpus.Gpu, warps: int, registers: int, shared: int, more: dict[str, int]
) -> None:
    asked = {"warps": warps, "registers": registers, "shared_bytes": shared}
    greedier = {name: value + more.get(name, 0) for name, value in asked.items()}
    assert occupancy(gpu, **greedier).blocks <= occupancy(gpu, **asked).blocks
