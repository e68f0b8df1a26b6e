"""What comes from outside is shown, never obeyed."""

from __future__ import annotations

import ast
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncukit.model import Gain
from ncukit.optimize.brief import words

ANY = st.text(st.characters(), max_size=200)


@given(ANY)
def test_a_line_is_one_line_that_nothing_obeys(text) -> None:
    shown = words.line(text, 50)
    assert shown.isprintable()
    assert len(shown) <= 50
    assert "```" not in shown


@given(st.text(st.sampled_from("`~a\n\r \x1b\u2028"), max_size=60))
def test_no_code_ends_its_fence(text) -> None:
    first, *inside, last = words.fenced(text).split("\n")
    assert first == f"{last}python"
    assert set(last) == {"`"}
    assert all(len(run) < len(last) for row in inside for run in re.findall("`+", row))
    assert all(c.isprintable() or c == "\t" for row in inside for c in row)


def test_code_stays_as_it_is_but_for_its_line_ends() -> None:
    assert words.code("\n\na = 1\r\nif a:\r\tb = '```'\n\n") == "a = 1\nif a:\n\tb = '```'"
    assert words.fenced("a = 1") == "```python\na = 1\n```"
    assert words.fenced("a = '```'").startswith("````python\n")


@given(st.text(st.characters(exclude_characters="\r\n\\'\f", exclude_categories=["Cs"]), max_size=20))
def test_what_is_escaped_in_a_string_is_the_same_string(text) -> None:
    assert ast.literal_eval(words.code(f"'{text}'")) == text


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("kernels/x.py:2", "kernels/x.py:2 `y = 2`"),
        ("kernels/x.py:2 (launch); loads at :1", "kernels/x.py:2 (launch); loads at :1 `y = 2`"),
        ("other.py:2", "other.py:2"),
        ("kernels/x.py:3", "kernels/x.py:3"),
        ("kernels/x.py:99999999999", "kernels/x.py:99999999999"),
        ("kernels/x.py", "kernels/x.py"),
    ],
)
def test_a_place_comes_with_what_stands_there(location, shown) -> None:
    assert words.Listing(code="x = 1\n    y = 2\n\n", path="kernels/x.py").at(location) == shown


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("row_sum_kernel", "row_sum_kernel"),
        ("void at::native::fill<(int)4, std::array<char *, (unsigned long)1>>(int, T2)", "fill<…>"),
        ("void at::native::<unnamed>::lerp(at::T &)", "lerp<…>"),
        ("\x1b[2J", "\\x1b[2J"),
        ("(", "("),
    ],
)
def test_names_of_kernels(given_name, shown) -> None:
    assert words.name(given_name) == shown


def test_numbers() -> None:
    assert words.gain(None) == "no estimate"
    assert words.gain(Gain(low=1.2, best=1.2, high=1.2)) == "1.20x"
    assert words.gain(Gain(low=1.1, best=1.2, high=1.3)) == "1.20x (1.10x to 1.30x)"
    assert (words.reading(1500, "ns"), words.reading(2e9, "byte"), words.reading(12345.6, "%")) == (
        "1.5 us", "2 GB", "12,346 %",
    )  # fmt: skip
    assert words.listed(["a", "b", "c"], 2) == "a, b and 1 more"
    assert [words.both(list(names)) for names in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]


def test_lines_of_the_listing_are_told_by_what_stands_there() -> None:
    listing = words.Listing(code="x = 1\ny = 2\n", path="kernels/x.py")
    assert listing.told("loaded at :1 and :2, 3:2", "kernels/x.py:1") == "loaded at `x = 1` and `y = 2`, 3:2"
    assert listing.told("loaded at :1", "other.py:1") == "loaded at :1"
