"""Which cases an answer is tried on."""

from __future__ import annotations

import math

import pytest

from ncukit.optimize.worker import cases

OWN = {"batch": 112, "features": 64, "groups": 8, "width": 512}
BASE = {"batch": 7, "features": 16, "groups": 8, "width": 16}
PROBLEM = cases.Problem(own=OWN, base=BASE, dtype="float32", floating=True, shapes=[(7, 16, 16, 16)], parameters=True)


def fits(settings):
    return math.prod(settings.values()) <= 1 << 18


def test_the_list_is_bounded_and_the_same_every_time() -> None:
    found = cases.wide(PROBLEM, BASE, fits)
    assert found == cases.wide(PROBLEM, BASE, fits)
    assert 15 <= len(found) <= 32
    assert len({case.name for case in found}) == len(found)
    assert {case.kind for case in found} == {"parameters", "dtype", "sizes", "layout", "values"}


def test_other_sizes_are_odd_prime_one_few_and_long() -> None:
    varied = [dict(case.settings) for case in cases.wide(PROBLEM, BASE, fits) if case.kind == "sizes"]
    assert {"batch": 7, "features": 15, "groups": 8, "width": 15} in varied
    assert {"batch": 8, "features": 17, "groups": 8, "width": 17} in varied
    assert {**BASE, "width": 11} in varied
    assert {**BASE, "batch": 1} in varied
    assert {"batch": 3, "features": 3, "groups": 8, "width": 3} in varied
    assert any(s["width"] == cases.LONG for s in varied)
    assert all(s["groups"] == 8 for s in varied), "a count of groups is no size"
    assert all(fits(s) for s in varied)
    assert BASE not in varied


def test_whole_numbers_get_no_other_types_or_values() -> None:
    integers = cases.Problem(own={}, base={}, dtype="int32", floating=False, shapes=[(64,)], parameters=False)
    assert {case.kind for case in cases.wide(integers, {}, fits)} == {"layout"}


@pytest.mark.parametrize(
    ("settings", "name"), [(OWN, "own sizes, float32"), (BASE, "own sizes scaled down (batch=7, ")]
)
def test_a_case_says_what_its_sizes_are(settings, name) -> None:
    assert cases.own(PROBLEM, settings).name.startswith(name)


def test_every_configuration_gets_a_case_up_to_a_bound() -> None:
    found = cases.configurations(PROBLEM, BASE, 5, "interpreter")
    assert [case.configuration for case in found] == [1, 2, 3, 4], "the own case had the first"
    assert [case.configuration for case in cases.configurations(PROBLEM, OWN, 2, "gpu")] == [0, 1]
    assert len(cases.configurations(PROBLEM, BASE, 999, "interpreter")) < cases.MOST_CONFIGURATIONS["interpreter"]
