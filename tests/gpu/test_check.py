"""Both corpora of answers on a GPU: every honest one is accepted, every other one refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ncukit.optimize.check import Request, check
from ncukit.optimize.problem import read_problem

pytestmark = pytest.mark.gpu
pytest.importorskip("torch")

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests/unit/optimize/check"))

from answers import HONEST, REFUSED  # noqa: E402

DECLINING = ("layer_norm_dtypes",)
"""It raises for bfloat16 and says so: never wrong, never all."""
TOGETHER = {"crashed", "out-of-time", "raised", "unwritten", "wrong-values"}
"""What a fault of values can show as on a GPU, where a program that leaves its tensor may also end the process."""


@pytest.mark.parametrize("candidate", HONEST, ids=lambda c: c.name)
def test_an_honest_answer_is_accepted(candidate) -> None:
    checked = check(candidate.request(archs=(), run="gpu", timeout_s=180.0))
    assert checked.reasons == ()
    assert checked.verdict == ("unproven" if candidate.name in DECLINING else "accepted"), checked.unproven
    assert checked.cases[0].outcome == "right"


@pytest.mark.parametrize("candidate", REFUSED, ids=lambda c: c.name)
def test_any_other_answer_is_refused_for_what_it_is(candidate) -> None:
    options = {"timeout_s": 20.0} if candidate.name == "endless_loop" else {"timeout_s": 120.0}
    checked = check(candidate.request(archs=(), run="gpu", memory_gb=8.0, **options))
    codes = {reason.code for reason in checked.reasons}
    assert checked.verdict == "refused"
    assert set(candidate.expected) <= codes or (set(candidate.expected) <= TOGETHER and codes & TOGETHER)


@pytest.mark.parametrize("name", ["rms_norm", "naive/rms_norm", "l1_norm"])
def test_a_bundled_kernel_is_accepted_against_its_own_reference(name, monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    path = f"kernels/{name}.py"
    checked = check(Request(path=path, problem=read_problem(path), run="gpu", scope="own"))
    assert (checked.verdict, checked.reasons) == ("accepted", ())
