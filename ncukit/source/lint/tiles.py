"""What is known of a value in a kernel: its shape, and of whole numbers the very value of every lane.

A tile's lanes are counted along its axes, and a whole number is kept as ``base + step x lane`` of each axis: that is
exact for offsets, all that the rules about addresses need. What is not of that form is unknown, never guessed.
"""

from __future__ import annotations

import ast
import operator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Shape = tuple[int | None, ...] | None
"""Extents; None for one that is not known, or for the whole when the rank is not."""
NOTHING: Any = object()
"""No Python value."""
LIMIT = 1 << 31
LARGEST = 1 << 20
"""Lanes of a tile: Triton's own limit."""


@dataclass(frozen=True, slots=True)
class Line:
    """A whole number of every lane: ``base`` at the first, one ``step`` an axis."""

    base: int
    steps: tuple[int, ...] = ()

    def moved(self, added: int) -> Line:
        """With ``added`` new axes before the first."""
        return Line(self.base, (0,) * added + self.steps)

    def plus(self, other: Line, sign: int = 1) -> Line:
        """Their sum, or difference; both of the same rank."""
        steps = tuple(a + sign * b for a, b in zip(self.steps, other.steps, strict=True))
        return Line(self.base + sign * other.base, steps)

    def ends(self, lanes: Iterable[tuple[int, int]]) -> tuple[int, int]:
        """Smallest and largest value when each axis' lanes run from the first to the second of a pair."""
        low = high = self.base
        for step, (first, last) in zip(self.steps, lanes, strict=True):
            low += step * (first if step >= 0 else last)
            high += step * (last if step >= 0 else first)
        return low, high


@dataclass(frozen=True, slots=True)
class Over:
    """A 32-bit result that leaves the range of 32 bits in some lane."""

    node: ast.AST
    line: Line


@dataclass(frozen=True, slots=True)
class Term:
    """One comparison of a mask: it holds where ``line`` is at least 1."""

    node: ast.AST
    line: Line | None
    """None when the compared values are not known."""
    axes: frozenset[int]
    """Along which it may differ between lanes."""


@dataclass(frozen=True, slots=True)
class Loose:
    """Lanes of a masked load that nothing was said about."""

    node: ast.AST
    axes: frozenset[int]


@dataclass(frozen=True, slots=True)
class Value:
    """One value; the defaults are those of a scalar about which nothing is known."""

    shape: Shape = ()
    line: Line | None = None
    bits: int | None = None
    """0 for Python's own numbers, which never overflow; None for what is no whole number, or not known."""
    pointer: str | None = None
    """The argument that an address points into."""
    over: tuple[Over, ...] = ()
    terms: tuple[Term, ...] | None = None
    """Of a mask: comparisons that all hold where it is true. None for what is no such conjunction."""
    loose: frozenset[Loose] = field(default_factory=frozenset)
    zero: frozenset[int] = frozenset()
    """Axes along which masked lanes were surely set to zero."""
    python: Any = NOTHING
    """Value of a constant."""
    parts: tuple[Value, ...] | None = None
    """Members of a tuple."""

    @property
    def known(self) -> bool:
        """Whether it is a constant of Python's."""
        return self.python is not NOTHING

    @property
    def scalar(self) -> int | None:
        """The number of a known scalar; None for anything else."""
        return self.line.base if self.line is not None and self.pointer is None and not any(self.line.steps) else None

    @property
    def rank(self) -> int | None:
        """Number of axes."""
        return None if self.shape is None else len(self.shape)

    def lanes(self) -> int | None:
        """How many elements it has."""
        count = 1
        for extent in self.shape or (() if self.shape == () else (None,)):
            if extent is None:
                return None
            count *= extent
        return count

    def moved(self, added: int, shape: Shape) -> Value:
        """With ``added`` new axes before the first, in ``shape``."""
        if added == 0:
            return replace(self, shape=shape)
        return replace(
            self,
            shape=shape,
            line=self.line.moved(added) if self.line is not None else None,
            over=tuple(Over(o.node, o.line.moved(added)) for o in self.over),
            terms=None if self.terms is None else tuple(_moved(t, added) for t in self.terms),
            loose=frozenset(Loose(x.node, frozenset(a + added for a in x.axes)) for x in self.loose),
            zero=frozenset(a + added for a in self.zero),
        )


def _moved(term: Term, added: int) -> Term:
    line = term.line.moved(added) if term.line is not None else None
    return Term(term.node, line, frozenset(a + added for a in term.axes))


def constant(python: Any) -> Value:
    """A constant of Python's."""
    if isinstance(python, int) and abs(python) < 1 << 80:
        return Value(line=Line(int(python)), bits=0, python=python)
    return Value(python=python)


