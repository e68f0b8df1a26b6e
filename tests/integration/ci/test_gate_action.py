"""The composite action .github/actions/gate: its steps run as they are, with inputs and defaults put in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pipelines import KERNEL, ROOT, Done


@pytest.fixture
def act(ci):
    """Calls the action in the project, on the machine with a GPU; what it said, and the words that pip got."""

    def call(**words: str) -> Done:
        done = Done()
        done.code = ci.action(words, ci.project, ci.gpu, done)
        return done

    return call


def test_the_action_installs_its_own_checkout(act, ci) -> None:
    assert act(report="profiles/h200/instance_norm").code == 0
    asked = (ci.place.parent / "pip").read_text().split()[-1]
    assert (Path(asked) / "pyproject.toml").samefile(ROOT / "pyproject.toml")
    before = (ci.place.parent / "pip").read_text()
    assert act(report="profiles/h200/instance_norm", install="none").code == 0
    assert (ci.place.parent / "pip").read_text() == before
    act(report="profiles/h200/instance_norm", install="ncukit==1; touch pwned")
    assert (ci.place.parent / "pip").read_text().splitlines()[-1].endswith(" ncukit==1; touch pwned")
    assert not (ci.project / "pwned").exists()


def test_the_action_measures_a_kernel(act, ci) -> None:
    done = act(kernel=KERNEL)
    assert (done.code, done.outputs) == (0, {"status": "pass", "exit-code": "0"})
    run = json.loads((ci.project / "ncukit-run/run.json").read_text())
    assert (run["target"], run["requested"]["repeat"]) == (KERNEL, 5)


def test_the_action_s_options_are_split_as_a_shell_does_and_expanded_nowhere(act, ci) -> None:
    run = "profiles/h200/instance_norm"
    args = "--min 'normalize_*@instance_norm:useful_dram_pct=85'\n  --gpu \"RTX $HOME `touch pwned`\""
    done = act(report=run, args=args.split("\n")[0], summary="false")
    assert (done.code, done.outputs) == (1, {"status": "fail", "exit-code": "1"})
    assert done.summary == ""
    done = act(report=run, args=args)
    assert done.outputs["status"] == "error"
    assert "RTX $HOME `touch pwned`" in done.log
    assert not (ci.project / "pwned").exists()


@pytest.mark.parametrize(
    ("words", "code", "status", "says"),
    [
        ({}, 2, "error", "give report, or kernel"),
        ({"report": "nosuch"}, 2, "error", "nosuch"),
        ({"report": "$(touch pwned)"}, 2, "error", "$(touch pwned)"),
        ({"report": "--help"}, 2, "error", "--help"),
        (
            {"report": "profiles/h200/instance_norm", "args": "--max 'duration_us=1"},
            2,
            "error",
            "a quote is not closed",
        ),
        ({"report": "profiles/h200/instance_norm", "against": "other"}, 4, "unjudged", "no-baseline"),
        ({"kernel": "nosuch.py"}, 2, "error", "nosuch.py"),
    ],
    ids=str,
)
def test_the_action_keeps_the_exit_code(words, code, status, says, act, ci) -> None:
    done = act(**words)
    assert (done.code, done.outputs["status"]) == (code, status), done.log
    assert says in done.log
    assert not (ci.project / "pwned").exists()
