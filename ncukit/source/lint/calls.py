"""What Triton's functions return: which give blocks, which one value, and of which type.

The tables hold for Triton 3.6 to 3.9; a function that is in none of them returns something unknown.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from ncukit.source.lint.kinds import UNKNOWN, UNSET, Dims, Value, broadcast, constant, family, promote

if TYPE_CHECKING:
    from collections.abc import Callable

    Ask = Callable[[ast.expr | None], Value]
    Special = Callable[["Arguments", Value], Value]

DTYPES = {
    "float64": "fp64", "float32": "fp32", "float16": "fp16", "bfloat16": "bf16", "int1": "int1", "int8": "int8",
    "int16": "int16", "int32": "int32", "int64": "int64", "uint8": "uint8", "uint16": "uint16", "uint32": "uint32",
    "uint64": "uint64", "float8e4nv": "fp8e4nv", "float8e5": "fp8e5", "float8e4b15": "fp8e4b15",
    "float8e4b8": "fp8e4b8", "float8e5b16": "fp8e5b16",
}  # fmt: skip
"""Name in ``triton.language`` → name in its messages."""
FLOATING = frozenset(
    ("exp", "exp2", "log", "log2", "sqrt", "rsqrt", "sqrt_rn", "sin", "cos", "erf", "sigmoid", "floor", "ceil")
)
"""Elementwise, on floats only: the result has the argument's shape and type."""
ALIKE = frozenset(
    ("abs", "flip", "sort", "multiple_of", "max_contiguous", "max_constancy", "bitonic_merge", "zeros_like", "softmax")
)
"""The result has the first argument's shape and type."""
PAIRS = {
    "where": (("condition", "x", "y"), (1, 2)),
    "fma": (("x", "y", "z"), ()),
    "clamp": (("x", "min", "max"), ()),
} | dict.fromkeys(("maximum", "minimum", "add", "sub", "mul", "div_rn", "fdiv", "umulhi"), (("x", "y"), (0, 1)))
"""Elementwise on several arguments, which are broadcast → their names, and the two that give the type."""
REDUCTIONS = frozenset(("sum", "max", "min", "argmax", "argmin", "xor_sum", "reduce_or", "reduce"))
SHAPED = {"zeros": 0, "full": 0, "broadcast_to": 1, "reshape": 1, "view": 1}
"""→ index of the argument that is the result's shape."""
SCALARS = {"program_id": "int32", "num_programs": "int32"}
RANDOM = frozenset(("rand", "randn"))
_KEEP_TYPE = ("fp32", "fp64", "int32", "int64", "uint32", "uint64", "float")


class Arguments:
    """Arguments of one call by position or name; of a method the value itself is the first."""

    def __init__(self, call: ast.Call, ask: Ask, receiver: Value | None = None) -> None:
        self.known = not any(isinstance(a, ast.Starred) for a in call.args) and all(k.arg for k in call.keywords)
        self.nodes: list[ast.expr | None] = ([None] if receiver is not None else []) + list(call.args)
        self.values = ([receiver] if receiver is not None else []) + [ask(a) for a in call.args]
        self.named = {k.arg: (k.value, ask(k.value)) for k in call.keywords if k.arg}

    def value(self, index: int, name: str) -> Value | None:
        """The argument's value; None when it is not given."""
        if name in self.named:
            return self.named[name][1]
        return self.values[index] if index < len(self.values) else None

    def node(self, index: int, name: str) -> ast.expr | None:
        """Its expression."""
        if name in self.named:
            return self.named[name][0]
        return self.nodes[index] if index < len(self.nodes) else None


def returned(name: str, call: ast.Call, ask: Ask, receiver: Value | None = None) -> Value:
    """What ``tl.<name>(...)``, or the method ``name`` of ``receiver``, gives."""
    given = Arguments(call, ask, receiver)
    if not given.known:
        return UNKNOWN
    first = given.value(0, "input") or given.value(0, "x") or UNKNOWN
    if name in SCALARS:
        return Value(form="scalar", dtype=SCALARS[name])
    if name == "arange":
        return Value(form="block", dtype="int32", dims=(_arange(given),))
    if name in FLOATING or name in ALIKE:
        return _elementwise(name, first)
    if name in PAIRS:
        return _paired(name, given)
    if name in REDUCTIONS:
        return _reduced(name, given, first)
    if name in SHAPED:
        return _shaped(name, given, ask)
    special = _SPECIAL.get(name)
    return special(given, first) if special else UNKNOWN


def size(value: Value, node: ast.expr | None) -> int | str | None:
    """A dimension as the kernel writes it: a number where it is known."""
    if isinstance(value.literal, int):
        return int(value.literal)
    return ast.unparse(node) if node is not None else None