def number(value: int | None, bits: int) -> Value:
    """A scalar that the kernel computes with."""
    return Value(line=None if value is None else Line(value), bits=bits)


def unknown(shape: Shape, *values: Value, cleared: bool = False) -> Value:
    """A result of ``shape`` that is computed from ``values`` lane by lane."""
    if shape is None:
        return Value(shape=None)
    fitted = [v.moved(len(shape) - len(v.shape), shape) for v in values if v.shape is not None]
    loose = frozenset[Loose]() if cleared else frozenset(x for v in fitted for x in v.loose)
    return Value(shape=shape, over=_united(fitted), loose=loose)


def broadcast(*shapes: Shape) -> Shape:
    """The shape of an elementwise result; new axes are added before the first."""
    if any(s is None for s in shapes):
        return None
    rank = max((len(s) for s in shapes if s is not None), default=0)
    found: list[int | None] = []
    for axis in range(rank):
        extents = [s[axis - rank + len(s)] for s in shapes if s is not None and axis - rank + len(s) >= 0]
        wide = {e for e in extents if e != 1}
        if len(wide) > 1 and None in wide:
            wide.discard(None)
        if len(wide) > 1:
            return None
        found.append(wide.pop() if wide else 1)
    return tuple(found)


def fitted(shape: Shape, *values: Value) -> list[Value]:
    """``values`` spread over ``shape``, which is not None."""
    if shape is None:
        return [Value(shape=None) for _ in values]
    return [v.moved(len(shape) - len(v.shape), shape) if v.shape is not None else Value(shape=shape) for v in values]


def _united(values: Iterable[Value]) -> tuple[Over, ...]:
    return tuple(dict.fromkeys(o for v in values for o in v.over))[:16]


_PYTHON: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.LShift: operator.lshift, ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.BitXor: operator.xor, ast.Pow: operator.pow,
}  # fmt: skip


def arithmetic(node: ast.AST, op: ast.operator, a: Value, b: Value) -> Value:
    """``a op b``, as the kernel computes it."""
    if a.known and b.known:
        return _folded(op, a.python, b.python)
    shape = broadcast(a.shape, b.shape)
    if shape is None:
        return Value(shape=None, pointer=a.pointer or b.pointer)
    a, b = fitted(shape, a, b)
    over = _united((a, b))
    if isinstance(op, ast.BitAnd) and (of_a := _terms(a)) is not None and (of_b := _terms(b)) is not None:
        return Value(shape=shape, bits=1, over=over, terms=(*of_a, *of_b), line=_both(a, b))
    loose, zero = _decided(op, a, b)
    pointer = a.pointer or b.pointer
    line = _line(op, a.line, b.line)
    if pointer is not None:
        simple = isinstance(op, ast.Add | ast.Sub) and not (a.pointer and b.pointer)
        return Value(
            shape=shape, line=line if simple else None, bits=64, pointer=pointer, over=over, loose=loose, zero=zero
        )
    bits = _joined(a, b)
    if bits is None or isinstance(op, ast.Div):
        return Value(shape=shape, over=over, loose=loose, zero=zero)
    if line is not None and bits == 32 and _leaves(line, shape):
        over = (*over, Over(node, line))
    return Value(shape=shape, line=line if bits in (0, 32, 64) else None, bits=bits, over=over, loose=loose, zero=zero)


def _decided(op: ast.operator, a: Value, b: Value) -> tuple[frozenset[Loose], frozenset[int]]:
    """Undefined lanes and zero axes of a result: a lane that a mask or a zero multiplies away is not undefined."""
    if a.terms is not None or b.terms is not None:
        return frozenset(), a.zero | b.zero
    if isinstance(op, ast.Mult):
        loose = {x for x in a.loose if not x.axes <= b.zero} | {x for x in b.loose if not x.axes <= a.zero}
        return frozenset(loose), a.zero | b.zero
    zero = a.zero if isinstance(op, ast.Div) else a.zero & b.zero if isinstance(op, ast.Add | ast.Sub) else frozenset()
    return a.loose | b.loose, zero


def _folded(op: ast.operator, a: Any, b: Any) -> Value:
    small = isinstance(a, int | float) and isinstance(b, int | float)
    if not small or (isinstance(op, ast.Pow | ast.LShift) and not (abs(a) < 1 << 64 and 0 <= b < 128)):
        return Value()
    try:
        return constant(_PYTHON[type(op)](a, b))
    except (ArithmeticError, TypeError, ValueError, KeyError):
        return Value()


