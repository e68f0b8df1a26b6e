"""Comparisons of tiles, and which lanes a mask lets through."""

from __future__ import annotations

import ast
import operator
from typing import TYPE_CHECKING, Any

from ncukit.source.lint.tiles import Line, Term, Value, arithmetic, broadcast, constant, fitted

if TYPE_CHECKING:
    from collections.abc import Callable


def compared(node: ast.AST, op: ast.cmpop, a: Value, b: Value) -> Value:
    """A comparison: a constant, a known truth, or a mask."""
    if isinstance(op, ast.Is | ast.IsNot):
        if (a.known or a.pointer) and (b.known or b.pointer):
            same = a.known and b.known and a.python is b.python
            return constant(same == isinstance(op, ast.Is))
        return Value()
    if a.known and b.known:
        return _folded_comparison(op, a.python, b.python)
    shape = broadcast(a.shape, b.shape)
    if shape is None:
        return Value(shape=None)
    a, b = fitted(shape, a, b)
    line = _distance(op, a, b)
    axes = frozenset(axis for axis, extent in enumerate(shape) if extent != 1)
    truth = None
    if line is not None and not any(line.steps):
        truth = Line(int(line.base >= 1), line.steps)
    loose = a.loose | b.loose
    return Value(shape=shape, bits=1, line=truth, over=(), terms=(Term(node, line, axes),), loose=loose)


def _distance(op: ast.cmpop, a: Value, b: Value) -> Line | None:
    """A line that is at least 1 exactly where the comparison holds."""
    if a.line is None or b.line is None or a.pointer or b.pointer:
        return None
    match op:
        case ast.Lt():
            return b.line.plus(a.line, -1)
        case ast.Gt():
            return a.line.plus(b.line, -1)
        case ast.LtE():
            return b.line.plus(a.line, -1).plus(Line(1, (0,) * len(a.line.steps)))
        case ast.GtE():
            return a.line.plus(b.line, -1).plus(Line(1, (0,) * len(a.line.steps)))
    apart = a.line.plus(b.line, -1)
    if any(apart.steps) or not isinstance(op, ast.Eq | ast.NotEq):
        return None
    return Line(int((apart.base == 0) == isinstance(op, ast.Eq)), apart.steps)


def _folded_comparison(op: ast.cmpop, a: Any, b: Any) -> Value:
    table: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
        ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
        ast.GtE: operator.ge, ast.In: lambda x, y: x in y, ast.NotIn: lambda x, y: x not in y,
    }  # fmt: skip
    try:
        return constant(bool(table[type(op)](a, b)))
    except (TypeError, KeyError):
        return Value()


def limits(value: Value, mask: Value | None) -> tuple[tuple[int, int], ...] | None:
    """First and last live lane of each axis of ``value`` under ``mask``; None when that is not known, or none is."""
    if value.shape is None or None in value.shape:
        return None
    lanes = [(0, (extent or 1) - 1) for extent in value.shape]
    if mask is None or (mask.scalar is not None and mask.scalar != 0):
        return tuple(lanes)
    if mask.terms is None or mask.shape is None or len(mask.shape) > len(value.shape):
        return None
    for term in mask.moved(len(value.shape) - len(mask.shape), value.shape).terms or ():
        if term.line is None:
            return None
        moving = [axis for axis, step in enumerate(term.line.steps) if step]
        if not moving:
            if term.line.base < 1:
                return None
            continue
        if len(moving) > 1:
            return None
        (axis,), step = moving, term.line.steps[moving[0]]
        first, last = lanes[axis]
        if step < 0:
            last = min(last, (term.line.base - 1) // -step)
        else:
            first = max(first, -((term.line.base - 1) // step))
        if first > last:
            return None
        lanes[axis] = (first, last)
    return tuple(lanes)


def truth(value: Value) -> bool | None:
    """Whether a condition holds; None when that is not known."""
    if value.known:
        return bool(value.python)
    scalar = value.scalar
    return None if scalar is None or value.rank != 0 else bool(scalar)


def together(node: ast.BoolOp, values: list[Value]) -> Value:
    """``a and b``, ``a or b``."""
    truths = [truth(v) for v in values]
    stop = isinstance(node.op, ast.Or)
    if stop in truths:
        return constant(stop)
    if None not in truths:
        return constant(not stop)
    found = values[0]
    for value in values[1:]:
        found = arithmetic(node, ast.BitOr() if stop else ast.BitAnd(), found, value)
    return found
