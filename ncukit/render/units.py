"""Numbers as people read them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ncukit.model import Gain


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


def kernel(name: str) -> str:
    """A kernel's name short enough for a table: of a C++ signature only the function, without types and templates."""
    if "<" not in name and "(" not in name:
        return name
    bare = name.removeprefix("void ").replace("(anonymous namespace)", "").replace("<unnamed>", "")
    head = re.split(r"[<(]", bare, maxsplit=1)[0].strip().rstrip(":")
    short = head.split()[-1] if head.split() else name
    return f"{short.split('::')[-1] or short}<…>"


def gain(value: Gain | None) -> str:
    """``1.35–1.58x``, or a dash where no gain is promised."""
    if value is None:
        return "–"
    if f"{value.low:.2f}" == f"{value.high:.2f}":
        return f"{value.best:.2f}x"
    return f"{value.low:.2f}–{value.high:.2f}x"


def reading(value: float, unit: str) -> str:
    """A metric's value with its unit."""
    if unit == "byte":
        return size(value)
    if unit == "us":
        return time(value)
    if unit == "ns":
        return time(value / 1000)
    digits = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{digits} {unit}".strip()
