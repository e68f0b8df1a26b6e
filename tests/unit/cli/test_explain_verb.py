"""``ncukit explain``: findings and lint rules, by code, by name, in any case."""

from __future__ import annotations

import json

import pytest

from ncukit.cli import run
from ncukit.diagnose import rules
from ncukit.errors import Exit
from ncukit.source import lint

EVERY = [(code, name, rules.page(code)) for code, name, _ in rules.codes()]
EVERY += [(code, name, lint.page(code) or "") for code, name, _ in lint.codes()]


def test_without_a_code_all_are_listed_under_two_headings(capsys) -> None:
    assert run(["explain"]) == Exit.OK

    lines = capsys.readouterr().out.splitlines()
    codes = [line.split()[0] for line in lines if line.startswith("  ")]
    assert codes == [code for code, _, _ in (*rules.codes(), *lint.codes())]
    assert [line for line in lines if line and not line.startswith("  ")] == [
        "causes that diagnose finds",
        "rules of the lint, which inspect runs",
    ]


def test_names_lead_to_one_page_each() -> None:
    """A lint rule called like a cause would hide behind it."""
    words = [word.lower() for code, name, _ in EVERY for word in (code, name)]

    assert len(set(words)) == len(words)


@pytest.mark.parametrize("rule", EVERY, ids=lambda rule: rule[0])
def test_code_and_name_lead_to_the_same_page(capsys, rule: tuple[str, str, str]) -> None:
    code, name, page = rule
    pages = []
    for word in (code, code.lower(), name, name.upper(), f" {code} "):
        assert run(["explain", word]) == Exit.OK
        pages.append(capsys.readouterr().out)

    assert {page.rstrip("\n") + "\n"} == {page.rstrip("\n") + "\n" for page in pages}


@pytest.mark.parametrize(("word", "close"), [("MEM10", "MEM10"), ("TRI10", "TRI10"), ("loop-exti", "loop-exit")])
def test_an_unknown_code_is_a_usage_error_with_the_nearest_ones(capsys, word: str, close: str) -> None:
    assert run(["explain", word]) == Exit.USAGE

    error = capsys.readouterr().err
    assert f"error: no rule is called '{word}'" in error
    assert "did you mean " in error
    assert close in error.partition("did you mean ")[2]


def test_a_word_like_no_other_gets_all_codes(capsys) -> None:
    assert run(["explain", "zzzzz"]) == Exit.USAGE

    error = capsys.readouterr().err
    assert "MEM100" in error
    assert "TRI101" in error


def test_json(capsys) -> None:
    code, cause, title = rules.codes()[0]
    run(["explain", code, "--format", "json"])

    document = json.loads(capsys.readouterr().out)
    assert (1, code, cause, title) == tuple(document[key] for key in ("schema_version", "code", "cause", "title"))
    assert document["page"] == rules.page(code)


def test_json_of_a_lint_rule(capsys) -> None:
    run(["explain", "loop-exit", "--format", "json"])

    document = json.loads(capsys.readouterr().out)
    assert (document["code"], document["rule"], document["severity"]) == ("TRI101", "loop-exit", "error")
    assert document["page"] == lint.page("TRI101")


def test_the_json_listing_keeps_the_causes_where_they_were(capsys) -> None:
    run(["explain", "--format", "json"])

    document = json.loads(capsys.readouterr().out)
    assert document["rules"] == [{"code": c, "cause": cause, "title": title} for c, cause, title in rules.codes()]
    assert [entry["code"] for entry in document["lint"]] == [code for code, _, _ in lint.codes()]
    assert {entry["severity"] for entry in document["lint"]} == {"error", "warning"}
