"""Numbers under the locales that ncu was seen or documented to follow."""

import math

import pytest

from ncukit.read.numbers import Style, detect, parse, to_floats

PLAIN, POINT, COMMA = Style(), Style(grouped=True), Style(decimal_comma=True, grouped=True)


def style_of(*cells: str, column: str = "dram__bytes.sum") -> Style:
    return detect((column, cell) for cell in cells)


@pytest.mark.parametrize(
    ("cell", "style", "expected"),
    [
        ("1741024", PLAIN, 1741024),
        ("-3.5e-3", PLAIN, -0.0035),
        ("1,741,024", POINT, 1741024),
        ("3,244,327.41", POINT, 3244327.41),
        ("8956.000000", POINT, 8956),
        ("1.420.832", COMMA, 1420832),
        ("65.536", COMMA, 65536),
        ("22,60", COMMA, 22.6),
        ("1.420,50", COMMA, 1420.5),
        ("1.420832", COMMA, 1.420832),  # an auto-unit float keeps its point
        ("1\u202f741\u202f024", PLAIN, 1741024),
        ("1\u00a0741,5", COMMA, 1741.5),
        ("1'741'024", PLAIN, 1741024),
        ("1\ufffd741\ufffd024", PLAIN, 1741024),  # a latin-1 no-break space, decoded as UTF-8
        ("23592960 (5242880; 3145728; 15204352)", PLAIN, 23592960),
        ("23592960 (IMAD: 5242880; LEA: 3145728)", PLAIN, 23592960),
    ],
)
def test_a_cell_is_read_in_its_style(cell: str, style: Style, expected: float) -> None:
    assert parse(cell, style) == pytest.approx(expected)


@pytest.mark.parametrize("cell", ["", " ", "n/a", "nan", "-nan", "no data", "(!) n/a", "(!) nan", "inf", "1e999"])
def test_no_reading_is_nan_and_never_zero(cell: str) -> None:
    value = parse(cell, PLAIN)

    assert value is not None
    assert math.isnan(value)


@pytest.mark.parametrize("cell", ["PolicySpread", "all", "No-CC", "1_000", "12,34", "(128, 1, 1)", "0x10", "1 2"])
def test_text_is_no_number(cell: str) -> None:
    assert parse(cell, PLAIN) is None


@pytest.mark.parametrize("cells", [["1,741,024"], ["3,244.41"], ["1,024"], ["22.60", "1,024"]])
def test_comma_groups_are_recognised(cells: list[str]) -> None:
    assert style_of(*cells) == Style(grouped=True)


@pytest.mark.parametrize("cells", [["1.420.832"], ["22,60"], ["1.420,5"], ["0,5", "65.536"]])
def test_a_decimal_comma_is_recognised(cells: list[str]) -> None:
    assert style_of(*cells).decimal_comma


def test_six_decimals_prove_nothing_since_auto_units_keep_the_point() -> None:
    assert style_of("1.420832", "22,60").decimal_comma
    assert not style_of("1.420832").decimal_comma


def test_a_point_in_a_whole_number_is_a_group() -> None:
    column = "device__attribute_max_registers_per_block"

    assert style_of("65.536", column=column).decimal_comma
    assert style_of("65.536", column="launch__grid_size").decimal_comma


def test_a_bare_four_digit_number_shows_that_grouping_is_off() -> None:
    style = detect([("launch__grid_size", "7168"), ("launch__thread_count", "65.536")])

    assert style == Style()


def test_an_unsettled_cell_is_reported() -> None:
    assert style_of("65.536") == Style(doubtful="65.536")
    assert style_of("65.536", "7168").doubtful == ""


def test_one_damaged_cell_does_not_outvote_the_file() -> None:
    assert not style_of("22,60", "1,741,024", "89.75", "3.5").decimal_comma


def test_a_column_counts_its_words() -> None:
    values, words = to_floats(["1", "n/a", "oops"], PLAIN)

    assert values[0] == 1
    assert math.isnan(values[1])
    assert math.isnan(values[2])
    assert words == 1
