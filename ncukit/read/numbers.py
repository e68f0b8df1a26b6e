"""ncu's numbers as text: locales, missing values, multi-instance readings.

ncu formats numbers with ``LC_NUMERIC`` of the shell that ran it. Seen, or documented for its releases:

====================  ==============  =============  ==================
locale                integer         base-unit      auto-unit float
====================  ==============  =============  ==================
C, C.UTF-8, POSIX     ``1420832``     ``22.60``      ``1.420832``
en_US                 ``1,420,832``   ``22.60``      ``1.420832``
de_DE                 ``1.420.832``   ``22,60``      ``1.420832``
fr_FR, sv_SE          ``1 420 832``   ``22,60``      ``1.420832``
====================  ==============  =============  ==================

A base-unit float has two decimals and an auto-unit float six, always after a point. So ``65.536`` alone does
not tell whether it is 65 and a half or sixty-five thousand; the file as a whole does (:func:`detect`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FloatArray = npt.NDArray[np.float64]

MISSING = frozenset(
    ("", "n/a", "N/A", "nan", "-nan", "NaN", "no data", "(!) n/a", "(!) nan", "(!) -nan", "inf", "-inf")
)
"""Cells by which ncu says that there is no reading."""

# No-break, narrow no-break and thin spaces, the Swiss apostrophes, and U+FFFD: what a latin-1 no-break space
# becomes when the file is decoded as UTF-8 with replacement.
_SPACES = re.compile("(?<=\\d)[ \u00a0\u202f\u2009'\u2019\ufffd](?=\\d{3})")

_PLAIN = re.compile(r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?|[-+]?\d+\.", re.ASCII)
_COMMA_GROUPS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?", re.ASCII)
_POINT_GROUPS = re.compile(r"[-+]?\d{1,3}(?:\.\d{3})+(?:,\d+)?", re.ASCII)
_COMMA_DECIMAL = re.compile(r"[-+]?\d+,\d+", re.ASCII)

# What one cell proves, whatever the rest of the file says.
_SURE_COMMA_GROUP = re.compile(r"[-+]?\d{1,3}(?:(?:,\d{3}){2,}(?:\.\d+)?|(?:,\d{3})+\.\d+)", re.ASCII)
_SURE_POINT_GROUP = re.compile(r"[-+]?\d{1,3}(?:(?:\.\d{3}){2,}(?:,\d+)?|(?:\.\d{3})+,\d+)", re.ASCII)
_SURE_COMMA_DECIMAL = re.compile(r"[-+]?\d+,(?:\d{1,2}|\d{4,})", re.ASCII)
# Six decimals prove nothing: auto-unit floats keep the point in every locale.
_SURE_POINT_DECIMAL = re.compile(r"[-+]?\d+\.(?:\d{1,2}|\d{4,5}|\d{7,})", re.ASCII)
_ONE_COMMA = re.compile(r"[-+]?\d{1,3},\d{3}", re.ASCII)
_ONE_POINT = re.compile(r"[-+]?[1-9]\d{0,2}\.\d{3}", re.ASCII)
_UNGROUPED = re.compile(r"[-+]?\d{4,}", re.ASCII)

# Readings that are whole numbers by definition, so that a point in them can only be a group separator.
_WHOLE = re.compile(
    r"device__attribute_|launch__(?:grid_size|grid_dim|block_size|block_dim|thread_count|stack_size)"
    r"|(?:Grid Size|Block Size|Threads|Stack Size|Total \w+ Elapsed Cycles)$"
)


@dataclass(frozen=True, slots=True)
class Style:
    """How one file writes numbers."""

    decimal_comma: bool = False
    grouped: bool = False
    """Whether group separators were seen at all."""
    doubtful: str = ""
    """A cell with two readings that nothing in the file settles; empty when there is none."""

    def notes(self) -> list[str]:
        """What to say of a doubtful cell."""
        if not self.doubtful:
            return []
        return [f"numbers such as '{self.doubtful}' are read as decimals; nothing in the file shows otherwise"]


def detect(cells: Iterable[tuple[str, str]]) -> Style:
    """Decide from all (column name, cell) pairs of a file how it writes numbers.

    Cells with two groups, with both separators, or with a number of decimals that no group has are proof by
    themselves; the majority of proofs decides, so that one damaged cell does not. Without proof:

    - ``1,024``: a group, since ncu prints two or six decimals and never three;
    - ``65.536`` in a column that holds whole numbers by definition (``device__attribute_*``, grid sizes): a
      group;
    - ``65.536`` elsewhere: a decimal number, because files that went through another program hold such
      floats. When nothing in the file shows that grouping is off (a bare integer of four digits), the cell is
      reported as doubtful.
    """
    point = comma = 0
    one_comma = ungrouped = spaced = whole_point = False
    one_point = ""
    for column, raw in cells:
        cell = _SPACES.sub("", raw)
        spaced = spaced or cell != raw
        if _UNGROUPED.fullmatch(cell):
            ungrouped = ungrouped or cell == raw
        elif _SURE_COMMA_GROUP.fullmatch(cell) or _SURE_POINT_DECIMAL.fullmatch(cell):
            point += 1
            one_comma = one_comma or "," in cell
        elif _SURE_POINT_GROUP.fullmatch(cell) or _SURE_COMMA_DECIMAL.fullmatch(cell):
            comma += 1
        elif _ONE_COMMA.fullmatch(cell):
            one_comma = True
        elif _ONE_POINT.fullmatch(cell):
            one_point = one_point or cell
            whole_point = whole_point or _WHOLE.search(column) is not None
    by_whole_numbers = whole_point and not one_comma and not ungrouped
    decimal_comma = comma > point if point or comma else by_whole_numbers
    settled = point or comma or decimal_comma or one_comma or ungrouped
    return Style(
        decimal_comma=decimal_comma,
        grouped=decimal_comma or one_comma or spaced,
        doubtful="" if settled else one_point,
    )


def parse(cell: str, style: Style) -> float | None:
    """The number in one cell: NaN when ncu says there is none, None when the cell is text.

    A multi-instance reading such as ``23592960 (5242880; 3145728)`` is its aggregate, the part before the
    bracket.
    """
    cell = cell.strip()
    if cell in MISSING:
        return math.nan
    if not style.decimal_comma and _PLAIN.fullmatch(cell):
        return _finite(cell)
    if cell.endswith(")"):
        head, bracket, _ = cell.partition(" (")
        if bracket:
            return parse(head, style) if not head.endswith(")") else None
    cell = _SPACES.sub("", cell)
    if style.decimal_comma:
        if _POINT_GROUPS.fullmatch(cell):
            return _finite(cell.replace(".", "").replace(",", "."))
        if _COMMA_DECIMAL.fullmatch(cell):
            return _finite(cell.replace(",", "."))
    elif _COMMA_GROUPS.fullmatch(cell):
        return _finite(cell.replace(",", ""))
    return _finite(cell) if _PLAIN.fullmatch(cell) else None


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else math.nan


def to_floats(cells: Sequence[str], style: Style) -> tuple[FloatArray, int]:
    """A column of cells as float64, NaN where there is no number, and how many of them were text."""
    values = np.empty(len(cells), dtype=np.float64)
    text = 0
    for row, cell in enumerate(cells):
        value = parse(cell, style)
        if value is None:
            text += 1
            value = math.nan
        values[row] = value
    return values, text
