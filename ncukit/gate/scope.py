"""Whom a budget is for: globs over kernels and cases, and the patterns of ``-k``."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ncukit.errors import NcukitError
from ncukit.gate.match import function_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ncukit.gate.readings import Entry

OF_LAUNCH = re.compile(r"=|^\d+x\d+x\d+$")
"""A case that is a constexpr or a grid, not a run's name."""


def grid_text(text: str) -> str:
    """``7168x1x1`` of ``(7168, 1, 1)``."""
    return "x".join(re.findall(r"\d+", text))


def named(glob: str, kernel: str) -> bool:
    """Whether a glob matches a kernel's full name, or its bare function name."""
    return fnmatchcase(kernel, glob) or fnmatchcase(function_name(kernel), glob)


def matcher(pattern: str) -> Callable[[str], bool]:
    """Like ncu's ``-k``, on the full name as the report has it and on the bare function name."""
    if not pattern.startswith("regex:"):
        return lambda name: pattern in (name, function_name(name))
    try:
        search = re.compile(pattern.removeprefix("regex:")).search
    except (re.error, RecursionError, OverflowError) as error:
        raise NcukitError(
            f"-k '{pattern}' is not a regular expression: {error}",
            causes=("a kernel name may hold characters that a regular expression reads as operators",),
            next_command="use -k with the exact kernel name, or escape with a backslash",
        ) from error
    return lambda name: bool(search(name) or search(function_name(name)))


def of_case(glob: str, case: str, target: str, entries: Iterable[Entry]) -> bool:
    """Whether a glob over cases names a run by its name or target, or one of its kernels by grid or constexpr."""
    words = [case, target]
    for entry in entries:
        words += [grid_text(entry.grid), *entry.constexprs.split(", ")]
    return not glob or any(fnmatchcase(word, glob) for word in words if word)
