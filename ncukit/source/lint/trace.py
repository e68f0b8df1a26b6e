"""Following a kernel's text as if it ran: addresses, masks and shapes, for one program or for any.

Nothing is executed. Whole numbers are computed where a launch tells them; what it does not tell stays unknown, both
sides of a condition on it are followed, and what happens there is marked as not certain. Loops are followed for their
first trips and their last one, which is where offsets are largest; what grows by the same amount each trip is known
there.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ncukit.source.lint.language import indexed, method, spoken
from ncukit.source.lint.masks import compared, together, truth
from ncukit.source.lint.tiles import Value, arithmetic, constant, extrapolated, merged, number, unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ncukit.source.lint.module import Kernel, Module

Programs = tuple[int, int, int]
DEPTH = 8
"""Triton functions that call one another, at most."""
STEPS = 10_000
"""Statements that are followed for one program, at most."""


@dataclass(frozen=True, slots=True)
class Access:
    """One load, store or atomic as the trace met it."""

    node: ast.Call
    kind: Literal["load", "store", "atomic"]
    pointer: Value
    """The address, spread over the access's shape."""
    mask: Value | None
    filled: bool
    """Whether the load says what masked lanes hold."""
    certain: bool
    """Whether it is known that the program comes here."""
    kernel: Kernel
    """The function whose text it stands in."""
    program: Programs | None


@dataclass(frozen=True, slots=True)
class Reduced:
    """A reduction, or a dot, over lanes of a value."""

    node: ast.Call
    name: str
    value: Value
    axes: frozenset[int]
    """Those that are reduced."""
    kernel: Kernel


class TooLong(Exception):  # noqa: N818 - a signal, not an error
    """The kernel has more to follow than is worth it."""


Environment = dict[str, Value]


