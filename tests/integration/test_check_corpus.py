"""The corpora of answers through the compiler and the interpreter: all honest ones stand, all others are refused.

What the text alone gives away is in tests/unit/optimize/check/test_corpus.py. A process is shared here, which
`ncukit check` never does, so that a candidate takes about two seconds; those that would end it go through `check`.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ncukit.optimize.check import check, static
from ncukit.optimize.check.prove import prove
from ncukit.optimize.check.reading import read
from ncukit.optimize.session import Session

sys.path.insert(0, str(Path(__file__).parents[1] / "unit/optimize/check"))

from answers import HONEST, REFUSED, RUNS

ENDING = ("endless_loop", "memory_bomb")
"""Their processes are ended: test_check.py has them."""
COMPILING = ("dot_of_two_types",)
RUNNING = [c for c in REFUSED if c.name in RUNS - {*ENDING, *COMPILING}]


@pytest.fixture(scope="module")
def session():
    with Session("interpreter", memory_gb=4.0) as shared:
        yield shared


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.mark.parametrize("candidate", HONEST, ids=lambda c: c.name)
def test_an_honest_answer_compiles(candidate) -> None:
    request = candidate.request(timeout_s=120.0)
    found = static.compiled(read(request), request)
    assert found.reasons == ()
    assert found.unproven == ()
    assert found.versions["triton"]


@pytest.mark.parametrize("candidate", HONEST, ids=lambda c: c.name)
def test_an_honest_answer_is_not_refused(candidate, session) -> None:
    request = candidate.request(timeout_s=120.0)
    found = prove(request, read(request).code, session=session)
    assert found.reasons == ()
    outcomes = [case.outcome for case in found.cases]
    assert outcomes.count("right") >= 15, found.cases
    assert outcomes[0] == "right", "the problem's own sizes"
    assert set(outcomes) <= {"right", "declined", "dropped"}


@pytest.mark.parametrize("candidate", RUNNING, ids=lambda c: c.name)
def test_what_cheats_is_seen_when_it_runs(candidate, session) -> None:
    request = candidate.request(timeout_s=120.0)
    found = prove(request, read(request).code, session=session)
    assert set(candidate.expected) <= {reason.code for reason in found.reasons}
    assert all(reason.message and reason.instead for reason in found.reasons)


@pytest.mark.parametrize("name", COMPILING)
def test_what_does_not_compile_is_refused_before_it_runs(name) -> None:
    candidate = next(c for c in REFUSED if c.name == name)
    checked = check(candidate.request(timeout_s=120.0))
    assert [reason.code for reason in checked.reasons] == list(candidate.expected)
    assert checked.where == ""


@pytest.mark.parametrize("name", ["matmul_autotuned", "scaled_add_heuristics", "layer_norm_dtypes"])
def test_all_steps_together_end_unproven_without_a_gpu(name) -> None:
    candidate = next(c for c in HONEST if c.name == name)
    checked = check(replace(candidate.request(), scope="own", timeout_s=120.0))
    assert (checked.verdict, checked.reasons) == ("unproven", ())
    assert checked.where == "Triton's interpreter"
    assert all("compiled" not in text or "only the compiled kernel" in text for text in checked.unproven)
