"""``ncukit check`` as a user calls it. Without a GPU the interpreter and the compiler decide."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ANSWERS = ROOT / "tests/golden/answers"
NO_GPU = {"CUDA_VISIBLE_DEVICES": ""}
FAST = ("--arch", "sm_90", "--scope", "own")


@pytest.fixture
def checked(shell):
    """One call in a folder with the corpora."""
    shutil.copytree(ANSWERS, shell.folder / "answers")

    def run(answer: str, *words: str, **options: str):
        return shell("check", answer, *words, **NO_GPU, **options)

    return run


def test_an_honest_answer_stays_unproven_without_a_gpu(checked) -> None:
    done = checked("answers/honest/rms_norm_weight.md", "--problem", "answers/problems/rms_norm.py", *FAST)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("unproven  answers/honest/rms_norm_weight.md against answers/problems/rms_norm.py")
    assert "ran on Triton's interpreter" in done.stdout
    assert "races, streams, speed" in " ".join(done.stdout.split())
    assert done.stderr.splitlines()[-1].endswith("--problem answers/problems/rms_norm.py --run gpu")


def test_the_document_of_a_refusal(checked) -> None:
    words = ("--problem", "answers/problems/scaled_add.py", *FAST, "--format", "json")
    done = checked("answers/refused/fake_verdict.md", *words)
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    assert document["verdict"] == "refused"
    assert [reason["code"] for reason in document["reasons"]] == ["wrong-values"]
    assert document["cases"][0]["outcome"] == "wrong"
    assert document["versions"]["triton"]


def test_an_engineers_file_is_its_own_problem(checked) -> None:
    done = checked("kernels/l1_norm.py", *FAST, "--size", "batch_size=3", "--size", "dim=50")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("unproven  kernels/l1_norm.py: ")
    assert "1 right" in done.stdout


def test_the_seed_answer_is_refused_from_standard_input(checked) -> None:
    answer = (ANSWERS / "refused/continue_in_loop.md").read_text()
    done = checked("-", "--problem", "answers/problems/rms_norm.py", stdin=answer)
    assert done.returncode == 1
    assert "TRI101  -:22" in done.stdout
    assert "no kernel of it was run" in done.stdout
    assert done.stderr.splitlines()[-1] == "next: ncukit explain TRI101"


def test_nothing_of_a_refused_form_runs(checked, shell) -> None:
    trace = shell.folder / "ran.txt"
    answer = (ANSWERS / "honest/rms_norm_weight.md").read_text()
    evil = answer.replace("import torch\n", f"import torch\nopen({str(trace)!r}, 'w')\n", 1)
    done = checked("-", "--problem", "answers/problems/rms_norm.py", stdin=evil)
    assert done.returncode == 1
    assert "forbidden-name" in done.stdout
    assert not trace.exists()


def test_annotations_and_files(checked, shell) -> None:
    words = ("--problem", "answers/problems/scaled_add.py")
    done = checked("answers/refused/side_stream.md", *words, "--format", "github")
    assert done.returncode == 1
    assert done.stdout.startswith(
        "::error file=answers/refused/side_stream.md,line=21,title=ncukit check%3A hidden-stream::"
    )
    done = checked("answers/refused/side_stream.md", *words, "-o", "reasons.json")
    assert (done.returncode, done.stdout) == (1, "")
    assert json.loads((shell.folder / "reasons.json").read_text())["reasons"][0]["line"] == 21


def test_running_is_a_choice(checked) -> None:
    done = checked("answers/honest/softmax_one_row.md", "--problem", "answers/problems/softmax.py", "--run", "no",
                   "--arch", "sm_90", "--format", "json")  # fmt: skip
    document = json.loads(done.stdout)
    assert (done.returncode, document["verdict"], document["where"]) == (0, "unproven", None)
    assert "no kernel was run" in document["unproven"][0]


def test_the_limits_hold(checked) -> None:
    problem = ("--problem", "answers/problems/scaled_add.py", *FAST)
    done = checked("answers/refused/endless_loop.md", *problem, "--timeout", "8", "--format", "json")
    assert json.loads(done.stdout)["reasons"][0]["code"] == "out-of-time"
    done = checked("answers/refused/memory_bomb.md", *problem, "--memory", "1", "--format", "json")
    assert json.loads(done.stdout)["reasons"][0]["code"] == "out-of-memory"


def test_a_gpu_that_is_asked_for_must_be_there(checked) -> None:
    words = ("--problem", "answers/problems/softmax.py", *FAST, "--run", "gpu")
    done = checked("answers/honest/softmax_one_row.md", *words)
    assert (done.returncode, done.stdout) == (3, "")
    assert "CUDA" in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nosuch.md", "--problem", "kernels/rms_norm.py"), "cannot read nosuch.md"),
        (("answers/honest/softmax_one_row.md",), "--problem FILE"),
        (("-",), "needs a problem"),
        (("kernels/rms_norm.py", "--problem", "answers/honest/softmax_one_row.md"), "states no problem"),
        (("kernels/rms_norm.py", "--arch", "sm_70"), "no architecture"),
        (("kernels/rms_norm.py", "--select", "TRI999", "--run", "no"), "no lint rule"),
        (("kernels/rms_norm.py", "--size", "rows=3"), "no module-level constant"),
    ],
)
def test_what_cannot_be_checked_is_a_usage_error(checked, words, says) -> None:
    done = checked(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "next: " in done.stderr
