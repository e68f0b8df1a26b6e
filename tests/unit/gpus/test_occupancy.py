"""The occupancy calculation against what ncu says of every recorded launch, and against published examples."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncukit import gpus
from ncukit.gpus.occupancy import allocated_shared, by_barriers, by_registers, limits, occupancy
from ncukit.read import read

if TYPE_CHECKING:
    from ncukit.model import Report

ROOT = Path(__file__).parents[3]
KB = 1024
RUNS = sorted(
    path.parent for folder in ("profiles/h200", "tests/golden") for path in (ROOT / folder).rglob("launches.json")
)
LIMITS = {
    "limit_registers": "registers",
    "limit_shared": "shared_memory",
    "limit_warps": "warps",
    "limit_blocks": "blocks",
    "launch__occupancy_limit_barriers": "barriers",
}
"""ncu's limit → ours."""
GOLDEN = ROOT / "tests" / "golden"
FILES = [
    *RUNS,
    GOLDEN / "session" / "metrics.csv",
    GOLDEN / "occupancy" / "h200.csv",
    *(GOLDEN / "ncu-2025.3.1-h200" / name for name in ("raw-base-units.csv", "three-metrics.ncu-rep")),
]
"""Every recording that holds ncu's limits: run directories, and reports without a record of Triton's launches."""


@cache
def launches(run: Path) -> Report:
    return read(run)


def rows(run: Path) -> list[dict[str, Any]]:
    return launches(run).frame.to_dict("records")


def asked(row: dict[str, Any], barriers: bool = True) -> dict[str, Any]:
    """What ncu says that a launch asked for, as arguments."""
    shared = row["launch__shared_mem_per_block_dynamic"] + row["launch__shared_mem_per_block_static"]
    found = {"warps": warps_of(row), "registers": int(row["registers"]), "shared_bytes": int(shared)}
    return {**found, "barriers": int(row["launch__barrier_count"])} if barriers else found


def warps_of(row: dict[str, Any]) -> int:
    return round(row["block_size"] / 32)


def name_of(run: Path) -> str:
    return "-".join(run.parts[-2:])


def test_there_are_many_recorded_launches_of_many_shapes() -> None:
    kernels = sum(len(launches(run).frame) for run in RUNS)
    shapes = {
        tuple(shape)
        for run in RUNS
        for shape in launches(run).frame[["block_size", "registers", "limit_shared"]].values
    }
    assert kernels >= 381
    assert len(shapes) > 40
    assert {size for size, _, _ in shapes} >= {32.0, 128.0, 256.0, 512.0, 1024.0}


@pytest.mark.parametrize("run", FILES, ids=name_of)
def test_every_limit_is_ncus(run: Path) -> None:
    """All of them, for every launch, with the division of an SM's memory that the driver chose for it."""
    gpu = gpus.get(launches(run).environment.gpu)
    for row in rows(run):
        config = int(row["launch__shared_mem_config_size"])
        found = occupancy(gpu, **asked(row), shared_config=config)
        assert {name: getattr(found.limits, ours) for name, ours in LIMITS.items()} == {
            name: row[name] for name in LIMITS
        }, row["kernel"]
        assert found.blocks == min(row[name] for name in LIMITS)
        assert round(100 * found.share, 2) == row["theoretical_occupancy_pct"], row["kernel"]
        assert allocated_shared(gpu, asked(row)["shared_bytes"]) == row["shared_bytes"]


@pytest.mark.parametrize("run", FILES, ids=name_of)
def test_without_the_drivers_choice_the_blocks_and_the_occupancy_are_still_ncus(run: Path) -> None:
    """The driver gives an SM less shared memory than it can have, but never so little that fewer blocks fit.

    Held for what Triton recorded too, where it did: that is all that is known before a launch.
    """
    report = launches(run)
    gpu = gpus.get(report.environment.gpu)
    records = report.launches or [None] * len(report.frame)
    for row, launch in zip(rows(run), records, strict=True):
        shared = {asked(row)["shared_bytes"]} | ({launch.shared_bytes} if launch is not None else set())
        for bytes_ in shared:
            found = occupancy(gpu, **{**asked(row, barriers=False), "shared_bytes": bytes_})
            assert found.blocks == min(row[name] for name in LIMITS), row["kernel"]
            assert found.warps == found.blocks * warps_of(row)
            assert round(100 * found.share, 2) == row["theoretical_occupancy_pct"]
            assert found.limits.shared_memory >= row["limit_shared"]