def _arange(given: Arguments) -> int | str | None:
    start, end = given.value(0, "start"), given.value(1, "end")
    if start is None or end is None:
        return None
    if isinstance(start.literal, int) and isinstance(end.literal, int):
        return end.literal - start.literal
    return size(end, given.node(1, "end")) if start.literal == 0 else None


def _elementwise(name: str, first: Value) -> Value:
    if first.form == "constexpr":
        return Value(form="scalar", dtype=first.dtype if name in ALIKE else "fp32")
    dtype = first.dtype if name in ALIKE or family(first.dtype) == "float" else "float"
    return Value(form=first.form, dtype=dtype, dims=first.dims) if first.is_tensor else Value(dtype=dtype)


def _paired(name: str, given: Arguments) -> Value:
    names, typed = PAIRS[name]
    values = [given.value(place, argument) or UNKNOWN for place, argument in enumerate(names)]
    shape = values[0]
    for other in values[1:]:
        shape = broadcast(shape, other)
    if shape.form == "constexpr":
        shape = Value(form="scalar")
    pair = [values[place] for place in typed]
    return replace(shape, dtype=promote(*pair, divides=name in ("div_rn", "fdiv")) if pair else None)


def _reduced(name: str, given: Arguments, first: Value) -> Value:
    if name in ("max", "min") and given.value(2, "return_indices") is not None:
        return UNKNOWN
    if first.form == "tuple":
        return UNKNOWN
    dtype = "int32" if name.startswith("arg") else first.dtype if first.dtype in _KEEP_TYPE else None
    if given.value(9, "dtype") is not None:
        dtype = None
    if name in ("reduce", "xor_sum", "reduce_or"):
        dtype = first.dtype if dtype else None
    keeps = given.value(9, "keep_dims")
    if keeps is not None and keeps.literal is not False:
        return Value(form="block", dtype=dtype) if first.form == "block" else Value(dtype=dtype)
    # keep_dims may also stand in its place among the positional arguments
    if len(given.values) > (3 if name == "reduce" else 2):
        return Value(dtype=dtype)
    axis = given.value(1, "axis")
    if axis is None or axis.form == "none":
        return Value(form="scalar", dtype=dtype) if name != "reduce" or axis else Value(dtype=dtype)
    if first.rank == 1:
        return Value(form="scalar", dtype=dtype)
    if first.form != "block" or first.dims is None:
        return Value(dtype=dtype)
    at = axis.literal if isinstance(axis.literal, int) else None
    if at is None or not -len(first.dims) <= at < len(first.dims):
        return Value(form="block", dtype=dtype, dims=(None,) * (len(first.dims) - 1))
    at %= len(first.dims)
    return Value(form="block", dtype=dtype, dims=first.dims[:at] + first.dims[at + 1 :])


def _shaped(name: str, given: Arguments, ask: Ask) -> Value:
    place = SHAPED[name]
    shape, node = given.value(place, "shape"), given.node(place, "shape")
    dtype: str | None = None
    if name in ("zeros", "full"):
        kind = given.value(place + (1 if name == "zeros" else 2), "dtype")
        dtype = kind.literal if kind is not None and kind.form == "dtype" and isinstance(kind.literal, str) else None
    else:
        dtype = (given.value(0, "input") or UNKNOWN).dtype
    dims: Dims | None = None
    if isinstance(node, ast.Tuple | ast.List) and not any(isinstance(e, ast.Starred) for e in node.elts):
        dims = tuple(size(ask(e), e) for e in node.elts)
    elif shape is not None and shape.items is not None:
        dims = tuple(item.literal if isinstance(item.literal, int) else None for item in shape.items)
    elif name in ("broadcast_to", "reshape", "view"):  # sizes may stand there one by one
        sizes = list(zip(given.values[1:], given.nodes[1:], strict=True))
        if sizes and all(v.form in ("constexpr", "scalar") for v, _ in sizes):
            dims = tuple(size(v, n) for v, n in sizes)
    return Value(form="block", dtype=dtype, dims=dims or None)


def _load(given: Arguments, first: Value) -> Value:
    pointer = given.value(0, "pointer") or first
    return Value(form=pointer.form, dims=pointer.dims) if pointer.is_tensor else UNKNOWN


def _cast(given: Arguments, first: Value) -> Value:
    kind = given.value(1, "dtype")
    dtype = kind.literal if kind is not None and kind.form == "dtype" and isinstance(kind.literal, str) else None
    if first.form == "constexpr":
        return Value(form="scalar", dtype=dtype)
    return Value(form=first.form, dtype=dtype, dims=first.dims) if first.is_tensor else Value(dtype=dtype)


def _dot(given: Arguments, first: Value) -> Value:
    other = given.value(1, "other") or UNKNOWN
    if first.dims is not None and other.dims is not None and len(first.dims) == len(other.dims) >= 2:
        return Value(form="block", dims=(*first.dims[:-1], other.dims[-1]))
    return Value(form="block")


