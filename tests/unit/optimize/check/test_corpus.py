"""Both corpora against form and lint, which run nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from answers import HONEST, REFUSED, RUNS

from ncukit.optimize.check import static
from ncukit.optimize.check.form import examine
from ncukit.optimize.check.reading import read
from ncukit.optimize.verdict import Reason

ROOT = Path(__file__).parents[4]


def found(candidate):
    request = candidate.request()
    answer = read(request)
    if isinstance(answer, Reason):
        return (answer,)
    return (*examine(answer), *static.linted(answer, request))


def test_the_corpora_are_as_large_as_they_are_said_to_be() -> None:
    assert len(HONEST) >= 22
    assert len(REFUSED) >= 45
    assert len({candidate.problem for candidate in HONEST}) == 8
    assert all(candidate.expected for candidate in REFUSED)
    assert not any(candidate.expected for candidate in HONEST)


@pytest.mark.parametrize("candidate", HONEST, ids=lambda c: c.name)
def test_nothing_in_an_honest_text_is_refused(candidate) -> None:
    assert found(candidate) == ()


@pytest.mark.parametrize("candidate", [c for c in REFUSED if c.name not in RUNS], ids=lambda c: c.name)
def test_a_text_that_cheats_or_is_broken_is_refused_for_it(candidate) -> None:
    reasons = found(candidate)
    assert set(candidate.expected) <= {reason.code for reason in reasons}
    lines = candidate.path.read_text().splitlines()
    for reason in reasons:
        assert reason.message
        assert reason.instead
        assert reason.line is None or lines[reason.line - 1].strip(), "the line is one of the answer as it was given"


@pytest.mark.parametrize("candidate", [c for c in REFUSED if c.name in RUNS], ids=lambda c: c.name)
def test_what_must_run_to_be_seen_is_not_refused_by_chance(candidate) -> None:
    assert found(candidate) == ()


@pytest.mark.parametrize("path", sorted((ROOT / "kernels").rglob("*.py")), ids=lambda p: f"{p.parent.name}/{p.name}")
def test_the_bundled_kernels_keep_the_rules(path) -> None:
    from ncukit.optimize.check import Request

    answer = read(Request(path=str(path), problem=None))
    assert answer.own
    assert examine(answer) == ()


def test_the_reworded_seed_is_refused_for_what_its_compiler_says() -> None:
    candidate = next(c for c in REFUSED if c.name == "continue_in_loop")
    reasons = {(r.code, r.line) for r in found(candidate)}
    lines = candidate.path.read_text().splitlines()
    loops = [number for number, line in enumerate(lines, start=1) if line.strip() == "continue"]
    assert {("TRI101", number) for number in loops} <= reasons
    assert re.search(r"tl\.arange\(0, TWICE\)", lines[next(n for code, n in reasons if code == "TRI103") - 1])
