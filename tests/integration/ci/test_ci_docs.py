"""docs/ci.md: each snippet fits its schema, its commands run in order as CI would run them, and its facts hold."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from pipelines import ACTION, BLOCKS, CI, KERNEL, PAGE, ROOT, SETUPS, Done, block, load

from ncukit import config
from ncukit.gate import noise
from ncukit.gate.budget import configured
from ncukit.gate.codes import MEANING
from ncukit.model import Status

SCHEMAS = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci", "action": "vendor.github-actions"}
TIGHT = ("useful_dram_pct = 70", "useful_dram_pct = 85")
"""A budget of the page's example that holds, and one that normalize_kernel's 81.5 % breaks."""


def change(ci: CI, file: str, before: str, after: str) -> None:
    """Edit a file of the project, and commit it."""
    text = (ci.project / file).read_text()
    assert before in text
    (ci.project / file).write_text(text.replace(before, after))
    ci.commit()


def measured_by_hand(ci: CI) -> None:
    """What a developer does before a job without any GPU judges it."""
    (ci.project / ".gitignore").unlink()
    ran = ci.sh(block("git add profiles/h200"), ci.project, ci.gpu)
    assert ran.returncode in (0, 1), ran.stderr  # the gate's answer stands there too
    ci.commit()


def junit(ci: CI) -> list[ET.Element]:
    files = [path for path in ci.place.rglob("*.xml") if "artifacts" not in path.parts]
    assert files, "no JUnit file"
    return [ET.parse(path).getroot() for path in files]


# the snippets


def test_the_page_has_three_set_ups_for_each_forge() -> None:
    assert list(SETUPS) == [f"{forge} {number}" for forge in ("github", "gitlab") for number in (1, 2, 3)]
    assert len(SETUPS) == sum(1 for name, _ in BLOCKS if name == "yaml")


@pytest.mark.parametrize("name", [*SETUPS, "action"])
def test_it_fits_its_schema(name, tmp_path) -> None:
    text = SETUPS.get(name) or (ACTION / "action.yml").read_text()
    broken = text.replace("steps:", "stepps:").replace("script:", "scripts:")
    for content, code in ((text, 0), (broken, 1)):
        (tmp_path / "file.yml").write_text(content)
        words = ["-m", "check_jsonschema", "--builtin-schema", SCHEMAS[name.split()[0]], str(tmp_path / "file.yml")]
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr


def test_no_expression_is_written_into_a_script() -> None:
    jobs = [job for name, text in SETUPS.items() if name.startswith("github") for job in load(text)["jobs"].values()]
    steps = [step for job in (*jobs, load((ACTION / "action.yml").read_text())["runs"]) for step in job["steps"]]
    scripts = [step["run"] for step in steps if "run" in step]
    assert len(scripts) > 8
    assert [text for text in scripts if "${{" in text] == []
    assert "continue-on-error" not in "".join(map(str, steps))


@pytest.mark.parametrize("setup", SETUPS)
def test_a_set_up_passes_and_writes_what_it_promises(setup, ci) -> None:
    if setup.endswith("3"):
        measured_by_hand(ci)
    done = ci.run(setup)
    assert done.code == 0, done.log
    assert "is not there to be uploaded" not in done.log
    assert [root.get("errors") for root in junit(ci)] == ["0"]
    assert not (ci.place.parent / "called").exists(), "a job without a GPU asked for one"
    asked = (ci.place.parent / "pip").read_text()
    assert "install ncukit @ git+" in asked
    if setup.startswith("github"):
        assert done.summary.startswith("### ncukit gate: pass")
        assert "::notice title=ncukit gate%3A pass::" in done.log
    else:
        assert "gate: pass" in done.log
    if setup in ("gitlab 1", "gitlab 2"):
        folder = next(ci.place.rglob("gate.xml")).parent
        assert json.loads((folder / "gl-code-quality.json").read_text()) == []
        assert (folder / "metrics.txt").read_text().endswith("# EOF\n")


@pytest.mark.parametrize("setup", SETUPS)
def test_a_broken_budget_fails_the_job_and_the_files_are_there_all_the_same(setup, ci) -> None:
    change(ci, "pyproject.toml", *TIGHT)
    if setup.endswith("3"):
        measured_by_hand(ci)
    done = ci.run(setup)
    assert done.code == 1, done.log
    assert "is not there to be uploaded" not in done.log
    assert [root.get("failures") for root in junit(ci)] == ["1"]
    if setup.startswith("github"):
        assert done.summary.startswith("### ncukit gate: FAIL")
        assert "::error file=kernels/" in done.log
    else:
        assert "gate: FAIL" in done.log
    if setup in ("gitlab 1", "gitlab 2"):
        (problem,) = json.loads(next(ci.place.rglob("gl-code-quality.json")).read_text())
        assert "below-min" in json.dumps(problem)


@pytest.mark.parametrize("setup", ["github 1", "github 2", "gitlab 2"])
def test_without_permission_nothing_passes(setup, ci) -> None:
    ci.gpu["NCU_PLAYS"] = "permission"
    done = ci.run(setup)
    assert done.code == 3, done.log
    assert "no permission to read GPU performance counters" in done.log
    if setup == "github 2":
        assert not (ci.place / "judge/checkout/run").exists()
        assert load(SETUPS[setup])["jobs"]["judge"]["if"] == "always()", "skipped would count as passed"


@pytest.mark.parametrize("setup", ["github 3", "gitlab 3"])
def test_an_edited_kernel_is_no_silent_pass(setup, ci) -> None:
    measured_by_hand(ci)
    change(ci, KERNEL, "import torch\n", "import torch\n\nEDITED = 1\n")
    done = ci.run(setup)
    assert done.code == 4, done.log
    assert "stale-source" in done.log


@pytest.mark.parametrize("setup", ["github 3", "gitlab 3"])
def test_a_kernel_that_nobody_measured_is_no_silent_pass(setup, ci) -> None:
    measured_by_hand(ci)
    (ci.project / "kernels/a_new_norm.py").write_text((ci.project / KERNEL).read_text())
    ci.commit()
    done = ci.run(setup)
    assert done.code == 2, done.log
    assert "profiles/h200/a_new_norm" in done.log


# the other blocks


def test_a_promotion_keeps_its_reason(ci) -> None:
    ran = ci.sh(block("baseline promote"), ci.project, ci.gpu)
    assert ran.returncode == 0, ran.stderr
    kept = json.loads((ci.project / "profiles/baselines/main/h200.json").read_text())
    assert [line["reason"] for line in kept["history"]] == ["first measurement", "fused the two passes"]
    assert "fused the two passes" in ran.stdout, "the reviewer sees it in the diff"


def test_before_there_is_a_baseline_the_gate_does_not_pass(ci) -> None:
    shutil.rmtree(ci.project / "profiles/baselines")
    run = "ncukit gate profiles/h200/instance_norm"
    assert ci.sh(run, ci.project, ci.gpu).returncode == 4
    assert ci.sh(f"{run} --allow no-baseline", ci.project, ci.gpu).returncode == 0


def test_a_against_b(ci) -> None:
    folder = ci.clone("compare")
    ran = ci.sh(block("git worktree"), folder, ci.gpu)
    assert ran.returncode == 0, ran.stderr
    targets = Path(ci.gpu["NCU_WORDS"] + ".all").read_text().splitlines()[-10:]
    base = f"../base/{KERNEL}"
    assert targets == [base, KERNEL, KERNEL, base] * 2 + [base, KERNEL]
    assert "instance_norm" in (folder / "compare.md").read_text()


def test_the_gate_by_hand_writes_the_summary(ci) -> None:
    done = Done()
    run = f"cp -r profiles/h200/instance_norm run\n{block('$GITHUB_STEP_SUMMARY')}"
    assert ci.step({"run": run}, ci.project, ci.gpu, done) == (0, {}), done.log
    assert done.summary.startswith("### ncukit gate: pass")
    assert ET.parse(ci.project / "gate.xml").getroot().get("failures") == "0"


def test_the_dashboards_files(ci) -> None:
    ran = ci.sh(f"cp -r profiles/h200/instance_norm run\n{block('bencher=')}", ci.project, ci.gpu)
    assert ran.returncode == 0, ran.stderr
    bencher = json.loads((ci.project / "bencher.json").read_text())
    assert bencher["instance_norm/normalize_kernel"]["duration_us"]["value"] == pytest.approx(3829, abs=1)
    benchmark = json.loads((ci.project / "benchmark.json").read_text())
    assert ("instance_norm/normalize_kernel/duration_us", "us") in [(one["name"], one["unit"]) for one in benchmark]


def test_the_example_s_budgets_resolve(tmp_path) -> None:
    (tmp_path / "pyproject.toml").write_text(block("tool.ncukit.gate", language="toml"))
    settings = config.load(start=tmp_path)
    budgets = configured(settings)
    assert [(one.scope, one.bound, one.metric, one.limit, one.level) for one in budgets] == [
        ("", "min", "useful_dram_pct", 70.0, "error"),
        ("", "max-rise", "duration_us", 0.03, "error"),
        ("", "forbid", "local-memory", 0.0, "error"),
        ("", "forbid", "uncoalesced-access", 0.0, "error"),
        ("normalize_*@instance_norm:", "max", "duration_us", 4000.0, "error"),
        ("normalize_*@instance_norm:", "max-drop", "dram_gbps", 150.0, "error"),
        ("", "max-rise", "registers", 8.0, "warn"),
    ]
    (ignored,) = settings.gate.ignore
    assert (ignored.kernel, ignored.metric) == ("compute_moments_kernel", "dram_gbps")
    assert [one.note for one in budgets] == [""] * len(budgets)


# what the page says


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading."""
    lines = PAGE[PAGE.index(f"\n## {heading}\n") :].splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("|---"))
    table = lines[first + 1 :]
    last = next((number for number, line in enumerate(table) if not line.startswith("|")), len(table))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[:last]]


