"""The variance is computed as the mean of squares less the square of the mean, which cancels.

What it means
    ``sum(x * x) / n - mean * mean`` takes the difference of two numbers that are nearly equal whenever the mean is
    large against the spread. Each is rounded to the digits of its own size; what is left is their rounding.

Why it matters
    In fp32 the normalised result is off by 1.3e-5 at a mean of 10 with spread 1, by 3e-3 at 100, by 0.25 at 1000 and
    by 2.3 at 10,000, where PyTorch's own is off by 7e-4. Inputs with a mean near zero, such as those of tests and
    benchmarks, hide it.

How it is found
    A difference of a sum of squares of loaded values (over locals, running sums, means) and the square of a sum of the
    same, in one kernel; sums that an earlier kernel stored, and torch code that finishes them, where the names say so
    (``sum_sq / n - mean * mean``). Values that were shifted first (``x - first``) do not cancel and are left alone.

Instead
    Keep the tile and take it less its mean, ``d = tl.where(mask, x - mean, 0.0); var = tl.sum(d * d) / n``. In a loop
    either sum up values less the first one, or carry mean and M2 and merge them by Chan's formula.

When to ignore it
    When the mean is known to be small against the spread, or values are not rounded (integers).

Sources
    Errors: measured in fp32 against fp64 by this project. Chan, Golub, LeVeque: Algorithms for computing the sample
    variance, The American Statistician 37 (1983).
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Literal

from ncukit.source.lint import violation
from ncukit.source.lint.host import bindings, compact, names, own
from ncukit.source.lint.pointers import base

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.source.inspection import Severity, Violation
    from ncukit.source.lint.module import Kernel, Module

CODE = "TRI206"
NAME = "cancelling-variance"
SEVERITY: Severity = "warning"
Role = Literal["value", "square", "sum", "squares", "product", "plain"]
"""What an expression is, up to factors that are no data: a loaded value, its square, a sum of values, a sum of squares,
the product of two sums; ``plain`` is no data at all."""
_SUMMED: dict[Role, Role] = {"value": "sum", "sum": "sum", "square": "squares", "squares": "squares"}
_SQUARED: dict[Role, Role] = {"value": "square", "sum": "product"}
_PASSES = ("to", "view", "where", "sqrt_rn", "maximum", "reshape", "trans", "broadcast_to", "ravel", "cast")
_SQUARES = re.compile(r"sum_?of_?sq|sum_?sq|sq_?sum|sqr?s?(_ptr)?$|square|mean_?sq|sq_?mean|_x2|x2_", re.IGNORECASE)
_MEAN = re.compile(r"mean|^mu(_|$)|_mu$|avg|average", re.IGNORECASE)
_SUM = re.compile(r"sum|mean", re.IGNORECASE)


def check(module: Module) -> Iterator[Violation]:
    """Look at every difference in kernels, and in functions that launch them."""
    for kernel in module.kernels.values():
        roles = Roles(module, kernel)
        for node in own(kernel.node):
            if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub)):
                continue
            if roles.of(node.left) == "squares" and roles.of(node.right) == "product":
                yield _said(module, node, kernel.name)
    for scope in {id(s.scope): s.scope for s in module.sites}.values():
        for node in own(scope):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and _named(module, scope, node):
                yield _said(module, node, None)


def _said(module: Module, node: ast.BinOp, kernel: str | None) -> Violation:
    return violation(
        __name__,
        module,
        node,
        f"`{compact(node)}` takes the square of a mean from the mean of squares, which cancels: at a mean of 1000 "
        "times the spread a normalised result was measured 0.25 off in fp32",
        instead="sum up `(x - mean) * (x - mean)` in a second step over the tile, or take sums of `x - first`, less "
        "the slice's first value; partial results merge by Chan's formula",
        kernel=kernel,
    )


def _named(module: Module, scope: ast.FunctionDef | ast.Module, node: ast.BinOp) -> bool:
    """``sum_sq / n - mean * mean`` in torch: what the names say is all there is."""
    mean = _squared(node.right)
    if mean is None or not _MEAN.search(mean):
        return False
    left = node.left
    if isinstance(left, ast.Name):
        values = bindings(module, scope).get(left.id, [])
        if len(values) != 1 or values[0] is None:
            return False
        left = values[0]
    if not (isinstance(left, ast.BinOp) and isinstance(left.op, ast.Div | ast.Mult)):
        return False
    return any(_SQUARES.search(n.id) for n in ast.walk(left) if isinstance(n, ast.Name))


def _squared(node: ast.expr) -> str | None:
    """``mean`` for ``mean * mean``, ``mean ** 2``, ``mean.pow(2)``, ``mean.square()``."""
    match node:
        case ast.BinOp(left=ast.Name(id=a), op=ast.Mult(), right=ast.Name(id=b)) if a == b:
            return a
        case ast.BinOp(left=ast.Name(id=a), op=ast.Pow(), right=ast.Constant(value=2 | 2.0)):
            return a
        case ast.Call(func=ast.Attribute(value=ast.Name(id=a), attr="pow"), args=[ast.Constant(value=2 | 2.0)]):
            return a
        case ast.Call(func=ast.Attribute(value=ast.Name(id=a), attr="square"), args=[]):
            return a
    return None


class Roles:
    """What the expressions of one kernel are, in terms of what it loads."""

    def __init__(self, module: Module, kernel: Kernel) -> None:
        self._module, self._kernel = module, kernel
        self._bound = bindings(module, kernel.node)
        self._grown: dict[str, list[ast.expr]] = {}
        for node in own(kernel.node):
            if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) and isinstance(node.op, ast.Add):
                self._grown.setdefault(node.target.id, []).append(node.value)
        self._names: dict[str, Role | None] = {}

    def of(self, node: ast.expr) -> Role | None:
        """The role of an expression; None for what is neither data nor plain, such as shifted data."""
        match node:
            case ast.Constant():
                return "plain"
            case ast.Name():
                return self._name(node.id)
            case ast.BinOp():
                return self._operation(node)
            case ast.UnaryOp(op=ast.USub()):
                return self.of(node.operand)
            case ast.Subscript():
                return self.of(node.value)
            case ast.Call():
                return self._call(node)
        return None

    def _name(self, name: str) -> Role | None:
        if name in self._names:
            return self._names[name]
        self._names[name] = None  # what depends on itself in another way than by growing
        self._names[name] = self._find(name)
        return self._names[name]

    def _find(self, name: str) -> Role | None:
        bound = self._bound.get(name)
        if bound is None or name in self._kernel.parameters:
            return "plain"
        grown = list(self._grown.get(name, ()))
        starts: list[ast.expr] = []
        for value in bound:
            if value is None:
                continue
            match value:  # acc = acc + x
                case ast.BinOp(left=ast.Name(id=a), op=ast.Add()) if a == name:
                    grown.append(value.right)
                case ast.BinOp(right=ast.Name(id=a), op=ast.Add()) if a == name:
                    grown.append(value.left)
                case _:
                    starts.append(value)
        if grown:
            roles = {self.of(g) for g in grown}
            role = roles.pop() if len(roles) == 1 else None
            begun = {self.of(s) for s in starts}
            if role == "value" and begun == {"value"}:  # x += residual
                return "value"
            return _SUMMED.get(role) if role is not None and begun <= {"plain"} else None
        if bound.count(None):
            return "plain" if not starts else None  # a loop's index
        roles = {self.of(s) for s in starts if name not in names(s)}
        if len(roles) != 1:
            return None
        role = roles.pop()
        self._names[name] = role  # x = tl.where(mask, x, 0.0)
        return role if all(self.of(s) == role for s in starts) else None

    def _operation(self, node: ast.BinOp) -> Role | None:
        left, right = self.of(node.left), self.of(node.right)
        if left == right == "plain":
            return "plain"
        if left is None or right is None:
            return None
        if isinstance(node.op, ast.Pow) and isinstance(node.right, ast.Constant) and node.right.value in (2, 2.0):
            return _SQUARED.get(left)
        if isinstance(node.op, ast.Mult):
            if left == right == "value":
                return "square" if ast.dump(node.left) == ast.dump(node.right) else None
            if left == right == "sum":
                return "product"
            return left if right == "plain" else right if left == "plain" else None
        if isinstance(node.op, ast.Div):
            return left if right == "plain" else None
        if isinstance(node.op, ast.Add):
            return left if left == right or right == "plain" else None
        return None

    def _call(self, node: ast.Call) -> Role | None:
        name = self._module.language(node)
        given = node.args
        if name is None and isinstance(node.func, ast.Attribute):
            name = node.func.attr
            if name not in ("to", "sum"):
                return None
            given = [node.func.value, *node.args]
        if name == "load":  # sums that another kernel stored are called so
            pointer = base(self._module, self._kernel, given[0]) if given else None
            squares = pointer is not None and _SQUARES.search(pointer)
            return "squares" if squares else "sum" if pointer is not None and _SUM.search(pointer) else "value"
        if not given:
            return "plain" if name in ("program_id", "num_programs") else None
        if name == "sum":
            role = self.of(given[0])
            return _SUMMED.get(role) if role is not None else None
        if name == "where" and len(given) == 3:
            a, b = self.of(given[1]), self.of(given[2])
            return a if b == "plain" else b if a == "plain" else None
        if name in _PASSES:
            return self.of(given[0])
        if name in ("zeros", "full", "arange", "cdiv", "program_id", "num_programs"):
            return "plain"
        return None
