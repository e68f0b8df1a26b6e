"""Two kernel files timed in turns: what the times say, and who is to blame when there are none."""

from __future__ import annotations

import ast
import json
from dataclasses import asdict, replace

import pytest

from ncukit.errors import Exit, NcukitError
from ncukit.optimize.problem import Problem
from ncukit.optimize.race import kept_race, quartiles, race, summary, timing
from ncukit.optimize.session import Ended

ABOUT = {"gpu": "NVIDIA H200", "versions": {"triton": "3.6.0"}}
PROBLEM = Problem(path="kernels/k.py", code="size = 4\n", tree=ast.parse("size = 4\n"), sizes={"size": "8"})


class Answers:
    """A session that gives one answer, or raises it."""

    about = ABOUT

    def __init__(self, answer, preparing=()) -> None:
        self.answer, self.preparing = answer, preparing

    def ask(self, job, timeout_s, on_event):
        self.job, self.timeout_s = job, timeout_s
        for one in self.preparing:
            on_event({"preparing": one})
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


def test_the_ratio_is_the_median_over_the_turns():
    session = Answers({"times": [[100.0, 200.0, 300.0, 400.0, 500.0], [50.0, 100.0, 100.0, 200.0, 1000.0]]})
    found = race(session, PROBLEM, "old", "new", timeout_s=9, target_s=2)

    assert (found.ratio, found.low, found.high) == (2.0, 2.0, 2.0)  # of 2, 2, 3, 2, 0.5
    assert asdict(found.before) == {"median_us": 300.0, "low_us": 200.0, "high_us": 400.0, "runs": 5}
    assert asdict(found.after) == {"median_us": 100.0, "low_us": 100.0, "high_us": 200.0, "runs": 5}
    assert (found.gpu, found.versions) == ("NVIDIA H200", {"triton": "3.6.0"})
    job = dict(session.job)
    assert job.pop("beside").endswith("/kernels")
    assert job == {
        "do": "race", "problem": "size = 4\n", "before": "old", "after": "new", "sizes": {"size": "8"}, "target_s": 2,
    }  # fmt: skip


def test_a_problem_from_standard_input_has_no_neighbours():
    session = Answers({"times": [[1.0], [1.0]]})
    race(session, replace(PROBLEM, path="-"), "old", "new")
    assert session.job["beside"] == ""


@pytest.mark.parametrize(
    ("after", "faster"),
    [
        ([100.0] * 8, False),
        ([99.5] * 8, False),  # no more than a hundredth
        ([98.0] * 8, True),
        ([98.0] * 5 + [101.0] * 3, False),  # not three turns of four
        ([98.0] * 7 + [200.0], True),  # one turn was disturbed
        ([102.0] * 8, False),
    ],
)
def test_faster_takes_three_turns_of_four(after, faster):
    assert summary([100.0] * 8, after, ABOUT).faster is faster


def test_quartiles():
    assert quartiles([7.0]) == (7.0, 7.0, 7.0)
    assert quartiles([1.0, 2.0, 3.0, 4.0, 5.0]) == (2.0, 3.0, 4.0)
    assert timing([3.0, 1.0]).median_us == 2.0


BLAME = [
    ((), "the kernel to beat"),
    (("before",), "the kernel to beat"),
    (("before", "after"), "the new kernel"),
    (("before", "after", ""), "one of the two kernels"),
]


@pytest.mark.parametrize(("preparing", "who"), BLAME)
@pytest.mark.parametrize(
    "answer",
    [{"error": {"type": "ValueError", "message": "ValueError: odd"}}, Ended("late", "ValueError: odd", "what it said")],
    ids=["an error", "no answer"],
)
def test_an_error_names_the_kernel_that_was_being_prepared(answer, preparing, who):
    with pytest.raises(NcukitError, match=f"timing ended in an error of {who}: ValueError: odd") as caught:
        race(Answers(answer, preparing), PROBLEM, "old", "new")

    assert caught.value.exit_code == Exit.ENVIRONMENT
    assert caught.value.detail == ("what it said" if isinstance(answer, Ended) else "")


def test_a_race_that_was_kept_comes_back():
    found = summary([3.0, 4.0, 5.0], [2.0, 2.5, 2.0], ABOUT)
    assert kept_race(json.loads(json.dumps(asdict(found)))) == found


@pytest.mark.parametrize(
    "change",
    [
        {"ratio": "fast"}, {"ratio": None}, {"ratio": []}, {"before": 7}, {"after": {"median_us": 3.0}},
        {"versions": 3}, {"low": ...}, {"before": {"median_us": "x", "low_us": 1, "high_us": 1, "runs": 1}},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_race_is_not_taken_for_one(change):
    found = asdict(summary([3.0, 4.0], [2.0, 2.5], ABOUT)) | change
    with pytest.raises((KeyError, TypeError, ValueError)):
        kept_race({k: v for k, v in found.items() if v is not ...})
