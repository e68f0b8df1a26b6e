"""A kernel file's syntax tree: Triton functions, where they load and store, and where the launch's knobs are set.

Nothing is imported or executed; a file that does not parse gives None.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

LARGEST = 4_000_000
"""Bytes of source that are read at most."""
REDUCTIONS = ("sum", "max", "min", "reduce", "xor_sum", "argmax", "argmin")
SPECIAL = (
    "exp", "exp2", "log", "log2", "log1p", "sqrt", "rsqrt", "sqrt_rn", "div_rn", "sin", "cos", "tan", "tanh", "sigmoid",
    "softmax", "erf", "pow", "fdiv",
)  # fmt: skip
_DIVIDES = (ast.FloorDiv, ast.Mod)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One ``tl.load`` or ``tl.store``."""

    line: int
    pointer: str | None
    """The parameter its address starts from, or None when it is computed another way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JitFunction:
    """One ``@triton.jit`` function."""

    name: str
    line: int
    loads: tuple[Access, ...]
    stores: tuple[Access, ...]
    has_dot: bool
    plain_loops: tuple[int, ...]
    """Lines of loops over ``range`` or ``tl.range`` that load and set no ``num_stages``: those that could."""
    autotune_line: int | None
    """Line of the ``@triton.autotune`` decorator: an autotuned knob is set there, never at the launch."""
    carried_reductions: tuple[int, ...] = ()
    """Lines in loops where a reduction to one value is added to what the next trip reads, or decides a branch."""
    float64_lines: tuple[int, ...] = ()
    """Lines that name ``float64``."""
    dot_lines: tuple[int, ...] = ()
    """Lines of ``tl.dot``."""
    product_lines: tuple[int, ...] = ()
    """Lines where a matrix product is written as a broadcast multiply and a sum."""
    special_lines: tuple[int, ...] = ()
    """Lines of exponentials, logarithms, roots and trigonometric functions."""
    division_lines: tuple[int, ...] = ()
    """Lines of ``//`` and ``%``, one entry an operation."""
    parameters: tuple[str, ...] = ()
    assigned: Mapping[int, str] = field(default_factory=dict)
    """Line → the variable that is assigned there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSite:
    """One ``kernel[grid](..., NAME=value)``."""

    kernel: str
    line: int
    knobs: Mapping[str, int] = field(default_factory=dict)
    """Keyword → the line where its value is written: the constant's own assignment when the keyword names one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """What the text tells."""

    path: str
    functions: Mapping[str, JitFunction]
    launches: tuple[LaunchSite, ...]

    def knob(self, kernel: str, name: str) -> str | None:
        """``path:line`` where ``name`` is set for ``kernel``: at a launch, else in its autotuner. None if nowhere."""
        for site in self.launches:
            if site.kernel == kernel and name in site.knobs:
                return f"{self.path}:{site.knobs[name]}"
        function = self.functions.get(kernel)
        return f"{self.path}:{function.autotune_line}" if function and function.autotune_line else None

    def launch(self, kernel: str) -> str | None:
        """``path:line`` of the first launch of ``kernel``, or None."""
        return next((f"{self.path}:{site.line}" for site in self.launches if site.kernel == kernel), None)


def read_source(path: str) -> SourceFile | None:
    """Read a kernel file; None when there is none or it is not Python."""
    file = Path(path)
    try:
        if file.suffix != ".py" or file.stat().st_size > LARGEST:
            return None
        tree = ast.parse(file.read_bytes(), filename=path)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    functions = {
        node.name: _function(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and any(is_jit(d) for d in node.decorator_list)
    }
    return SourceFile(path=path, functions=functions, launches=tuple(_launches(tree, set(functions))))


def is_jit(decorator: ast.expr) -> bool:
    """Whether a decorator makes a Triton function."""
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(target, ast.Attribute | ast.Name) and ast.unparse(target).split(".")[-1] == "jit"


def _called(node: ast.AST) -> str:
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def _function(node: ast.FunctionDef) -> JitFunction:
    parameters = {a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}
    origins = {name: name for name in parameters}
    loads: list[Access] = []
    stores: list[Access] = []
    has_dot = False
    for part in ast.walk(node):
        if isinstance(part, ast.Assign) and len(part.targets) == 1 and isinstance(part.targets[0], ast.Name):
            origin = _origin(part.value, origins)
            if origin and part.targets[0].id not in origins:
                origins[part.targets[0].id] = origin
    for part in ast.walk(node):
        called = _called(part).split(".")[-1]
        if isinstance(part, ast.Call) and called in (
            "load",
            "store",
            "atomic_add",
            "atomic_max",
            "atomic_xchg",
        ):
            access = Access(line=part.lineno, pointer=_origin(part.args[0], origins) if part.args else None)
            (loads if called == "load" else stores).append(access)
        has_dot = has_dot or called in ("dot", "dot_scaled")
    return JitFunction(
        name=node.name,
        line=node.lineno,
        loads=tuple(sorted(loads, key=lambda a: a.line)),
        stores=tuple(sorted(stores, key=lambda a: a.line)),
        has_dot=has_dot,
        plain_loops=tuple(sorted(n.lineno for n in ast.walk(node) if isinstance(n, ast.For) and _could_pipeline(n))),
        autotune_line=next((d.lineno for d in node.decorator_list if "autotune" in _called(d)), None),
        carried_reductions=tuple(sorted(set(_carried(node)))),
        float64_lines=_lines(node, lambda part: isinstance(part, ast.Attribute) and part.attr == "float64"),
        dot_lines=_lines(node, lambda part: _called(part).split(".")[-1] in ("dot", "dot_scaled")),
        product_lines=_lines(node, _is_product),
        special_lines=_lines(node, lambda part: _called(part).split(".")[-1] in SPECIAL),
        division_lines=tuple(
            sorted(
                part.lineno
                for part in ast.walk(node)
                if isinstance(part, ast.BinOp | ast.AugAssign) and isinstance(part.op, _DIVIDES)
            )
        ),
        parameters=tuple(a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)),
        assigned=dict(_assigned(node)),
    )