def test_what_limits_differs_only_where_the_driver_left_no_shared_memory_over() -> None:
    """Of the recorded kernels: the largest division finds the same limiters, or one less of those that tie."""
    differ = 0
    for run in RUNS:
        gpu = gpus.get(launches(run).environment.gpu)
        for row in rows(run):
            with_config = limits(gpu, **asked(row), shared_config=int(row["launch__shared_mem_config_size"]))
            without = limits(gpu, **asked(row))
            if set(with_config.limiters) != set(without.limiters):
                differ += 1
                assert set(with_config.limiters) - set(without.limiters) == {"shared memory"}, row["kernel"]
    assert differ == 8


CURVES = (
    "launch__occupancy_per_register_count",
    "launch__occupancy_per_block_size",
    "launch__occupancy_per_shared_mem_size",
    "launch__occupancy_per_barrier_count",
)


def shapes_of(run: Path) -> list[dict[str, Any]]:
    """Launches that differ in what the curves depend on."""
    names = ["block_size", "registers", "shared_bytes", "launch__shared_mem_config_size", *CURVES]
    return launches(run).frame.drop_duplicates(names).to_dict("records")


@pytest.mark.parametrize("run", RUNS, ids=name_of)
def test_ncus_own_curves_are_the_models(run: Path) -> None:
    """ncu gives each launch's warps for other registers, block sizes, shared memory and barriers: here as sums."""
    gpu = gpus.get(launches(run).environment.gpu)
    for row in shapes_of(run):
        warps, registers = warps_of(row), int(row["registers"])
        config, mine = int(row["launch__shared_mem_config_size"]), int(row["shared_bytes"])
        others = min(row["limit_registers"], row["limit_warps"], row["limit_blocks"])
        rest = min(row["limit_shared"], row["limit_warps"], row["limit_blocks"])
        by_count = sum(warps * min(rest, by_registers(gpu, warps=warps, registers=n)) for n in range(257))
        sizes = [max(1, -(-threads // 32)) for threads in range(0, 1025, 16)]
        by_size = sum(
            w * min(by_registers(gpu, warps=w, registers=registers), config // mine, 64 // w, 32) for w in sizes
        )
        opted_in = row["launch__shared_mem_per_block_dynamic"] > 48 * KB
        most = gpu.shared_per_block if opted_in else 48 * KB
        # its axis is the memory with what CUDA reserves, and at least one block always counts
        by_memory = sum(
            warps * min(others, max(1, config // (-(-n // 128) * 128)) if n else 32) for n in range(0, most + 1, 512)
        )
        barriers = [by_barriers(gpu, barriers=n) or 0 for n in range(65)]
        by_barrier = sum(warps * min(min(row[name] for name in LIMITS), n) for n in barriers)
        assert [row[name] for name in CURVES] == [by_count, by_size, by_memory, by_barrier], row["kernel"]


def test_all_limits_that_tie_are_named_and_a_limiter_in_words_stays_one() -> None:
    found = occupancy(gpus.get("A100"), warps=4, registers=32, shared_bytes=9 * KB)
    assert (found.limits.registers, found.limits.warps, found.limits.shared_memory, found.limits.blocks) == (
        16, 16, 16, 32,
    )  # fmt: skip
    assert found.limits.limiters == ("warps", "registers", "shared memory")
    assert found.limiter == "block size"


def test_barriers_limit_where_their_number_is_known() -> None:
    h200, l4 = gpus.get("H200"), gpus.get("L4")
    assert occupancy(h200, warps=4, registers=32, barriers=8).blocks == 8
    assert occupancy(h200, warps=4, registers=32, barriers=8).limiter == "barriers"
    assert occupancy(h200, warps=4, registers=32).limits.barriers is None
    assert occupancy(l4, warps=4, registers=32, barriers=8).limits.barriers is None


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
