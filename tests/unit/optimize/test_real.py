"""The loop's real tools, as far as they can be held to their word without a GPU."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from bench import raced

from ncukit import gpus
from ncukit.errors import NcukitError
from ncukit.optimize import race, real
from ncukit.optimize.problem import read_problem
from ncukit.optimize.tools import DoesNotRun, Known, Moment
from ncukit.optimize.verdict import Reason, Round
from ncukit.read import read

ROOT = Path(__file__).parents[3]
NAIVE = ROOT / "kernels/naive/instance_norm.py"
RUN = ROOT / "profiles/h200/naive_instance_norm"
HERE = real.Machine(gpu="NVIDIA H200", compute_capability="9.0", versions={"triton": "3.6.0"})


def tools(measure=None, **changed):
    """For the naive InstanceNorm."""
    rest = {"agent": ("cat",), "scope": "own", "max_tokens": None, "python": None, "measure": measure}
    return real.tools(read_problem(str(NAIVE)), HERE, **{**rest, **changed})


@pytest.mark.parametrize("who", ["the new kernel", "one of the two kernels"])
def test_a_race_that_the_new_kernel_breaks_is_its_own_fault(monkeypatch, who) -> None:
    def fails(*_: object) -> None:
        raise NcukitError(f"timing ended in an error of {who}: out of memory", exit_code=3)

    monkeypatch.setattr(race, "race", fails)
    with pytest.raises(DoesNotRun, match="out of memory"):
        tools().race("a", "b")
    with pytest.raises(NcukitError):
        tools().race("a", "a")


@pytest.mark.parametrize(
    "message", ["timing ended in an error of the kernel to beat: x", "python cannot run kernels: x"]
)
def test_a_race_that_something_else_breaks_ends_the_call(monkeypatch, message) -> None:
    def fails(*_: object) -> None:
        raise NcukitError(message, exit_code=3)

    monkeypatch.setattr(race, "race", fails)
    with pytest.raises(NcukitError, match="x"):
        tools().race("a", "b")


def test_each_race_has_a_process_of_its_own(monkeypatch) -> None:
    sessions = []
    monkeypatch.setattr(race, "race", lambda session, *_: sessions.append(session) or raced(2, 1))
    both = tools()
    both.race("a", "b")
    both.race("a", "b")
    assert sessions[0] is not sessions[1]
    assert not sessions[0].folder.exists()


def test_the_program_gets_the_brief() -> None:
    got = tools(agent=("cat",)).ask("a brief", 20)
    assert (got.how, got.text) == ("answered", "a brief")


@pytest.fixture
def kernel(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(real, "_compiled", lambda *_: (None, "not compiled here"))
    shutil.copy(NAIVE, tmp_path / "kernel.py")
    return tmp_path / "kernel.py"


def test_what_ncu_measured_is_diagnosed_for_the_brief(kernel, tmp_path) -> None:
    measured = []

    def measure(file: Path, place: Path):
        measured.append(file)
        shutil.copytree(RUN, place)
        return read(str(place))

    bench = tools(measure)
    known = bench.study(kernel, tmp_path / "profile")
    assert known.diagnosis.pipeline[0].cause == "fusion"
    assert bench.left(known) == ""
    assert known.notes == ("going on without what the compiler says: not compiled here",)
    again = bench.study(kernel, tmp_path / "profile")
    assert measured == [kernel], "a run that goes on reads the profile that it has"
    assert again.diagnosis.pipeline == known.diagnosis.pipeline

    reason = Reason(code="unwritten", line=3, message="half of it")
    past = (Round(number=1, stage="memory", outcome="refused", reasons=(reason,)),)
    code = kernel.read_text()
    asked = bench.brief(Moment(code=code, path=str(kernel), known=known, rounds=past))
    assert "NVIDIA H200" in asked.text or "H200" in asked.text
    assert "compute_moments_kernel" in asked.text
    assert asked.tokens > 500
    mend = bench.brief(
        Moment(code=code, path=str(kernel), known=known, rounds=past, stage="memory", repair=("x = 1", (reason,)))
    )
    assert mend.stage == "memory"
    assert "unwritten" in mend.text
    assert "half of it" in mend.text


def test_a_kernel_at_its_roof_leaves_nothing(kernel, tmp_path) -> None:
    def measure(_: Path, place: Path):
        shutil.copytree(ROOT / "profiles/h200/l1_norm", place)
        return read(str(place))

    bench = tools(measure)
    known = bench.study(kernel, tmp_path / "profile")
    assert bench.left(known)


def test_without_counters_it_goes_on_and_says_why(kernel, tmp_path) -> None:
    def measure(_: Path, __: Path):
        raise NcukitError("no permission to read GPU performance counters", exit_code=3)

    bench = tools(measure)
    known = bench.study(kernel, tmp_path / "profile")
    assert (known.report, known.diagnosis) == (None, None)
    assert known.notes[0] == "going on without metrics: no permission to read GPU performance counters"
    assert bench.left(known) == ""
    asked = bench.brief(Moment(code=kernel.read_text(), path=str(kernel), known=known))
    assert "no permission to read GPU performance counters" in asked.text


def test_profiling_that_was_not_wanted_is_no_note(kernel, tmp_path) -> None:
    known = tools().study(kernel, tmp_path / "profile")
    assert known.unmeasured == "profiling was switched off"
    assert not [note for note in known.notes if "metrics" in note]
    assert tools().left(Known()) == ""


def test_a_gpu_that_nobody_knows_is_told_before_anything_is_asked() -> None:
    with pytest.raises(NcukitError, match="Voodoo"):
        real.tools(
            read_problem(str(NAIVE)), real.Machine(gpu="Voodoo 3", compute_capability="9.0", versions={}),
            agent=("cat",), scope="own", max_tokens=None, python=None, measure=None,
        )  # fmt: skip
    assert gpus.find("Voodoo 3") is None
