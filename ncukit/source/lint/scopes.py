"""Names that a kernel finds outside of itself: what the file, and functions around the kernel, bind them to."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ncukit.source.lint.module import Kernel, Module

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_INNER = (*_FUNCTIONS, ast.ClassDef, ast.Lambda)


@dataclass(frozen=True, slots=True)
class Binding:
    """One place that gives a name its meaning."""

    node: ast.AST
    """The statement, or the parameter."""
    value: ast.expr | None = None
    """What is assigned; None when it is no plain assignment of one value."""


@dataclass(frozen=True, slots=True)
class Scopes:
    """What a file binds outside of functions."""

    names: dict[str, list[Binding]]
    open: bool
    """Whether names may come from where the text does not show them: ``import *``, ``exec``, ``globals()``."""


def scopes(module: Module) -> Scopes:
    """The file's own names."""
    return module.remembered("scopes", lambda: _scopes(module.tree))


def _scopes(tree: ast.Module) -> Scopes:
    names = bindings(tree.body)
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            for name in node.names:
                names.setdefault(name, []).append(Binding(node))
    return Scopes(names, "*" in names or _reaches_globals(tree))


def enclosing(module: Module, kernel: Kernel) -> dict[str, list[Binding]]:
    """Names that the functions around ``kernel`` bind, the innermost first."""
    return module.remembered(("enclosing", kernel.node), lambda: _enclosing(module, kernel))


def stored(module: Module, kernel: Kernel) -> dict[str, int]:
    """Name → in how many places the kernel assigns it."""
    return module.remembered(("stored", kernel.node), lambda: _stored(module, kernel))


def _stored(module: Module, kernel: Kernel) -> dict[str, int]:
    names = (n for n in module.nodes(kernel) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
    return Counter(n.id for n in names)


def _enclosing(module: Module, kernel: Kernel) -> dict[str, list[Binding]]:
    found: dict[str, list[Binding]] = {}
    for node in module.around(kernel.node):
        if isinstance(node, _FUNCTIONS):
            inner = bindings(node.body)
            for argument in ast.walk(node.args):
                if isinstance(argument, ast.arg):
                    inner.setdefault(argument.arg, []).append(Binding(argument))
            found = {**inner, **found}
    return found


def bindings(body: Iterable[ast.stmt]) -> dict[str, list[Binding]]:
    """Name → what binds it in these statements, those of inner functions and classes left out."""
    found: dict[str, list[Binding]] = {}
    for node in _own(body):
        for name, value in _bound(node):
            found.setdefault(name, []).append(Binding(node, value))
    return found


def _own(body: Iterable[ast.stmt]) -> Iterator[ast.AST]:
    """Every node of these statements without what stands in inner functions and classes."""
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, _INNER):
            waiting += ast.iter_child_nodes(node)


def _bound(node: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _targets(target, node.value)
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr):
        yield from _targets(node.target, node.value)
    elif isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            yield alias.asname or alias.name.split(".")[0], None
    elif isinstance(node, (*_FUNCTIONS, ast.ClassDef, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)):
        if node.name:
            yield node.name, None
    elif isinstance(node, ast.AugAssign | ast.For | ast.AsyncFor):
        yield from ((name, None) for name, _ in _targets(node.target, None))
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        yield from ((name, None) for name, _ in _targets(node.optional_vars, None))


def _targets(target: ast.expr, value: ast.expr | None) -> Iterator[tuple[str, ast.expr | None]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple | ast.List):
        same = isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts)
        values = value.elts if same and isinstance(value, ast.Tuple | ast.List) else [None] * len(target.elts)
        for inner, part in zip(target.elts, values, strict=True):
            yield from _targets(inner.value if isinstance(inner, ast.Starred) else inner, part)


def _reaches_globals(tree: ast.Module) -> bool:
    """Whether the file may make names that its text does not show."""
    called = (n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name))
    return any(name in ("exec", "globals", "setattr") for name in called)
