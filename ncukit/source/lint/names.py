"""Which names Triton's language has, by version, and what to write for those that it does not have."""

from __future__ import annotations

import tomllib
from functools import cached_property
from importlib.resources import files
from typing import Any

LIBDEVICE = "libdevice"


class Known:
    """The lists of ``language.toml``."""

    @cached_property
    def _raw(self) -> dict[str, Any]:
        return tomllib.loads(files(__package__).joinpath("language.toml").read_text(encoding="utf-8"))

    @property
    def versions(self) -> tuple[str, ...]:
        """Versions of Triton that the lists were read from, oldest first."""
        return tuple(self._raw["versions"])

    @cached_property
    def _groups(self) -> dict[str, frozenset[str]]:
        groups = {k: v for k, v in self._raw.items() if isinstance(v, dict) and "names" in v}
        return {k: frozenset(v["names"].split()) | frozenset(v.get("only", {})) for k, v in groups.items()}

    def names(self, group: str) -> list[str]:
        """Every name of ``tl``, ``tensor``, ``math``, ``libdevice`` or ``triton`` in any version."""
        return sorted(self._groups[group])

    def only(self, group: str) -> dict[str, list[str]]:
        """Name → its versions, for names that not all versions have."""
        return dict(self._raw[group].get("only", {}))

    def signatures(self, name: str) -> tuple[tuple[str, ...], ...]:
        """Parameters of a function of ``tl``, ``?`` behind those with a default; several where versions differ."""
        return tuple(tuple(text.split()) for text in self._raw["signatures"].get(name, ()))

    def __call__(self, group: str, name: str) -> bool:
        """Whether any version has the name."""
        return name in self._groups[group]


known = Known()

