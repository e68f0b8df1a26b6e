"""Aligned text: columns, numbers that stay apart, and nothing from outside that a terminal would obey."""

from __future__ import annotations

import pytest

from ncukit.render.text import apart, columns, number, paint, visible


def test_control_characters_are_shown() -> None:
    assert visible("a\x1b[31m\nb") == r"a\x1b[31m\x0ab"


def test_columns_are_aligned_and_colour_takes_no_room() -> None:
    rows = [["a", "1", "x"], [paint("bbb", "red", True), "22", ""]]

    assert columns(rows, "<><") == ["a     1  x", "\x1b[31mbbb\x1b[0m  22"]


def test_paint_leaves_text_alone_without_colour() -> None:
    assert paint("x", "red", False) == "x"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (70.0, "70"),
        (5580123.0, "5,580,123"),
        (82.314, "82.31"),
        (0.024312, "0.0243"),
        (4270.56, "4,271"),
        (1.5, "1.500"),
        (-1.5, "-1.500"),
        (2.5e-7, "2.5e-07"),
        (1.25e18, "1.25e+18"),
    ],
)
def test_numbers_for_people(value: float, text: str) -> None:
    assert text == number(value)


def test_unequal_numbers_look_unequal() -> None:
    assert apart(69.99996, 70.0) == ("69.99996", "70")
    assert apart(70.0, 70.0) == ("70", "70")
    first, second = apart(0.1 + 0.2, 0.3)
    assert first != second
