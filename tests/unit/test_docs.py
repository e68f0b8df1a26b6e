"""The generated pages are what code and recordings say, and the README names verbs that exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import accuracy
import gallery
import pytest

from ncukit.cli import VERBS

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
