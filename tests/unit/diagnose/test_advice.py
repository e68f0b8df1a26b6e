"""Advice stays within the device: warps of a block, registers of a thread, what an SM holds."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from recordings import BY_NAME, CURED, SICK, Recording, advice, diagnosed, report

from ncukit import gpus
from ncukit.diagnose import diagnose
from ncukit.diagnose.advice import (
    MOST_WARPS,
    grid_follows,
    larger_tile,
    loads_at,
    more_warps,
    scaled,
    smaller_tile,
    times,
)
from ncukit.diagnose.facts import Kernel
from ncukit.diagnose.limits import find_limits
from ncukit.diagnose.rules import small_grid
from ncukit.gpus.occupancy import by_registers, occupancy
from ncukit.model import Environment, Tensor, TritonLaunch

GPUS = st.sampled_from([gpu.name for gpu in gpus.all_gpus()])
REGISTERS = st.integers(16, 255)
WARPS = st.sampled_from([1, 2, 4, 8, 16, 32])
FACTORS = st.sampled_from([0.125, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 8.0, 16.0, 64.0])
SHARED = st.sampled_from([0, 1024, 16384, 49152, 65536, 101376, 166912, 232448])


def kernel_of(
    gpu: str, registers: float | None = 64, warps: int = 4, shared: int = 0, block: str | None = "1024"
) -> Kernel:
    launch = TritonLaunch(
        kernel="k", grid=(1000, 1, 1), num_warps=warps, num_stages=3, registers=64, spills=0, shared_bytes=shared,
        constexprs={"BLOCK": block if block is None or not block.isdigit() else int(block)} if block else {},
    )  # fmt: skip
    metrics = {"block_size": 32.0 * warps}
    return Kernel(
        name="k",
        launches=1,
        first=0,
        grid=None,
        block=None,
        metrics=metrics if registers is None else {**metrics, "registers": float(registers)},
        missing={},
        triton=launch,
        source=None,
        limits=find_limits(Environment(gpu=gpu)),
    )


@given(gpu=GPUS, registers=REGISTERS, warps=WARPS, shared=SHARED, values=FACTORS, more=FACTORS)
def test_a_change_is_one_that_the_device_can_run(gpu, registers, warps, shared, values, more):
    change = scaled(kernel_of(gpu, registers, warps, shared), values, warps_factor=more, shared=values)
    if change is None:
        return
    spec = gpus.get(gpu)
    block = warps * more
    assert 1 <= block <= MOST_WARPS
    assert 1 <= change.registers <= spec.max_registers_per_thread
    assert change.occupancy is not None
    blocks = change.occupancy.blocks
    assert blocks >= 1
    assert blocks * block <= spec.max_warps_per_sm
    assert blocks <= by_registers(spec, warps=int(block), registers=change.registers)
    assert blocks * block * 32 * change.registers <= spec.registers_per_sm
    assert shared * values <= spec.shared_per_block
    assert re.search(rf"room for {blocks} blocks? of {block:.0f} warps?\b", change.words)


@given(gpu=GPUS, registers=REGISTERS, warps=WARPS, values=FACTORS)
def test_values_that_no_thread_can_hold_are_no_change(gpu, registers, warps, values):
    """They would spill: nothing is said of how many blocks would run then."""
    spec = gpus.get(gpu)
    assume((registers - 24) * values > min(spec.max_registers_per_thread, spec.registers_per_sm // (32 * warps)))
    assert scaled(kernel_of(gpu, registers, warps), values) is None


@given(gpu=GPUS, registers=REGISTERS, warps=WARPS, first=FACTORS, second=FACTORS)
def test_more_values_a_thread_never_need_fewer_registers(gpu, registers, warps, first, second):
    less, more = (scaled(kernel_of(gpu, registers, warps), f) for f in sorted((first, second)))
    if less is not None and more is not None:
        assert less.registers <= more.registers
        assert less.occupancy.blocks >= more.occupancy.blocks


def test_the_same_tile_is_what_was_measured():
    change = scaled(kernel_of("H200", registers=64, warps=4), 1.0)
    assert change is not None
    assert change.registers == 64
    assert change.occupancy == occupancy(gpus.get("H200"), warps=4, registers=64)
    assert change.words == "about 64 registers a thread, room for 8 blocks of 4 warps an SM (50% occupancy)"


@given(gpu=GPUS, registers=REGISTERS, warps=WARPS, shared=SHARED)
def test_more_warps_are_twice_as_many_and_fit_a_block(gpu, registers, warps, shared):
    found = more_warps(kernel_of(gpu, registers, warps, shared), "why")
    if found is not None:
        assert (found.knob, found.from_value, found.to_value) == ("num_warps", str(warps), str(2 * warps))
        assert 2 * warps <= MOST_WARPS
        assert "warps an SM" in found.why


def test_a_full_block_and_unknown_registers_get_no_more_warps():
    assert more_warps(kernel_of("H200", warps=MOST_WARPS), "why") is None
    assert more_warps(kernel_of("H200", registers=None), "why") is None


@given(gpu=GPUS, registers=REGISTERS, warps=WARPS, shared=SHARED, factor=st.sampled_from([2, 4, 8, 16, 64]))
def test_a_larger_tile_is_named_only_if_it_runs(gpu, registers, warps, shared, factor):
    kernel = kernel_of(gpu, registers, warps, shared)
    found = larger_tile(kernel, factor, "action", "why", "watch")
    if found is None:
        assert scaled(kernel, 2.0, shared=2.0) is None
        return
    assert (found.knob, found.from_value) == ("BLOCK", "1024")
    assert found.to_value is not None
    named = int(found.to_value) / 1024  # what was asked for, or as much of it as the device holds
    assert 1 < named <= factor
    assert scaled(kernel, named, shared=named) is not None


@given(gpu=GPUS, registers=REGISTERS, warps=WARPS, shared=SHARED, factor=st.sampled_from([0.125, 0.25, 0.5]))
def test_a_smaller_tile_is_named_only_if_it_runs(gpu, registers, warps, shared, factor):
    kernel = kernel_of(gpu, registers, warps, shared)
    found = smaller_tile(kernel, factor, "action", "why", "watch")
    assert (found.knob, found.from_value) == ("BLOCK", "1024")
    assert (found.to_value is None) == (scaled(kernel, factor, shared=factor) is None)
    assert found.to_value in (None, str(int(1024 * factor)))


def launched(
    grid: int, tensors: dict[str, tuple[int, ...]], tiles: dict[str, int] | None = None, registers: float = 32
) -> Kernel:
    """A kernel on an H200 (132 SMs) with one tensor argument a name, of that shape."""
    kernel = kernel_of("H200", registers)
    assert kernel.triton is not None
    rows = tuple(
        Tensor(name=name, bytes=4 * math.prod(shape), shape=shape, dtype="float32", buffer=i, loaded=True, stored=False)
        for i, (name, shape) in enumerate(tensors.items())
    )
    launch = replace(kernel.triton, grid=(grid, 1, 1), tensors=rows, constexprs=tiles or {"BLOCK": 1024})
    return replace(kernel, triton=launch, grid=(grid, 1, 1), metrics={**kernel.metrics, "grid_size": float(grid)})


@pytest.mark.parametrize(
    ("grid", "shape", "follows"),
    [
        (977, (1_000_000,), True),
        (977, (1000, 1000), True),
        (144, (12, 12 * 1024), True),
        (96, (8, 6, 2048), True),  # heads times rows over tiles
        (132, (1_000_000,), False),  # a persistent grid
        (1000, (1000, 5000), False),  # a row a program, walked in a loop
        (64, (64, 1024), None),  # a row a program, or tiles of the whole: both give this grid
        (64, (64, 1000), None),  # the tile is the next power of two
        (16, (16, 64, 256, 256), None),  # a sample a program; 64 * 256 values over the tile are 16 as well
        (64, (), None),  # nothing to go by
    ],
)
def test_whether_the_grid_follows_the_tile(grid, shape, follows):
    kernel = launched(grid, {"x": shape} if shape else {})
    assert grid_follows(kernel, ("BLOCK", "1024", None)) is follows


def test_of_a_matrix_product_the_outer_tiles_make_the_grid():
    tiles = {"BLOCK_M": 128, "BLOCK_N": 64, "BLOCK_K": 32}
    kernel = launched(12 * 24, {"a": (1536, 4000), "b": (4000, 1536)}, tiles)
    assert [grid_follows(kernel, (name, str(size), None)) for name, size in tiles.items()] == [True, True, False]


def test_what_was_not_recorded_does_not_tell():
    assert grid_follows(kernel_of("H200"), ("BLOCK", "1024", None)) is None
    assert grid_follows(launched(977, {"x": (1_000_000,)}), ("BLOCK", None, None)) is None
    assert grid_follows(launched(977, {"x": (1_000_000,)}), ("BLOCK", "0", None)) is None


def larger(kernel: Kernel, factor: int = 4, otherwise: str = "shorter"):
    return larger_tile(kernel, factor, "larger", "why", "watch", otherwise=otherwise)


def test_a_tile_grows_where_the_grid_does_not_shrink_for_it():
    grown = larger(launched(132, {"x": (50_000_000,)}))
    assert grown is not None
    assert (grown.action, grown.from_value, grown.to_value) == ("larger", "1024", "4096")


def test_more_values_a_thread_in_place_of_other_blocks_put_nothing_in_flight():
    kernel = launched(264, {"x": (264 * 1024 - 7,)})  # two blocks an SM, all of them resident
    instead = larger(kernel)
    assert instead is not None
    assert (instead.action, instead.knob, instead.to_value) == ("shorter", None, None)
    assert instead.why == "why; a larger tile would only take the place of other blocks"
    wider = larger(kernel, otherwise="")
    assert wider is not None
    assert wider.to_value == "2048"  # a block an SM must stay


@pytest.mark.parametrize("row", [1024, 1000, 700])
def test_a_tile_that_holds_the_row_does_not_grow(row):
    kernel = launched(5000, {"x": (5000, row)})
    instead = larger(kernel)
    assert instead is not None
    assert (instead.action, instead.why) == ("shorter", "why; the tile holds the whole row already")
    assert larger(kernel, otherwise="") is None
    assert "loop" in smaller_tile(kernel, 0.5, "smaller", "why", "watch").action


def test_a_tile_grows_as_far_as_the_row_goes():
    grown = larger(launched(5000, {"x": (5000, 1500)}), 8)
    assert grown is not None
    assert grown.to_value == "2048"


def test_what_cannot_be_told_is_neither_promised_nor_ruled_out():
    kernel = launched(132, {"x": (50_000_000,)})
    for gone in ("registers", "block_size"):
        found = larger(replace(kernel, metrics={k: v for k, v in kernel.metrics.items() if k != gone}))
        assert found is not None
        assert (found.action, found.knob, found.to_value, found.why) == ("larger", "BLOCK", None, "why")


def test_a_tile_of_an_unknown_device_or_kernel_is_named_without_promises():
    found = larger_tile(kernel_of("Made Up 9000", registers=64), 2, "action", "why", "watch")
    assert found is not None
    assert found.to_value == "2048"
    assert "occupancy" not in found.why


@pytest.mark.parametrize("block", [None, "auto"])
def test_a_tile_without_a_number_gets_no_new_one(block):
    for found in (
        larger_tile(kernel_of("H200", block=block), 2, "action", "why", "watch"),
        smaller_tile(kernel_of("H200", block=block), 0.5, "action", "why", "watch"),
    ):
        assert found is not None
        assert found.to_value is None


@given(value=st.integers(0, 10**6), factor=st.one_of(st.floats(0, 1e6), st.just(math.inf), st.just(math.nan)))
def test_a_number_in_text_is_scaled_to_a_whole_one_or_not_at_all(value, factor):
    found = times(str(value), factor)
    if found is not None:
        assert int(found) == value * factor
        assert int(found) >= 1


@pytest.mark.parametrize("text", [None, "", "4.5", "-4", "BLOCK", "²"])
def test_what_is_no_whole_number_is_not_scaled(text):
    assert times(text, 2) is None


def test_the_largest_tensor_of_a_side_is_named():
    def tensor(name: str, size: int, loads: tuple[int, ...], stores: tuple[int, ...]) -> Tensor:
        return Tensor(
            name=name, dtype="float32", shape=(size,), bytes=size, buffer=size, loaded=bool(loads),
            stored=bool(stores), load_lines=loads, store_lines=stores,
        )  # fmt: skip

    launch = TritonLaunch(
        kernel="k", grid=(1, 1, 1), num_warps=4, num_stages=3, registers=32, spills=0, shared_bytes=0, file="k.py",
        line=5, tensors=(tensor("x", 100, (7,), ()), tensor("b", 10, (8,), ()), tensor("y", 50, (), (9,))),
    )  # fmt: skip
    kernel = Kernel(
        name="k", launches=1, first=0, grid=None, block=None, metrics={}, missing={}, triton=launch, source=None,
        limits=find_limits(Environment()),
    )  # fmt: skip
    assert loads_at(kernel) == ("k.py:7", "x")
    assert loads_at(kernel, "store") == ("k.py:9", "y")


@pytest.mark.parametrize("recording", [*SICK, *CURED], ids=str)
def test_no_advice_is_beyond_the_device(recording: Recording):
    for finding in advice(diagnosed(recording)):
        for suggestion in finding.suggestions:
            if suggestion.to_value is None or not suggestion.to_value.isdigit():
                continue
            new = int(suggestion.to_value)
            assert new != int(suggestion.from_value or 0)
            if suggestion.knob == "num_warps":
                assert new in (1, 2, 4, 8, 16, 32)
            elif suggestion.knob and "BLOCK" in suggestion.knob:
                assert new & (new - 1) == 0, "tl.arange takes powers of two"


def test_stages_are_named_also_where_their_occupancy_cannot_be_computed():
    """What it would be is not promised then."""
    run = report(BY_NAME["17_attention-sick"])
    unknown = replace(run, environment=Environment(gpu="a chip of tomorrow"))
    finding = next(
        f
        for f in advice(diagnose(unknown, source=str(BY_NAME["17_attention-sick"].source)))
        if f.cause == "low-occupancy"
    )
    assert [(s.knob, s.from_value, s.to_value) for s in finding.suggestions] == [("num_stages", "8", "4")]
    assert "occupancy" not in finding.suggestions[0].why


def test_a_row_is_not_cut_into_programs_by_a_smaller_tile():
    """One program a row: with half the tile the grid would stay, and half of each row would be left out."""
    kernel = replace(launched(64, {"x": (64, 1024)}), source=None)
    assert small_grid.suggestion(kernel, 132).to_value is None
    assert small_grid.suggestion(launched(64, {"x": (64 * 1024,)}), 132).to_value == "256"
    combined = small_grid.suggestion(launched(64, {"x": (64, 50_000)}), 132)
    assert (combined.knob, combined.to_value) == (None, None)
    assert "combine" in combined.action
