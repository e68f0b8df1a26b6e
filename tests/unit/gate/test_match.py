"""Which kernels do the same work: fused, split, tuned and unrelated ones; and never the wrong sign for a fusion."""

from __future__ import annotations

from pathlib import Path

import pytest

from ncukit.gate.compare import compare, measured
from ncukit.gate.match import Pair, function_name, match, together
from ncukit.gate.noise import Word
from ncukit.gate.readings import Entry, Reading
from ncukit.read import read

ROOT = Path(__file__).parents[3]
PROFILES, REPEATS = ROOT / "profiles" / "h200", ROOT / "tests" / "golden" / "repeats"


def entry(kernel: str, us: float, megabytes: float = 0.0, **fields: object) -> Entry:
    values = {"duration_us": us} | ({"dram_bytes": megabytes * 1e6} if megabytes else {})
    readings = {
        name: Reading(count=5, low=value, q1=value, median=value, q3=value, high=value)
        for name, value in values.items()
    }
    return Entry(kernel=kernel, launches=5, readings=readings, **fields)


def names(pairs: tuple[Pair, ...]) -> list[str]:
    return [pair.name for pair in pairs]


def test_equal_names_are_compared_one_by_one() -> None:
    pairs = match([entry("a", 1.0), entry("b", 2.0)], [entry("b", 2.0), entry("a", 1.0)])

    assert names(pairs) == ["b", "a"]


def test_a_tuned_kernel_keeps_its_partner_on_another_grid() -> None:
    (pair,) = match([entry("a", 9.0, grid="(8, 1, 1)")], [entry("a", 7.0, grid="(4, 1, 1)", constexprs="B=2")])

    assert pair.single


def test_two_kernels_that_became_one_are_a_group_whose_time_adds_up() -> None:
    (pair,) = match([entry("mean", 2.0, 10), entry("scale", 3.0, 20)], [entry("fused", 4.0, 20)])

    assert pair.name == "mean + scale → fused"
    before, after = pair.readings("duration_us")
    assert (before.median, after.median) == (5.0, 4.0)


def test_a_kernel_that_swallowed_another_under_its_own_name_is_compared_with_both() -> None:
    """Alone it would look 50 % slower."""
    pairs = match([entry("mean", 2.0, 10), entry("scale", 2.0, 20)], [entry("scale", 3.0, 20)])

    assert names(pairs) == ["mean + scale → scale"]
    before, after = pairs[0].readings("duration_us")
    assert after.median < before.median


def test_a_kernel_that_shares_no_data_with_the_fused_ones_stays_alone() -> None:
    first = [
        entry("mean", 2.0, 10, buffers=(1,)),
        entry("scale", 2.0, 20, buffers=(1, 2)),
        entry("loss", 1.0, buffers=(7,)),
    ]
    second = [entry("scale", 3.0, 20, buffers=(1, 2)), entry("loss", 1.5, buffers=(7,))]

    assert names(match(first, second)) == ["mean + scale → scale", "loss"]


def test_a_kernel_that_did_not_change_stays_alone() -> None:
    pairs = match([entry("a", 5.0), entry("gone", 2.0)], [entry("a", 5.0), entry("new", 1.0)])

    assert names(pairs) == ["a", "gone → new"]


def test_a_tiny_kernel_that_came_draws_nobody_in() -> None:
    pairs = match([entry("a", 500.0)], [entry("fill", 2.0), entry("a", 400.0)])

    assert names(pairs) == ["(none) → fill", "a"]


def test_shares_and_hit_rates_are_never_added_up() -> None:
    def with_reading(metric: str, value: float, us: float) -> Entry:
        one = entry("k", us)
        number = Reading(count=5, low=value, q1=value, median=value, q3=value, high=value)
        return Entry(kernel="k", launches=5, readings={**one.readings, metric: number})

    both = [with_reading("dram_pct", 90.0, 1.0), with_reading("dram_pct", 60.0, 2.0)]
    assert together(both, "dram_pct").median == pytest.approx(70.0)
    both = [with_reading("l2_hit_pct", 90.0, 1.0), with_reading("l2_hit_pct", 60.0, 2.0)]
    assert together(both, "l2_hit_pct") is None
    assert together([both[0], entry("k", 2.0)], "dram_bytes") is None


def test_launches_of_one_run_count_not_those_of_a_repeated_measurement() -> None:
    twice = Entry(kernel="k", launches=10, per_run=2.0, readings=entry("k", 3.0).readings)

    assert together([twice], "duration_us").median == 6.0


def test_the_real_fusion_has_the_right_sign_both_ways() -> None:
    naive, fast = (measured(read(REPEATS / f"{name}_1")) for name in ("naive_instance_norm", "instance_norm"))

    there, back = compare(naive, fast), compare(fast, naive)

    assert (there.word, back.word) == (Word.BETTER, Word.WORSE)
    (group,) = [kernel for kernel in there.kernels if kernel.pair.before]
    assert group.pair.name == "compute_moments_kernel + normalize_kernel → cooperative_kernel"
    assert group.gone == ("fusion",)
    assert there.total.ratio == pytest.approx(3542.6 / 5555.8, abs=1e-4)


SICK = sorted(path.name for path in PROFILES.glob("clinic_sick_*"))


@pytest.mark.parametrize("sick", SICK)
def test_every_cure_of_the_clinic_is_better_and_its_cause_is_gone(sick: str) -> None:
    cause = sick.removeprefix("clinic_sick_").replace("_", "-")

    found = compare(measured(read(PROFILES / sick)), measured(read(PROFILES / sick.replace("sick", "cured"))))

    assert found.blocked is None
    assert found.word is Word.BETTER
    gone = {one for kernel in found.kernels for one in kernel.gone}
    # the launches that CUDA graphs save are no longer there to be diagnosed
    assert cause in gone or cause == "launch-overhead"


@pytest.mark.parametrize(
    ("name", "bare"),
    [("kernel", "kernel"), ("void ns::foo<int, 4>(float *)", "foo"), ("void (anonymous namespace)::k(int)", "k")],
)
def test_function_names(name: str, bare: str) -> None:
    assert function_name(name) == bare
