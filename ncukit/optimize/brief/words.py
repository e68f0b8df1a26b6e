"""How a brief writes what came from outside: names on one line, code in a fence it cannot leave, numbers with units.

Kernel files, reports and answers are untrusted. Control characters are shown, never passed on: the text goes to a
terminal and to a program that may obey it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ncukit.model import Gain

MOST_NAME = 120
MOST_WORDS = 400
SHOWN = 8
"""Names listed in one sentence."""
_PLACE = re.compile(r"(?<!\S):(\d{1,7})\b")
_TICKS = re.compile(r"`+")


def shown(character: str) -> str:
    """A character that cannot be printed, as Python writes it in a string."""
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def line(text: str, most: int = MOST_WORDS) -> str:
    """Text on one line of bounded length, in which nothing is obeyed and no fence begins."""
    bounded = " ".join(text[: 4 * most].split())
    plain = "".join(c if c.isprintable() else shown(c) for c in bounded).replace("```", "'''")
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def name(text: str) -> str:
    """A kernel's name: of a C++ signature only the function, without types and templates."""
    if "<" not in text and "(" not in text:
        return line(text, MOST_NAME)
    bare = text.removeprefix("void ").replace("(anonymous namespace)", "").replace("<unnamed>", "")
    words = re.split(r"[<(]", bare, maxsplit=1)[0].split()
    return line(f"{words[-1].rstrip(':').split('::')[-1]}<…>" if words else text, MOST_NAME)


def code(text: str) -> str:
    """Source code as it stands, with other line ends and control characters made visible."""
    lines = re.split(r"\r\n|\r|\n", text)
    kept = ["".join(c if c.isprintable() or c == "\t" else shown(c) for c in row.replace("\f", " ")) for row in lines]
    while kept and not kept[0].strip():
        kept.pop(0)
    while kept and not kept[-1].strip():
        kept.pop()
    return "\n".join(kept)


def fenced(text: str, language: str = "python") -> str:
    """Code in a fence that is longer than any row of backticks in it, so that it cannot end it."""
    body = code(text)
    ticks = "`" * max(3, 1 + max((len(run) for run in _TICKS.findall(body)), default=0))
    return f"{ticks}{language}\n{body}\n{ticks}"


def quoted(text: str, most: int = 100) -> str:
    """A line of code inside a sentence."""
    inside = line(text, most).replace("`", "'")
    return f"`{inside}`" if inside else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Code whose lines are spoken of by what stands there: who reads a brief sees no line numbers."""

    code: str
    path: str = ""

    def line(self, number: int | None) -> str:
        """What stands in a line, as code; its number where that is blank or not there."""
        rows = re.split(r"\r\n|\r|\n", self.code)
        inside = quoted(rows[number - 1]) if number is not None and 0 < number <= len(rows) else ""
        return inside or (f"line {number}" if number is not None else "an unknown line")

    def told(self, text: str, location: str | None) -> str:
        """``text`` that speaks of lines as ``:31`` does of the file of ``location``, with what stands there."""
        path = (location or "").split(" ")[0].rpartition(":")[0]
        if not path or Path(path).name != Path(self.path).name:
            return text
        return _PLACE.sub(lambda found: self.line(int(found[1])), text)

    def at(self, location: str) -> str:
        """``path:line``, with what stands there where it is this code."""
        path, _, number = location.split(" ")[0].rpartition(":")
        mine = number.isdecimal() and len(number) < 8 and Path(path).name == Path(self.path).name
        inside = self.line(int(number)) if mine else ""
        return f"{line(location)}{f' {inside}' if inside.startswith('`') else ''}"


def listed(words: Iterable[str], most: int = SHOWN) -> str:
    """``a, b and 3 more``."""
    every = list(words)
    rest = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + rest


def both(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""


def time(us: float) -> str:
    """Microseconds with a fitting unit and three digits."""
    for factor, unit in ((1e6, "s"), (1e3, "ms")):
        if us >= factor:
            return f"{us / factor:.3g} {unit}"
    return f"{us:.3g} us"


def size(count: float) -> str:
    """Bytes in powers of ten, as bandwidths are given."""
    for factor, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count:.0f} B"


def reading(value: float, unit: str) -> str:
    """A metric's value with its unit."""
    if unit == "byte":
        return size(value)
    if unit in ("us", "ns"):
        return time(value if unit == "us" else value / 1000)
    digits = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{digits} {unit}".strip()


def gain(value: Gain | None) -> str:
    """``1.46x (1.34x to 1.58x)``."""
    if value is None:
        return "no estimate"
    if f"{value.low:.2f}" == f"{value.high:.2f}":
        return f"{value.best:.2f}x"
    return f"{value.best:.2f}x ({value.low:.2f}x to {value.high:.2f}x)"
