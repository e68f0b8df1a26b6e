"""``ncukit gate``: exit codes, streams and the configuration."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import ncukit.read
from ncukit.cli import run
from ncukit.errors import Exit, NcukitError
from ncukit.model import Environment

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def report(make_report, monkeypatch, tmp_path):
    """What every path is read as; the working directory has no configuration."""
    made = make_report(
        [
            {"kernel": "copy", "dram_pct": 90.0, "duration_us": 10.0},
            {"kernel": "sum", "dram_pct": 60.0, "duration_us": 5.0},
        ],
        environment=Environment(gpu="NVIDIA H200"),
        target="x.py",
    )
    asked = []

    def read(path, *, gpu=None):
        asked.append((path, gpu))
        if path == "absent.csv":
            raise NcukitError("absent.csv does not exist", next_command="ls")
        return replace(made, path=path)

    monkeypatch.setattr(ncukit.read, "read", read)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ncukit"])
    return asked


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--min", "dram_pct=50"], Exit.OK),
        (["--min", "dram_pct=70"], Exit.FAILED),
        (["--min", "dram_pct=70", "-k", "copy"], Exit.OK),
        (["--max", "duration_us=7", "-k", "regex:^s"], Exit.OK),
        (["--min", "dram_pct=50", "--max", "duration_us=7"], Exit.FAILED),
        (["--min", "l2_pct=50"], Exit.NOTHING),
        (["--min", "l2_pct=50", "--min", "dram_pct=70"], Exit.FAILED),
        (["--min", "dram_pct=50", "-k", "cpoy"], Exit.NOTHING),
        (["--min", "dram_pct=50", "-k", "regex:("], Exit.USAGE),
        (["--min", "dram_pc=50"], Exit.USAGE),
        (["--min", "dram_pct=50%"], Exit.USAGE),
        (["--min", "dram_pct=nan"], Exit.USAGE),
        (["--min", "dram_pct=60", "--max", "dram_pct=50"], Exit.USAGE),
        (["--min"], Exit.USAGE),
        (["--nonsense"], Exit.USAGE),
        ([], Exit.USAGE),
    ],
)
@pytest.mark.parametrize("format_", ["console", "json"])
def test_exit_codes(options: list[str], code: Exit, format_: str) -> None:
    assert code == run(["gate", "report.csv", "--format", format_, *options])


def test_an_unreadable_report_keeps_its_own_code() -> None:
    assert run(["gate", "absent.csv", "--min", "dram_pct=50"]) == Exit.USAGE


def test_budgets_are_checked_before_the_report_is_read(report) -> None:
    run(["gate", "absent.csv", "--min", "dram_pc=50"])

    assert report == []


def test_the_gpu_is_handed_to_the_reader(report) -> None:
    run(["gate", "-", "--gpu", "RTX 4090", "--min", "dram_pct=50"])

    assert report == [("-", "RTX 4090")]


def test_data_on_stdout_and_words_on_stderr(capsys) -> None:
    run(["gate", "my report.csv", "--min", "dram_pct=70", "--min", "duration_us=1", "--format", "json"])

    out, err = capsys.readouterr()
    assert json.loads(out)["status"] == "fail"
    assert "note: --min duration_us: lower is better" in err
    assert err.splitlines()[-1] == "next: ncukit diagnose 'my report.csv'"


def test_the_next_command_collects_what_is_missing(capsys) -> None:
    run(["gate", "report.csv", "--min", "l2_pct=70", "--min", "waves=1"])

    assert capsys.readouterr().err.splitlines()[-1] == "next: ncukit profile x.py --metrics l2_pct,waves"


def test_no_budget_shows_the_command_filled_in(capsys) -> None:
    run(["gate", "report.csv"])

    assert "next: ncukit gate report.csv --min dram_pct=70" in capsys.readouterr().err


def test_the_output_file_decides_the_format_and_nothing_is_printed(capsys, tmp_path: Path) -> None:
    run(["gate", "report.csv", "--min", "dram_pct=50", "-o", "out/gate.json"])

    assert json.loads((tmp_path / "out/gate.json").read_text())["status"] == "pass"
    assert capsys.readouterr().out == ""


def test_an_output_that_cannot_be_written_is_not_a_failed_gate(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()

    assert run(["gate", "report.csv", "--min", "dram_pct=50", "-o", "folder"]) == Exit.USAGE


def test_configured_budgets_hold_and_are_overridden_by_metric(tmp_path: Path) -> None:
    (tmp_path / "ncukit.toml").write_text("[gate]\nmin = { dram_pct = 70 }\n")

    assert run(["gate", "report.csv"]) == Exit.FAILED
    assert run(["gate", "report.csv", "--min", "dram_pct=60"]) == Exit.OK
    assert run(["gate", "report.csv", "--max", "duration_us=100"]) == Exit.FAILED


def test_another_configuration_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "strict.toml").write_text("[gate]\nmin = { dram_pct = 95 }\n")
    (tmp_path / "broken.toml").write_text("[gate]\nmni = { dram_pct = 95 }\n")

    assert run(["gate", "report.csv", "-k", "copy", "--config", "strict.toml"]) == Exit.FAILED
    assert run(["gate", "report.csv", "--min", "dram_pct=1", "--config", "broken.toml"]) == Exit.USAGE
