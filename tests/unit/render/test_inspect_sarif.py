"""SARIF of an inspection: held to the published schema by another's parser."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from inspections import HOSTILE, NAMES, compiled, error, examined, hostile, real, violation
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as SarifLog

from ncukit.render import inspect_sarif
from ncukit.render.sarif_document import MOST_RESULTS
from ncukit.source import lint
from ncukit.source.inspection import Note

if TYPE_CHECKING:
    from ncukit.gate.examined import Examined

ROOT = Path(__file__).parents[3]


def run_of(found: Examined, root: Path | None = None) -> dict:
    text = inspect_sarif.render(found, root)
    SarifLog.model_validate_json(text)
    (run,) = json.loads(text)["runs"]
    return run


def place(result: dict) -> tuple[str, dict]:
    (at,) = result["locations"]
    assert at["physicalLocation"]["artifactLocation"]["uriBaseId"] == "%SRCROOT%"
    return at["physicalLocation"]["artifactLocation"]["uri"], at["physicalLocation"]["region"]


def marks(run: dict) -> list[str]:
    return [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]


@pytest.mark.parametrize("name", NAMES)
def test_a_real_inspection_is_valid_and_says_that_nothing_was_measured(name: str) -> None:
    run = run_of(real(name, "registers=40"))

    assert run["properties"]["measured"] is False
    assert run["properties"]["versions"]["triton"] == "3.7.1"
    assert run["automationDetails"]["id"].startswith("ncukit/inspect/")
    assert run["automationDetails"]["description"]["text"].startswith("compiled, not measured · Triton 3.7.1")
    assert run["columnKind"] == "unicodeCodePoints"


def test_errors_and_violations_with_their_columns() -> None:
    results = run_of(real("refused"))["results"]

    assert [(r["ruleId"], r["level"]) for r in results] == [
        ("compile-error", "error"),
        ("TRI101", "error"),
        ("TRI102", "error"),
        ("TRI301", "warning"),
        ("TRI303", "warning"),
    ]
    path = "tests/golden/inspect/refused.py"
    assert place(results[0]) == (path, {"startLine": 16, "startColumn": 13})
    assert place(results[1]) == (path, {"startLine": 16, "startColumn": 13, "endColumn": 21})
    line = (ROOT / path).read_text().splitlines()[15]
    assert line[12:20] == "continue"
    assert results[1]["message"]["text"].startswith("`continue` inside a for loop of kernel rms_kernel")
    assert " Instead: drop the `if`" in results[1]["message"]["text"]


def test_rules_carry_their_pages() -> None:
    run = run_of(real("refused"))
    rules = run["tool"]["driver"]["rules"]

    assert [rule["id"] for rule in rules] == ["compile-error", "TRI101", "TRI102", "TRI301", "TRI303"]
    assert rules[1]["name"] == "LoopExit"
    assert rules[1]["help"]["text"] == lint.page("TRI101")
    assert rules[1]["fullDescription"]["text"].startswith("Triton turns a loop into an operation")
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])


def test_a_rule_that_is_no_longer_known_is_described_all_the_same() -> None:
    run = run_of(examined(compiled(), lint=(violation(code="TRI999", rule="gone-rule"),)))

    assert run["tool"]["driver"]["rules"] == [
        {
            "id": "TRI999",
            "name": "GoneRule",
            "shortDescription": {"text": "gone-rule"},
            "defaultConfiguration": {"level": "error"},
        }
    ]


def test_what_a_comment_accepts_is_suppressed_with_its_reason() -> None:
    (result,) = run_of(examined(compiled(), lint=(violation(suppressed="the loop runs once"),)))["results"]

    assert result["suppressions"] == [{"kind": "inSource", "justification": "the loop runs once"}]
    assert result["properties"]["counts"] is False


def test_a_broken_budget_is_a_result_and_one_that_nobody_could_judge_a_notice() -> None:
    run = run_of(examined(compiled(), budgets=("registers=16", "other_*:spills=0")))

    (result,) = run["results"]
    assert (result["ruleId"], result["level"], place(result)) == ("budget", "error", ("x.py", {"startLine": 8}))
    assert result["message"]["text"] == "copy_kernel: registers at most 16: 32 on sm_90"
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert "spills at most 0: not judged" in invocation["toolExecutionNotifications"][0]["message"]["text"]


def test_marks_stay_when_lines_move_and_values_change() -> None:
    def found(by: int, registers: int) -> Examined:
        lint_ = tuple(
            violation(line=n + by, end_line=n + by, message=f"as in line {n + by}", instead=f"lines {n + by}-9")
            for n in (3, 7)
        )
        one = compiled(registers=registers, line=8 + by)
        return examined(one, lint=lint_, errors=(error(line=20 + by),), budgets=("registers=16",))

    before, after = run_of(found(0, 32)), run_of(found(100, 40))

    assert marks(before) == marks(after)
    assert len(set(marks(before))) == 4
    assert [place(r) for r in before["results"]] != [place(r) for r in after["results"]]


def test_another_kernel_file_or_rule_has_another_mark() -> None:
    lint_ = (violation(), violation(kernel="other"), violation(path="y.py"), violation(code="TRI102"))

    assert len(set(marks(run_of(examined(compiled(), lint=lint_))))) == 4


def test_a_dropped_configuration_is_a_note() -> None:
    (result,) = run_of(examined(compiled(), errors=(error(tolerated=True, config="BLOCK: 4096"),)))["results"]

    assert (result["level"], result["properties"]["counts"]) == ("note", False)
    assert result["message"]["text"] == "copy_kernel on sm_90 with BLOCK=4096: no such thing"


def test_nothing_compiled_is_no_clean_bill() -> None:
    run = run_of(examined(notes=(Note(code="x", message="why\x1b"),)))

    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    said = [notice["message"]["text"] for notice in invocation["toolExecutionNotifications"]]
    assert said[0] == "why\\x1b"
    assert said[1] == "not compiled, since no launch is known: copy_kernel"
    assert said[2].startswith("nothing was compiled: why")


def test_an_error_elsewhere_is_shown_in_the_inspected_file() -> None:
    for path in ("/usr/lib/x.py", "../x.py", None):
        (result,) = run_of(examined(errors=(error(path=path),)))["results"]
        assert place(result) == ("x.py", {"startLine": 1})
    (result,) = run_of(examined(errors=(error(path=f"{ROOT}/k/x.py"),)), ROOT)["results"]
    assert place(result)[0] == "k/x.py"
    (result,) = run_of(examined(path="/home/me/x.py", errors=(error(path=None),)))["results"]
    assert "locations" not in result


def test_more_than_github_keeps_are_cut_with_a_notice() -> None:
    many = tuple(violation(line=n + 1, end_line=n + 1) for n in range(MOST_RESULTS + 3))
    run = run_of(examined(compiled(), lint=many))

    assert len(run["results"]) == MOST_RESULTS
    (notice,) = run["invocations"][0]["toolExecutionNotifications"]
    assert notice["message"]["text"].startswith("5,000 of 5,003 results")


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_text_from_outside_is_bounded_and_not_obeyed(text: str) -> None:
    shown = inspect_sarif.render(hostile(text))
    run = run_of(hostile(text))

    assert {c for c in shown if not c.isprintable()} == {"\n"}
    for result in run["results"]:
        message = result["message"]["text"]
        assert len(message) <= 1000
        assert "](" not in message
        assert "{0}" not in message


def test_a_message_with_a_long_text_still_says_what_to_write() -> None:
    (result,) = run_of(examined(compiled(), lint=(replace(violation(), message="m" * 5000),)))["results"]

    assert result["message"]["text"].endswith("… Instead: a mask")
