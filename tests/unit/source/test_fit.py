"""How launches fill GPUs: against ncu's waves of every recorded launch, and by hand."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncukit import gpus
from ncukit.gpus.occupancy import Limits
from ncukit.read import read
from ncukit.source.fit import Fit, capability_of, fit, fits, fits_of
from ncukit.source.inspection import Compiled, Launch, Sass

ROOT = Path(__file__).parents[3]
KB = 1024
RUNS = sorted(
    path.parent for folder in ("profiles/h200", "tests/golden") for path in (ROOT / folder).rglob("launches.json")
)


@cache
def rows(path: Path) -> list[dict[str, Any]]:
    frame = read(path).frame
    frame["shared"] = frame["launch__shared_mem_per_block_dynamic"] + frame["launch__shared_mem_per_block_static"]
    return frame.to_dict("records")


def on(name: str, **launch: Any) -> Fit:
    return fit(gpus.get(name), **{"registers": 32, "warps": 4, **launch})


@pytest.mark.parametrize("run", RUNS, ids=lambda run: "-".join(run.parts[-2:]))
def test_the_waves_and_the_blocks_are_ncus(run: Path) -> None:
    for row in rows(run):
        found = on(
            "H200",
            registers=int(row["registers"]),
            warps=int(row["block_size"] // 32),
            shared_bytes=int(row["shared"]),
            barriers=int(row["launch__barrier_count"]),
            grid=(int(row["grid_size"]),),
        )
        assert found.waves == pytest.approx(row["waves"], abs=0.005), row["kernel"]
        assert found.blocks_per_sm == row["blocks_per_sm"]
        assert round(found.occupancy_pct, 2) == row["theoretical_occupancy_pct"]
        assert found.problem == ""


def test_recorded_cooperative_launches_are_all_resident() -> None:
    run = ROOT / "profiles/h200/instance_norm"
    recorded = [launch for launch in read(run).launches if launch is not None and launch.cooperative]
    assert recorded
    for launch in recorded:
        asked = {"registers": launch.registers, "warps": launch.num_warps, "shared_bytes": launch.shared_bytes}
        found = on("H200", **asked, grid=launch.grid, cooperative=True)
        assert (found.grid, found.resident, found.waves, found.problem) == (396, 396, 1.0, "")
        one_more = on("H200", **asked, grid=(397,), cooperative=True)
        assert one_more.problem == "a cooperative launch of 397 blocks where 396 can be resident: the driver refuses it"


def test_recorded_clusters_are_never_more_than_the_model_says() -> None:
    """ncu counts waves and occupancy as if there were no clusters; how many clusters run at once is never more."""
    clusters = [row for row in rows(ROOT / "tests/golden/occupancy/h200.csv") if row["launch__cluster_size"] > 1]
    assert {row["launch__cluster_size"] for row in clusters} == {2, 4, 8, 16}
    for row in clusters:
        size = int(row["launch__cluster_size"])
        found = on(
            "H200",
            registers=int(row["registers"]),
            warps=int(row["block_size"] // 32),
            shared_bytes=int(row["shared"]),
            grid=(int(row["grid_size"]) // size,),
            cluster=size,
        )
        assert found.grid == row["grid_size"]
        assert found.waves == pytest.approx(row["waves"], abs=0.005)
        assert row["launch__cluster_max_active"] * size <= found.resident
        assert f"a cluster of {size} blocks" in found.note


def test_waves_by_hand() -> None:
    """132 SMs of 16 blocks: 2112 at once."""
    found = on("H200", grid=(5000,))
    assert (found.blocks_per_sm, found.warps_per_sm, found.occupancy_pct, found.resident) == (16, 64, 100.0, 2112)
    assert found.limiters == ("warps", "registers")
    assert found.limiter == "warps and registers"
    assert (found.waves, found.full_waves) == (5000 / 2112, 2)
    assert found.tail == pytest.approx(776 / 2112)
    assert found.tail_loss == pytest.approx(1 - 5000 / (3 * 2112))
    assert found.busy_sms == 1.0


@pytest.mark.parametrize(
    ("grid", "waves", "full", "tail", "loss", "busy"),
    [
        ((4224,), 2.0, 2, 1.0, 0.0, 1.0),
        ((2112, 2), 2.0, 2, 1.0, 0.0, 1.0),
        ((33,), 33 / 2112, 0, 33 / 2112, 1 - 33 / 2112, 0.25),
        ((0,), 0.0, 0, None, None, 0.0),
        ((7, 0, 3), 0.0, 0, None, None, 0.0),
    ],
)
def test_whole_waves_small_grids_and_empty_ones(
    grid: tuple[int, ...], waves: float, full: int, tail: float | None, loss: float | None, busy: float
) -> None:
    found = on("H200", grid=grid)
    assert (found.waves, found.full_waves, found.tail, found.tail_loss, found.busy_sms) == (
        waves, full, tail, loss, busy,
    )  # fmt: skip
    assert (found.note == "the grid is empty: nothing is launched") is (waves == 0)


def test_without_a_grid_only_the_waves_are_unknown() -> None:
    found = on("H200", cooperative=True)
    assert (found.blocks_per_sm, found.grid, found.waves, found.tail, found.busy_sms) == (16, None, None, None, None)
    assert found.problem == ""


@pytest.mark.parametrize(
    ("gpu", "asked", "words"),
    [
        ("RTX 3090", {"shared_bytes": 110 * KB}, "asks for 110 KB shared memory a block, 99 KB allowed"),
        ("RTX 4090", {"shared_bytes": 99 * KB + 1}, "asks for 101,377 bytes shared memory a block, 101,376 bytes"),
        ("A100", {"shared_bytes": 164 * KB}, "asks for 164 KB shared memory a block, 163 KB allowed"),
        ("H200", {"warps": 64}, "asks for 2,048 threads a block, 1,024 allowed"),
        ("H200", {"registers": 300}, "asks for 300 registers a thread, 255 allowed"),
        ("H200", {"warps": 32, "registers": 65}, "65 registers for each of 1,024 threads are more than an SM's 65,536"),
    ],
)
def test_what_does_not_fit_says_why(gpu: str, asked: dict[str, int], words: str) -> None:
    found = on(gpu, grid=(1000,), **asked)
    assert (found.blocks_per_sm, found.warps_per_sm, found.occupancy_pct, found.resident) == (0, 0, 0.0, 0)
    assert found.problem.startswith(words)
    assert (found.waves, found.tail) == (None, None)


def test_what_does_not_fit_is_limited_by_what_it_asks_too_much_of() -> None:
    assert on("H200", registers=300).limiters == ("registers",)
    assert on("H200", warps=64).limiters == ("warps",)
    assert on("RTX 3090", shared_bytes=110 * KB).limiters == ("shared memory",)


def test_grids_and_clusters_that_no_driver_launches() -> None:
    assert on("H200", grid=(1, 70000)).problem == "a grid of 70,000 blocks along y, 65,535 allowed"
    assert (
        on("H200", grid=(2**30,), cluster=2).problem == "a grid of 2,147,483,648 blocks along x, 2,147,483,647 allowed"
    )
    assert on("A100", cluster=2).problem == "clusters of 2 blocks (num_ctas) need compute capability 9.0"
    assert on("H200", cluster=2).problem == ""


@pytest.mark.parametrize(
    ("arch", "capability"),
    [
        ("sm_80", "8.0"),
        ("sm_90a", "9.0"),
        ("sm_100", "10.0"),
        ("sm_120f", "12.0"),
        ("gfx942", ""),
        ("", ""),
        ("sm_", ""),
    ],
)
def test_architectures_by_name(arch: str, capability: str) -> None:
    assert capability_of(arch) == capability


def test_an_architecture_means_gpus_of_exactly_that_compute_capability() -> None:
    names = {f.gpu for f in fits(arch="sm_89", registers=32, warps=4)}
    assert "RTX 4090" in names
    assert "L4" in names
    assert not names & {"RTX 3090", "A100 SXM4 80GB", "H200"}


@pytest.mark.parametrize("arch", ["sm_103", "sm_61", "gfx942", ""])
def test_an_architecture_without_a_known_gpu_has_no_fit(arch: str) -> None:
    assert fits(arch=arch, registers=32, warps=4) == ()


def test_every_gpu_is_there_and_volta_and_turing_are_marked() -> None:
    found = fits(registers=32, warps=4, grid=(1000,))
    assert [f.gpu for f in found] == [gpu.name for gpu in gpus.all_gpus()]
    assert {f.compute_capability for f in found if not f.supported} == {"7.0", "7.5"}


def compiled(**fields: Any) -> Compiled:
    launch = Launch(
        kernel="k",
        file="k.py",
        line=1,
        launch_line=9,
        grid=(396, 1, 1),
        arguments=(),
        num_warps=4,
        num_stages=3,
        num_ctas=fields.pop("num_ctas", 1),
        options=fields.pop("options", {}),
    )
    sass = Sass(instructions=1, mix={})
    values = {"launch": launch, "arch": "sm_90", "grids": {"H200": (396, 1, 1), "H100 PCIe": (342, 1, 1)}}
    values |= {"registers": 168, "spills": 0, "stack_bytes": 0, "spill_store_bytes": 0, "spill_load_bytes": 0}
    values |= {"shared_bytes": 16, "static_shared_bytes": 0, "barriers": 1, "code_bytes": 1, "compile_s": 0.1}
    return Compiled(**{**values, "sass": sass, **fields})


def test_a_compiled_launch_has_on_each_gpu_the_grid_that_it_has_there() -> None:
    found = fits_of(compiled(options={"launch_cooperative_grid": True}))
    assert [(f.gpu, f.grid, f.waves, f.problem) for f in found] == [
        ("H100 PCIe", 342, 1.0, ""),
        ("H200", 396, 1.0, ""),
    ]
    refused = fits_of(compiled(registers=200, options={"launch_cooperative_grid": True}))
    assert [f.resident for f in refused] == [228, 264]
    assert all("the driver refuses it" in f.problem for f in refused)


def test_a_compiled_cluster_launch_has_its_blocks() -> None:
    (found,) = fits_of(compiled(num_ctas=2, grids={"H200": (100, 2, 1)}))
    assert found.grid == 400


@given(
    gpu=st.sampled_from(gpus.all_gpus()),
    warps=st.integers(1, 40),
    registers=st.integers(0, 300),
    shared=st.integers(0, 300 * KB),
    grid=st.tuples(st.integers(0, 100_000), st.integers(0, 70_000)),
    cluster=st.sampled_from((1, 2, 8)),
    cooperative=st.booleans(),
)
def test_shares_are_shares_and_what_runs_fits(
    gpu: gpus.Gpu, warps: int, registers: int, shared: int, grid: tuple[int, int], cluster: int, cooperative: bool
) -> None:
    found = fit(
        gpu,
        warps=warps,
        registers=registers,
        shared_bytes=shared,
        grid=grid,
        cluster=cluster,
        cooperative=cooperative,
    )
    assert isinstance(found.limits, Limits)
    assert 0 <= found.occupancy_pct <= 100
    assert (found.blocks_per_sm == 0) <= bool(found.problem)
    assert found.resident % cluster == 0
    if found.tail is not None and found.tail_loss is not None and found.waves is not None:
        assert 0 < found.tail <= 1
        assert 0 <= found.tail_loss < 1
        assert found.waves == pytest.approx((found.full_waves or 0) + (found.tail if found.tail < 1 else 0), rel=1e-9)
    if cooperative and not found.problem:
        assert (found.grid or 0) <= found.resident
