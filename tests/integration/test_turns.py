"""Several plans measured in turns, end to end through a recorded ncu on PATH."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ncukit.cli.plan import build_plan
from ncukit.collect.session import in_turns
from ncukit.collect.target import resolve
from ncukit.config import Settings
from ncukit.errors import Exit, NcukitError
from ncukit.read import read

A, B = "kernels/naive/instance_norm.py", "kernels/instance_norm.py"
OUTPUTS = (Path("runs/a"), Path("runs/b"))


@pytest.fixture
def here(shell, monkeypatch):
    """This process in the shell's place."""
    monkeypatch.delenv("NCUKIT_NCU", raising=False)
    for name, value in shell.env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(shell.folder)
    return shell


def measure(rounds: int = 3, outputs=OUTPUTS, **options):
    plan, gpu, notes = build_plan(settings=Settings(), target=resolve(A, None))
    plans = (plan, replace(plan, target=resolve(B, None)))
    return in_turns(plans, rounds, gpu=gpu, outputs=outputs, notes=notes, **options)


def runs_of_ncu(shell) -> list[str]:
    played = shell.words.with_name(f"{shell.words.name}.all")
    return played.read_text().splitlines() if played.exists() else []


def test_two_plans_are_measured_there_and_back(here):
    measured = measure()
    assert runs_of_ncu(here) == [A, B, B, A, A, B]
    assert [place for place, _ in measured] == list(OUTPUTS)
    for (place, report), processes in zip(measured, ((1948, 1951, 1952), (1949, 1950, 1953)), strict=True):
        assert report.path == str(place)
        again = read(place)
        for one in (report, again):
            assert list(one.frame["kernel"]) == ["compute_moments_kernel", "normalize_kernel"] * 3
            assert list(one.frame["process"]) == [process for process in processes for _ in range(2)]
            assert [launch.kernel for launch in one.launches if launch] == list(one.frame["kernel"])
            assert (one.repeat, one.notes, one.problem["inputs"]) == (3, (), "float32[112,64,512,512]")
        assert one.frame["spills"].tolist() == [0.0] * 6


def test_each_run_directory_says_how_it_was_measured(here):
    measure(rounds=2)
    for index, (output, target) in enumerate(zip(OUTPUTS, (A, B), strict=True)):
        run = json.loads((output / "run.json").read_text())
        assert run["target"] == target
        assert run["turns"] == {"position": index, "of": 2, "rounds": 2}
        assert (run["runs"], run["requested"]["repeat"]) == (2, 2)
        assert "ncukit-" not in " ".join(run["command"])
        assert sorted(path.name for path in output.iterdir()) == ["launches.json", "metrics.csv", "run.json"]
    assert [path.name for path in sorted(Path("runs").iterdir())] == ["a", "b"]


@pytest.mark.parametrize(
    ("scene", "code", "says"),
    [
        (f"crash@{B}", Exit.ENVIRONMENT, f"{B}: a kernel crashed on the GPU"),
        (f"other-grid@{B}", Exit.ENVIRONMENT, f"{B}: ncu's launches are not the recorded ones"),
        (f"cut@{A}", Exit.ENVIRONMENT, f"{A}: ncu's output ends in the middle of a row"),
        (f"empty@{B}", Exit.NOTHING, f"{B}: "),
        (f"norecord@{A}", Exit.ENVIRONMENT, f"{A}: the program ended before its launches were recorded"),
    ],
)
def test_a_plan_that_fails_is_named_and_leaves_nothing_behind(here, monkeypatch, scene, code, says):
    monkeypatch.setenv("NCU_PLAYS", scene)
    with pytest.raises(NcukitError) as caught:
        measure()
    assert caught.value.message.startswith(says)
    assert caught.value.exit_code == code
    assert caught.value.next_command
    assert not Path("runs").exists()


def test_a_plan_that_fails_leaves_the_older_results_alone(here, monkeypatch):
    measure(rounds=1)
    before = {path: path.read_bytes() for path in sorted(Path("runs").rglob("*.*"))}
    monkeypatch.setenv("NCU_PLAYS", f"crash@{B}")
    with pytest.raises(NcukitError):
        measure(rounds=1)
    assert {path: path.read_bytes() for path in sorted(Path("runs").rglob("*.*"))} == before


@pytest.mark.parametrize("outputs", [("run", "run"), ("run", "run/b"), ("run/a", "run/a/../../run")])
def test_two_runs_are_not_kept_in_one_folder(here, outputs):
    with pytest.raises(NcukitError, match="one folder") as caught:
        measure(outputs=tuple(map(Path, outputs)))
    assert caught.value.exit_code == Exit.USAGE
    assert runs_of_ncu(here) == [], "ncu was started for nothing"


def test_progress_says_whose_turn_it_is(here):
    heard = []
    measure(rounds=2, on_progress=lambda event: heard.append(event.get("stage")))
    turns = [stage for stage in heard if "/" in str(stage)]
    assert turns == ["1/2 naive_instance_norm", "1/2 instance_norm", "2/2 instance_norm", "2/2 naive_instance_norm"]
    assert "launch" in heard, "the harness is heard too"
