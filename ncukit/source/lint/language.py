"""What Triton's own functions do to a value: its shape, its number, which lanes are defined."""

from __future__ import annotations

import ast
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ncukit.source.lint.tiles import (
    Line,
    Loose,
    Shape,
    Value,
    arithmetic,
    broadcast,
    constant,
    fitted,
    number,
    permuted,
    unknown,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ncukit.source.lint.trace import Trace

REDUCTIONS = ("sum", "max", "min", "argmax", "argmin", "reduce", "xor_sum", "reduce_or")
SCANS = ("cumsum", "cumprod", "associative_scan", "sort", "flip", "topk")
_HINTS = ("multiple_of", "max_contiguous", "max_constancy")
_BITS = {"int1": 1, "int8": 8, "uint8": 8, "int16": 16, "uint16": 16, "int32": 32, "int64": 64, "uint64": 64}


def spoken(trace: Trace, node: ast.Call, name: str, given: Sequence[Value], keywords: Mapping[str, Value]) -> Value:
    """The result of ``tl.name(...)``; loads, stores and reductions are reported to ``trace``."""

    def argument(position: int, keyword: str) -> Value | None:
        return given[position] if position < len(given) else keywords.get(keyword)

    first = argument(0, "input") or Value(shape=None)
    short = name.rsplit(".", 1)[-1]
    if name in ("load", "store") or name.startswith("atomic_"):
        return _memory(trace, node, name, given, keywords)
    if name in ("program_id", "num_programs"):
        axis = argument(0, "axis") or Value()
        held = trace.program if name == "program_id" else trace.grid
        return number(held[axis.python] if held and axis.python in (0, 1, 2) else None, 32)
    if name == "arange":
        return _arange(given, keywords)
    if name in ("zeros", "full", "zeros_like", "full_like"):
        return _filled(name, given, keywords)
    if short in REDUCTIONS and name in REDUCTIONS:
        return _reduced(trace, node, name, first, argument(1, "axis") or argument(1, "dim"), keywords)
    if name in ("dot", "dot_scaled"):
        return _dot(trace, node, name, given)
    if name in ("maximum", "minimum") and len(given) == 2:
        return _extreme(name, *given)
    if name == "cdiv" and len(given) == 2:
        return _cdiv(node, *given)
    if name == "where":
        condition, a, b = (*given, Value(shape=None), Value(shape=None), Value(shape=None))[:3]
        shape = broadcast(condition.shape, a.shape, b.shape)
        zero = _masked(condition, len(shape)) if shape is not None and b.known and b.python == 0 else frozenset[int]()
        return replace(unknown(shape, a, b, cleared=True), bits=a.bits, zero=zero)
    if name in _HINTS:
        return first
    if name == "cast":
        return to_type(first, argument(1, "dtype"))
    if name in ("expand_dims", "broadcast_to", "reshape", "view", "trans", "permute", "ravel", "broadcast"):
        return _reshaped(name, first, given[1:], keywords)
    if name == "constexpr" or name == "python.int":
        return first
    if name in SCANS:
        return unknown(first.shape, first)
    if name in ("static_range", "range", "static_assert", "static_print", "device_print", "device_assert", "assume"):
        return constant(None)
    if name in _ELEMENTWISE or name.startswith(("math.", "extra.")):
        return unknown(broadcast(*(v.shape for v in given)), *given)
    if name == "inline_asm_elementwise":
        return Value(shape=None)
    return Value(shape=None)


_ELEMENTWISE = (
    "abs", "ceil", "clamp", "cos", "div_rn", "erf", "exp", "exp2", "fdiv", "floor", "fma", "log", "log2", "rsqrt",
    "sigmoid", "sin", "sqrt", "sqrt_rn", "softmax", "umulhi", "rand", "randn", "randint", "add", "sub", "mul",
)  # fmt: skip


def method(
    trace: Trace, node: ast.Call, value: Value, name: str, given: Sequence[Value], keywords: Mapping[str, Value]
) -> Value:
    """The result of ``value.name(...)``."""
    if name == "to":
        bitcast = keywords.get("bitcast")
        target = given[0] if given else keywords.get("dtype")
        return to_type(value, target) if bitcast is None or bitcast.python is False else replace(value, line=None)
    if name in ("load", "gather") and value.pointer is None:
        trace.called.add("descriptor." + name)
        return Value(shape=None)
    return spoken(trace, node, name, (value, *given), keywords)


def to_type(value: Value, target: Value | None) -> Value:
    """Converted to a type of Triton's."""
    name = target.python if target is not None and target.known else None
    bits = _BITS.get(name.removeprefix("tl.")) if isinstance(name, str) else None
    if value.pointer is not None:
        return replace(value, pointer=None, line=None, bits=None)
    if value.known:
        return number(value.scalar, bits) if bits in (32, 64) else Value()
    if bits in (32, 64) and value.bits in (0, 1, 32, 64) and not (bits == 32 and value.bits == 64):
        return replace(value, bits=bits, terms=None)
    return replace(unknown(value.shape, value), bits=bits, zero=value.zero)


def _memory(trace: Trace, node: ast.Call, name: str, given: Sequence[Value], keywords: Mapping[str, Value]) -> Value:
    places = {"load": ("pointer", "mask", "other"), "store": ("pointer", "value", "mask")}
    order = places.get(name, ("pointer", "val", "mask"))
    if name == "atomic_cas":
        order = ("pointer", "cmp", "val")
    known = {**dict(zip(order, given, strict=False)), **keywords}
    pointer, mask = known.get("pointer", Value(shape=None)), known.get("mask")
    boundary = "boundary_check" in keywords
    mask = None if mask is not None and mask.known and mask.python is None else mask
    shape = broadcast(pointer.shape, mask.shape) if mask is not None else pointer.shape
    if "**" in known or any(k.arg is None for k in node.keywords):
        return Value(shape=shape)
    spread = fitted(shape, pointer)[0] if shape is not None else pointer
    other = known.get("other")
    filled = boundary or (other is not None and not (other.known and other.python is None))
    kind: Any = name if name in places else "atomic"
    if not boundary:
        trace.access(node, kind, spread, mask, filled)
    if kind == "store":
        return constant(None)
    found = Value(shape=shape)
    if kind == "load" and mask is not None and shape is not None and mask.scalar != 1:
        axes = _masked(mask, len(shape))
        if not filled:
            return replace(found, loose=frozenset({Loose(node, axes)}) if axes else frozenset[Loose]())
        return replace(found, zero=axes if other is not None and other.known and other.python == 0 else found.zero)
    return found


def _masked(mask: Value, rank: int) -> frozenset[int]:
    """Axes, of a result of ``rank``, along which ``mask`` differs between lanes."""
    if mask.shape is None:
        return frozenset()
    if mask.terms is not None:
        axes = {a for t in mask.terms for a in t.axes}
    else:
        axes = {a for a, extent in enumerate(mask.shape) if extent != 1}
    return frozenset(a + rank - len(mask.shape) for a in axes)


def _arange(given: Sequence[Value], keywords: Mapping[str, Value]) -> Value:
    start = given[0] if given else keywords.get("start", Value())
    stop = given[1] if len(given) > 1 else keywords.get("end", Value())
    if start.scalar is None or stop.scalar is None or stop.scalar <= start.scalar:
        return Value(shape=(None,), bits=32)
    return Value(shape=(stop.scalar - start.scalar,), line=Line(start.scalar, (1,)), bits=32)


def shape_of(value: Value | None) -> Shape:
    """The shape that a tuple, or one number, names."""
    if value is None:
        return None
    if value.parts is not None:
        return tuple(p.scalar for p in value.parts)
    return (value.scalar,) if value.known or value.bits == 0 else None


def _filled(name: str, given: Sequence[Value], keywords: Mapping[str, Value]) -> Value:
    like = name.endswith("_like")
    source = given[0] if given else keywords.get("input" if like else "shape")
    shape = source.shape if like and source is not None else shape_of(source)
    if shape is None:
        return Value(shape=None)
    at = 2 if name.startswith("full") else 1
    dtype = given[at] if len(given) > at else keywords.get("dtype")
    held = (given[1] if len(given) > 1 else keywords.get("value")) if name.startswith("full") else constant(0)
    bits = _BITS.get(str(dtype.python).removeprefix("tl.")) if dtype is not None and dtype.known else None
    if bits is None or held is None or held.scalar is None:
        return Value(shape=shape)
    terms = () if bits == 1 and held.scalar else None
    return Value(shape=shape, line=Line(held.scalar, (0,) * len(shape)), bits=bits, terms=terms)


def _reduced(
    trace: Trace, node: ast.Call, name: str, value: Value, axis: Value | None, keywords: Mapping[str, Value]
) -> Value:
    if value.parts is not None:  # several at once: where one of them is neutral the others' lanes are not chosen
        loose = all(part.loose for part in value.parts)
        parts = (part if loose else replace(part, loose=frozenset[Loose]()) for part in value.parts)
        return Value(parts=tuple(_reduced(trace, node, name, part, axis, keywords) for part in parts))
    if value.shape is None:
        return Value(shape=None)
    rank = len(value.shape)
    every = axis is None or (axis.known and axis.python is None)
    if not every and (axis is None or not axis.known or not isinstance(axis.python, int)):
        return Value(shape=None)
    axes = range(rank) if every or axis is None else [axis.python % rank] if rank else []
    trace.reduced(node, name, value, axes)
    keep = keywords.get("keep_dims")
    if keep is not None and keep.python is not False:
        kept = frozenset(x for x in value.loose if not x.axes & set(axes))
        zero = value.zero - set(axes)
        return Value(shape=tuple(1 if a in axes else e for a, e in enumerate(value.shape)), loose=kept, zero=zero)
    left = [a for a in range(rank) if a not in axes]
    rest = frozenset(
        replace(x, axes=frozenset(left.index(a) for a in x.axes if a in left))
        for x in value.loose
        if not x.axes & set(axes) and x.axes
    )
    zero = frozenset(left.index(a) for a in value.zero if a in left)
    return Value(shape=tuple(value.shape[a] for a in left), loose=rest, zero=zero)


def _dot(trace: Trace, node: ast.Call, name: str, given: Sequence[Value]) -> Value:
    a, b = (*given, Value(shape=None), Value(shape=None))[:2]
    if name == "dot_scaled" or a.rank not in (2, 3) or b.rank != a.rank or a.shape is None or b.shape is None:
        return Value(shape=None)
    trace.reduced(node, name, a, [len(a.shape) - 1])
    trace.reduced(node, name, b, [len(b.shape) - 2])
    return Value(shape=(*a.shape[:-1], b.shape[-1]))


def _extreme(name: str, a: Value, b: Value) -> Value:
    if a.known and b.known and isinstance(a.python, int | float) and isinstance(b.python, int | float):
        return constant((max if name == "maximum" else min)(a.python, b.python))
    if a.rank == b.rank == 0 and a.scalar is not None and b.scalar is not None and a.bits is not None:
        chosen = (max if name == "maximum" else min)(a, b, key=lambda v: v.scalar or 0)
        return replace(chosen, bits=max(a.bits, b.bits or 0) or 32, over=(*a.over, *b.over), python=Value().python)
    return replace(unknown(broadcast(a.shape, b.shape), a, b), bits=max(a.bits or 0, b.bits or 0) or None)


def _cdiv(node: ast.Call, a: Value, b: Value) -> Value:
    if a.known and b.known:
        return constant(-(-a.python // b.python)) if isinstance(a.python, int) and b.scalar else Value()
    if b.scalar and b.scalar > 0:
        return arithmetic(node, ast.FloorDiv(), arithmetic(node, ast.Add(), a, constant(b.scalar - 1)), b)
    return unknown(broadcast(a.shape, b.shape), a, b)


def _reshaped(name: str, value: Value, given: Sequence[Value], keywords: Mapping[str, Value]) -> Value:
    if value.shape is None:
        return value
    rank = len(value.shape)
    if name == "expand_dims":
        axis = given[0] if given else keywords.get("axis")
        if axis is None or not isinstance(axis.python, int) or not -rank - 1 <= axis.python <= rank:
            return Value(shape=None)
        at = axis.python % (rank + 1)
        return permuted(value, [*range(at), None, *range(at, rank)])
    if name == "broadcast" and given:
        return fitted(broadcast(value.shape, given[0].shape), value)[0]
    shape = shape_of(given[0]) if len(given) == 1 else tuple(v.scalar for v in given)
    if name == "broadcast_to":
        spread = broadcast(value.shape, shape) if shape else None
        return fitted(spread, value)[0] if spread else Value(shape=None)
    if name in ("trans", "permute"):
        order = shape or tuple(range(rank))[::-1]
        if None in order or sorted(a or 0 for a in order) != list(range(rank)):
            return Value(shape=None)
        return permuted(value, order)
    if name == "ravel":
        lanes = value.lanes()
        return Value(shape=(lanes,))
    if shape is None:
        return Value(shape=None)
    if None in shape and value.lanes() is not None and math.prod(e for e in shape if e is not None) == value.lanes():
        return Value(shape=None)
    return Value(shape=shape)


def indexed(value: Value, index: ast.expr) -> Value:
    """``x[:, None]`` and its kin."""
    entries = index.elts if isinstance(index, ast.Tuple) else [index]
    if value.parts is not None:
        at = index.value if isinstance(index, ast.Constant) else None
        return (
            value.parts[at] if isinstance(at, int) and -len(value.parts) <= at < len(value.parts) else Value(shape=None)
        )
    if value.shape is None:
        return value
    kept: list[int | None] = []
    axis = 0
    for entry in entries:
        if isinstance(entry, ast.Constant) and entry.value is None:
            kept.append(None)
        elif (
            isinstance(entry, ast.Slice)
            and entry.lower is entry.upper is entry.step is None
            and axis < len(value.shape)
        ):
            kept.append(axis)
            axis += 1
        else:
            return Value(shape=None)
    kept += range(axis, len(value.shape))
    return permuted(value, kept)
