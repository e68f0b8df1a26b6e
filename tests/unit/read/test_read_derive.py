"""Derived metrics over small columns."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ncukit import metrics
from ncukit.model import Environment, Tensor, TritonLaunch
from ncukit.read.derive import compulsory_bytes, derive, spills

H200 = Environment(gpu="NVIDIA H200", sm_count=132)


def derived(environment: Environment = H200, **columns: list[float]) -> dict[str, list[float]]:
    arrays = {name: np.array(values, dtype=float) for name, values in columns.items()}
    derive(arrays, environment)
    return {name: list(values) for name, values in arrays.items()}


def launch(*tensors: Tensor) -> TritonLaunch:
    return TritonLaunch(
        kernel="k",
        grid=(1, 1, 1),
        num_warps=4,
        num_stages=1,
        registers=1,
        spills=0,
        shared_bytes=0,
        tensors=tensors,
    )


def tensor(size: int, buffer: int, loaded: bool | None, stored: bool | None) -> Tensor:
    return Tensor(
        name="x", dtype="float32", shape=(size // 4,), bytes=size, buffer=buffer, loaded=loaded, stored=stored
    )


def test_every_formula_of_the_catalogue_can_be_evaluated() -> None:
    inputs = {name for metric in metrics.catalogue().values() for name in metrics.formula_inputs(metric.formula)}
    roots = {name: [2.0] for name in inputs if not metrics.catalogue()[name].formula}
    roots |= {"load_bytes_per_sector": [32.0], "store_bytes_per_sector": [16.0]}
    found = derived(**roots)

    formulas = {name for name, metric in metrics.catalogue().items() if metric.formula}
    assert formulas - set(found) == set()


def test_formulas_feed_formulas() -> None:
    found = derived(
        duration_ns=[1000.0],
        dram_read_bytes=[3e6],
        dram_write_bytes=[1e6],
        compulsory_bytes=[2e6],
        grid_size=[7168.0],
        limit_blocks=[32.0],
        limit_registers=[16.0],
        limit_shared=[28.0],
        limit_warps=[16.0],
    )

    assert found["dram_bytes"] == [4e6]
    assert found["dram_gbps"] == [4000.0]
    assert found["traffic_ratio"] == [2.0]
    assert found["blocks_per_sm"] == [16.0]
    assert found["waves"] == pytest.approx([7168 / (132 * 16)])


def test_the_peak_comes_from_the_device_and_else_from_the_spec_table() -> None:
    device = Environment(attributes={"max_mem_frequency_khz": 3201000.0, "fb_bus_width": 6016.0})

    assert derived(device, compulsory_bytes=[4814304.0], duration_ns=[2000.0])["useful_dram_pct"] == pytest.approx([50])
    assert derived(H200, compulsory_bytes=[4.8e6], duration_ns=[2000.0])["useful_dram_pct"] == pytest.approx(
        [50], rel=0.01
    )
    assert "useful_dram_pct" not in derived(Environment(), compulsory_bytes=[1.0], duration_ns=[1.0])


def test_the_exact_formula_wins_over_a_rounded_reading_where_preferred() -> None:
    found = derived(global_load_sectors=[100.0], global_load_requests=[30.0], sectors_per_load=[3.33])

    assert found["sectors_per_load"] == pytest.approx([100 / 30])


def test_ncus_reading_stays_where_the_inputs_are_missing() -> None:
    found = derived(
        global_load_sectors=[100.0, math.nan],
        global_load_requests=[30.0, math.nan],
        sectors_per_load=[3.33, 4.0],
    )

    assert found["sectors_per_load"] == pytest.approx([100 / 30, 4.0])


def test_a_reading_is_kept_where_the_formula_is_only_second_best() -> None:
    found = derived(dram_bytes=[5.0, math.nan], dram_read_bytes=[1.0, 1.0], dram_write_bytes=[1.0, 2.0])

    assert found["dram_bytes"] == [5.0, 3.0]


def test_two_formulas_that_name_each_other() -> None:
    assert derived(load_bytes_per_sector=[16.0])["load_sector_use_pct"] == [50.0]
    assert derived(load_sector_use_pct=[50.0])["load_bytes_per_sector"] == [16.0]
    assert "load_sector_use_pct" not in derived(duration_ns=[1.0])


def test_division_by_zero_is_nan_and_is_explained() -> None:
    columns = {"global_load_sectors": np.array([0.0, 8.0]), "global_load_requests": np.array([0.0, 0.0])}
    reasons = derive(columns, H200)

    assert np.isnan(columns["sectors_per_load"]).all()
    assert "divides by zero" in reasons["sectors_per_load"]


def test_missing_inputs_make_no_column() -> None:
    assert set(derived(dram_read_bytes=[1.0])) == {"dram_read_bytes"}


@pytest.mark.parametrize(
    "formula", ["__import__('os')", "a.b", "a ** 2", "sum(a, b)", "a if b else c", "-a", "'x'", "a < b"]
)
def test_a_formula_may_hold_arithmetic_only(formula: str) -> None:
    from ncukit.read.derive import _evaluate, _parsed

    with pytest.raises(ValueError, match="may not hold"):
        _evaluate(_parsed(formula), dict.fromkeys("abc", 1.0))


@pytest.mark.parametrize(
    ("tensors", "expected"),
    [
        ((tensor(100, 1, True, False), tensor(40, 2, False, True)), 140),
        ((tensor(100, 1, True, True),), 200),
        ((tensor(100, 1, True, False), tensor(100, 1, False, True)), 200),
        ((tensor(100, 1, True, False), tensor(60, 1, True, False)), 100),
        ((tensor(100, 1, False, False),), 0),
        ((), 0),
    ],
    ids=["in and out", "in place", "in place by two names", "two views", "untouched", "no tensors"],
)
def test_compulsory_bytes(tensors: tuple[Tensor, ...], expected: int) -> None:
    assert list(compulsory_bytes([launch(*tensors)])) == [expected]


def test_compulsory_bytes_are_unknown_where_the_kernel_could_not_be_followed() -> None:
    found = compulsory_bytes([launch(tensor(8, 1, None, None)), None])

    assert np.isnan(found).all()


def test_spills_are_the_compilers_count_and_unknown_is_not_zero() -> None:
    found = spills([launch(), replace(launch(), spills=12), replace(launch(), spills=None), None])

    assert list(found[:2]) == [0, 12]
    assert np.isnan(found[2:]).all()
