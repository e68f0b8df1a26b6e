"""The generated pages are what code and recordings say, and the README names verbs that exist."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import accuracy
import gallery
import generate
import pytest

from ncukit.cli import VERBS
from ncukit.cli.inspect import command
from ncukit.config.readers import INSPECT as INSPECT_KEYS
from ncukit.gate.examined import Examined
from ncukit.gate.static import judge_static
from ncukit.gate.static_budget import ALIASES, STATIC, parse
from ncukit.render import inspect, inspect_json
from ncukit.source import codec, lint
from ncukit.source.inspection import Inspection

ROOT = Path(__file__).parents[2]


def test_generated_pages_are_up_to_date():
    done = subprocess.run([sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True)
    assert done.returncode == 0, "run: make docs"


@pytest.mark.parametrize("script", [accuracy, gallery], ids=lambda script: script.__name__)
def test_pages_made_from_recordings_are_up_to_date(script):
    assert script.PAGE.read_text(encoding="utf-8") == script.page(), "run: make accuracy"


def test_every_verb_the_documents_name_exists():
    texts = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    named = {
        (p.name, verb) for p in texts for verb in re.findall(r"^\$? ?ncukit ([a-z]+)", p.read_text(), re.MULTILINE)
    }
    assert named
    assert {pair for pair in named if pair[1] not in VERBS} == set()


def test_every_link_in_the_documents_leads_somewhere():
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        prose = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", prose):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_readmes_transcript_is_what_the_program_prints():
    block = re.search(r"```console\n\$ ncukit (diagnose .*)\n((?s:.*?))\n```", (ROOT / "README.md").read_text())
    assert block
    done = subprocess.run(
        [sys.executable, "-m", "ncukit", *block.group(1).split()],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.stdout.strip() == block.group(2).strip()


INSPECT = (ROOT / "docs" / "inspect.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "budgets"), [("naive_instance_norm", ("registers=128", "spills=0")), ("refused", ())])
def test_the_transcripts_of_inspections_are_what_the_program_prints_of_them(name, budgets):
    golden = json.loads((ROOT / "tests" / "golden" / "inspect" / f"{name}.json").read_text(encoding="utf-8"))
    inspection = codec.decode(Inspection, golden)
    verdicts = judge_static(inspection, [parse(budget, "max") for budget in budgets])
    typed = "".join(f" --max {budget}" for budget in budgets)
    line = f"$ ncukit inspect {inspection.path} --arch {','.join(inspection.archs)}{typed}"

    assert f"```console\n{line}\n{inspect.render(Examined(inspection=inspection, verdicts=verdicts))}```" in INSPECT


def test_the_page_about_inspect_names_every_option_budget_and_key():
    options = [(*option.opts, *option.secondary_opts) for option in command.params if option.opts[0].startswith("-")]
    assert {names for names in options if not any(name in INSPECT for name in names)} == {("--config",)}
    assert {name for name in (*STATIC, *ALIASES) if f"`{name}`" not in INSPECT} == set()
    assert {key for key in INSPECT_KEYS if not re.search(rf"^{key} = ", INSPECT, re.MULTILINE)} == set()


def test_the_page_about_inspect_names_every_key_of_the_document():
    golden = json.loads((ROOT / "tests" / "golden" / "inspect" / "refused.json").read_text(encoding="utf-8"))
    other = json.loads((ROOT / "tests" / "golden" / "inspect" / "tuned.json").read_text(encoding="utf-8"))
    keys = set()
    for document in (golden, other):
        inspection = codec.decode(Inspection, document)
        verdicts = judge_static(inspection, [parse("spills=0", "max")])
        found = json.loads(inspect_json.render(Examined(inspection=inspection, verdicts=verdicts)))
        keys |= set(found)
        for part in ("kernels", "errors", "lint", "notes", "verdicts"):
            keys |= {key for entry in found[part] for key in entry}
    assert {key for key in keys if f'"{key}"' not in INSPECT} == set()


def test_every_lint_rule_has_a_page_with_all_sections():
    for code, slug, title in lint.codes():
        page = (ROOT / "docs" / "lint" / f"{slug}.md").read_text(encoding="utf-8")
        assert page.startswith(f"# {code} {slug}\n")
        assert title in page
        assert re.findall(r"^## (.*)$", page, re.MULTILINE) == list(lint.SECTIONS)


def test_a_page_whose_rule_is_gone_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(generate, "DOCS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["generate.py"])
    assert generate.main() == 0
    left = tmp_path / "lint" / "gone.md"
    left.write_text("# TRI999 gone\n")
    monkeypatch.setattr(sys, "argv", ["generate.py", "--check"])
    assert generate.main() == 1
    monkeypatch.setattr(sys, "argv", ["generate.py"])
    assert generate.main() == 0
    assert not left.exists()
    assert (tmp_path / "lint" / "loop-exit.md").exists()
