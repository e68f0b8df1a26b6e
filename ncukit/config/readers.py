"""What a value in the file must be: each reader returns the value or says what it should have been."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from ncukit.errors import nearest

PRESETS = ("quick", "default", "full")
CLOCK_CONTROLS = ("base", "none", "reset")
CACHE_CONTROLS = ("all", "none")
LEVELS = ("error", "warn")
ALLOWED = ("gpu", "ncu", "clocks", "caches", "size", "problem", "source", "no-baseline", "not-in-baseline")
"""What ``allow`` may name."""
BASELINE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
"""A baseline's name: it becomes a folder."""
AMOUNT = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?(\s*%)?")
"""How far a value may drop or rise: a number in the metric's unit, or a share of the baseline with ``%``."""
ARCH = re.compile(r"sm_[1-9][0-9]{1,2}[af]?")
"""An architecture as nvcc and Triton write it."""
MOST = 10**300
LONGEST = 500
"""Characters of a glob or a reason."""

Reader = Callable[[Any], Any]


class WrongValueError(ValueError):
    """What a value should have been; ``load`` adds file and key."""


def one_of(*allowed: str) -> Reader:
    """One of some words."""

    def read(value: Any) -> str:
        if value not in allowed or not isinstance(value, str):
            close = nearest(str(value), allowed, 1)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            raise WrongValueError(f"one of {', '.join(allowed)}{hint}")
        return value

    return read


def _is_number(value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return abs(value) < MOST if isinstance(value, int) else math.isfinite(value)


def seconds(value: Any) -> float:
    """A number of seconds."""
    if not _is_number(value) or value <= 0:
        raise WrongValueError("a number of seconds above 0")
    return float(value)


def count(value: Any) -> int:
    """A whole number from 1."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 10**9:
        raise WrongValueError("a whole number of at least 1")
    return value


def program(value: Any) -> str:
    """The name or path of a program."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise WrongValueError("a program name or path in quotes")
    return value


def limits(value: Any) -> dict[str, float]:
    """``{ dram_pct = 70 }``: a number a metric."""
    if not isinstance(value, dict):
        raise WrongValueError("a table of metric = number, such as { dram_pct = 70 }")
    for name, limit in value.items():
        if not _is_number(limit):
            raise WrongValueError(f"a finite number for {name}, without quotes or units")
    return {name: float(limit) for name, limit in value.items()}


def amounts(value: Any) -> dict[str, str]:
    """``{ dram_pct = "5%", dram_gbps = 100 }``, as text."""
    if not isinstance(value, dict):
        raise WrongValueError('a table of metric = how far, such as { duration_us = "3%" }')
    for name, amount in value.items():
        text = str(amount) if _is_number(amount) else amount
        if not isinstance(text, str) or not AMOUNT.fullmatch(text) or not math.isfinite(float(text.rstrip(" %"))):
            raise WrongValueError(f'a number of at least 0 for {name}, in its unit or as a share ("5%")')
    return {name: str(amount).replace(" ", "") for name, amount in value.items()}


def text(value: Any) -> str:
    """Some words on one line."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > LONGEST:
        raise WrongValueError(f"text in quotes on one line, of at most {LONGEST} characters")
    return value


def yes_or_no(value: Any) -> bool:
    """``true`` or ``false``."""
    if not isinstance(value, bool):
        raise WrongValueError("true or false, without quotes")
    return value


def words(value: Any) -> tuple[str, ...]:
    """A list of words."""
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise WrongValueError('a list of words in quotes, such as ["local-memory"]')
    return tuple(dict.fromkeys(value))


def words_of(*allowed: str) -> Reader:
    """A list of words out of ``allowed``."""
    one = one_of(*allowed)

    def read(value: Any) -> tuple[str, ...]:
        return tuple(one(word) for word in words(value))

    return read


def archs(value: Any) -> tuple[str, ...]:
    """A list of architectures."""
    if not isinstance(value, list) or not all(isinstance(one, str) and ARCH.fullmatch(one) for one in value):
        raise WrongValueError('a list of architectures in quotes, such as ["sm_80", "sm_90"]')
    return tuple(dict.fromkeys(value))


def name(value: Any) -> str:
    """The name of a baseline."""
    if not isinstance(value, str) or not BASELINE_NAME.fullmatch(value):
        raise WrongValueError("a name of letters, digits, '.', '_' and '-'")
    return value


BUDGET: Mapping[str, tuple[str, Reader]] = {
    "kernel": ("kernel", text),
    "case": ("case", text),
    "min": ("minimum", limits),
    "max": ("maximum", limits),
    "max-drop": ("max_drop", amounts),
    "max-rise": ("max_rise", amounts),
    "forbid": ("forbid", words),
    "level": ("level", one_of(*LEVELS)),
}
"""Key of ``[[gate.budget]]`` → (field, reader)."""
IGNORE: Mapping[str, tuple[str, Reader]] = {
    "kernel": ("kernel", text),
    "case": ("case", text),
    "metric": ("metric", text),
    "reason": ("reason", text),
}
GATE: Mapping[str, tuple[str, Reader]] = {
    **{key: entry for key, entry in BUDGET.items() if key not in ("kernel", "case")},
    "baseline": ("baseline", name),
    "all-cases": ("all_cases", yes_or_no),
    "strict": ("strict", yes_or_no),
    "allow": ("allow", words_of(*ALLOWED)),
}
PROFILE: Mapping[str, tuple[str, Reader]] = {
    "preset": ("preset", one_of(*PRESETS)),
    "clock_control": ("clock_control", one_of(*CLOCK_CONTROLS)),
    "cache_control": ("cache_control", one_of(*CACHE_CONTROLS)),
    "timeout_s": ("timeout_s", seconds),
    "launches": ("launches", count),
    "ncu": ("ncu", program),
    "python": ("python", program),
}
INSPECT: Mapping[str, tuple[str, Reader]] = {
    "arch": ("arch", archs),
    "min": ("minimum", limits),
    "max": ("maximum", limits),
    "select": ("select", words),
    "ignore": ("ignore", words),
    "strict": ("strict", yes_or_no),
}