def _trans(given: Arguments, first: Value) -> Value:
    if first.form != "block":
        return Value(dtype=first.dtype)
    turned = first.dims[::-1] if first.dims and len(first.dims) == 2 and len(given.values) == 1 else None
    rank = len(first.dims) if first.dims else None
    return replace(first, dims=turned or ((None,) * rank if rank else None))


def _expanded(given: Arguments, first: Value) -> Value:
    dims = (None,) * (len(first.dims) + 1) if first.dims is not None else None
    axis = given.value(1, "axis")
    if axis is not None and axis.form == "tuple":
        dims = None
    return Value(form="block", dtype=first.dtype, dims=dims)


def _split(given: Arguments, first: Value) -> Value:
    del given
    if first.form != "block" or not first.dims:
        return UNKNOWN
    half = replace(first, dims=first.dims[:-1]) if len(first.dims) > 1 else Value(form="scalar", dtype=first.dtype)
    return Value(form="tuple", items=(half, half))


def _scanned(given: Arguments, first: Value) -> Value:
    del given
    return Value(form=first.form, dims=first.dims, dtype=first.dtype if first.dtype in _KEEP_TYPE else None)


def _random(given: Arguments, first: Value) -> Value:
    del first
    offset = given.value(1, "offset") or UNKNOWN
    return Value(form=offset.form, dims=offset.dims, dtype="fp32") if offset.is_tensor else Value(dtype="fp32")


def _cdiv(given: Arguments, first: Value) -> Value:
    both = broadcast(given.value(0, "x") or first, given.value(1, "div") or UNKNOWN)
    # of constants it is a constant from 3.7 on, and before a value at run time: who cares must look at the version
    return both if both.form == "constexpr" else replace(both, dtype="int" if both.is_tensor else None)


def _item(given: Arguments, first: Value) -> Value:
    del given
    return Value(form="scalar", dtype=first.dtype)


def _ravel(given: Arguments, first: Value) -> Value:
    del given
    return Value(form="block", dtype=first.dtype, dims=(None,))


_SPECIAL: dict[str, Special] = {
    "load": _load,
    "cast": _cast,
    "to": _cast,
    "dot": _dot,
    "trans": _trans,
    "permute": _trans,
    "expand_dims": _expanded,
    "split": _split,
    "cumsum": _scanned,
    "cumprod": _scanned,
    "rand": _random,
    "randn": _random,
    "cdiv": _cdiv,
    "item": _item,
    "ravel": _ravel,
}
for _name in ("atomic_add", "atomic_max", "atomic_min", "atomic_and", "atomic_or", "atomic_xor", "atomic_xchg"):
    _SPECIAL[_name] = _load


def python(name: str, values: list[Value]) -> Value:
    """What a Python function that Triton knows gives: ``min``, ``max``, ``float``, ``int``, ``len`` …"""
    literals = [v.literal for v in values]
    if name in ("min", "max") and values:
        shape = values[0]
        for other in values[1:]:
            shape = broadcast(shape, other)
        if shape.form == "constexpr":
            numbers = [n for n in literals if isinstance(n, int | float)]
            known = len(numbers) == len(literals) > 1
            return constant((min if name == "min" else max)(numbers)) if known else Value(form="constexpr")
        return replace(shape, dtype=promote(*values) if len(values) == 2 else None)
    if name in ("float", "int", "len", "isinstance", "hasattr"):
        if name in ("float", "int") and len(literals) == 1 and isinstance(literals[0], int | float | str):
            return _converted(name, literals[0])
        return Value(form="constexpr", dtype={"float": "fp32", "len": "int32"}.get(name))
    return UNKNOWN


def _converted(name: str, literal: float | str) -> Value:
    try:
        return constant(float(literal) if name == "float" else int(literal))
    except (ValueError, OverflowError):
        return Value(form="constexpr")


def host(name: str, values: list[Value]) -> Value:
    """What ``triton.cdiv``, ``triton.next_power_of_2`` and ``math`` give for constants."""
    if not all(v.form == "constexpr" for v in values):
        return UNKNOWN
    numbers = [v.literal for v in values if isinstance(v.literal, int) and 0 < v.literal < 2**62]
    if len(numbers) == len(values):
        if name == "triton.next_power_of_2" and len(numbers) == 1:
            return constant(1 << (numbers[0] - 1).bit_length())
        if name == "triton.cdiv" and len(numbers) == 2:
            return constant(-(-numbers[0] // numbers[1]))
    dtype = "fp32" if name.startswith("math.") and name not in ("math.ceil", "math.floor") else None
    return Value(form="constexpr", dtype=dtype, literal=UNSET)
