"""What is noise and what is a change: on repeated measurements of an H200, and at the edges of the limits."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncukit.gate.noise import Word, changed, interval
from ncukit.gate.readings import Reading, directed, entries
from ncukit.read import read

REPEATS = Path(__file__).parents[2] / "golden" / "repeats"


def reading(*values: float) -> Reading:
    ordered = sorted(values)

    def at(share: float) -> float:
        place = share * (len(ordered) - 1)
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (place - low) * (ordered[high] - ordered[low])

    numbers = {"q1": at(0.25), "median": at(0.5), "q3": at(0.75)}
    return Reading(count=len(ordered), low=ordered[0], high=ordered[-1], **numbers)


def word(metric: str, before: Reading, after: Reading) -> tuple[str, str]:
    change = changed(metric, before, after)
    return change.word.value, change.code


def test_five_numbers_of_a_kernels_launches() -> None:
    (moments, normalize) = entries(read(REPEATS / "naive_instance_norm_1"), ["duration_us"])

    assert (moments.kernel, normalize.kernel) == ("compute_moments_kernel", "normalize_kernel")
    assert normalize.launches == 5
    assert normalize.per_run == 1.0
    found = normalize.readings["duration_us"]
    assert (found.count, round(found.low, 2), round(found.median, 2), round(found.high, 2)) == (
        5, 3807.14, 3825.47, 3837.89,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["naive_instance_norm", "instance_norm"])
def test_two_runs_of_one_kernel_are_never_better_or_worse(name: str) -> None:
    first, second = (entries(read(REPEATS / f"{name}_{run}"), directed()) for run in (1, 2))
    words = {
        (a.kernel, metric): changed(metric, a.readings[metric], b.readings[metric]).word
        for a, b in zip(first, second, strict=True)
        for metric in a.readings
    }

    assert len(words) > 100
    assert {key for key, value in words.items() if value in (Word.BETTER, Word.WORSE)} == set()
    assert all(value is Word.SAME for (_, metric), value in words.items() if metric in ("duration_us", "dram_bytes"))


def test_a_real_change_is_found_in_the_right_direction() -> None:
    (naive, *_) = entries(read(REPEATS / "naive_instance_norm_1"), ["duration_us"])
    slower = naive.readings["duration_us"].scaled(1.02)

    assert word("duration_us", naive.readings["duration_us"], slower) == ("worse", "clear")
    assert word("duration_us", slower, naive.readings["duration_us"]) == ("better", "clear")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((100, 100.1, 100.2), (100.4, 100.5, 100.6), ("same", "within-noise")),
        ((100, 101, 102), (101, 103, 106), ("ambiguous", "intervals-overlap")),
        ((100, 101, 102), (104, 105, 106), ("worse", "clear")),
        ((104, 105, 106), (100, 101, 102), ("better", "clear")),
        ((100,), (101.9,), ("same", "within-single-noise")),
        ((100,), (102.1,), ("worse", "clear-single")),
        ((100, 100, 100), (102.1,), ("worse", "clear-single")),
        ((2.0,), (2.24,), ("same", "within-single-noise")),  # eight ticks of 32 ns
        ((2.0,), (2.26,), ("worse", "clear-single")),
        ((7.0,), (7.0,), ("same", "equal")),
    ],
)
def test_durations(before: tuple[float, ...], after: tuple[float, ...], expected: tuple[str, str]) -> None:
    assert word("duration_us", reading(*before), reading(*after)) == expected


def test_what_the_compiler_decided_has_no_noise() -> None:
    assert word("registers", reading(32), reading(33)) == ("worse", "clear")
    assert word("spills", reading(0), reading(1)) == ("worse", "clear")


def test_a_metric_without_direction_is_neither_better_nor_worse() -> None:
    assert word("sm_elapsed_cycles", reading(1e6), reading(2e6)) == ("ambiguous", "no-direction")


def test_one_disturbed_launch_of_five_does_not_hide_a_regression() -> None:
    calm, disturbed = reading(100, 100.1, 100.2, 100.3, 130), reading(104, 104.1, 104.2, 104.3, 140)

    assert word("duration_us", calm, disturbed) == ("worse", "clear")
    assert interval(calm, "lower") == (100, 100.3)


numbers = st.lists(st.floats(1, 1e9), min_size=1, max_size=9)


@given(numbers, numbers)
def test_turned_round_better_is_worse(first: list[float], second: list[float]) -> None:
    there, back = (changed("duration_us", a, b) for a, b in _both(first, second))
    turned = {"better": "worse", "worse": "better"}

    # the noise is a share of the first median, so that a change at the very edge may be noise one way only
    if (
        there.word is not Word.SAME
        and back.word is not Word.SAME
        and "intervals-overlap" not in (there.code, back.code)
    ):
        assert turned[there.word.value] == back.word.value


def _both(first: list[float], second: list[float]) -> list[tuple[Reading, Reading]]:
    a, b = reading(*first), reading(*second)
    return [(a, b), (b, a)]


@given(numbers)
def test_nothing_changes_against_itself(values: list[float]) -> None:
    assert changed("dram_pct", reading(*values), reading(*values)).word is Word.SAME
