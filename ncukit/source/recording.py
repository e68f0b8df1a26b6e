"""A recorded ``launches.json`` before anything is made of it: each field that compiling again reads has its type.

The record comes out of the user's program, or somebody wrote it by hand. What is wrong in it is told here, by its
place, and not as an error of the kernel file later on.
"""

from __future__ import annotations

import math
import re
from typing import Any, NoReturn

from ncukit.errors import Exit, NcukitError

MOST_LAUNCHES = 10_000
MOST_KERNELS = 10_000
MOST_ARGUMENTS = 1_000
MOST_DIMENSIONS = 64
LARGEST = (1 << 31) - 1
"""Blocks along a grid's first axis, which no GPU goes beyond."""
LARGEST_LAUNCH = 1 << 10
"""Warps, stages, CTAs."""
LARGEST_TENSOR = 1 << 48
"""Elements of a tensor; an expanded one has more than its memory."""
LONGEST = 1_000
"""Characters of a name or of a scalar's text."""
SCALARS = (int, float, str, bool, type(None))
_TYPE = re.compile(r"(torch\.)?[a-z][a-z0-9_]{0,39}", re.ASCII)


def check(record: object, path: str) -> dict[str, Any]:
    """``record`` as it is, when its launches can be made again.

    Args:
        record: what the JSON file holds.
        path: the file, for the message.

    Raises:
        NcukitError: a field is missing, has another type or goes beyond all that a GPU can do.
    """
    try:
        return _checked(record)
    except ValueError as error:
        raise NcukitError(
            f"{path} holds no launches that can be made again: {error}",
            causes=("the file was written by hand or cut short", "another version of ncukit wrote it"),
            next_command="ncukit profile FILE --out RUN",
            exit_code=Exit.USAGE,
        ) from error


def _checked(record: object) -> dict[str, Any]:
    document = _object(record, "the file")
    kernels = _object(_field(document, "kernels", "the file"), "kernels")
    launches = _list(_field(document, "launches", "the file"), "launches")
    if len(kernels) > MOST_KERNELS or len(launches) > MOST_LAUNCHES:
        _wrong("the file", f"{len(kernels):,} kernels and {len(launches):,} launches are too many")
    for key, kernel in kernels.items():
        _kernel(kernel, f"kernels[{key!r:.60}]")
    for number, launch in enumerate(launches):
        _launch(launch, f"launches[{number}]", kernels)
    return document


def _kernel(value: object, at: str) -> None:
    kernel = _object(value, at)
    _text(_field(kernel, "name", at), f"{at}.name")
    _scalars(_field(kernel, "constexprs", at), f"{at}.constexprs")
    _scalars(kernel.get("options") or {}, f"{at}.options")
    for name in ("num_warps", "num_stages", "num_ctas"):
        if kernel.get(name) is not None:
            _whole(kernel[name], f"{at}.{name}", LARGEST_LAUNCH)


def _launch(value: object, at: str, kernels: dict[str, Any]) -> None:
    launch = _object(value, at)
    kernel = _field(launch, "kernel", at)
    if not isinstance(kernel, str) or kernel not in kernels:
        _wrong(f"{at}.kernel", f"{kernel!r:.60} is none of the kernels")
    grid = _list(_field(launch, "grid", at), f"{at}.grid")
    if not 1 <= len(grid) <= 3:
        _wrong(f"{at}.grid", f"a grid has one to three sizes, found {len(grid)}")
    for size in grid:
        _whole(size, f"{at}.grid", LARGEST)
    _scalars(_field(launch, "scalars", at), f"{at}.scalars")
    tensors = _list(_field(launch, "tensors", at), f"{at}.tensors")
    if len(tensors) > MOST_ARGUMENTS:
        _wrong(f"{at}.tensors", f"{len(tensors):,} are too many")
    for number, tensor in enumerate(tensors):
        _tensor(tensor, f"{at}.tensors[{number}]")


def _tensor(value: object, at: str) -> None:
    tensor = _object(value, at)
    _text(_field(tensor, "name", at), f"{at}.name")
    dtype = _field(tensor, "dtype", at)
    if not isinstance(dtype, str) or not _TYPE.fullmatch(dtype):
        _wrong(f"{at}.dtype", f"{dtype!r:.60} is no type of a tensor")
    shape = _list(_field(tensor, "shape", at), f"{at}.shape")
    if len(shape) > MOST_DIMENSIONS:
        _wrong(f"{at}.shape", f"{len(shape):,} dimensions are too many")
    sizes = [_whole(size, f"{at}.shape", LARGEST_TENSOR) for size in shape]
    if math.prod(max(size, 1) for size in sizes) > LARGEST_TENSOR:
        _wrong(f"{at}.shape", f"{sizes!s:.60} is larger than any tensor")
    if not isinstance(tensor.get("aligned"), bool | None):
        _wrong(f"{at}.aligned", f"true or false expected, found {tensor['aligned']!r:.60}")


def _field(holder: dict[str, Any], name: str, at: str) -> Any:
    if name not in holder:
        _wrong(at, f"{name} is missing")
    return holder[name]


def _object(value: object, at: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        _wrong(at, f"an object expected, found {value!r:.60}")
    return value


def _list(value: object, at: str) -> list[Any]:
    if not isinstance(value, list):
        _wrong(at, f"a list expected, found {value!r:.60}")
    return value


def _text(value: object, at: str) -> None:
    if not isinstance(value, str) or not value or len(value) > LONGEST:
        _wrong(at, f"a name expected, found {value!r:.60}")


def _whole(value: object, at: str, largest: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= largest:
        _wrong(at, f"a number from 0 to {largest:,} expected, found {value!r:.60}")
    return value


def _scalars(value: object, at: str) -> None:
    """Arguments by name: plain values that a kernel can be given."""
    found = _object(value, at)
    if len(found) > MOST_ARGUMENTS:
        _wrong(at, f"{len(found):,} are too many")
    for name, scalar in found.items():
        if not isinstance(scalar, SCALARS) or (isinstance(scalar, str) and len(scalar) > LONGEST):
            _wrong(f"{at}.{name:.60}", f"a plain value expected, found {scalar!r:.60}")
        if isinstance(scalar, int) and not -(1 << 63) <= scalar < 1 << 64:
            _wrong(f"{at}.{name:.60}", "a number beyond 64 bits")


def _wrong(at: str, what: str) -> NoReturn:
    """Say what is wrong, and where."""
    raise ValueError(f"{at}: {what}")
