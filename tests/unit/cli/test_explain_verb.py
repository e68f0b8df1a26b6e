"""``ncukit explain``: by code, by cause, in any case."""

from __future__ import annotations

import json

import pytest

from ncukit.cli import run
from ncukit.diagnose import rules
from ncukit.errors import Exit


def test_without_a_code_all_are_listed(capsys) -> None:
    assert run(["explain"]) == Exit.OK

    lines = capsys.readouterr().out.splitlines()
    assert [code for code, _, _ in rules.codes()] == [line.split()[0] for line in lines]


@pytest.mark.parametrize("rule", rules.codes(), ids=lambda rule: rule[0])
def test_code_and_cause_lead_to_the_same_page(capsys, rule: tuple[str, str, str]) -> None:
    code, cause, _ = rule
    pages = []
    for word in (code, code.lower(), cause, cause.upper()):
        assert run(["explain", word]) == Exit.OK
        pages.append(capsys.readouterr().out)

    assert {rules.page(code).rstrip("\n") + "\n"} == {page.rstrip("\n") + "\n" for page in pages}


def test_an_unknown_code_is_a_usage_error(capsys) -> None:
    assert run(["explain", "XXX999"]) == Exit.USAGE

    assert "error:" in capsys.readouterr().err


def test_json(capsys) -> None:
    code, cause, title = rules.codes()[0]
    run(["explain", code, "--format", "json"])

    document = json.loads(capsys.readouterr().out)
    assert (1, code, cause, title) == tuple(document[key] for key in ("schema_version", "code", "cause", "title"))