_IMPORT = "with `from triton.language.extra import libdevice`"
REPLACED = {
    "tanh": f"`libdevice.tanh(x)`, {_IMPORT}, or `2 * tl.sigmoid(2 * x) - 1`",
    "pow": f"`x * x` for a square, else `libdevice.pow(x, y)`, {_IMPORT}",
    "any": "`tl.max(x.to(tl.int32), axis=0) != 0`",
    "all": "`tl.min(x.to(tl.int32), axis=0) != 0`",
    "isnan": "`x != x`",
    "isinf": '`tl.abs(x) == float("inf")`',
    "isfinite": '`tl.abs(x) < float("inf")`',
    "sign": "`tl.where(x > 0, 1.0, tl.where(x < 0, -1.0, 0.0))`",
    "mean": "`tl.sum(x, axis=0) / n`",
    "var": "`tl.sum(d * d, axis=0) / n` with `d` the distance from the mean",
    "std": "`tl.sqrt(tl.sum(d * d, axis=0) / n)` with `d` the distance from the mean",
    "relu": "`tl.maximum(x, 0.0)`",
    "silu": "`x * tl.sigmoid(x)`",
    "swish": "`x * tl.sigmoid(x)`",
    "gelu": "`0.5 * x * (1.0 + tl.erf(x * 0.7071067811865476))`",
    "softplus": "`tl.log(1.0 + tl.exp(x))`",
    "square": "`x * x`",
    "reciprocal": "`1.0 / x`",
    "neg": "`-x`",
    "div": "`x / y`",
    "logical_and": "`x & y` on comparisons",
    "logical_or": "`x | y` on comparisons",
    "logical_not": "`x == 0`",
    "logical_xor": "`x ^ y` on comparisons",
    "matmul": "`tl.dot(x, y)`",
    "mm": "`tl.dot(x, y)`",
    "ones": "`tl.full(shape, 1.0, tl.float32)`",
    "ones_like": "`tl.full(x.shape, 1, x.dtype)`",
    "full_like": "`tl.full(x.shape, value, x.dtype)`",
    "empty": "`tl.zeros(shape, tl.float32)`",
    "concatenate": "`tl.join(x, y)`, or `tl.cat(x, y, can_reorder=True)`",
    "concat": "`tl.join(x, y)`, or `tl.cat(x, y, can_reorder=True)`",
    "stack": "`tl.join(x, y)`",
    "flatten": "`tl.ravel(x)`",
    "transpose": "`tl.trans(x)`",
    "astype": "`x.to(dtype)`",
    "float": "`tl.float32`",
    "half": "`tl.float16`",
    "double": "`tl.float64`",
    "bool": "`tl.int1`",
    "int": "`tl.int32`",
    "long": "`tl.int64`",
    "uint1": "`tl.int1`",
    "inf": '`float("inf")`',
    "nan": '`float("nan")`',
    "pi": "`3.141592653589793`",
    "prefetch": "leave it out: `tl.range(…, num_stages=3)` makes the compiler load ahead",
    "static_shared_memory": "leave it out: Triton places values in shared memory by itself",
    "shared_memory": "leave it out: Triton places values in shared memory by itself",
    "syncthreads": "leave it out, or `tl.debug_barrier()`",
    "barrier": "leave it out, or `tl.debug_barrier()`",
    "thread_id": "`tl.arange(0, BLOCK)` for the elements of a program: Triton has no threads",
    "pid": "`tl.program_id(0)`",
    "atomic_sub": "`tl.atomic_add(pointer, -x)`",
    "libdevice": f"`libdevice.…`, {_IMPORT}",
}
"""Name that people look for in ``tl`` or ``tl.math`` → what Triton has for it."""
METHODS = {
    "flatten": "`tl.ravel({x})`",
    "astype": "`{x}.to(dtype)`",
    "float": "`{x}.to(tl.float32)`",
    "half": "`{x}.to(tl.float16)`",
    "bfloat16": "`{x}.to(tl.bfloat16)`",
    "double": "`{x}.to(tl.float64)`",
    "int": "`{x}.to(tl.int32)`",
    "long": "`{x}.to(tl.int64)`",
    "bool": "`{x} != 0`",
    "size": "`{x}.shape[0]`",
    "ndim": "`len({x}.shape)`",
    "dim": "`len({x}.shape)`",
    "mean": "`tl.sum({x}, axis=0) / n`",
    "any": "`tl.max({x}.to(tl.int32), axis=0) != 0`",
    "all": "`tl.min({x}.to(tl.int32), axis=0) != 0`",
    "pow": "`{x} * {x}` for a square",
    "square": "`{x} * {x}`",
    "transpose": "`tl.trans({x})`",
    "t": "`tl.trans({x})`",
    "mT": "`tl.trans({x})`",
    "unsqueeze": "`{x}[:, None]`",
    "squeeze": "`tl.reshape({x}, shape)`",
    "expand": "`tl.broadcast_to({x}, shape)`",
    "repeat": "`tl.broadcast_to({x}, shape)`",
    "contiguous": "`{x}`",
    "clone": "`{x}`",
    "detach": "`{x}`",
    "cpu": "`{x}`",
    "cuda": "`{x}`",
    "copy": "`{x}`",
    "numpy": "`{x}`",
    "tolist": "`{x}`: a kernel has no lists of numbers",
    "masked_fill": "`tl.where(mask, value, {x})`",
    "isnan": "`{x} != {x}`",
    "matmul": "`tl.dot({x}, y)`",
    "mm": "`tl.dot({x}, y)`",
    "relu": "`tl.maximum({x}, 0.0)`",
    "add": "`{x} + y`",
    "sub": "`{x} - y`",
    "mul": "`{x} * y`",
    "div": "`{x} / y`",
    "fill_": "`tl.full(shape, value, dtype)`",
}
"""Method of torch or NumPy → what Triton has for it; ``{x}`` is the value."""
TORCH_ONLY = frozenset(METHODS) - {"t", "int", "copy", "add", "sub", "mul", "div", "dim", "size", "repeat", "expand"}
"""Methods that nothing in a kernel has, whatever the value is."""
