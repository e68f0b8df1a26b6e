"""Whether host code failed for a value that only a GPU computes, or for a fault of its own."""

from __future__ import annotations

import dis
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    import types
    from collections.abc import Iterator

_SAYS = re.compile(
    r"\bmeta (tensors?|backend|device)\b|'meta' backend|'meta' device|register_meta function for"
    r"|data is not allocated|no storage|n't have storage|on meta\b",
    re.IGNORECASE,
)
"""How torch says that a tensor without data was read."""
_TORCH = (str(Path(torch.__file__).resolve().parent) + os.sep, str(Path(__file__).resolve().parent) + os.sep)
_RAISE = dis.opmap["RAISE_VARARGS"]


class ValueReadError(RuntimeError):
    """Host code asked for a value where no tensor has any."""


def is_read(error: BaseException) -> bool:
    """Whether ``error``, or one that it comes from, is torch's about a tensor without data."""
    return any(
        isinstance(one, ValueReadError)
        or (_SAYS.search(str(one)) is not None and not _raised_by_others(one.__traceback__))
        for one in _chain(error)
    )


def follows_values(error: BaseException) -> bool:
    """Whether ``error`` is how a check of results ends: with values that no GPU computed it says nothing."""
    return isinstance(error, (AssertionError, SystemExit))


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        left += [one.__cause__, one.__context__]


def _raised_by_others(trace: types.TracebackType | None) -> bool:
    """Whether a ``raise`` or ``assert`` outside torch made it: torch raises from C, or in files of its own."""
    if trace is None:
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    if os.path.realpath(code.co_filename).startswith(_TORCH):
        return False
    return trace.tb_lasti >= 0 and code.co_code[trace.tb_lasti] == _RAISE
