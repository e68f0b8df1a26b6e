"""The ncu command of a plan, word by word."""

from __future__ import annotations

import shlex

from ncukit import metrics
from ncukit.collect.command import HARNESS, environment, ncu_command, neutral, shown
from ncukit.collect.plan import Plan
from ncukit.collect.target import Target


def plan(kind="kernel", argv=("kernels/x.py",), **changes) -> Plan:
    target = Target(kind=kind, argv=argv, name="x", sizes=(("n", "8"),) if kind == "kernel" else ())
    request = metrics.request(["duration_us", "dram_pct"], "gh100")
    return Plan(target=target, request=request, preset="", ncu_version=(2025, 3, 1), **changes)


def test_a_kernel_file_runs_in_the_harness_outside_the_range():
    words = ncu_command(plan(kernel="regex:norm", launches=3, clock_control="none", repeat=2))
    assert words == (
        "ncu", "--config-file", "off", "--rename-kernels", "off", "--clock-control", "none", "--cache-control", "all",
        "--csv", "--page", "raw", "--print-units", "base", "--log-file", "metrics.csv",
        "--metrics", "gpu__time_duration.sum,dram__throughput.avg.pct_of_peak_sustained_elapsed",
        "--kernel-name", "regex:norm", "--launch-count", "3", "--profile-from-start", "off",
        "python3", str(HARNESS), "--record", "record.json", "--progress", "progress.jsonl", "--mode", "kernel",
        "--repeat", "2", "--size", "n=8", "kernels/x.py",
    )  # fmt: skip


def test_a_script_keeps_its_arguments_apart():
    words = ncu_command(plan("script", ("bench.py", "--n", "4")))
    assert words[-4:] == ("bench.py", "--", "--n", "4")
    assert "--profile-from-start" not in words


def test_a_command_runs_as_it_is():
    assert ncu_command(plan("command", ("./a.out", "x")))[-2:] == ("./a.out", "x")


def test_rename_kernels_is_not_asked_of_an_ncu_that_does_not_know_it():
    assert "--rename-kernels" not in ncu_command(Plan(**{**as_kwargs(plan()), "ncu_version": (2024, 1, 1)}))


def as_kwargs(value: Plan) -> dict:
    return {name: getattr(value, name) for name in value.__slots__}


def test_the_shown_command_is_the_one_that_runs_and_can_be_pasted():
    line = shown(plan("command", ("./a b",)))
    assert shlex.split(line) == ["LC_ALL=C.UTF-8", *ncu_command(plan("command", ("./a b",)))]


def test_the_environment_pins_number_formats_and_keeps_a_temp_folder_of_its_own():
    env = environment({"LC_NUMERIC": "de_DE", "LC_ALL": "de_DE", "PATH": "/bin"})
    assert (env["LC_ALL"], env["PATH"]) == ("C.UTF-8", "/bin")
    assert "LC_NUMERIC" not in env
    assert "ncukit-" in env["TMPDIR"]
    assert environment({"TMPDIR": "/mine"})["TMPDIR"] == "/mine"


def test_the_recorded_command_names_no_folder_of_this_machine():
    words = neutral(("/usr/local/cuda/bin/ncu", "--log-file", "/tmp/q/metrics.csv", str(HARNESS), "x.py"), "/tmp/q")
    assert words == ["ncu", "--log-file", "metrics.csv", "ncukit/collect/harness.py", "x.py"]
