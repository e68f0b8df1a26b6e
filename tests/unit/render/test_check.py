"""A checked answer as a page, as JSON and as annotations."""

from __future__ import annotations

import json
import re

import pytest

from ncukit.optimize.verdict import Case, Checked, Reason
from ncukit.render import check_github, check_json, check_text

PROBLEM = "kernels/naive/rms_norm.py"
REASONS = (
    Reason(code="unwritten", line=None, message="own sizes: half of the output is still NaN", instead="cover all rows"),
    Reason(code="TRI101", line=3, message="`continue` inside a for loop", instead="use a mask"),
)
CASES = (
    Case(name="own sizes, float32", outcome="right", error=0.125),
    Case(name="rows=1000, bfloat16", outcome="wrong", error=12.3456, note="at [3, 4]"),
    Case(name="float64", outcome="declined", note="TypeError: no float64"),
    Case(name="values times 1e4", outcome="dropped"),
)
REFUSED = Checked(
    path="answer.md", verdict="refused", reasons=REASONS, cases=CASES, code="\n\n    continue  # here\n",
    where="NVIDIA H200", versions={"triton": "3.7.1", "torch": "2.13.0"}, unproven=("sm_100 was not compiled",),
)  # fmt: skip
OPEN = Checked(
    path="answer.md", verdict="unproven", unproven=("it ran in the interpreter",), cases=CASES[:1], where="x"
)
FINE = Checked(path=PROBLEM, verdict="accepted", cases=CASES[:1], where="NVIDIA H200", versions={"triton": "3.7.1"})
HOSTILE = Checked(
    path="a\x1b[31m.md",
    verdict="refused",
    reasons=(
        Reason(code="x\n::error::y", line=1, message="\x1b]0;title\x07 ::set-output\n::error::no", instead="##[group]"),
    ),
    unproven=("\x1b[2J",),
    cases=(Case(name="\x1b[1m\n", outcome="wrong", error=2.0, note="\r\n::debug::"),),
    code="\x1b[5mcode",
    where="\x07",
    versions={"torch": "\x1b"},
)


def test_the_page_of_a_refusal() -> None:
    assert check_text.render(REFUSED, PROBLEM) == (
        "refused  answer.md against kernels/naive/rms_norm.py: do not believe it\n"
        "ran on NVIDIA H200 · Triton 3.7.1 · torch 2.13.0\n"
        "\n"
        "unwritten\n"
        "  own sizes: half of the output is still NaN\n"
        "  → cover all rows\n"
        "\n"
        "TRI101  answer.md:3\n"
        "    continue  # here\n"
        "  `continue` inside a for loop\n"
        "  → use a mask\n"
        "\n"
        "4 cases: 1 right, 1 wrong, 1 declined, 1 dropped\n"
        "  wrong     rows=1000, bfloat16  12.3 times what is allowed: at [3, 4]\n"
        "  declined  float64              TypeError: no float64\n"
        "  dropped   values times 1e4\n"
        "  largest error of a right one: 0.12 of what is allowed\n"
        "\n"
        "not proven\n"
        "- sm_100 was not compiled\n"
    )


def test_the_page_of_an_accepted_file_is_short() -> None:
    assert check_text.render(FINE, PROBLEM).splitlines() == [
        "accepted  kernels/naive/rms_norm.py: nothing stands against it",
        "ran on NVIDIA H200 · Triton 3.7.1",
        "",
        "1 case: 1 right",
        "  largest error of a right one: 0.12 of what is allowed",
    ]


def test_the_page_says_when_nothing_was_run() -> None:
    assert check_text.render(Checked(path="a", verdict="refused"), "p").splitlines()[1] == "no kernel of it was run"


