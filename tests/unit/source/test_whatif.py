"""What would be tried, what is said of it, and what is only estimated."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncukit.source.collected import Variation
from ncukit.source.inspection import Argument, Compiled, Launch, Sass
from ncukit.source.whatif import (
    KEPT,
    WARPS,
    Trial,
    as_it_is,
    flags,
    kept,
    ranked,
    refused,
    table,
    tile_elements,
    tiles,
    trials,
    tried,
    values_per_thread,
)


def launch(num_warps: int = 4, **constexprs: Any) -> Launch:
    arguments = [Argument(name="x_ptr", type="*fp32", divisible=True)]
    arguments += [Argument(name=n, type="constexpr", value=v) for n, v in constexprs.items()]
    return Launch(
        kernel="k",
        file="k.py",
        line=3,
        launch_line=9,
        grid=(1000, 1, 1),
        arguments=tuple(arguments),
        num_warps=num_warps,
        num_stages=3,
    )


def compiled(own: Launch | None = None, **fields: Any) -> Compiled:
    values = {"arch": "sm_90", "grids": {"H200": (1000, 1, 1)}, "registers": 64, "spills": 0, "stack_bytes": 0}
    values |= {"spill_store_bytes": 0, "spill_load_bytes": 0, "shared_bytes": 0, "static_shared_bytes": 0}
    values |= {"barriers": 1, "code_bytes": 1, "compile_s": 0.1, "sass": Sass(instructions=1, mix={})}
    return Compiled(**{"launch": own or launch(), **values, **fields})


def test_tiles_are_powers_of_two_from_16_with_a_name_that_says_so() -> None:
    found = tiles(
        launch(BLOCK_M=64, tile=32, CHUNK=16, XBLOCK_SIZE=128, BLOCK=8, SIZE=48, N=1024, EVEN_BLOCK=True, BLOCK_T="64")
    )
    assert found == {"BLOCK_M": 64, "tile": 32, "CHUNK": 16, "XBLOCK_SIZE": 128}


def test_what_describes_the_data_or_the_order_of_programs_is_no_tile() -> None:
    own = launch(GROUP_SIZE_M=16, HEAD_SIZE=64, BLOCK_DMODEL=128, VOCAB_SIZE=32768, COLS=64)
    assert tiles(own) == {}
    assert tiles(own, names=("COLS", "HEAD_SIZE")) == {"COLS": 64}


def test_the_trials_of_one_tile_are_the_nearest_first() -> None:
    assert [t.words for t in trials(launch(BLOCK=1024))] == [
        "num_warps=8",
        "num_warps=2",
        "num_warps=16",
        "num_warps=1",
        "num_warps=32",
        "BLOCK=512",
        "BLOCK=2048",
        "num_warps=2, BLOCK=512",
        "num_warps=8, BLOCK=2048",
    ]


def test_an_override_names_only_what_differs() -> None:
    assert Trial(num_warps=8, own_warps=4).override == {"options": {"num_warps": 8}}
    assert Trial(num_warps=4, own_warps=4, constexprs={"B": 32}).override == {"constexprs": {"B": 32}}
    assert Trial(num_warps=8, own_warps=4, constexprs={"B": 32}).override == {
        "options": {"num_warps": 8},
        "constexprs": {"B": 32},
    }


@pytest.mark.parametrize(
    ("own", "words", "never"),
    [
        (launch(1, BLOCK=16), "num_warps=2, BLOCK=32", "BLOCK=8"),
        (launch(32, BLOCK=2**20), "num_warps=16, BLOCK=524288", f"BLOCK={2**21}"),
    ],
)
def test_no_trial_leaves_what_triton_takes(own: Launch, words: str, never: str) -> None:
    found = [t.words for t in trials(own)]
    assert words in found
    assert not [w for w in found if never in w]
    assert {t.num_warps for t in trials(own)} <= set(WARPS)


@given(
    warps=st.sampled_from(WARPS),
    constexprs=st.dictionaries(st.sampled_from(["BLOCK_M", "BLOCK_N", "BLOCK_K", "N", "TILE", "SIZE"]), st.integers()),
    most=st.integers(-1, 40),
)
def test_trials_are_bounded_different_from_the_launch_and_from_each_other(
    warps: int, constexprs: dict[str, int], most: int
) -> None:
    own = launch(warps, **constexprs)
    found = trials(own, most=most)
    assert len(found) <= max(0, most)
    assert len(trials(own)) <= 24
    assert all(t.override for t in found)
    assert len({t.words for t in found}) == len(found)
    for t in found:
        assert all(own.constexprs[n] != v for n, v in t.constexprs.items())


def test_four_tiles_stay_within_the_bound() -> None:
    assert len(trials(launch(BLOCK_A=64, BLOCK_B=64, BLOCK_C=64, BLOCK_D=64, BLOCK_E=64))) == 24


def test_without_compiling_registers_are_kept_and_labelled_so() -> None:
    found = {v.num_warps: v for v in kept(compiled(registers=128))}
    assert set(found) == {1, 2, 8, 16, 32}
    assert {(v.registers, v.note, v.compiled) for v in found.values()} == {(128, KEPT, False)}
    assert [found[n].fits[0].blocks_per_sm for n in (1, 2, 8, 16, 32)] == [16, 8, 2, 1, 0]
    assert found[32].problem.startswith("128 registers for each of 1,024 threads")
    assert flags(found[32], as_it_is(compiled(registers=128))) == ("does not fit", "estimate")
    assert flags(found[8], as_it_is(compiled(registers=128))) == ("estimate",)


def test_a_trial_with_other_warps_keeps_the_grid_and_one_with_another_tile_does_not() -> None:
    own = compiled(launch(BLOCK=1024))
    by_warps = tried(Trial(num_warps=8, own_warps=4), compiled(registers=40))
    by_tile = tried(Trial(num_warps=4, own_warps=4, constexprs={"BLOCK": 512}), compiled(registers=40))
    assert (by_warps.num_warps, by_warps.fits[0].warps_per_sm, by_warps.fits[0].waves) == (8, 48, 1000 / (6 * 132))
    assert (by_tile.fits[0].warps_per_sm, by_tile.fits[0].waves, by_tile.note) == (
        48, None, "another tile may need another grid",
    )  # fmt: skip
    assert flags(by_tile, as_it_is(own)) == ("occupancy +25 points",)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (0, 0, ()),
        (0, 3, ("spills",)),
        (2, 3, ("spills more",)),
        (3, 2, ("spills less",)),
        (3, 3, ()),
        (3, 0, ("no longer spills",)),
    ],
)
def test_spills_are_said_beside_those_of_the_launch(before: int, after: int, said: tuple[str, ...]) -> None:
    own = as_it_is(compiled(spills=before))
    assert flags(tried(Trial(num_warps=4, own_warps=4), compiled(spills=after)), own) == said


def test_what_does_not_compile_has_no_numbers() -> None:
    found = refused(Trial(num_warps=1, own_warps=4), "out of resource: tensor memory")
    assert (found.registers, found.spills, found.occupancy_pct) == (None, None, None)
    assert found.problem == "out of resource: tensor memory"
    assert flags(found, as_it_is(compiled())) == ("does not compile",)


def test_what_runs_without_spills_comes_first_and_then_the_occupancy_counts() -> None:
    trial = Trial(num_warps=4, own_warps=4)
    failing = refused(trial, "no")
    spilling, plain, fuller = (tried(trial, compiled(registers=r, spills=s)) for r, s in ((32, 9), (64, 0), (40, 0)))
    too_large = tried(trial, compiled(shared_bytes=300 * 1024))
    assert ranked([failing, spilling, too_large, plain, fuller])[:3] == (fuller, plain, spilling)


def test_an_architecture_without_a_known_gpu_has_no_fits_and_no_crash() -> None:
    own = as_it_is(compiled(arch="sm_103", grids={}))
    assert (own.fits, own.problem, own.occupancy_pct) == ((), "", None)
    assert flags(own, own) == ()


def test_values_a_thread() -> None:
    assert values_per_thread(1024, 4) == 8.0
    assert values_per_thread(64, 4) == 0.5
    assert values_per_thread(1024, 4, num_ctas=2) == 4.0
    assert tile_elements({"BLOCK_M": 64, "BLOCK_N": 32}) == 2048
    assert tile_elements({"BLOCK": 64}) == 64
    assert tile_elements({"BLOCK_M": 64, "BLOCK_N": 32, "BLOCK_K": 32}) is None
    assert tile_elements({}) is None


def test_a_table_has_the_launch_first_and_only_its_own_trials() -> None:
    own = compiled(launch(BLOCK=1024))
    other = launch(BLOCK=1024, CAUSAL=True)
    rows = [
        ({"options": {"num_warps": 8}}, own.launch, "sm_90", compiled(own.launch, registers=40)),
        ({"constexprs": {"BLOCK": 2048}}, own.launch, "sm_90", compiled(own.launch, registers=80)),
        ({"constexprs": {"BLOCK": 512}}, own.launch, "sm_90", None),
        ({"constexprs": {"BLOCK": 1024}}, own.launch, "sm_90", own),
        ({"options": {"num_warps": 2}}, other, "sm_90", compiled(other)),
        ({"options": {"num_warps": 16}}, own.launch, "sm_80", compiled(own.launch)),
    ]
    found = table(
        own, [Variation(override=o, launch=w, arch=a, compiled=c, message="" if c else "no") for o, w, a, c in rows]
    )
    assert [(v.num_warps, dict(v.constexprs), v.registers, v.problem) for v in found] == [
        (4, {}, 64, ""),
        (8, {}, 40, ""),
        (4, {"BLOCK": 2048}, 80, ""),
        (4, {"BLOCK": 512}, None, "no"),
    ]
