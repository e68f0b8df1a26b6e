"""Frozen dataclasses to JSON and back. What is read is held to the annotations: a cache is a file like any other."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

T = TypeVar("T")


def encode(value: Any) -> Any:
    """``value`` out of dicts, lists and scalars."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): encode(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [encode(v) for v in value]
    return value


def decode(kind: type[T], value: Any) -> T:
    """The dataclass ``kind`` out of what ``encode`` gave.

    Raises:
        ValueError: a field is missing, unknown or of another type.
    """
    return typing.cast("T", _decode(kind, value))


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _decode(kind: Any, value: Any) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _dataclass(kind, value)
    if origin in (Union, types.UnionType):
        for choice in inner:
            try:
                return _decode(choice, value)
            except ValueError:
                continue
        raise ValueError(f"{value!r} is none of {kind}")
    if origin is Literal:
        if value in inner:
            return value
        raise ValueError(f"{value!r} is none of {inner}")
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{value!r} is no list")
        if inner[-1] is not Ellipsis and len(inner) != len(value):
            raise ValueError(f"{len(value)} values in place of {len(inner)}")
        kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else inner
        return tuple(_decode(k, v) for k, v in zip(kinds, value, strict=True))
    if origin is Mapping:
        if not isinstance(value, dict):
            raise ValueError(f"{value!r} is no object")
        return {str(k): _decode(inner[1], v) for k, v in value.items()}
    if kind is float and type(value) is int:
        return float(value)
    if kind is type(None):
        kind = types.NoneType
    if type(value) is kind:
        return value
    raise ValueError(f"{value!r} is no {kind}")


def _dataclass(kind: type, value: Any) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is no object")
    hints = _hints(kind)
    unknown = set(value) - set(hints)
    if unknown:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    try:
        return kind(**{name: _decode(hints[name], given) for name, given in value.items()})
    except TypeError as error:
        raise ValueError(str(error)) from error
