"""Reasons of a refused answer, as ``ncukit check --format json`` writes them."""

from __future__ import annotations

import pytest

from ncukit.errors import Exit, NcukitError
from ncukit.optimize.brief.history import MOST_CODE, MOST_REASONS, Repair, reasons_of, repair
from ncukit.optimize.verdict import Reason


def test_reasons_are_taken_as_they_are() -> None:
    document = {
        "verdict": "refused",
        "reasons": [
            {"code": "wrong-values", "line": 3, "message": "wrong", "instead": "mask", "more": 1},
            {"code": "no-model", "line": None, "message": "no ModelNew"},
        ],
    }
    assert reasons_of(document, "r.json") == (
        Reason(code="wrong-values", line=3, message="wrong", instead="mask"),
        Reason(code="no-model", line=None, message="no ModelNew"),
    )


@pytest.mark.parametrize(
    ("document", "code", "words"),
    [
        ([], Exit.USAGE, "it has no list of reasons"),
        ({"reasons": None}, Exit.USAGE, "it has no list of reasons"),
        ({"reasons": ["x"]}, Exit.USAGE, "it has no list of reasons"),
        ({"reasons": [{"line": 1}]}, Exit.USAGE, "a reason has no code and no message"),
        ({"reasons": [{"code": 7}]}, Exit.USAGE, "a reason has no code and no message"),
        ({"verdict": "accepted", "reasons": []}, Exit.NOTHING, "nothing stands against the answer"),
    ],
)
def test_anything_else_is_an_error(document, code, words) -> None:
    with pytest.raises(NcukitError, match=words) as error:
        reasons_of(document, "r.json")
    assert error.value.exit_code == code
    assert error.value.next_command == "ncukit check ANSWER --problem FILE --format json -o r.json"


def test_reasons_and_code_are_bounded() -> None:
    many = {"reasons": [{"code": f"c{n}", "message": "m" * 10_000} for n in range(1000)]}
    found = reasons_of(many, "r.json")
    assert len(found) == MOST_REASONS
    (part,) = repair(Repair(code="x" * (MOST_CODE + 5), reasons=found), "").parts
    assert "(5 more characters are not shown)" in part.text
    assert len(part.text) < MOST_CODE + 2 * 1000 * MOST_REASONS


def test_a_reason_quotes_the_line_of_the_answer() -> None:
    refused = Repair(code="a\n  b = `x`\n", reasons=tuple(Reason(code="c", line=n, message="m") for n in (2, 9)))
    (part,) = repair(refused, "").parts
    assert part.text.endswith("It was refused because:\n1. c in `b = 'x'`: m.\n2. c in line 9: m.")
