"""The loop on a real GPU: from the naive InstanceNorm, with a scripted agent whose answers are real kernels."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(1500)]
ROOT = Path(__file__).parents[2]
AGENTS = ROOT / "tests/integration/agents"
NAIVE, FAST = "kernels/naive/instance_norm.py", "kernels/instance_norm.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the bundled kernels; clocks are left alone, which a shared machine may insist on."""
    place = tmp_path_factory.mktemp("optimize")
    shutil.copytree(ROOT / "kernels", place / "kernels")
    (place / "ncukit.toml").write_text('[profile]\nclock-control = "none"\n')
    (place / "fast.md").write_text(fast_answer())
    return place


def fast_answer() -> str:
    """The fast kernel as a model would answer it: without the reference, the inputs and the part that tests it."""
    code = (ROOT / FAST).read_text(encoding="utf-8")
    lines = code.splitlines()
    for node in ast.parse(code).body:
        own = getattr(node, "name", "") in ("Model", "get_inputs", "get_init_inputs", "main", "explain")
        if own or isinstance(node, ast.If):
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            lines[first - 1 : node.end_lineno] = [""] * (node.end_lineno - first + 1)
    kernel = "\n".join(lines)
    return f"Programs share a slice: each keeps its part in registers, so x is read once.\n\n```python\n{kernel}\n```\n"


def ncukit(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ncukit", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_from_the_naive_instance_norm_to_the_fast_one(folder: Path) -> None:
    before = (folder / NAIVE).read_bytes()
    turns = f"wrong cheating right {folder / 'fast.md'}"
    agent = f"'{sys.executable}' '{AGENTS / 'scripted.py'}' '{folder / 'asked'}' {turns}"
    done = ncukit(
        folder, "optimize", NAIVE, "--agent", agent, "--rounds", "4", "--minutes", "20", "--scope", "own",
        "-o", "run", "--format", "json",
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    wrong, cheating, middling, fast = document["rounds"]
    assert (wrong["outcome"], cheating["outcome"]) == ("refused", "refused"), document["rounds"]
    assert cheating["reasons"][0]["code"] == "library-compute"
    assert middling["outcome"] in ("no faster", "faster"), middling
    assert fast["outcome"] == "faster", fast
    assert document["best"]["round"] == 4
    assert document["gain"]["holds"] is True, document
    assert 1.35 < document["gain"]["ratio"] < 1.75
    assert 4500 < document["gain"]["before_us"] < 6500, "of 22.5 GB on an H200"
    assert 3000 < document["gain"]["after_us"] < 4200
    assert document["checked_again"] in ("accepted", "unproven")
    assert (folder / NAIVE).read_bytes() == before
    if not any("without metrics" in note for note in document["notes"]):
        assert (folder / "run/start/profile/run.json").is_file()
        assert (folder / "run/round-04/profile/run.json").is_file()
        brief = (folder / "run/round-01/brief.md").read_text(encoding="utf-8")
        assert "compute_moments_kernel" in brief.partition("[NCU PROFILING METRICS]")[2]
        assert document["stop"]["code"] == "nothing-left", "one read and one write at the roof"
    shown = (folder / "run/plot.svg").read_text(encoding="utf-8")
    assert f"{document['gain']['ratio']:.2f}x in 4 rounds" in shown


def test_the_same_command_has_nothing_left_to_ask_and_measures_the_gain_again(folder: Path) -> None:
    if not (folder / "run/best.py").exists():
        pytest.skip("needs the run above")
    asked = (folder / "asked").read_text()
    settings = json.loads((folder / "run/optimize.json").read_text(encoding="utf-8"))["settings"]
    done = ncukit(
        folder, "optimize", NAIVE, "--agent", settings["agent"], "--rounds", "4", "--scope", "own", "-o", "run"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "asked").read_text() == asked
    assert "best: round 4: " in done.stdout
    assert ncukit(folder, "check", "run/best.py", "--problem", NAIVE, "--scope", "own").returncode == 0