def test_every_reason_code_is_explained() -> None:
    exits = {
        Status.PASS: "0",
        Status.FAIL: "1",
        Status.AMBIGUOUS: "0; 1 if strict",
        Status.UNJUDGED: "4",
        Status.IGNORED: "0",
    }
    wanted = [[f"`{code}`", exits[status], words] for code, (status, words) in MEANING.items()]
    assert [row[:3] for row in rows("Reason codes")] == wanted
    for row, (status, _) in zip(rows("Reason codes"), MEANING.values(), strict=True):
        assert row[3] or status in (Status.PASS, Status.IGNORED), f"{row[0]}: says what to do"


def test_every_input_of_the_action_is_named() -> None:
    named = [name for row in rows("The action") for name in re.findall(r"`(.+?)`", row[0])]
    assert sorted(named) == sorted(load((ACTION / "action.yml").read_text())["inputs"])


def test_the_noise_is_the_gate_s() -> None:
    (text,) = re.findall(r"\n## Noise\n(.*?)\n## ", PAGE, re.DOTALL)
    assert f"From {noise.REPEATS} launches" in text
    assert f"more than {100 * noise.GAP:g} %" in text
    assert f"up to {100 * noise.SINGLE:g} % are noise" in text
    assert (noise.LEAST["us"], noise.LEAST["%"], noise.LEAST_OF["dram_bytes"]) == (0.25, 0.5, 2**20)
    assert "0.25 us, half a percentage point or 1 MiB" in " ".join(text.split())


def test_the_trap_is_as_the_recordings_have_it(shell) -> None:
    text = " ".join(PAGE.split())
    slow, fast = (str(ROOT / "profiles/h200" / name) for name in ("naive_rms_norm", "rms_norm"))
    others = [w for m in ("useful_dram_pct", "duration_us", "dram_bytes") for w in ("--max", f"{m}=1e15")]
    for run, code in ((slow, 0), (fast, 1)):
        done = shell("gate", run, "--min", "dram_pct=86", *others, "--format", "json")
        assert done.returncode == code
        read = {one["metric"]: one["measured"] for one in json.loads(done.stdout)["verdicts"]}
        assert f"{read['dram_bytes'] / 1e9:.1f} GB at {read['dram_pct']:.1f} % " in text
        assert f"{read['useful_dram_pct']:.1f} %" in text
        assert f"in {round(read['duration_us'], -1):.0f} us" in text
    assert "fewer-bytes" in shell("gate", fast, "--min", "dram_pct=86", "--against", slow).stdout


def test_links_within_the_page_lead_somewhere() -> None:
    titles = re.findall(r"^##+ (.*)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    links = re.findall(r"\]\(#(.+?)\)", PAGE)
    assert len(links) > 4
    assert set(links) <= anchors
