"""The gate on real measurements: two runs of one kernel are the same, a fused one is better, noise stays noise."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.gpu
ROOT = Path(__file__).parents[2]
FREE = ("--clock-control", "none")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the bundled kernels, as a user's checkout."""
    place = tmp_path_factory.mktemp("gate")
    shutil.copytree(ROOT / "kernels", place / "kernels")
    return place


def ncukit(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ncukit", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


NAIVE, FAST = "kernels/naive/instance_norm.py", "kernels/instance_norm.py"


def test_the_fused_kernel_wins_when_both_take_turns(folder: Path) -> None:
    done = ncukit(folder, "compare", "--run", NAIVE, FAST, "--repeat", "3", *FREE, "--format", "json")

    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["status"] == "better"
    assert 0.55 < document["total"]["ratio"] < 0.72
    (group,) = [kernel for kernel in document["kernels"] if kernel["before"]]
    assert group["before"] == ["compute_moments_kernel", "normalize_kernel"]
    assert "fusion" in group["causes_gone"]
    assert document["differences"] == []


def test_a_kernel_against_itself_is_the_same(folder: Path) -> None:
    for side in ("a", "b"):
        (folder / side).mkdir(exist_ok=True)
        shutil.copy(folder / NAIVE, folder / side / "norm.py")

    done = ncukit(folder, "compare", "--run", "a/norm.py", "b/norm.py", "--repeat", "3", *FREE, "--format", "json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "same"
    judged = ncukit(
        folder, "gate", "profiles/compare/b-norm", "--against", "profiles/compare/a-norm",
        "--max-rise", "duration_us=0%", "--max-rise", "dram_bytes=0%", "--max-drop", "dram_pct=0%",
    )  # fmt: skip
    assert judged.returncode == 0, judged.stdout


def test_a_baseline_holds_for_a_second_measurement_and_breaks_for_a_slower_kernel(folder: Path) -> None:
    for run in ("one", "two"):
        done = ncukit(folder, "profile", FAST, "--repeat", "3", *FREE, "-o", run)
        assert done.returncode == 0, done.stderr
    assert ncukit(folder, "baseline", "save", "one").returncode == 0
    budgets = ("--max-rise", "duration_us=2%", "--max-drop", "useful_dram_pct=2%", "--forbid", "local-memory")
    assert ncukit(folder, "gate", "two", *budgets).returncode == 0

    slower = ncukit(folder, "profile", NAIVE, "--repeat", "3", *FREE, "-o", "slow")
    assert slower.returncode == 0, slower.stderr
    judged = ncukit(folder, "gate", "slow", "--against", "one", *budgets)
    assert judged.returncode == 1, judged.stdout
    assert "as a group" in judged.stdout


def test_another_size_is_not_compared(folder: Path) -> None:
    done = ncukit(folder, "profile", FAST, "--size", "batch_size=8", *FREE, "-o", "small")
    assert done.returncode == 0, done.stderr

    judged = ncukit(folder, "gate", "small", "--against", "one", "--max-rise", "duration_us=2%", "--format", "json")

    assert judged.returncode == 4
    verdicts = json.loads(judged.stdout)["verdicts"]
    assert {v["code"] for v in verdicts if v["status"] != "ignored"} == {"other-size"}


def test_the_doctor_finds_this_machine_ready(folder: Path) -> None:
    done = ncukit(folder, "doctor", "--format", "json")

    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["ready"] is True
