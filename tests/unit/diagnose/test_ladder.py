"""The ladder's arithmetic, on kernels whose floors can be computed by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncukit.diagnose.facts import Kernel
from ncukit.diagnose.ladder import Ladder, climb, gain
from ncukit.diagnose.limits import DIRTY_SHARE, EMPTY_LAUNCH_US, find_limits
from ncukit.model import Environment, Gain, Tensor, TritonLaunch

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
    honest(result, measured, min(floor, measured))


def honest(found: Gain | None, measured: float, floor: float) -> None:
    """Ordered, never a loss, and no faster than the floor."""
    if found is not None:
        assert 1.0 <= found.low <= found.best <= found.high
        assert found.high <= max(1.0, measured / floor) * (1 + 1e-9)


LIMITS = ("dram", "l2", "l1", "issue", "pipe-fma", "launch")
FLOORS = st.dictionaries(st.sampled_from(LIMITS), st.floats(0.01, 1.0), min_size=1)
SHARES = st.dictionaries(st.sampled_from(LIMITS), st.floats(0.0, 1.0))


def ladder_of(measured: float, shares: dict[str, float], compulsory: float | None = None) -> Ladder:
    floors = {limit: measured * share for limit, share in shares.items()}
    return Ladder(measured_us=measured, floors=floors, compulsory_us=compulsory, rungs=())


@given(measured=st.floats(1, 1e6), shares=FLOORS, left=SHARES, freed=st.floats(-0.1, 1.1))
def test_no_way_to_a_gain_passes_the_floors_that_are_left(measured, shares, left, freed):
    ladder = ladder_of(measured, shares)
    changed = {limit: ladder.floors[limit] * part for limit, part in left.items() if limit in ladder.floors}
    floor = max({**ladder.floors, **changed}.values())
    if floor <= 0:  # what would hold the kernel then is not known: nothing is promised
        assert ladder.without(changed) is None
        assert ladder.down_to(changed) is None
        return
    for found in (ladder.without(changed), ladder.down_to(changed), ladder.freed(freed, changed)):
        honest(found, measured, floor)


@given(measured=st.floats(1, 1e6), shares=FLOORS, freed=st.floats(0.01, 0.99))
def test_time_that_warps_stop_waiting_is_at_most_their_share_of_it(measured, shares, freed):
    found = ladder_of(measured, shares).freed(freed)
    if found is not None:
        assert found.high <= 1 / (1 - freed) * (1 + 1e-9)
        assert found.best <= 1 / (1 - 0.8 * freed) * (1 + 1e-9)


@given(measured=st.floats(1, 1e6), dram=st.floats(0.01, 1.0), needed=st.floats(0.0, 1.0), best=st.floats(1, 1e6))
def test_a_promise_is_cut_to_what_the_needed_bytes_allow(measured, dram, needed, best):
    compulsory = needed * measured
    ladder = ladder_of(measured, {"dram": dram}, compulsory)
    found = ladder.capped(Gain(low=1.0, best=best, high=2 * best))
    assert found is not None
    if compulsory > 0:
        honest(found, measured, min(compulsory, dram * measured))
    assert found.best <= best


def test_without_recorded_arguments_a_promise_is_not_cut():
    promised = Gain(low=1.0, best=50.0, high=100.0)
    assert ladder_of(100.0, {"dram": 0.9}).capped(promised) == promised
    assert ladder_of(100.0, {"dram": 0.9}, 10.0).capped(None) is None


def test_a_kernel_that_was_near_no_floor_gets_near_the_next_one():
    ladder = climb(kernel(duration_us=100.0, issue_pct=25.0, dram_pct=5.0))
    found = ladder.down_to({})
    assert found is not None
    assert (found.low, found.best, found.high) == pytest.approx((0.5 * 4, 0.8 * 4, 4))


def test_a_single_floor_that_falls_to_nothing_promises_nothing():
    ladder = climb(kernel(xu_pct=90.0))
    assert ladder.without({"pipe-xu": 0.0}) is None


def test_the_last_lines_written_stay_in_l2():
    stay = DIRTY_SHARE * H200.gpu.l2_bytes
    assert H200.needed_us(0.0, stay / 2) == 0.0
    assert H200.needed_us(1e9, stay) == pytest.approx(H200.dram_us(1e9, 0.0))
    assert H200.needed_us(1e9, 1e9) == pytest.approx(H200.dram_us(1e9, 1e9 - stay))


def test_the_needed_bytes_are_a_rung_but_no_floor_of_the_kernel_as_written():
    x = Tensor(name="x", dtype="float32", shape=(1,), bytes=10**9, buffer=0, loaded=True, stored=False)
    y = Tensor(name="y", dtype="float32", shape=(1,), bytes=10**9, buffer=1, loaded=False, stored=True)
    launch = TritonLaunch(
        kernel="k", grid=(1, 1, 1), num_warps=4, num_stages=3, registers=32, spills=0, shared_bytes=0, tensors=(x, y)
    )
    measured = kernel(duration_us=1000.0, dram_read_bytes=2e9, dram_write_bytes=1e9)
    ladder = climb(replace(measured, triton=launch))
    assert ladder.compulsory_us == pytest.approx(H200.needed_us(1e9, 1e9))
    assert "dram-compulsory" not in ladder.floors
    assert [r.limit for r in ladder.rungs] == ["measured", "dram", "dram-compulsory", "launch"]
    assert ladder.floors["launch"] == EMPTY_LAUNCH_US


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
