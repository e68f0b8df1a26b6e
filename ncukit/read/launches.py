"""``launches.json``: what Triton knew about each launch, written by the harness inside the profiled process.

It comes from the user's program, so nothing in it is trusted: each field is checked for its type.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ncukit.model import Dim3, Tensor, TritonLaunch
from ncukit.read import jsonfile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_T = TypeVar("_T")
_UNTOUCHED = {"loads": [], "stores": [], "loaded": False, "stored": False}
Scalar = int | float | str | bool | None


@dataclass(frozen=True, slots=True)
class Recording:
    """The recorded launches in launch order, and the versions that were at work."""

    launches: tuple[TritonLaunch, ...]
    versions: Mapping[str, str]
    target: str
    processes: tuple[int | None, ...]
    """The process that made each launch; None where an older record does not say."""
    unjoinable: frozenset[str]
    """Kernels that also ran in a way the harness cannot follow, such as a CUDA graph's replay."""


def read_launches(path: Path, *, name: str) -> Recording:
    """Read a ``launches.json``.

    Raises:
        NcukitError: malformed, or written by a newer ncukit.
    """
    text = jsonfile.load(path, name)
    document = jsonfile.versioned(text, name)
    try:
        kernels = {key: _typed(k, dict) for key, k in _typed(document["kernels"], dict).items()}
        entries = [_typed(entry, dict) for entry in _typed(document["launches"], list)]
        versions = _typed(document.get("versions") or {}, dict)
        target = document.get("target") or ""
        return Recording(
            launches=tuple(_launch(entry, kernels) for entry in entries),
            versions={k: str(v) for k, v in versions.items()},
            target=_typed(target, str),
            processes=tuple(_optional(entry.get("process"), int) for entry in entries),
            unjoinable=frozenset(_typed(document.get("unjoinable") or {}, dict)),
        )
    except KeyError as error:
        raise jsonfile.malformed(name, f"{error} is missing") from error
    except (TypeError, ValueError, OverflowError) as error:
        raise jsonfile.malformed(name, str(error)[:200]) from error


def _typed(value: Any, kind: type[_T]) -> _T:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"{kind.__name__} expected, found {str(value)[:60]!r}")
    if isinstance(value, int) and abs(value) >= 1 << 63:
        raise ValueError(f"a number beyond 64 bits: {hex(value)[:60]}")
    return value


def _optional(value: Any, kind: type[_T]) -> _T | None:
    return None if value is None else _typed(value, kind)


def _launch(entry: dict[str, Any], kernels: Mapping[str, dict[str, Any]]) -> TritonLaunch:
    kernel = kernels[_typed(entry["kernel"], str)]
    arguments = _typed(kernel.get("arguments") or {}, dict)
    tensors = [_typed(tensor, dict) for tensor in _typed(entry["tensors"], list)]
    return TritonLaunch(
        kernel=_typed(kernel["name"], str),
        grid=_grid(entry["grid"]),
        num_warps=_typed(kernel["num_warps"], int),
        num_stages=_typed(kernel["num_stages"], int),
        num_ctas=_typed(kernel.get("num_ctas", 1), int),
        registers=_optional(kernel.get("registers"), int),
        spills=_optional(kernel.get("spills"), int),
        shared_bytes=_typed(kernel["shared_bytes"], int),
        cooperative=_typed(kernel.get("cooperative", False), bool),
        constexprs=_scalars(kernel.get("constexprs")),
        scalars=_scalars(entry.get("scalars")),
        tensors=tuple(_tensor(tensor, arguments if _accounted(arguments, tensors) else {}) for tensor in tensors),
        has_dot=_optional(kernel.get("has_dot"), bool),
        file=_optional(kernel.get("file"), str),
        line=_optional(kernel.get("line"), int),
        launch_line=_optional(entry.get("launch_line"), int),
        options=_scalars(kernel.get("options")),
    )


def _accounted(arguments: Mapping[str, Any], tensors: list[dict[str, Any]]) -> bool:
    """Whether every argument that the kernel touches is among the recorded tensors.

    Another library's array or a member of a tuple is not, and then nothing can be said of the launch's bytes.
    """
    named = {tensor.get("name") for tensor in tensors}
    return all(name in named or access == _UNTOUCHED for name, access in arguments.items())


def _grid(value: Any) -> Dim3:
    sizes = [_typed(size, int) for size in _typed(value, list)]
    if len(sizes) != 3:
        raise ValueError(f"a grid has three sizes, found {len(sizes)}")
    return sizes[0], sizes[1], sizes[2]


def _scalars(value: Any) -> dict[str, Scalar]:
    found: dict[str, Scalar] = {}
    for name, scalar in _typed(value or {}, dict).items():
        if not isinstance(scalar, int | float | str | bool | None):
            raise TypeError(f"{name} is no plain value")
        found[name] = scalar
    return found


def _tensor(entry: dict[str, Any], arguments: Mapping[str, Any]) -> Tensor:
    name = _typed(entry["name"], str)
    # No entry, or null: the compiled kernel could not be followed. An empty list: it does not touch the
    # argument.
    access = _optional(arguments.get(name), dict)
    loads, stores = (None, None) if access is None else (_lines(access, "loads"), _lines(access, "stores"))
    return Tensor(
        name=name,
        dtype=_typed(entry["dtype"], str),
        shape=tuple(_typed(size, int) for size in _typed(entry["shape"], list)),
        bytes=_typed(entry["bytes"], int),
        buffer=_typed(entry["buffer"], int),
        loaded=None if access is None else _typed(access.get("loaded", bool(loads)), bool),
        stored=None if access is None else _typed(access.get("stored", bool(stores)), bool),
        load_lines=loads or (),
        store_lines=stores or (),
        aligned=_optional(entry.get("aligned"), bool),
    )


def _lines(access: Mapping[str, Any], key: str) -> tuple[int, ...]:
    return tuple(_typed(line, int) for line in _typed(access[key], list))
