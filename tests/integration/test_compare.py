"""compare, baseline and the gate against a baseline, from the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
PROFILES, REPEATS = ROOT / "profiles" / "h200", ROOT / "tests" / "golden" / "repeats"
NAIVE, AGAIN, FAST = (REPEATS / name for name in ("naive_instance_norm_1", "naive_instance_norm_2", "instance_norm_1"))
FILE = Path("profiles/baselines/main/h200.json")


def test_the_fused_kernel_is_faster_and_says_why(shell):
    done = shell("compare", str(NAIVE), str(FAST))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("RECORDED, not measured now: both are recordings")
    assert "total: BETTER   5.56 ms → 3.54 ms   1.57x faster (-36.2%)" in done.stdout
    assert "compute_moments_kernel + normalize_kernel → cooperative_kernel: no longer fusion" in done.stdout
    assert done.stderr.strip() == f"next: ncukit diagnose {FAST}"
    assert "\x1b[" not in done.stdout


def test_two_runs_of_one_kernel_are_the_same(shell):
    document = json.loads(shell("compare", str(NAIVE), str(AGAIN), "--format", "json").stdout)
    assert document["status"] == "same"
    assert [kernel["status"] for kernel in document["kernels"]] == ["same", "same"]
    assert document["before"]["recorded"] is True
    first = document["kernels"][0]["metrics"][0]
    assert (first["metric"], first["code"], first["before"]["count"]) == ("duration_us", "within-noise", 5)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((NAIVE, FAST), 0),
        ((NAIVE, FAST, "--fail-on", "worse"), 0),
        ((FAST, NAIVE), 0),
        ((FAST, NAIVE, "--fail-on", "worse"), 1),
        ((NAIVE, AGAIN, "--fail-on", "ambiguous"), 0),
        ((NAIVE, "nosuch.csv"), 2),
        (("nosuch", NAIVE), 4),
        ((NAIVE, FAST, "--allow", "gup"), 2),
        ((PROFILES / "naive_rms_norm", PROFILES / "naive_l2_norm"), 4),
        ((NAIVE,), 2),
        ((NAIVE, FAST, "--repeat", "3"), 2),
        (("kernels/rms_norm.py", "kernels/rms_norm.py"), 2),
    ],
)
def test_exit_codes(shell, words, code):
    done = shell("compare", *map(str, words))
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_what_cannot_be_compared_is_shown_field_by_field(shell):
    run = json.loads((NAIVE / "run.json").read_text())
    run["environment"] |= {"ncu_version": "2026.1.0", "driver_version": "600.1"}
    shutil.copytree(NAIVE, shell.folder / "other")
    (shell.folder / "other/run.json").write_text(json.dumps(run))

    done = shell("compare", str(NAIVE), "other")

    assert done.returncode == 4
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["ncu_version", "2025.3.1", "2026.1.0", "other-ncu:", "not", "comparable"] in lines
    assert ["driver_version", "580.159.04", "600.1", "worth", "knowing"] in lines
    assert "not compared: --allow ncu compares all the same" in done.stdout
    assert "duration_us" not in done.stdout
    assert shell("compare", str(NAIVE), "other", "--allow", "ncu").returncode == 0
    document = json.loads(shell("compare", str(NAIVE), "other", "--format", "json").stdout)
    assert (document["status"], document["total"], document["kernels"]) == ("not-comparable", None, [])


def test_markdown_and_an_output_file(shell):
    done = shell("compare", str(NAIVE), str(FAST), "-o", "out.md")
    assert (done.returncode, done.stdout) == (0, "")
    text = (shell.folder / "out.md").read_text()
    assert text.startswith("## ncukit compare: better, 5.56 ms → 3.54 ms, 1.57x faster\n")
    assert "| --- | --- | ---: | ---: | ---: | --- |" in text
    assert "no longer fusion" in text


def test_a_hostile_kernel_name_stays_a_name(shell):
    shutil.copytree(NAIVE, shell.folder / "evil")
    (shell.folder / "evil/launches.json").unlink()
    table = (shell.folder / "evil/metrics.csv").read_text()
    evil = "\x1b[2Jk|<img src=x>"
    (shell.folder / "evil/metrics.csv").write_text(table.replace("normalize_kernel", evil))

    console, markdown = (shell("compare", "evil", "evil", "--format", name).stdout for name in ("console", "markdown"))

    assert "\x1b" not in console + markdown
    assert "<img" not in markdown
    rows = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert {line.replace("\\|", "").count("|") for line in rows if "duration_us" in line} == {7}


def test_save_list_show_gate_and_promote(shell):
    assert shell("gate", str(AGAIN), "--max-rise", "duration_us=2%").returncode == 4

    saved = shell("baseline", "save", str(NAIVE), "--reason", "textbook")
    assert saved.returncode == 0, saved.stderr
    assert "kept in profiles/baselines/main/h200.json: naive_instance_norm" in saved.stderr
    assert "is a recording" in saved.stderr
    assert [path.name for path in (shell.folder / FILE.parent).iterdir()] == ["h200.json"]

    listed = json.loads(shell("baseline", "list", "--format", "json").stdout)["baselines"]
    assert [(one["name"], one["gpu"], one["case"], one["reason"]) for one in listed] == [
        ("main", "h200", "naive_instance_norm", "textbook")
    ]
    assert "compute_moments_kernel" in shell("baseline", "show", "main").stdout

    gate = shell("gate", str(AGAIN), "--max-rise", "duration_us=2%", "--format", "json")
    assert gate.returncode == 0, gate.stdout
    document = json.loads(gate.stdout)
    assert document["against"]["name"] == "main"
    assert [(v["status"], v["baseline"]) for v in document["verdicts"]] == [("pass", 1730.34), ("pass", 3825.47)]

    before = (shell.folder / FILE).read_bytes()
    again = shell("baseline", "save", str(AGAIN))
    assert again.returncode == 2
    assert "ncukit baseline promote" in again.stderr
    assert shell("baseline", "promote", str(AGAIN)).returncode == 2  # without a reason
    assert shell("baseline", "promote", str(AGAIN), "--reason", " ").returncode == 2
    assert (shell.folder / FILE).read_bytes() == before

    assert shell("baseline", "promote", str(AGAIN), "--reason", "measured anew").returncode == 0
    history = json.loads((shell.folder / FILE).read_text())["history"]
    assert [line["reason"] for line in history] == ["textbook", "measured anew"]


def test_promoting_a_candidate_takes_over_its_cases(shell):
    shell("baseline", "save", str(NAIVE), str(FAST), "--name", "candidate")

    done = shell("baseline", "promote", "candidate", "--to", "main", "--reason", "nightly was good")

    assert done.returncode == 0, done.stderr
    assert list(json.loads((shell.folder / FILE).read_text())["cases"]) == ["instance_norm", "naive_instance_norm"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("save",), 2),
        (("save", "nosuch.csv"), 2),
        (("save", str(NAIVE), "--name", "../../etc"), 2),
        (("save", str(NAIVE), "--name", ".hidden"), 2),
        (("show", "main"), 4),
        (("promote", "nosuch", "--reason", "x"), 4),
        (("list",), 0),
        ((), 2),
        (("sav",), 2),
    ],
)
def test_the_baseline_verbs_exit_codes(shell, words, code):
    done = shell("baseline", *words)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not (shell.folder / "profiles").exists()


def test_a_part_of_a_measurement_is_not_saved(shell):
    shutil.copytree(NAIVE, shell.folder / "cut")
    table = (shell.folder / "cut/metrics.csv").read_bytes()
    (shell.folder / "cut.csv").write_bytes(table[:-300])

    done = shell("baseline", "save", "cut.csv", "--gpu", "H200")

    assert done.returncode == 4
    assert "launches are lost" in done.stderr


def test_a_folder_that_cannot_be_written_leaves_the_old_file(shell):
    shell("baseline", "save", str(NAIVE))
    before = (shell.folder / FILE).read_bytes()
    (shell.folder / "profiles/baselines/other").write_text("in the way")

    done = shell("baseline", "save", str(NAIVE), str(FAST), "--name", "other")

    assert done.returncode == 2
    assert done.stderr.splitlines()[-3].startswith("error: cannot write profiles/baselines/other")
    assert (shell.folder / FILE).read_bytes() == before


def test_two_files_are_measured_in_turns_and_compared(shell):
    a, b = "kernels/naive/instance_norm.py", "kernels/instance_norm.py"

    done = shell("compare", "--run", a, b, "--repeat", "3", "--format", "json")

    assert done.returncode == 0, done.stderr
    played = shell.words.with_name(f"{shell.words.name}.all").read_text().splitlines()
    assert played == [a, b, b, a, a, b]
    document = json.loads(done.stdout)
    # the recorded ncu answers every call alike, so that nothing may have changed
    assert document["status"] == "same"
    assert document["before"]["recorded"] is False
    assert document["before"]["identity"]["inputs"] == "float32[112,64,512,512]"
    assert [kernel["metrics"][0]["before"]["count"] for kernel in document["kernels"]] == [3, 3]
    kept = shell.folder / "profiles/compare"
    assert sorted(path.name for path in kept.iterdir()) == ["a-naive_instance_norm", "b-instance_norm"]
    gated = shell(
        "gate", "profiles/compare/b-instance_norm", "--against", "profiles/compare/a-naive_instance_norm",
        "--max-rise", "duration_us=3%",
    )  # fmt: skip
    assert gated.returncode == 0, gated.stdout


@pytest.mark.parametrize(("scene", "code"), [("permission", 3), ("none", 4), ("crash", 3)])
def test_a_run_that_fails_is_no_comparison(shell, scene, code):
    a, b = "kernels/naive/instance_norm.py", "kernels/instance_norm.py"

    done = shell("compare", "--run", a, b, "--repeat", "2", scene=f"{scene}@{b}")

    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert not (shell.folder / "profiles").exists()


def test_a_kernel_edited_after_its_measurement_is_not_judged(shell):
    shell("profile", "kernels/naive/instance_norm.py", "-o", "run")
    assert shell("gate", "run", "--min", "dram_pct=70").returncode == 0

    file = shell.folder / "kernels/naive/instance_norm.py"
    file.write_text(file.read_text().replace("eps", "epsilon"))

    done = shell("gate", "run", "--min", "dram_pct=70")
    assert done.returncode == 4
    assert "stale-source" in done.stdout
    assert shell("gate", "run", "--min", "dram_pct=70", "--allow", "source").returncode == 0


def test_several_reports_are_one_gate(shell):
    done = shell("gate", str(FAST), str(NAIVE), "--min", "dram_pct=85", "--format", "json", "--also", "junit=g.xml")

    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert (document["status"], [one["status"] for one in document["reports"]]) == ("fail", ["pass", "fail"])
    suites = ElementTree.parse(shell.folder / "g.xml").getroot()
    assert [suite.get("name") for suite in suites] == ["instance_norm (recorded)", "naive_instance_norm (recorded)"]
    assert suites.get("tests") == "4"
    annotations = shell("gate", str(FAST), str(NAIVE), "--min", "dram_pct=85", "--format", "github").stdout
    assert annotations.count("::error") == 1


def test_a_case_that_nobody_measured_is_missed_where_all_are_wanted(shell):
    shell("baseline", "save", str(NAIVE), str(FAST))
    words = ("gate", str(NAIVE), "--min", "dram_pct=70", "--min", "k@l2_norm:dram_pct=70")
    assert shell(*words).returncode == 0

    done = shell(*words, "--all-cases", "--format", "json")

    assert done.returncode == 4
    missed = json.loads(done.stdout)["reports"][1]
    assert {(v["kernel"], v["code"]) for v in missed["verdicts"]} == {
        ("l2_norm", "case-absent"), ("instance_norm", "case-absent"),
    }  # fmt: skip
    (shell.folder / "main").mkdir()  # a folder that happens to be called like the baseline
    again = shell(*words[:-2], "--all-cases", "--format", "json")
    assert {v["kernel"] for v in json.loads(again.stdout)["reports"][1]["verdicts"]} == {"instance_norm"}
    by_file = shell(*words[:-2], "--all-cases", "--against", str(FILE))
    assert by_file.returncode == 4
    (shell.folder / "ncukit.toml").write_text("[gate]\nall-cases = true\n")
    assert shell(*words).returncode == 4
    assert shell(*words, "--not-all-cases").returncode == 0


def test_what_is_ignored_is_shown_with_its_reason(shell):
    words = ("gate", str(NAIVE), "--min", "dram_pct=85")
    assert shell(*words).returncode == 1

    done = shell(*words, "--ignore", "normalize_*:dram_pct=issue 12")

    assert done.returncode == 0
    assert "1 ignored (ignored): issue 12: normalize_kernel dram_pct" in done.stdout
    assert shell(*words, "--ignore", "normalize_*").returncode == 2


def test_one_report_named_twice_is_a_mistake(shell):
    assert shell("gate", str(NAIVE), str(NAIVE), "--min", "dram_pct=70").returncode == 2


def test_also_is_checked_before_anything_is_judged(shell):
    done = shell("gate", str(NAIVE), "--min", "dram_pct=70", "--also", "junti=g.xml")

    assert done.returncode == 2
    assert "junit" in done.stderr
    assert list(shell.folder.glob("*.xml")) == []
