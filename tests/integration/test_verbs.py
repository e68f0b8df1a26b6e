"""diagnose and gate from the command line: real reports in, bad input in, exit codes and JSON out."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "ncu-2025.3.1-h200"
NAIVE = ROOT / "profiles" / "h200" / "naive_instance_norm"
SEED = {
    "compute_moments_kernel": {
        "sm__throughput.avg.pct_of_peak_sustained_elapsed": 16.02,
        "launch__grid_size": 7168,
        "sm__warps_active.avg.pct_of_peak_sustained_active": 96.25,
        "dram__throughput.avg.pct_of_peak_sustained_elapsed": 97.07,
        "lts__t_sector_hit_rate.pct": 0.01,
    },
    "normalize_kernel": {
        "sm__throughput.avg.pct_of_peak_sustained_elapsed": 1.22,
        "launch__grid_size": 7168,
        "sm__warps_active.avg.pct_of_peak_sustained_active": 94.69,
        "dram__throughput.avg.pct_of_peak_sustained_elapsed": 87.63,
        "lts__t_sector_hit_rate.pct": 50.0,
    },
}
# keys that DESIGN.md promises: renames break users
FINDING = {"code", "cause", "severity", "confidence", "title", "evidence", "estimated_speedup", "suggestions"}
KERNEL = {"name", "launches", "grid", "block", "duration_us", "bound", "metrics", "missing", "ladder", "findings"}


def test_json_has_the_promised_shape(shell):
    done = shell("diagnose", str(NAIVE), "--format", "json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["schema_version"] == 1
    assert document["source"]["recorded"] is True
    assert document["source"]["ncu_version"] == "2025.3.1"
    assert {"path", "kind"} <= set(document["source"])
    assert (document["device"]["name"], document["device"]["compute_capability"]) == ("NVIDIA H200", "9.0")
    assert [k["name"] for k in document["kernels"]] == ["compute_moments_kernel", "normalize_kernel"]
    for kernel in document["kernels"]:
        assert set(kernel) >= KERNEL
        assert all(set(rung) == {"limit", "time_us", "how"} for rung in kernel["ladder"])
        assert all(set(finding) >= FINDING for finding in kernel["findings"])
    (fusion,) = document["pipeline"]
    assert set(fusion["estimated_speedup"]) == {"low", "best", "high"}
    assert set(fusion["evidence"][0]) == {"metric", "value", "unit", "compared_with"}
    assert {"action", "knob", "from", "to", "location", "why"} <= set(fusion["suggestions"][0])


@pytest.mark.parametrize("name", ["instance_norm", "batch_norm", "rms_norm", "layer_norm", "naive_frobenius_norm"])
def test_the_gate_that_a_roof_leads_to_passes(shell, name):
    """A launch that fills slots, or merges a few sums, reaches no roof and is not in the budget."""
    done = shell("diagnose", str(NAIVE.parent / name))
    command = done.stderr.strip().removeprefix("next: ncukit ").split()
    assert command[0] == "gate"
    assert ("-k" in command) == (name != "rms_norm")
    judged = shell(*command)
    assert judged.returncode == 0, judged.stdout


def test_the_page_names_the_recording_the_gain_and_the_next_command(shell):
    done = shell("diagnose", str(NAIVE))
    assert done.stdout.startswith("RECORDED, not measured now: NVIDIA H200")
    assert "FUS601  fusion" in done.stdout
    assert "will not help: num_stages" in done.stdout
    assert done.stderr.strip() == "next: ncukit explain FUS601"
    assert "\x1b[" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_the_seeds_json_on_standard_input(shell):
    done = shell("diagnose", "-", "--gpu", "RTX 4090", stdin=json.dumps(SEED))
    assert done.returncode == 0, done.stderr
    assert "FUS601  fusion" in done.stdout
    assert "low confidence" in done.stdout
    assert "next: ncukit profile" in done.stderr


def test_an_output_file_is_written_whole_and_its_suffix_names_the_format(shell):
    assert shell("diagnose", str(NAIVE), "-o", "out/d.json").returncode == 0
    assert json.loads((shell.folder / "out/d.json").read_text())["schema_version"] == 1
    assert [p.name for p in (shell.folder / "out").iterdir()] == ["d.json"]


def test_fail_on_exits_1_when_a_finding_is_worth_it(shell):
    assert shell("diagnose", str(NAIVE), "--fail-on", "1.3").returncode == 1
    assert shell("diagnose", str(NAIVE), "--fail-on", "1.6").returncode == 0


def test_explain_says_why_rules_are_silent(shell):
    assert "MEM105 local-memory: no local memory was touched" in shell("diagnose", str(NAIVE), "--explain").stdout


@pytest.mark.parametrize(
    ("budgets", "code"),
    [
        (("--min", "dram_pct=70"), 0),
        (("--min", "dram_pct=85"), 1),
        (("--max", "duration_us=4000", "--min", "useful_dram_pct=80"), 0),
        (("--min", "tensor_pct=1"), 1),
        (("--min", "eligible_warps=1"), 4),
        (("--min", "dram_pct=70", "-k", "nosuch"), 4),
        (("--min", "dram_pct"), 2),
        (("--min", "dram_pc=70"), 2),
        ((), 2),
    ],
)
def test_the_gates_exit_codes(shell, budgets, code):
    done = shell("gate", str(NAIVE), *budgets)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_report_that_is_cut_off_is_never_a_pass(shell):
    table = (ROOT / "profiles/h200/naive_instance_norm/metrics.csv").read_bytes()
    (shell.folder / "cut.csv").write_bytes(table[:-300])
    done = shell("gate", "cut.csv", "--min", "dram_pct=70")
    assert done.returncode == 4
    assert "launches that are lost" in done.stdout


def test_a_report_without_readings_exits_4(shell):
    done = shell("diagnose", "-", stdin='{"k": {"launch__grid_size": 7}}')
    assert done.returncode == 4
    assert done.stderr.startswith("next: ncukit profile")


def test_a_verdict_says_measured_limit_and_what_the_metric_is(shell):
    done = shell("gate", str(NAIVE), "--min", "dram_pct=85")
    assert "normalize_kernel" in done.stdout
    assert "FAIL" in done.stdout
    assert "ncu's throughput reading" in done.stdout


def _damaged() -> dict[str, bytes]:
    table = (GOLDEN / "raw-base-units.csv").read_bytes()
    rep = (GOLDEN / "three-metrics.ncu-rep").read_bytes()
    noise = random.Random(7).randbytes(200_000)
    return {
        "empty.csv": b"",
        "cut-header.csv": table[:300],
        "cut-units.csv": table[: table.index(b'""')],
        "binary.csv": noise,
        "utf16.csv": table.decode().encode("utf-16"),
        "latin.csv": table.replace(b"copy_kernel", "kérnel".encode("latin-1")),
        "only-chatter.csv": b"==PROF== Connected\n==ERROR== ERR_NVGPUCTRPERM - The user does not have permission\n",
        "empty.json": b"",
        "cut.json": b'{"k": {"launch__grid_size": 1',
        "deep.json": b"[" * 100_000,
        "wrong.json": b'{"k": 3}',
        "cut.ncu-rep": rep[: len(rep) // 2],
        "junk.ncu-rep": b"NVR\0" + noise[:5000],
        "huge-line.csv": b'"ID",' + b"x" * 5_000_000,
        "gzip.csv": gzip.compress(table),
    }


@pytest.mark.parametrize("verb", [("diagnose",), ("gate", "--min", "dram_pct=70")], ids=lambda v: v[0])
@pytest.mark.parametrize("name", _damaged())
def test_damaged_input_is_one_clear_error_or_an_honest_report(shell, name, verb):
    (shell.folder / name).write_bytes(_damaged()[name])
    done = shell(*verb, name)
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    if done.returncode in (2, 3, 4) and done.stderr.startswith("error: "):
        assert done.stdout == ""
        assert "next: " in done.stderr
    else:
        assert name in ("utf16.csv", "latin.csv"), done.stderr  # these can be read


@pytest.mark.parametrize("argument", ["nosuch.csv", ".", "kernels/rms_norm.py"])
def test_what_is_no_report(shell, argument):
    done = shell("diagnose", argument)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")


def test_an_unknown_gpu_names_the_nearest(shell):
    done = shell("diagnose", "-", "--gpu", "RTX 409", stdin=json.dumps(SEED))
    assert done.returncode == 2
    assert "RTX 4090" in done.stderr


def test_a_kernel_name_with_escape_codes_cannot_paint_the_terminal(shell):
    evil = {"\x1b[2Jevil\nkernel": SEED["normalize_kernel"]}
    for verb in (("diagnose",), ("gate", "--min", "dram_pct=70")):
        done = shell(*verb, "-", "--gpu", "H200", stdin=json.dumps(evil))
        assert "\x1b" not in done.stdout + done.stderr


def test_an_unknown_verb_names_the_nearest(shell):
    done = shell("diagnos")
    assert done.returncode == 2
    assert "diagnose" in done.stderr


def test_a_reader_that_goes_away_is_no_error(shell):
    import subprocess
    import sys

    command = f"{sys.executable} -m ncukit metrics --format json | head -1"
    done = subprocess.run(["bash", "-c", command], cwd=shell.folder, env=shell.env(), capture_output=True, text=True)
    assert done.stderr == ""


def test_a_target_out_of_a_report_cannot_paint_the_terminal(shell):
    import shutil

    shutil.copytree(NAIVE, shell.folder / "run")
    run = json.loads((shell.folder / "run/run.json").read_text())
    run["target"] = "\x1b[2Jevil.py"
    (shell.folder / "run/run.json").write_text(json.dumps(run))
    table = (shell.folder / "run/metrics.csv").read_text()
    (shell.folder / "run/launches.json").unlink()
    (shell.folder / "run/metrics.csv").write_text(
        table.replace("dram__", "other__").replace("gpu__time", "other__time")
    )
    for verb in (("diagnose", "run"), ("gate", "run", "--min", "dram_pct=70")):
        done = shell(*verb)
        assert "\x1b" not in done.stdout + done.stderr
