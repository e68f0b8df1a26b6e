"""Every unit that ncu was seen to print, and its older spellings."""

import csv

import pytest
from read_support import golden_bytes

from ncukit.read.units import factor


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("", 1), ("%", 1), ("ns", 1), ("nsecond", 1), ("usecond", 1e3), ("us", 1e3), ("msecond", 1e6),
        ("ms", 1e6),
        ("second", 1e9), ("s", 1e9), ("Kbyte", 1e3), ("Gbyte", 1e9), ("Tbyte", 1e12), ("Tbyte/s", 1e12),
        ("byte/second", 1), ("Gbyte/second", 1e9), ("hz", 1), ("Khz", 1e3), ("Ghz", 1e9), ("cycle/second", 1),
        ("cycle/nsecond", 1e9), ("sector/us", 1e6), ("sector/ns", 1e9), ("%/Kbyte", 1e-3), ("%/register", 1),
        ("Kbyte/block", 1e3), ("Kbyte/cycle", 1e3), ("register/thread", 1), ("byte/sector", 1), ("1/s", 1),
        ("sector/1", 1), (" Mbyte ", 1e6),
    ],
)  # fmt: skip
def test_factor_to_the_base_unit(unit: str, expected: float) -> None:
    assert factor(unit) == pytest.approx(expected)


@pytest.mark.parametrize("unit", ["furlong", "K", "K%", "byte/fortnight", "Xbyte", "/", "Kbyte/s/s", "M1"])
def test_an_unknown_unit_has_no_factor(unit: str) -> None:
    assert factor(unit) is None


@pytest.mark.parametrize("name", ["raw-set-full.csv.gz", "raw-set-detailed-en_US.csv.gz", "raw-auto-units.csv"])
def test_all_units_of_real_pages_are_known(name: str) -> None:
    rows = list(csv.reader(golden_bytes(name).decode().splitlines()))
    units = next(row for at, row in enumerate(rows) if rows[at - 1][:1] == ["ID"])

    assert [unit for unit in set(units) if factor(unit) is None] == []
