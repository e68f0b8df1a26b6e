"""What is certain of an expression in a kernel: names, operators, attributes, indices."""

from __future__ import annotations

import ast
import operator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ncukit.source.lint import calls
from ncukit.source.lint.kinds import (
    NONE,
    UNKNOWN,
    Kinds,
    Lost,
    Missing,
    Value,
    broadcast,
    constant,
    join,
    promote,
)
from ncukit.source.lint.scopes import Binding, enclosing, scopes

if TYPE_CHECKING:
    from collections.abc import Callable

    from ncukit.source.lint.module import Kernel, Module

MOST = 150_000
"""Expressions that are looked at in one kernel before it is given up: loops in loops are followed several times."""
BUILTINS = frozenset(
    ("float", "getattr", "hasattr", "int", "isinstance", "len", "list", "max", "min", "print", "range")
)
"""Python's own functions that Triton's compiler knows."""
_FOLDS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.BitAnd: operator.and_, ast.BitOr: operator.or_,
    ast.BitXor: operator.xor, ast.LShift: operator.lshift, ast.RShift: operator.rshift, ast.Pow: operator.pow,
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}  # fmt: skip


class TooMuch(Exception):  # noqa: N818 - never leaves this package
    """The kernel has more to follow than is reasonable."""


class Expressions:
    """Values of expressions under the names that are known at one place."""

    def __init__(self, module: Module, kernel: Kernel) -> None:
        self.module = module
        self.kernel = kernel
        self.kinds = Kinds()
        self.env: dict[str, Value] = {}
        self.lost: dict[str, Lost] = {}
        self.around = enclosing(module, kernel)
        self.file = scopes(module)
        self._left = MOST

    def value(self, node: ast.expr | None) -> Value:
        """What is certain of ``node``; kept for the rules to ask."""
        if node is None:
            return UNKNOWN
        self._left -= 1
        if self._left < 0:
            raise TooMuch
        found = self._value(node)
        self.kinds.values[node] = found
        return found

    def _value(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant():
                return constant(node.value)
            case ast.Name():
                return self._name(node)
            case ast.Attribute():
                return self._attribute(node)
            case ast.Call():
                return self._call(node)
            case ast.BinOp():
                return self._binary(node.op, self.value(node.left), self.value(node.right))
            case ast.Compare():
                return self._compare(node)
            case ast.BoolOp():
                return self._bool(node)
            case ast.UnaryOp():
                return self._unary(node.op, self.value(node.operand))
            case ast.IfExp():
                return self._choice(node)
            case ast.Subscript():
                return self._index(node)
            case ast.Tuple() | ast.List():
                items = tuple(self.value(e) for e in node.elts)
                starred = any(isinstance(e, ast.Starred) for e in node.elts)
                return Value(form="tuple", items=None if starred else items)
            case ast.JoinedStr():
                for part in node.values:
                    if isinstance(part, ast.FormattedValue):
                        self.value(part.value)
                return Value(form="constexpr")
            case ast.NamedExpr():
                found = self.value(node.value)
                self.bind(node.target, found)
                return found
            case ast.ListComp():
                for loop in node.generators:
                    self.value(loop.iter)
                    self.bind(loop.target, UNKNOWN)
                self.value(node.elt)
                return Value(form="tuple")
            case ast.Lambda() | ast.GeneratorExp() | ast.SetComp() | ast.DictComp():
                return UNKNOWN  # names of their own
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.value(child)
        return UNKNOWN

    def bind(self, target: ast.expr, found: Value) -> None:
        """Give the names of an assignment's target their values."""
        if isinstance(target, ast.Name):
            self.env[target.id] = found
            self.lost.pop(target.id, None)
        elif isinstance(target, ast.Tuple | ast.List):
            same = found.items is not None and len(found.items) == len(target.elts)
            for place, inner in enumerate(target.elts):
                self.bind(inner, found.items[place] if same and found.items is not None else UNKNOWN)
        elif isinstance(target, ast.Starred):
            self.bind(target.value, UNKNOWN)
        else:
            self.value(target)

    # names

    def _name(self, node: ast.Name) -> Value:
        if node.id in self.env:
            return self.env[node.id]
        bound = self.around.get(node.id) or self.file.names.get(node.id)
        if bound:
            return self._global(node.id, bound)
        if node.id in BUILTINS or node.id in self.module.names:
            return Value(form="callable")
        if not self.file.open:
            self.kinds.missing.append(Missing(node=node, lost=self.lost.get(node.id)))
        return UNKNOWN

    def _global(self, name: str, bound: list[Binding]) -> Value:
        if len(bound) > 1:
            return Value(form="global")
        binding = bound[0]
        if isinstance(binding.node, ast.Import | ast.ImportFrom):
            known = calls.DTYPES.get(self.module.names.get(name, "").removeprefix("triton.language."))
            return Value(form="dtype", literal=known) if known else Value(form="module")
        if isinstance(binding.node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            return Value(form="callable")
        value = binding.value
        if isinstance(value, ast.Constant) and value.value is None:
            return NONE
        if isinstance(value, ast.Call) and self.module.called(value).endswith("constexpr") and len(value.args) == 1:
            inner = value.args[0]
            return constant(inner.value) if isinstance(inner, ast.Constant) else Value(form="constexpr")
        if value is not None:
            known = calls.DTYPES.get(self.module.dotted(value).removeprefix("triton.language."))
            if known:
                return Value(form="dtype", literal=known)
        return Value(form="global")

    def outside(self, node: ast.AST) -> str:
        """The dotted name of something outside of the kernel; empty where the kernel has such a name itself."""
        root = node
        while isinstance(root, ast.Attribute):
            root = root.value
        local = isinstance(root, ast.Name) and (root.id in self.env or root.id in self.around)
        return "" if local else self.module.dotted(node)

    def _attribute(self, node: ast.Attribute) -> Value:
        dotted = self.outside(node)
        base = self.value(node.value)
        if dotted.startswith("triton.language."):
            known = calls.DTYPES.get(dotted.removeprefix("triton.language."))
            return Value(form="dtype", literal=known) if known else Value(form="callable")
        if dotted.startswith("math.") and dotted in ("math.pi", "math.e", "math.inf", "math.nan", "math.tau"):
            return Value(form="constexpr", dtype="fp32")
        if node.attr in ("dtype", "type", "element_ty"):
            return Value(form="dtype")
        if base.is_tensor and node.attr == "shape":
            known_dims = base.dims if base.form == "block" else ()
            sizes = None if known_dims is None else tuple(_dimension(d) for d in known_dims)
            return Value(form="tuple", items=sizes)
        if base.is_tensor and node.attr == "numel":
            return Value(form="constexpr", dtype="int32")
        if base.form == "block" and node.attr == "T":
            return replace(base, dims=base.dims[::-1] if base.dims is not None else None)
        return UNKNOWN

    # calls

    def _call(self, node: ast.Call) -> Value:
        dotted = self.outside(node.func)
        if dotted.startswith("triton.language."):
            self.value(node.func)
            name = dotted.removeprefix("triton.language.").removeprefix("math.")
            if name == "constexpr" and len(node.args) == 1:
                return self.value(node.args[0])
            return calls.returned(name, node, self.value)
        if isinstance(node.func, ast.Name) and node.func.id in BUILTINS and node.func.id not in self.env:
            self.value(node.func)
            return calls.python(node.func.id, self._arguments(node))
        if dotted.startswith(("math.", "triton.")):
            self.value(node.func)
            return calls.host(dotted, self._arguments(node))
        if isinstance(node.func, ast.Attribute):
            receiver = self.value(node.func.value)
            self.kinds.values[node.func] = UNKNOWN
            if receiver.form in ("scalar", "block", "unknown"):
                return self._method(node, receiver)
        else:
            self.value(node.func)
        self._arguments(node)
        return UNKNOWN

    def _method(self, node: ast.Call, receiver: Value) -> Value:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        found = calls.returned(name, node, self.value, receiver)
        if receiver.form == "unknown" and name != "to":
            return UNKNOWN  # a descriptor's load, a method of the user's own
        return found

    def _arguments(self, node: ast.Call) -> list[Value]:
        values = [self.value(a) for a in node.args]
        return values + [self.value(k.value) for k in node.keywords]

    # operators

    def _binary(self, op: ast.operator, a: Value, b: Value) -> Value:
        if a.form == "tuple" or b.form == "tuple":
            both = a.items is not None and b.items is not None and isinstance(op, ast.Add)
            return Value(form="tuple", items=(*(a.items or ()), *(b.items or ()))) if both else Value(form="tuple")
        shape = broadcast(a, b)
        if shape.form == "constexpr":
            return _folded(op, a, b)
        divides = isinstance(op, ast.Div | ast.FloorDiv | ast.Mod)
        dtype = promote(a, b, divides=divides)
        if isinstance(op, ast.Div):
            dtype = "fp32" if dtype is not None and "int" in dtype else dtype or "float"
        elif isinstance(op, ast.FloorDiv) and dtype is None:
            dtype = "int" if shape.is_tensor else None
        return replace(shape, dtype=dtype)

    def _compare(self, node: ast.Compare) -> Value:
        left = self.value(node.left)
        for op, other in zip(node.ops, node.comparators, strict=True):
            right = self.value(other)
            if isinstance(op, ast.Is | ast.IsNot):
                left = _identity(op, left, right)
                continue
            shape = broadcast(left, right)
            left = _folded(op, left, right) if shape.form == "constexpr" else shape
            if left.form != "constexpr":
                left = replace(left, dtype="int1" if left.is_tensor else None)
        return left

    def _bool(self, node: ast.BoolOp) -> Value:
        """``and``/``or``: constants are left out or end it, the rest is combined element by element."""
        kept: list[Value] = []
        for part in node.values:
            found = self.value(part)
            if found.form in ("constexpr", "none"):
                if not isinstance(found.literal, bool | int | None):
                    return UNKNOWN if kept or part is not node.values[-1] else found
                if bool(found.literal) == isinstance(node.op, ast.Or):
                    return found
                continue
            if not found.is_tensor:
                for rest in node.values:
                    self.value(rest)
                return UNKNOWN
            kept.append(found)
        shape = kept[0] if kept else constant(isinstance(node.op, ast.And))
        for other in kept[1:]:
            shape = broadcast(shape, other)
        return replace(shape, dtype="int1", decayed=None) if kept else shape

    def _unary(self, op: ast.unaryop, found: Value) -> Value:
        if found.form in ("constexpr", "none"):
            literal = found.literal
            if isinstance(op, ast.Not):
                known = isinstance(literal, bool | int | float | str | None)
                return constant(not literal) if known else Value(form="constexpr", dtype="int1")
            if isinstance(literal, int | float) and isinstance(op, ast.USub | ast.UAdd):
                return constant(-literal if isinstance(op, ast.USub) else literal)
            return Value(form="constexpr", dtype=found.dtype)
        if isinstance(op, ast.Not):
            return Value(form=found.form, dims=found.dims, dtype="int1") if found.is_tensor else UNKNOWN
        return replace(found, decayed=None) if found.is_tensor else Value(dtype=found.dtype)

    def _choice(self, node: ast.IfExp) -> Value:
        test = self.value(node.test)
        truth = known_truth(test)
        if truth is not None:
            return self.value(node.body if truth else node.orelse)
        values = [self.value(node.body), self.value(node.orelse)]
        if test.is_tensor:  # both sides become values at run time
            values = [
                replace(v, form="scalar", literal=UNKNOWN.literal) if v.form == "constexpr" else v for v in values
            ]
        return join(values)

    def _index(self, node: ast.Subscript) -> Value:
        base = self.value(node.value)
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        indices = [self.value(p) if not isinstance(p, ast.Slice) else UNKNOWN for p in parts]
        for part in parts:
            if isinstance(part, ast.Slice):
                for bound in (part.lower, part.upper, part.step):
                    self.value(bound)
        if base.form == "tuple":
            at = indices[0].literal
            if base.items is not None and isinstance(at, int) and -len(base.items) <= at < len(base.items):
                return base.items[at]
            return UNKNOWN
        news = [isinstance(p, ast.Constant) and p.value is None for p in parts]
        whole = [isinstance(p, ast.Slice) and p.lower is p.upper is p.step is None for p in parts]
        if base.form not in ("scalar", "block", "unknown") or not all(a or b for a, b in zip(news, whole, strict=True)):
            return UNKNOWN
        if not any(news):
            return base if base.form == "block" else UNKNOWN
        return Value(form="block", dtype=base.dtype, dims=_reshaped(base, news))


def known_truth(value: Value) -> bool | None:
    """Which side of a branch is compiled; None when that is not known, or decided at run time."""
    if value.form == "none":
        return False
    literal = value.literal
    return bool(literal) if value.form == "constexpr" and isinstance(literal, bool | int | str) else None


def _dimension(dim: int | str | None) -> Value:
    return constant(dim) if isinstance(dim, int) else Value(form="constexpr", dtype="int32")


def _reshaped(base: Value, news: list[bool]) -> tuple[int | str | None, ...] | None:
    """Dimensions of ``x[:, None]``: each None is one more of size 1."""
    if base.rank is None:
        # Triton lets a kernel write fewer colons than there are dimensions
        return None
    old = list(base.dims or ())
    dims: list[int | str | None] = []
    for new in news:
        if new:
            dims.append(1)
        elif old:
            dims.append(old.pop(0))
    return (*dims, *old)


def _identity(op: ast.cmpop, a: Value, b: Value) -> Value:
    same: bool | None = None
    if "none" in (a.form, b.form):
        other = b if a.form == "none" else a
        if other.form == "none":
            same = True
        elif other.form in ("scalar", "block", "tuple", "dtype") or not isinstance(
            other.literal, type(UNKNOWN.literal)
        ):
            same = False
    if same is None:
        return Value(form="constexpr", dtype="int1")
    return constant(same == isinstance(op, ast.Is))


def _folded(op: ast.AST, a: Value, b: Value) -> Value:
    """An operation on two constants, worked out when both are known and small."""
    fold = _FOLDS.get(type(op))
    x, y = a.literal, b.literal
    dtype = promote(a, b) if not isinstance(op, ast.cmpop) else "int1"
    if isinstance(op, ast.Div):
        dtype = "fp32"
    if fold is None or not all(isinstance(n, int | float | str) for n in (x, y)):
        return Value(form="constexpr", dtype=dtype)
    if not isinstance(op, ast.cmpop):
        if isinstance(x, str) or isinstance(y, str) or max(abs(x), abs(y)) >= 2**63:
            return Value(form="constexpr", dtype=dtype)
        if isinstance(op, ast.Pow | ast.LShift) and not (0 <= y < 63 and abs(x) < 2**31):
            return Value(form="constexpr", dtype=dtype)
    try:
        return constant(fold(x, y))
    except (ArithmeticError, TypeError, ValueError):
        return Value(form="constexpr", dtype=dtype)