def _line(op: ast.operator, a: Line | None, b: Line | None) -> Line | None:
    if a is None or b is None:
        return None
    if isinstance(op, ast.Add | ast.Sub):
        return a.plus(b, 1 if isinstance(op, ast.Add) else -1)
    if isinstance(op, ast.Mult):
        if any(a.steps) and any(b.steps):
            return None
        if any(b.steps):
            a, b = b, a
        return Line(a.base * b.base, tuple(s * b.base for s in a.steps))
    if any(a.steps) or any(b.steps):
        return None
    # C's and Python's division agree on what is not negative; shifts only by what is sane
    if a.base < 0 or b.base < 0 or (isinstance(op, ast.LShift | ast.Pow) and b.base > 62):
        return None
    try:
        found = _PYTHON[type(op)](a.base, b.base)
    except (ArithmeticError, KeyError):
        return None
    return Line(found, a.steps) if isinstance(found, int) else None


def _terms(value: Value) -> tuple[Term, ...] | None:
    """The comparisons behind a mask; none at all behind ``True``."""
    return () if value.terms is None and value.scalar == 1 and value.bits in (0, 1) else value.terms


def _both(a: Value, b: Value) -> Line | None:
    if a.line is None or b.line is None or any(a.line.steps) or any(b.line.steps):
        return None
    return Line(int(bool(a.line.base) and bool(b.line.base)), a.line.steps)


def _joined(a: Value, b: Value) -> int | None:
    """Bits of the result of two whole numbers."""
    if a.bits is None or b.bits is None:
        return None
    if 0 in (a.bits, b.bits):
        python, other = (a, b) if a.bits == 0 else (b, a)
        if other.bits == 32 and python.line is not None and not -LIMIT <= python.line.base < LIMIT:
            return None  # which type such a constant takes differs between versions
        return other.bits
    return max(a.bits, b.bits)


def _leaves(line: Line, shape: tuple[int | None, ...]) -> bool:
    if None in shape:
        return False
    low, high = line.ends((0, (e or 1) - 1) for e in shape)
    return low < -LIMIT or high >= LIMIT


def permuted(value: Value, axes: Sequence[int | None]) -> Value:
    """With its axes in another order; None is a new one of extent 1."""
    if value.shape is None:
        return value
    shape = value.shape
    where = {old: new for new, old in enumerate(axes) if old is not None}

    def turned(line: Line) -> Line:
        return Line(line.base, tuple(0 if a is None else line.steps[a] for a in axes))

    def placed(old: frozenset[int]) -> frozenset[int]:
        return frozenset(where[a] for a in old if a in where)

    return replace(
        value,
        shape=tuple(1 if a is None else shape[a] for a in axes),
        line=turned(value.line) if value.line is not None else None,
        over=tuple(replace(o, line=turned(o.line)) for o in value.over),
        terms=None
        if value.terms is None
        else tuple(replace(t, line=t.line and turned(t.line), axes=placed(t.axes)) for t in value.terms),
        loose=frozenset(replace(x, axes=placed(x.axes)) for x in value.loose),
        zero=placed(value.zero),
        python=value.python if not axes else NOTHING,
    )


def merged(a: Value, b: Value) -> Value:
    """What holds of a value that is one of two."""
    if a == b:
        return a
    if a.parts is not None and b.parts is not None and len(a.parts) == len(b.parts):
        return Value(parts=tuple(merged(x, y) for x, y in zip(a.parts, b.parts, strict=True)))
    if a.shape is None or b.shape is None or len(a.shape) != len(b.shape) or (a.parts is None) != (b.parts is None):
        return Value(shape=None)
    shape = tuple(x if x == y else None for x, y in zip(a.shape, b.shape, strict=True))
    same = a.line if a.line == b.line else None
    return Value(
        shape=shape,
        line=same,
        bits=a.bits if a.bits == b.bits else None,
        pointer=a.pointer if a.pointer == b.pointer else None,
        over=_united((a, b)),
        terms=a.terms if a.terms == b.terms else None,
        loose=a.loose | b.loose,
        zero=a.zero & b.zero,
    )


def extrapolated(values: Sequence[Value], trips: int) -> Value:
    """A name's value after ``trips`` trips, from those before the first, after the first and after the second."""
    before, first, second = values
    if before == first == second:
        return second
    lines = [v.line for v in values]
    same = before.shape == first.shape == second.shape and before.pointer == first.pointer == second.pointer
    blank = replace(merged(first, second), line=None, python=NOTHING, terms=None)
    if not same or lines[0] is None or lines[1] is None or lines[2] is None or second.terms is not None:
        return blank
    once, twice = lines[1].plus(lines[0], -1), lines[2].plus(lines[1], -1)
    if once != twice:
        return blank
    base = lines[0].base + trips * once.base
    steps = tuple(s + trips * d for s, d in zip(lines[0].steps, once.steps, strict=True))
    return replace(second, line=Line(base, steps), python=NOTHING, bits=second.bits or 32)
