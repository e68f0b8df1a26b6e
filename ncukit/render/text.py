"""Aligned plain text with optional ANSI colour: what the small tables need, without rich's import time."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CODES: Mapping[str, str] = MappingProxyType(
    {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
)
_COMMAND = re.compile(r"(?<!\S)::|##\[")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def visible(text: str) -> str:
    """Text from outside on one line, with control characters shown instead of obeyed.

    GitHub's runner also obeys what looks like its own commands in a log: ``::error::`` and ``##[group]``.
    """
    shown = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
    return _COMMAND.sub(lambda found: f"\\x{ord(found[0][0]):02x}{found[0][1:]}", shown)


def paint(text: str, style: str, color: bool) -> str:
    """``text`` in a style of ``CODES`` when colour is wanted."""
    return f"\x1b[{CODES[style]}m{text}\x1b[0m" if color and text else text


def length(text: str) -> int:
    """Columns that a text takes: its colour codes take none."""
    return len(_ANSI.sub("", text))


def columns(rows: Sequence[Sequence[str]], align: str, *, gap: str = "  ") -> list[str]:
    """Rows as lines with aligned columns.

    Args:
        rows: cells, already escaped; colour codes do not count as width. The last column is not padded.
        align: one of ``<`` and ``>`` a column.
        gap: what stands between two columns.
    """
    lengths = [[length(cell) for cell in row] for row in rows]
    widths = [max(column) for column in zip(*lengths, strict=True)]
    lines = []
    for row, taken in zip(rows, lengths, strict=True):
        cells = []
        for cell, own, width, side in zip(row, taken, widths, align, strict=True):
            pad = " " * (width - own)
            cells.append(pad + cell if side == ">" else cell + pad)
        lines.append(gap.join(cells).rstrip())
    return lines


def number(value: float, digits: int = 4) -> str:
    """A number for people: ``digits`` significant digits or more, thousands separated, integers exact."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 1e15 or abs(value) < 1e-4:
        return f"{value:.{digits}g}"
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    return f"{value:,.{max(digits - whole, 0 if whole >= digits else 1)}f}"


def apart(first: float, second: float) -> tuple[str, str]:
    """Two numbers with as many digits as it takes to tell unequal ones apart: never "70 is below 70"."""
    for digits in range(4, 17):
        pair = number(first, digits), number(second, digits)
        if first == second or len({float(text.replace(",", "")) for text in pair}) == 2:
            return pair
    return repr(first), repr(second)