def _assigned(node: ast.FunctionDef) -> Iterator[tuple[int, str]]:
    """(line, name), for every line of a statement that may stand on several."""
    for part in ast.walk(node):
        if isinstance(part, ast.Assign) and len(part.targets) == 1:
            target = part.targets[0]
        elif isinstance(part, ast.AugAssign | ast.AnnAssign):
            target = part.target
        else:
            continue
        if isinstance(target, ast.Name):
            yield from ((line, target.id) for line in range(part.lineno, (part.end_lineno or part.lineno) + 1))


def _lines(node: ast.FunctionDef, wanted: Callable[[ast.AST], bool]) -> tuple[int, ...]:
    return tuple(sorted(part.lineno for part in ast.walk(node) if isinstance(part, ast.expr) and wanted(part)))


def _carried(function: ast.FunctionDef) -> Iterator[int]:
    for loop in ast.walk(function):
        if not isinstance(loop, ast.For | ast.While):
            continue
        for part in ast.walk(loop):
            if isinstance(part, ast.If) and any(_to_one_value(n) for n in ast.walk(part.test)):
                yield part.lineno
                continue
            target: ast.expr
            if isinstance(part, ast.AugAssign):
                target, value = part.target, part.value
            elif isinstance(part, ast.Assign) and len(part.targets) == 1:
                target, value = part.targets[0], part.value
            else:
                continue
            calls = [n for n in ast.walk(value) if _to_one_value(n)]
            names = {n.id for n in ast.walk(value) if isinstance(n, ast.Name)}
            again = isinstance(part, ast.AugAssign) or (isinstance(target, ast.Name) and target.id in names)
            if calls and again:
                yield part.lineno


def _to_one_value(part: ast.AST) -> bool:
    """``tl.sum(x)`` and its kin over all axes, or the first, a row's only one. Along another axis a vector stays."""
    if not isinstance(part, ast.Call) or not _called(part).startswith(("tl.", "triton.language.")):
        return False
    if _called(part).split(".")[-1] not in REDUCTIONS:
        return False
    axes = [*part.args[1:2], *(k.value for k in part.keywords if k.arg == "axis")]
    return all(isinstance(axis, ast.Constant) and axis.value in (0, None) for axis in axes)


def _is_product(part: ast.AST) -> bool:
    """``tl.sum(a[:, :, None] * b[None, :, :], axis=1)``: three axes, of which one is summed away."""
    if not isinstance(part, ast.Call) or _called(part).split(".")[-1] != "sum" or not part.args:
        return False
    factor = part.args[0]
    if not (isinstance(factor, ast.BinOp) and isinstance(factor.op, ast.Mult)):
        return False
    sides = (factor.left, factor.right)
    return all(
        isinstance(side, ast.Subscript)
        and isinstance(side.slice, ast.Tuple)
        and len(side.slice.elts) >= 3
        and any(isinstance(e, ast.Constant) and e.value is None for e in side.slice.elts)
        for side in sides
    )


def _could_pipeline(loop: ast.For) -> bool:
    if not isinstance(loop.iter, ast.Call) or _called(loop.iter) not in ("range", "tl.range"):
        return False
    staged = any(keyword.arg == "num_stages" for keyword in loop.iter.keywords)
    return not staged and any(_called(part).endswith(".load") for part in ast.walk(loop))


def _origin(address: ast.expr, origins: Mapping[str, str]) -> str | None:
    """The parameter at the left end of a chain of additions: ``x_ptr`` in ``x_ptr + row * n + offsets``."""
    while isinstance(address, ast.BinOp) and isinstance(address.op, ast.Add):
        address = address.left
    return origins.get(address.id) if isinstance(address, ast.Name) else None


def _launches(tree: ast.Module, kernels: set[str]) -> Iterator[LaunchSite]:
    module = _constants(tree)
    for scope in ast.walk(tree):
        if not isinstance(scope, ast.FunctionDef):
            continue
        local = {**module, **_constants(scope)}
        for call in ast.walk(scope):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Subscript)):
                continue
            name = call.func.value
            if isinstance(name, ast.Name) and name.id in kernels:
                knobs = {}
                for keyword in call.keywords:
                    if keyword.arg:
                        value = keyword.value
                        named = local.get(value.id) if isinstance(value, ast.Name) else None
                        knobs[keyword.arg] = named or value.lineno
                yield LaunchSite(kernel=name.id, line=call.lineno, knobs=knobs)


def _constants(scope: ast.Module | ast.FunctionDef) -> dict[str, int]:
    """Name → line of its assignment, for names assigned directly in ``scope``."""
    return {
        node.targets[0].id: node.lineno
        for node in scope.body
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)
    }
