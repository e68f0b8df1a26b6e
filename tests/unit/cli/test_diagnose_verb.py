"""``ncukit diagnose``: formats, and what goes with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ncukit.cli import run
from ncukit.errors import Exit

ROOT = Path(__file__).parents[3]
NAIVE = "profiles/h200/naive_instance_norm"


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch) -> None:
    monkeypatch.chdir(ROOT)


def test_sarif_by_name_and_by_suffix_is_the_same(capsys, tmp_path: Path) -> None:
    assert run(["diagnose", NAIVE, "--format", "sarif"]) == Exit.OK
    out, err = capsys.readouterr()
    assert run(["diagnose", NAIVE, "-o", str(tmp_path / "x.sarif")]) == Exit.OK

    assert (tmp_path / "x.sarif").read_text(encoding="utf-8") == out
    assert json.loads(out)["version"] == "2.1.0"
    assert err == "next: ncukit explain FUS601\n"


def test_the_place_of_a_source_file_below_the_checkout_is_relative(capsys) -> None:
    source = ROOT / "kernels/naive/instance_norm.py"
    run(["diagnose", NAIVE, "--source", str(source), "--format", "sarif"])

    (result, *_) = json.loads(capsys.readouterr().out)["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "kernels/naive/instance_norm.py"
    assert source.read_text().splitlines()[place["region"]["startLine"] - 1].startswith("def compute_moments_kernel")


@pytest.mark.parametrize("format_", ["console", "json", "sarif"])
def test_fail_on_holds_in_every_format(format_: str, capsys) -> None:
    assert run(["diagnose", NAIVE, "--format", format_, "--fail-on", "1.3"]) == Exit.FAILED
    assert run(["diagnose", NAIVE, "--format", format_, "--fail-on", "9"]) == Exit.OK
    assert capsys.readouterr().out
