"""The diagnosis names the planted causes and promises what their cures gain: the targets, on real recordings.

The pages docs/accuracy.md and docs/gallery.md show the same scores case by case.
"""

from __future__ import annotations

import cases
import pytest
import scoring
from accuracy import CLINIC_TARGETS, HELDOUT_TARGETS, OFF_TARGET, ROOF_TARGET

from ncukit.diagnose import rules

WIDEST = 3.0
"""Median of high over low; without a bound, wider ranges alone would hold the targets."""


@pytest.fixture(scope="module")
def clinic():
    return [scoring.score(case) for case in cases.clinic()]


@pytest.fixture(scope="module")
def heldout():
    return [scoring.score(case) for case in cases.heldout()]


def missed(scores, what):
    return [f"{s.case.name}: {s.predicted}, measured {s.measured:.2f}" for s in scores if not getattr(s, what)]


def test_every_cause_has_a_recorded_pair(clinic):
    causes = {cause for _, cause, _ in rules.codes()} - set(scoring.ROOFS)
    assert {s.case.cause for s in clinic} == causes
    assert len(clinic) == len(causes) + len(cases.NAIVE)


def test_the_planted_cause_comes_first(clinic, heldout):
    for scores, (least, _) in ((clinic, CLINIC_TARGETS), (heldout, HELDOUT_TARGETS)):
        assert scoring.totals(scores).first >= least * len(scores), missed(scores, "first")


def test_the_measured_gain_lies_in_the_promised_range(clinic, heldout):
    for scores, (_, least) in ((clinic, CLINIC_TARGETS), (heldout, HELDOUT_TARGETS)):
        assert scoring.totals(scores).inside >= least * len(scores), missed(scores, "inside")


def test_the_best_guess_is_near_the_measured_gain(clinic, heldout):
    assert scoring.totals(clinic).off <= OFF_TARGET
    assert scoring.totals(heldout).off <= OFF_TARGET


def test_kernels_at_the_roof_are_left_alone(clinic, heldout):
    roofs = scoring.at_roof([*(s.case.cured for s in [*clinic, *heldout]), *cases.healthy()])
    assert {r.program for r in roofs} >= set(cases.healthy())
    assert [f"{r.kernel}: {r.advice}" for r in roofs if r.worst > ROOF_TARGET] == []


def test_a_range_that_holds_everything_is_no_answer(clinic, heldout):
    assert scoring.totals([*clinic, *heldout]).width <= WIDEST


def test_a_cause_on_half_of_the_time_is_worth_less_than_on_all_of_it():
    (half,) = scoring.ranking_of({"a": [(0.5, scoring.Gain(low=1.5, best=2.0, high=4.0))]})
    assert half.gain is not None
    assert half.gain.best == pytest.approx(1 / 0.75)
    assert half.gain.high == pytest.approx(1 / 0.625)


def test_causes_are_ranked_by_time_saved_and_those_without_a_gain_come_last():
    gain = scoring.Gain(low=2.0, best=2.0, high=2.0)
    ranked = scoring.ranking_of({"none": [(1.0, None)], "small": [(0.2, gain)], "twice": [(0.3, gain), (0.3, gain)]})
    assert [r.cause for r in ranked] == ["twice", "small", "none"]


def test_nvidias_first_are_all_causes_that_share_its_largest_gain():
    gain, less = (scoring.Gain(low=g, best=g, high=g) for g in (2.0, 1.5))
    rows = [("", gain), ("a", gain), ("b", gain), ("c", less)]
    said = [scoring.Ranked(cause=cause, gain=g) for cause, g in rows]
    assert [r.cause for r in scoring.nvidia_first(said)] == ["a", "b"]
    silent = [scoring.Ranked(cause=cause, gain=None) for cause in "ab"]
    assert [r.cause for r in scoring.nvidia_first(silent)] == ["a"]
