"""The ladder's arithmetic, on kernels whose floors can be computed by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncukit.diagnose.facts import Kernel
from ncukit.diagnose.ladder import climb, gain
from ncukit.diagnose.limits import find_limits
from ncukit.model import Environment

H200 = find_limits(Environment(gpu="NVIDIA H200"))


def kernel(**metrics: float) -> Kernel:
    return Kernel(
        name="k",
        launches=1,
        first=0,
        grid=None,
        block=None,
        metrics=metrics,
        missing={},
        triton=None,
        source=None,
        limits=H200,
    )


def test_the_roof_depends_on_the_mix_of_reads_and_writes():
    assert H200.roof_gbps(1e9, 0) == H200.read_gbps
    assert H200.roof_gbps(1e9, 1e9) == H200.copy_gbps
    assert H200.copy_gbps < H200.roof_gbps(2e9, 1e9) < H200.read_gbps


def test_dram_alone_needs_bytes_over_bandwidth():
    ladder = climb(kernel(duration_us=1000.0, dram_read_bytes=1e9, dram_write_bytes=1e9))
    assert ladder.floors["dram"] == pytest.approx(2e9 / 4270e9 * 1e6)
    assert ladder.rungs[0].limit == "measured"
    assert ladder.bound == "unknown"  # the SMs were not looked at


def test_a_busy_pipe_is_the_bound():
    ladder = climb(kernel(duration_us=100.0, fma_pct=90.0, issue_pct=60.0))
    assert ladder.bound == "pipe-fma"
    assert ladder.efficiency == pytest.approx(0.9)


def test_nothing_near_its_limit_is_latency():
    assert climb(kernel(duration_us=100.0, issue_pct=20.0, dram_pct=30.0)).bound == "latency"
    assert climb(kernel(duration_us=100.0, issue_pct=20.0, l2_pct=30.0)).bound == "unknown"  # DRAM was not looked at


def test_percentages_without_time_give_a_relative_ladder_and_no_rungs():
    ladder = climb(kernel(dram_pct=90.0))
    assert ladder.relative
    assert ladder.rungs == ()
    assert ladder.bound == "dram"


def test_nothing_measured_is_unknown():
    ladder = climb(kernel())
    assert (ladder.bound, ladder.efficiency, ladder.without({"dram": 1.0})) == ("unknown", None, None)


def test_removing_a_floor_that_does_not_hold_the_kernel_is_worth_nothing():
    ladder = climb(kernel(duration_us=100.0, fma_pct=90.0, issue_pct=60.0))
    assert ladder.without({"issue": 1.0}) is None
    worth = ladder.without({"pipe-fma": 10.0})
    assert worth is not None
    assert worth.high == pytest.approx(100 / 60)  # the issue slots hold it then


@given(measured=st.floats(1, 1e6), floor=st.floats(0.001, 1e6), efficiency=st.floats(0.01, 1.0))
def test_a_gain_is_ordered_and_never_below_one(measured, floor, efficiency):
    result = gain(measured, min(floor, measured), efficiency)
    assert 1.0 <= result.low <= result.best <= result.high


def test_an_unknown_gpu_has_no_roof_and_says_so():
    limits = find_limits(Environment(gpu="Made Up 9000"))
    assert limits.roof_gbps(1, 1) is None
    assert "--gpu" in limits.note


def test_a_gpu_that_is_not_in_the_table_is_drawn_from_its_own_attributes():
    environment = Environment(gpu="New GPU", attributes={"max_mem_frequency_khz": 1e6, "fb_bus_width": 4096})
    limits = find_limits(environment)
    assert limits.peak_gbps == pytest.approx(1024)
    assert limits.copy_gbps == pytest.approx(0.885 * 1024)
    assert not limits.measured_roof
