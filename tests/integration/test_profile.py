"""`ncukit profile` from the command line to the run directory, with a recorded ncu on PATH."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ncukit.read import read

SESSION = Path(__file__).parents[1] / "golden" / "session"
NAIVE = "kernels/naive/instance_norm.py"
SEED = "smsp__warp_issue_stalled_memory_dependency_per_warp_active.pct"


def test_a_kernel_file_becomes_a_run_directory(shell):
    done = shell("profile", NAIVE)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "next: ncukit diagnose profiles/h200/naive_instance_norm"
    report = read(shell.folder / "profiles/h200/naive_instance_norm")
    assert list(report.frame["kernel"]) == ["compute_moments_kernel", "normalize_kernel"]
    assert [launch.kernel for launch in report.launches if launch] == ["compute_moments_kernel", "normalize_kernel"]
    assert not report.environment.recorded
    assert "RECORDED" not in done.stdout


def test_the_raw_output_is_kept_untouched_beside_the_environment(shell):
    shell("profile", NAIVE, "--clock-control", "none", "-o", "run")
    run = json.loads((shell.folder / "run/run.json").read_text())
    assert (shell.folder / "run/metrics.csv").read_bytes() == (SESSION / "metrics.csv").read_bytes()
    assert run["environment"]["clock_control"] == "none"
    assert run["environment"]["driver_version"] == "580.159.04"
    assert run["environment"]["ncu_version"] == "2025.3.1"
    assert str(shell.folder.parent) not in json.dumps(run)
    assert sorted(p.name for p in (shell.folder / "run").iterdir()) == ["launches.json", "metrics.csv", "run.json"]


def test_the_problem_is_kept_so_that_a_later_run_can_be_compared(shell):
    shell("profile", NAIVE, "-o", "naive")
    shell("profile", "kernels/instance_norm.py", "--size", "batch_size=8", "-o", "fast")
    naive, fast = (json.loads((shell.folder / name / "run.json").read_text())["problem"] for name in ("naive", "fast"))
    assert naive["inputs"] == ["float32[112,64,512,512]"]
    assert fast["inputs"] == ["float32[8,64,512,512]"]
    assert naive["init"] == fast["init"] == ["64"]
    assert len(naive["reference"]) == 16
    assert naive["reference"] == fast["reference"], "both files have the same Model and make their inputs alike"
    assert read(shell.folder / "fast").problem["sizes"] == "batch_size=8"


def test_only_a_kernel_file_has_a_problem(shell):
    shell("profile", "-o", "run", "--", "./a.out")
    assert "problem" not in json.loads((shell.folder / "run/run.json").read_text())
    assert read(shell.folder / "run").problem == {}


def test_a_script_is_run_again_for_each_repetition(shell):
    (shell.folder / "bench.py").write_text("")
    done = shell("profile", "bench.py", "--repeat", "2", "-o", "run")
    assert done.returncode == 0, done.stderr
    report = read(shell.folder / "run")
    assert list(report.frame["process"]) == [1948, 1948, 1949, 1949]
    assert (report.repeat, sum(launch is not None for launch in report.launches)) == (2, 4)


def test_the_default_preset_reaches_ncu(shell):
    shell("profile", NAIVE)
    words = shell.words.read_text().splitlines()
    assert "gpu__time_duration.sum" in words[words.index("--metrics") + 1].split(",")
    assert words[words.index("--clock-control") + 1] == "base"
    assert words[words.index("--config-file") + 1] == "off"


def test_the_seeds_dead_metric_is_translated_with_a_note_and_its_absence_reported(shell):
    done = shell("profile", NAIVE, "--metrics", f"{SEED},lts__d_sectors.sum", "-o", "run")
    assert done.returncode == 0, done.stderr
    assert "exists on no chip" in done.stderr
    words = shell.words.read_text().splitlines()
    assert "long_scoreboard" in words[words.index("--metrics") + 1]
    assert "missing: lts__d_sectors.sum" in done.stdout  # asked for, and not in the recorded table


@pytest.mark.parametrize(
    ("scene", "code", "says"),
    [
        ("permission", 3, "no permission to read GPU performance counters"),
        ("crash", 3, "a kernel crashed on the GPU"),
        ("exit", 3, "the program exited with 3"),
        ("segv", 3, "SEGV"),
        ("none", 4, "no kernel matched -k"),
        ("metric", 2, "ncu knows no metric"),
        ("binary", 2, "ncu's output: the file holds binary data"),
        ("other-grid", 3, "ncu's launches are not the recorded ones"),
        ("one-row", 3, "missing in ncu's report"),
        ("norecord", 3, "ended before its launches were recorded"),
        ("empty", 4, "launched no kernel"),
        ("cut", 3, "ends in the middle of a row"),
    ],
)
def test_a_run_that_fails_says_why_and_writes_nothing(shell, scene, code, says):
    done = shell("profile", NAIVE, "-o", "run", scene=scene)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert "ncukit-" not in done.stderr.split("next:")[0], "a temporary path is no place the user knows"
    assert "next: " in done.stderr
    assert done.stdout == ""
    assert not (shell.folder / "run").exists()


def test_a_failed_run_leaves_the_older_result_alone(shell):
    shell("profile", NAIVE, "-o", "run")
    before = {p.name: p.read_bytes() for p in (shell.folder / "run").iterdir()}
    assert shell("profile", NAIVE, "-o", "run", scene="crash").returncode == 3
    assert {p.name: p.read_bytes() for p in (shell.folder / "run").iterdir()} == before


def test_a_folder_that_is_no_run_directory_is_never_replaced(shell):
    (shell.folder / "precious").mkdir()
    (shell.folder / "precious/thesis.tex").write_text("x")
    done = shell("profile", NAIVE, "-o", "precious")
    assert done.returncode == 2
    assert (shell.folder / "precious/thesis.tex").read_text() == "x"
    assert not shell.words.exists(), "ncu was started for nothing"


def test_a_timeout_ends_ncu(shell):
    started = time.monotonic()
    done = shell("profile", NAIVE, "--timeout", "2", "-o", "run", scene="hang")
    assert done.returncode == 3
    assert "no result after 2 s" in done.stderr
    assert time.monotonic() - started < 30


def test_ctrl_c_ends_ncu_and_exits_130(shell):
    command = [sys.executable, "-m", "ncukit", "profile", NAIVE, "-o", "run"]
    child = subprocess.Popen(
        command,
        cwd=shell.folder,
        env={**shell.env(), "NCU_PLAYS": "hang"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 20
    while not shell.words.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert child.returncode == 130
    assert b"Traceback" not in err
    assert not (shell.folder / "run").exists()
    time.sleep(0.3)
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout if _has_ps() else ""
    assert str(shell.path / "ncu") not in running


def _has_ps() -> bool:
    import shutil

    return shutil.which("ps") is not None


def test_dry_run_prints_a_command_that_can_be_pasted_and_starts_nothing(shell):
    done = shell("profile", NAIVE, "-k", "regex:a b", "--dry-run")
    assert done.returncode == 0
    words = shlex.split(done.stdout)
    assert words[0] == "LC_ALL=C.UTF-8"
    assert words[words.index("--kernel-name") + 1] == "regex:a b"
    assert not shell.words.exists()


def test_a_dry_run_works_where_there_is_no_ncu(bare):
    done = bare("profile", NAIVE, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert shlex.split(done.stdout)[1] == "ncu"


def test_without_ncu_the_error_names_the_way_out(bare):
    done = bare("profile", NAIVE)
    assert done.returncode == 3
    assert "ncu" in done.stderr
    assert "next: " in done.stderr


def test_recorded_shows_the_bundled_recording_and_says_so(bare):
    done = bare("profile", NAIVE, "--recorded")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("RECORDED, not measured now: ")
    document = json.loads(bare("profile", NAIVE, "--recorded", "h200", "--format", "json").stdout)
    assert document["recorded"] is True
    assert not (bare.folder / "profiles").exists()


@pytest.mark.parametrize("words", [("--size", "batch_size=8"), ("-k", "x"), ("--preset", "quick"), ("--repeat", "2")])
def test_a_recording_is_not_resized_or_filtered_in_silence(bare, words):
    done = bare("profile", NAIVE, "--recorded", *words)
    assert done.returncode == 2
    assert "a recording is what it is" in done.stderr


def test_a_list_of_no_metrics_is_refused(shell):
    assert shell("profile", NAIVE, "--metrics", " , ").returncode == 2


def test_a_dry_run_checks_the_names_too(shell):
    assert shell("profile", NAIVE, "--dry-run", "--metrics", "dram__bytes_reed.sum").returncode == 2


def test_a_recording_that_does_not_exist_lists_those_that_do(bare):
    done = bare("profile", NAIVE, "--recorded", "RTX 4090")
    assert done.returncode == 4
    assert "h200: naive_instance_norm" in done.stderr


@pytest.mark.parametrize(
    "words", [("--launches", "0"), ("--preset", "all"), ("--timeout", "-1"), ("--nosuch",), ("-o",)]
)
def test_wrong_options_are_usage_errors(shell, words):
    assert shell("profile", NAIVE, *words).returncode == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def broken(:\n", "not a Python file"),
        ("class ModelNew: ...\n", "not get_inputs and get_init_inputs"),
        ("", None),
    ],
)
def test_a_file_without_the_layout(shell, text, says):
    (shell.folder / "k.py").write_text(text)
    done = shell("profile", "k.py")
    if says:
        assert done.returncode == 2
        assert says in done.stderr
    else:
        # an empty file is a script; the recorded launches of another program do not fit it, or nothing ran
        assert done.returncode in (0, 3, 4)


def test_a_command_runs_without_the_harness(shell):
    done = shell("profile", "-o", "run", "--", "./a.out", "-k")
    assert done.returncode == 0, done.stderr
    assert shell.words.read_text().splitlines()[-2:] == ["./a.out", "-k"]
    assert not (shell.folder / "run/launches.json").exists()
