"""Which measurement is shown: of this very code, and of nothing else."""

from __future__ import annotations

import ast
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from briefs import NAIVE, ROOT, RUNS, SEED, recording

from ncukit.collect import reference
from ncukit.errors import NcukitError
from ncukit.optimize.brief import gather as gathering
from ncukit.optimize.brief.measured import AGREES, NAMES_AGREE, find_run, other_code
from ncukit.read import read

CODE = (ROOT / NAIVE).read_text(encoding="utf-8")


def judged(code: str, report=None) -> tuple[str, str]:
    return other_code(report or recording("naive_instance_norm"), code, ast.parse(code), NAIVE)


def test_a_run_that_knows_its_code_is_held_to_it() -> None:
    report = replace(recording("naive_instance_norm"), code=reference.code(ast.parse(CODE)))
    assert judged(CODE, report) == ("", "")
    assert judged(CODE + "\n# a comment changes nothing\n", report) == ("", "")
    why, _ = judged(CODE.replace("num_warps=4", "num_warps=8"), report)
    assert why == f"{NAIVE} is not the code that was measured, or has changed since"


def test_an_older_run_is_held_to_names_lines_and_parameters() -> None:
    assert judged(CODE) == ("", AGREES)
    assert judged("\n" + CODE)[0].startswith(f"{NAIVE} has changed since it was measured: compute_moments_kernel,")
    assert "normalize_kernel" in judged(CODE.replace("y_ptr", "z_ptr"))[0]
    assert "normalize_kernel" in judged(CODE.replace("def normalize_kernel(", "def another("))[0]


def test_a_report_without_launches_is_held_to_names() -> None:
    report = read(SEED / "metrics.json")
    assert judged((SEED / "instance_norm.py").read_text(), report) == ("", NAMES_AGREE)
    why, _ = judged("def f(): pass", report)
    assert why == f"{NAIVE} defines none of the kernels that were measured (compute_moments_kernel, normalize_kernel)"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a run on an H200."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "profiles/h200/naive_instance_norm", tmp_path / "profiles/h200/naive_instance_norm")
    return tmp_path / "profiles"


def test_the_run_is_where_profile_puts_it(runs) -> None:
    assert find_run(NAIVE) == Path("profiles/h200/naive_instance_norm")
    assert find_run(NAIVE, gpu="H200") == Path("profiles/h200/naive_instance_norm")
    assert find_run(NAIVE, gpu="RTX 4090") is None
    assert find_run("kernels/instance_norm.py") is None


def test_of_several_gpus_this_machines_counts_or_none(runs) -> None:
    shutil.copytree(runs / "h200", runs / "rtx_4090")
    assert find_run(NAIVE, seen="NVIDIA GeForce RTX 4090") == Path("profiles/rtx_4090/naive_instance_norm")
    with pytest.raises(NcukitError, match="was measured on several GPUs") as error:
        find_run(NAIVE)
    assert error.value.next_command == f"ncukit brief {NAIVE} --report profiles/h200/naive_instance_norm"


def test_baselines_are_no_runs(runs) -> None:
    (runs / "h200").rename(runs / "baselines")
    assert find_run(NAIVE) is None


def test_an_older_run_is_held_to_the_numbers_at_the_launch() -> None:
    why, _ = judged(CODE.replace("BLOCK_SIZE=1024, num_warps=4", "BLOCK_SIZE=4096, num_warps=16"))
    assert why == (
        f"{NAIVE} has changed since it was measured: compute_moments_kernel ran with BLOCK_SIZE=1024 (here 4096) "
        "and num_warps=4 (here 16)"
    )
    assert judged(CODE.replace("num_warps=4", "num_warps=2 * 8")) == ("", AGREES), "a computed number is no evidence"


def test_every_recording_of_numbers_agrees_with_its_file() -> None:
    for name in RUNS:
        report = recording(name)
        code = (ROOT / report.target).read_text(encoding="utf-8")
        assert " ran with " not in other_code(report, code, ast.parse(code), report.target)[0], name


def test_an_error_speaks_of_the_command_that_asked(runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "visible_gpu", lambda: None)
    (runs.parent / "k.py").write_text("x = 1\n")
    with pytest.raises(NcukitError, match="which GPU is `ncukit tune` for") as error:
        gathering.gather(gathering.Ask(path="k.py", compiles=False, verb="tune"))
    assert error.value.next_command == "ncukit tune k.py --dry-run --gpu H200"
