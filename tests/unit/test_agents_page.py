"""docs/agents.md names what the verbs really print, take and exit with."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from ncukit.cli.optimize import command
from ncukit.diagnose import diagnose
from ncukit.errors import Exit
from ncukit.gate.budget import parse
from ncukit.optimize.agent import command_of
from ncukit.optimize.journal import StopCode
from ncukit.optimize.verdict import Case, Checked, Reason, Round
from ncukit.read import read
from ncukit.render import brief_json, check_json, optimize_json

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/agents.md").read_text(encoding="utf-8")
RUN = ROOT / "profiles/h200/naive_instance_norm"
sys.path.insert(0, str(ROOT / "tests/unit/render"))


def section(title: str) -> str:
    return re.search(rf"^### {title}\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL)[1]


def shape(title: str) -> str:
    """The block that shows a document's keys."""
    return re.search(r"```text\n(.*?)```", section(title), re.DOTALL)[1]


def keys(value: object) -> set[str]:
    """Every key of a document but those of mappings from outside names."""
    if isinstance(value, dict):
        inner = [v for k, v in value.items() if k not in OPEN]
        return {*value, *(key for one in inner for key in keys(one))}
    if isinstance(value, list):
        return {key for one in value for key in keys(one)}
    return set()


OPEN = ("metrics", "versions", "sizes", "counts", "codes", "explained", "best", "stops", "setting", "against")
"""Keys whose values are named by kernels, metrics or packages."""


def unnamed(title: str, document: dict, *, more: str = "") -> set[str]:
    text = shape(title) + more
    return {key for key in keys(document) if f'"{key}"' not in text}


def test_diagnose() -> None:
    from ncukit.render.json import render

    assert unnamed("diagnose", json.loads(render(diagnose(read(str(RUN)))))) == set()


def test_gate() -> None:
    from ncukit.gate.judge import judge
    from ncukit.render.gate_json import render

    judgement = judge(read(str(RUN)), (parse("dram_pct=70", "min"),))
    assert unnamed("gate", json.loads(render(judgement))) == set()


def test_inspect() -> None:
    from ncukit.gate.examined import Examined
    from ncukit.render import inspect_json
    from ncukit.source import codec
    from ncukit.source.inspection import Inspection

    golden = json.loads((ROOT / "tests/golden/inspect/refused.json").read_text(encoding="utf-8"))
    document = json.loads(inspect_json.render(Examined(inspection=codec.decode(Inspection, golden))))
    assert {key for key in document if f'"{key}"' not in shape("inspect")} == set()


def test_brief() -> None:
    from ncukit.optimize.brief import brief
    from ncukit.optimize.brief.gather import Ask, gather

    facts = gather(Ask(path=str(ROOT / "kernels/naive/instance_norm.py"), report=str(RUN), compiles=False))
    document = json.loads(brief_json.render(brief(facts), facts))
    assert unnamed("brief", document) == set()


def test_check() -> None:
    reason, case = Reason(code="a", line=1, message="b"), Case(name="own", outcome="right")
    checked = Checked(path="answer.md", verdict="refused", reasons=(reason,), cases=(case,), unproven=("c",))
    assert unnamed("check", json.loads(check_json.render(checked, "problem.py"))) == set()


def test_optimize() -> None:
    from outcomes import outcome

    document = json.loads(optimize_json.render(outcome()))
    assert unnamed("optimize", document) == set()
    assert {"round", "path"} == set(document["best"])
    for word in (*get_args(StopCode), *get_args(get_type_hints(Round)["outcome"])):
        assert f'"{word}"' in shape("optimize")


def test_tune() -> None:
    code = (ROOT / "ncukit/render/tune_json.py").read_text(encoding="utf-8")
    written = set(re.findall(r'^\s+"(\w+)":', code, re.MULTILINE)) | {"name", "value", "values", "line"}
    assert {key for key in written if f'"{key}"' not in shape("tune")} == set()


def test_every_option_of_the_loop_is_named() -> None:
    options = [option.opts for option in command.params if option.opts[0].startswith("-")]
    assert {tuple(names) for names in options if not any(f"`{name}" in PAGE for name in names)} == {("--config",)}


def test_every_exit_code_is_explained() -> None:
    table = PAGE.partition("## Exit codes")[2].partition("## ")[0]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == {int(code) for code in Exit}


def test_the_commands_for_agents_are_one_command_each(monkeypatch) -> None:
    monkeypatch.setattr("ncukit.optimize.agent.shutil.which", lambda name: f"/usr/bin/{name}")
    table = PAGE.partition("## Commands for agent programs")[2]
    cells = [line.split(" | ")[1].strip("`") for line in table.splitlines() if line.startswith("| ")]
    commands = [cell for cell in cells if cell.startswith(("'", '"'))]
    assert len(commands) == 7
    for text in commands:
        (argument,) = shlex.split(text)
        assert command_of(argument)[0] in ("claude", "codex", "gemini", "llm", "ollama", "opencode", "python")


def test_what_the_loop_leaves_on_disk_is_what_the_page_shows(tmp_path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tests/unit/optimize"))
    from bench import Bench, answer

    from ncukit.optimize.journal import Limits

    Bench(tmp_path, answer(50)).run(Limits(rounds=1))
    tree = PAGE.partition("runs/naive_instance_norm/\n")[2].partition("```")[0]
    left = {path.name for path in (tmp_path / "run").rglob("*") if not path.name.startswith(".")}
    assert {name for name in left if name not in tree} == set()


@pytest.mark.parametrize("field", ["rounds", "minutes", "agent_timeout", "repairs"])
def test_defaults_are_those_that_the_page_names(field) -> None:
    option = next(option for option in command.params if option.name == field)
    words = {
        "rounds": r"`--rounds` \(8\)", "minutes": r"`--minutes` \(30\)", "repairs": r"times in a row \(2\)",
        "agent_timeout": "for one answer",
    }  # fmt: skip
    assert re.search(words[field], PAGE)
    assert option.default == {"rounds": 8, "minutes": 30.0, "repairs": 2, "agent_timeout": 300.0}[field]