class Trace:
    """One way through a kernel."""

    def __init__(
        self,
        module: Module,
        kernel: Kernel,
        arguments: Mapping[str, Value],
        program: Programs | None = None,
        grid: Programs | None = None,
    ) -> None:
        self.module, self.kernel, self.program, self.grid = module, kernel, program, grid
        self.accesses: list[Access] = []
        self.reductions: list[Reduced] = []
        self.shapes: set[tuple[int | None, ...] | None] = set()
        """Of everything that was computed."""
        self.called: set[str] = set()
        """Language functions that were met; ``?`` stands before any other function."""
        self.inlined: set[str] = set()
        """Triton functions of the file that were met."""
        self.complete = True
        """False when a part of the kernel was left out as too long."""
        self._certain = True
        self._steps = 0
        self._functions = [kernel]
        self._results: list[list[Value]] = [[]]
        start = {name: arguments.get(name, defaulted(kernel, name)) for name in kernel.parameters}
        try:
            self._block(kernel.node.body, start)
        except (TooLong, RecursionError):
            self.complete = False

    # statements; each answers whether the function surely ends there

    def _block(self, statements: Sequence[ast.stmt], names: Environment) -> bool:
        return any(self._statement(statement, names) for statement in statements)

    def _statement(self, node: ast.stmt, names: Environment) -> bool:
        self._steps += 1
        if self._steps > STEPS:
            raise TooLong
        match node:
            case ast.Assign():
                value = self.value(node.value, names)
                for target in node.targets:
                    self._bind(target, value, names)
            case ast.AnnAssign():
                if node.value is not None:
                    self._bind(node.target, self.value(node.value, names), names)
            case ast.AugAssign():
                right = self.value(node.value, names)
                if isinstance(node.target, ast.Name):
                    before = names.get(node.target.id, Value(shape=None))
                    names[node.target.id] = self._seen(arithmetic(node, node.op, before, right))
            case ast.Expr():
                self.value(node.value, names)
            case ast.Return():
                self._results[-1].append(self.value(node.value, names) if node.value else constant(None))
                return True
            case ast.If():
                return self._if(node, names)
            case ast.For():
                self._for(node, names)
            case ast.While():
                self._while(node, names)
            case ast.With():
                return self._block(node.body, names)
            case ast.Break() | ast.Continue():
                self._certain = False
        return False

    def _bind(self, target: ast.expr, value: Value, names: Environment) -> None:
        if isinstance(target, ast.Name):
            names[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            parts = value.parts
            if parts is None or len(parts) != len(target.elts):
                parts = (Value(shape=None),) * len(target.elts)
            for inner, part in zip(target.elts, parts, strict=True):
                self._bind(inner, part, names)

    def _if(self, node: ast.If, names: Environment) -> bool:
        test = truth(self.value(node.test, names))
        if test is not None:
            return self._block(node.body if test else node.orelse, names)
        certain, self._certain = self._certain, False
        other = dict(names)
        ended = self._block(node.body, names)
        ended_other = self._block(node.orelse, other)
        self._certain = certain
        if ended or ended_other:
            self._certain = False  # whether anything after it happens is not known
        if ended and not ended_other:
            names.clear()
            names.update(other)
        elif not ended and not ended_other:
            _merge(names, other)
        return ended and ended_other

    def _for(self, node: ast.For, names: Environment) -> None:
        trips = self._range(node.iter, names)
        if trips is None:
            self._unknown_loop(node.body, node.target, names)
            return
        start, step, count = trips
        if count <= 0:
            return
        bits = 0 if start.known and step.known and self._static(node.iter) else 32
        bits = max((v.bits or 0 for v in (start, step)), default=0) or bits
        index = [number((start.scalar or 0) + (step.scalar or 0) * i, bits) for i in (0, 1, count - 1)]
        snapshots = [dict(names)]
        for trip in range(min(2, count)):
            self._bind(node.target, index[trip], names)
            self._body(node.body, names)
            snapshots.append(dict(names))
        if count > 2:
            for name in _assigned(node.body):
                names[name] = extrapolated([s.get(name, Value(shape=None)) for s in snapshots], count - 1)
            self._bind(node.target, index[2], names)
            self._body(node.body, names)

    def _body(self, body: Sequence[ast.stmt], names: Environment) -> None:
        if self._block(body, names):
            self._certain = False

    def _unknown_loop(self, body: Sequence[ast.stmt], target: ast.expr | None, names: Environment) -> None:
        """Once from what is known before it, and once from what any trip may find; none of it is certain."""
        certain, self._certain = self._certain, False
        for _ in range(2):
            before = dict(names)
            if target is not None:
                self._bind(target, Value(bits=32), names)
            self._body(body, names)
            _merge(names, before)
        self._certain = certain

    def _while(self, node: ast.While, names: Environment) -> None:
        test = truth(self.value(node.test, names))
        if test is False:
            return
        if test:
            self._body(node.body, names)
        self._unknown_loop(node.body, None, names)

    def _static(self, loop: ast.expr) -> bool:
        return isinstance(loop, ast.Call) and self.module.language(loop) == "static_range"

    def _range(self, loop: ast.expr, names: Environment) -> tuple[Value, Value, int] | None:
        """(start, step, trips) of a loop over a range; None when they are not known."""
        if not isinstance(loop, ast.Call):
            self.value(loop, names)
            return None
        name = self.module.language(loop)
        if name not in ("range", "static_range") and not (isinstance(loop.func, ast.Name) and loop.func.id == "range"):
            return None
        if name:
            self.called.add(f"{name}:{','.join(sorted(k.arg or '' for k in loop.keywords))}")
        given = [self.value(a, names) for a in loop.args]
        start, stop, step = (
            (constant(0), given[0], constant(1))
            if len(given) == 1
            else (*given, constant(1))[:3]
            if given
            else (None,) * 3
        )
        if start is None or stop is None or step is None:
            return None
        if start.scalar is None or stop.scalar is None or not step.scalar:
            return None
        return start, step, len(range(start.scalar, stop.scalar, step.scalar))

    # expressions

    def value(self, node: ast.expr, names: Environment) -> Value:
        """What ``node`` is."""
        return self._seen(self._value(node, names))

    def _seen(self, value: Value) -> Value:
        if value.parts is None and not value.known:
            self.shapes.add(value.shape)
        return value

    def _value(self, node: ast.expr, names: Environment) -> Value:
        match node:
            case ast.Constant():
                return constant(node.value)
            case ast.Name():
                if node.id in names:
                    return names[node.id]
                if node.id in self.module.constants:
                    return constant(self.module.constants[node.id])
                return _named(self.module.dotted(node))
            case ast.BinOp():
                return arithmetic(node, node.op, self.value(node.left, names), self.value(node.right, names))
            case ast.UnaryOp():
                return self._unary(node, self.value(node.operand, names))
            case ast.Compare(ops=[op], comparators=[right]):
                return compared(node, op, self.value(node.left, names), self.value(right, names))
            case ast.BoolOp():
                return together(node, [self.value(v, names) for v in node.values])
            case ast.IfExp():
                test = truth(self.value(node.test, names))
                if test is not None:
                    return self.value(node.body if test else node.orelse, names)
                return merged(self.value(node.body, names), self.value(node.orelse, names))
            case ast.Tuple() | ast.List():
                return Value(parts=tuple(self.value(e, names) for e in node.elts))
            case ast.Subscript():
                return indexed(self.value(node.value, names), node.slice)
            case ast.Attribute():
                return self._attribute(node, names)
            case ast.Call():
                return self._call(node, names)
        return Value(shape=None)

    def _unary(self, node: ast.UnaryOp, value: Value) -> Value:
        if isinstance(node.op, ast.Not):
            test = truth(value)
            return constant(not test) if test is not None else unknown(value.shape, value)
        if isinstance(node.op, ast.USub):
            return arithmetic(node, ast.Sub(), constant(0), value)
        if isinstance(node.op, ast.UAdd):
            return value
        return unknown(value.shape, value)

    def _attribute(self, node: ast.Attribute, names: Environment) -> Value:
        dotted = self.module.dotted(node)
        first = dotted.split(".", 1)[0]
        if dotted.startswith("triton.") and first not in names:
            return _named(dotted)
        inner = self.value(node.value, names)
        if node.attr == "T" and inner.shape is not None:
            return Value(shape=inner.shape[::-1], pointer=inner.pointer)
        if node.attr == "value":
            return inner
        return Value(shape=())

    def _call(self, node: ast.Call, names: Environment) -> Value:
        if isinstance(node.func, ast.Name) and node.func.id in self.module.kernels and node.func.id not in names:
            return self._inlined(node, self.module.kernels[node.func.id], names)
        arguments = [self.value(a.value if isinstance(a, ast.Starred) else a, names) for a in node.args]
        keywords = {k.arg or "": self.value(k.value, names) for k in node.keywords}
        name = self.module.language(node)
        if name is None and isinstance(node.func, ast.Name) and node.func.id in ("min", "max", "int", "float", "len"):
            name = {"min": "minimum", "max": "maximum"}.get(node.func.id, "python." + node.func.id)
        if name is not None:
            self.called.add(name)
            return spoken(self, node, name, arguments, keywords)
        if isinstance(node.func, ast.Attribute):
            return method(self, node, self.value(node.func.value, names), node.func.attr, arguments, keywords)
        self.called.add("?" + self.module.dotted(node.func))
        return Value(shape=None)

    def _inlined(self, node: ast.Call, kernel: Kernel, names: Environment) -> Value:
        inner: Environment = {}
        positional: list[Value] = []
        for argument in node.args:
            value = self.value(argument.value if isinstance(argument, ast.Starred) else argument, names)
            positional += value.parts or (value,) if isinstance(argument, ast.Starred) else (value,)
        inner.update(zip(kernel.parameters, positional, strict=False))
        inner.update({k.arg: self.value(k.value, names) for k in node.keywords if k.arg})
        for name in kernel.parameters:
            inner.setdefault(name, defaulted(kernel, name))
        self.inlined.add(kernel.name)
        if len(self._functions) > DEPTH or kernel in self._functions:
            return Value(shape=None)
        certain = self._certain
        self._functions.append(kernel)
        self._results.append([])
        self._block(kernel.node.body, inner)
        results = self._results.pop()
        self._functions.pop()
        self._certain = certain
        if not results:
            return Value()
        found = results[0]
        for other in results[1:]:
            found = merged(found, other)
        return found

    # what the language's functions report

    def access(
        self, node: ast.Call, kind: Literal["load", "store", "atomic"], pointer: Value, mask: Value | None, filled: bool
    ) -> None:
        """A load, store or atomic was met."""
        if mask is not None and mask.known and mask.python is None:
            mask = None
        self.accesses.append(
            Access(node, kind, pointer, mask, filled, self._certain, self._functions[-1], self.program)
        )

    def reduced(self, node: ast.Call, name: str, value: Value, axes: Iterable[int]) -> None:
        """A reduction was met."""
        self.reductions.append(Reduced(node, name, value, frozenset(axes), self._functions[-1]))


def defaulted(kernel: Kernel, name: str) -> Value:
    """What a parameter is when nothing is passed for it."""
    default = kernel.defaults.get(name)
    if isinstance(default, ast.Constant):
        return constant(default.value)
    return Value()


def _named(dotted: str) -> Value:
    """A dtype of Triton's, or nothing that is known."""
    if dotted.startswith("triton.language."):
        return constant("tl." + dotted.removeprefix("triton.language."))
    return Value(shape=None)


def _merge(names: Environment, other: Environment) -> None:
    for name in {*names, *other}:
        if name in names and name in other:
            names[name] = merged(names[name], other[name])
        else:
            names.setdefault(name, other.get(name, Value(shape=None)))


def _assigned(body: Sequence[ast.stmt]) -> set[str]:
    nodes = (n for s in body for n in ast.walk(s))
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