def test_long_pages_are_cut_with_words() -> None:
    many = Checked(
        path="a",
        verdict="refused",
        reasons=tuple(Reason(code="x", line=None, message=f"reason {n}") for n in range(40)),
        unproven=tuple(f"open {n}" for n in range(40)),
        cases=tuple(Case(name=f"case {n}", outcome="wrong") for n in range(40)),
    )
    page = check_text.render(many, "p")
    assert [f"… and 28 more {what}: --format json" in page for what in ("reasons", "open points", "cases")] == [
        True
    ] * 3
    assert "reason 39" not in page


@pytest.mark.parametrize("width", [60, 120])
def test_the_page_keeps_to_its_width(width) -> None:
    long = Checked(
        path="a", verdict="refused", reasons=(Reason(code="x", line=None, message="word " * 90, instead="do " * 90),)
    )
    assert max(map(len, check_text.render(long, "p", width=width).splitlines())) <= width


def test_colour_is_only_added() -> None:
    colored = check_text.render(REFUSED, PROBLEM, color=True)
    assert re.sub(r"\x1b\[\d+m", "", colored) == check_text.render(REFUSED, PROBLEM)
    assert "\x1b[31mrefused\x1b[0m" in colored


def test_the_document() -> None:
    document = json.loads(check_json.render(REFUSED, PROBLEM))
    assert document["schema_version"] == 1
    assert document["verdict"] == "refused"
    assert document["reasons"][1] == {
        "code": "TRI101", "line": 3, "message": "`continue` inside a for loop", "instead": "use a mask",
    }  # fmt: skip
    assert document["reasons"][0]["line"] is None
    assert document["unproven"] == ["sm_100 was not compiled"]
    assert document["cases"][1] == {
        "name": "rows=1000, bfloat16",
        "outcome": "wrong",
        "error": 12.3456,
        "note": "at [3, 4]",
    }
    assert (document["where"], document["versions"]["torch"]) == ("NVIDIA H200", "2.13.0")
    assert (document["path"], document["problem"]) == ("answer.md", PROBLEM)


def test_the_document_has_every_key_also_when_empty_and_no_infinity() -> None:
    nothing = json.loads(check_json.render(Checked(path="a", verdict="refused"), "p"))
    assert set(nothing) == set(json.loads(check_json.render(REFUSED, PROBLEM)))
    assert (nothing["reasons"], nothing["unproven"], nothing["cases"], nothing["where"]) == ([], [], [], None)
    wild = Checked(path="a", verdict="refused", cases=(Case(name="c", outcome="wrong", error=float("inf")),))
    assert json.loads(check_json.render(wild, "p"))["cases"][0]["error"] is None


def test_annotations_stand_at_their_lines() -> None:
    first, second = check_github.render(REFUSED, PROBLEM).splitlines()
    assert first == (
        "::error file=answer.md,title=ncukit check%3A unwritten::own sizes: half of the output is still NaN Instead: "
        "cover all rows [unwritten]"
    )
    assert second.startswith("::error file=answer.md,line=3,title=ncukit check%3A TRI101::`continue`")


def test_annotations_of_what_is_not_refused() -> None:
    assert check_github.render(FINE, PROBLEM).startswith("::notice title=ncukit check%3A accepted::")
    said = check_github.render(OPEN, PROBLEM)
    assert said.startswith("::warning title=ncukit check%3A unproven::")
    assert "it ran in the interpreter" in said


def test_no_more_annotations_than_github_shows() -> None:
    many = Checked(
        path="a", verdict="refused", reasons=tuple(Reason(code="x", line=n, message="m") for n in range(1, 15))
    )
    lines = check_github.render(many, "p").splitlines()
    assert len(lines) == 10
    assert "5 more reasons" in lines[-1]


@pytest.mark.parametrize("render", [check_text.render, check_github.render], ids=["console", "github"])
def test_what_comes_from_outside_commands_nobody(render) -> None:
    text = render(HOSTILE, "p\x1b[0m")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    own = [line for line in text.splitlines() if line.startswith("::")]
    assert all(line.startswith("::error ") for line in own)
    assert len(own) == (1 if render is check_github.render else 0)
    assert json.loads(check_json.render(HOSTILE, "p"))["reasons"][0]["line"] == 1
