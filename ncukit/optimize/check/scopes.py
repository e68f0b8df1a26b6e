"""Which import a name stands for, and which names come from nowhere in the file: Python's scopes, read from the tree.

A name that may be an import counts as one, also when it may be something else: the rules err on that side.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cached_property

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_DEPTH = 6
"""Aliases of aliases that are followed."""
_MOST = 50
"""Imports that one name may stand for."""
LOST = "…"
"""What stands for an import behind more than that: no name that anything allows."""


@dataclass(slots=True, eq=False)
class _Scope:
    kind: str
    """``module``, ``function``, ``class`` or ``comprehension``."""
    outer: _Scope | None = None
    bound: set[str] = field(default_factory=set)
    imports: dict[str, set[str]] = field(default_factory=dict)
    aliases: dict[str, list[ast.expr]] = field(default_factory=dict)
    outside: dict[str, list[_Scope]] = field(default_factory=dict)
    """Names declared ``global`` or ``nonlocal`` → scopes that may hold them."""


class Scopes:
    """The names of one file.

    Raises:
        RecursionError: expressions are nested deeper than Python can follow.
    """

    def __init__(self, tree: ast.Module) -> None:
        self._module = _Scope("module")
        self._scopes: dict[ast.AST, _Scope] = {}
        self._known: dict[tuple[_Scope, str, int], frozenset[str]] = {}
        self._inner: list[_Scope] = []
        self.parents = {inner: outer for outer in ast.walk(tree) for inner in ast.iter_child_nodes(outer)}
        self._all(tree.body, self._module)

    def imported(self, node: ast.Name, depth: int = _DEPTH) -> frozenset[str]:
        """Dotted names that a name may stand for; empty when it is no import."""
        scope = self._found(node)
        if scope is None or (scope, node.id) not in self._importing:
            return frozenset()
        if not depth:
            return frozenset({LOST})
        key = (scope, node.id, depth)
        if key not in self._known:
            found = set(scope.imports.get(node.id, ()))
            for value in scope.aliases.get(node.id, ()):
                found |= self.dotted(value, depth - 1)
            self._known[key] = frozenset(found) if len(found) <= _MOST else frozenset({LOST})
        return self._known[key]

    def dotted(self, node: ast.AST, depth: int = _DEPTH) -> frozenset[str]:
        """Dotted names that ``a.b.c`` may stand for where ``a`` is an import; empty for anything else."""
        root, parts = _taken_apart(node)
        if root is None:
            return frozenset()
        return frozenset(".".join([name, *parts]) for name in self.imported(root, depth))

    @cached_property
    def _importing(self) -> frozenset[tuple[_Scope, str]]:
        """Names from which some way through aliases leads to an import, with the scopes that hold them."""
        users: dict[tuple[_Scope, str], list[tuple[_Scope, str]]] = {}
        waiting = []
        for scope in (self._module, *self._inner):
            waiting += [(scope, name) for name in scope.imports]
            for name, values in scope.aliases.items():
                for root in filter(None, (_taken_apart(value)[0] for value in values)):
                    if (inner := self._found(root)) is not None:
                        users.setdefault((inner, root.id), []).append((scope, name))
        found: set[tuple[_Scope, str]] = set()
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting += users.get(one, ())
        return frozenset(found)

    def is_free(self, node: ast.Name) -> bool:
        """Whether nothing in the file binds the name: it is a builtin, or nothing."""
        return self._found(node) is None

    def is_alias(self, node: ast.AST) -> bool:
        """Whether ``node`` is all that a plain assignment gives to names outside of classes."""
        outer = self.parents.get(node)
        if not isinstance(outer, ast.Assign) or not all(isinstance(t, ast.Name) for t in outer.targets):
            return False
        return self._scopes[outer.targets[0]].kind != "class"

    def _found(self, node: ast.Name) -> _Scope | None:
        start = here = self._scopes.get(node)
        while here is not None:
            for outside in here.outside.get(node.id, ()):
                if node.id in outside.bound:
                    return outside
            if (here is start or here.kind != "class") and node.id in here.bound:
                return here
            here = here.outer
        return None

    def _below(self, kind: str, outer: _Scope) -> _Scope:
        self._inner.append(_Scope(kind, outer))
        return self._inner[-1]

    def _bind(self, name: str, scope: _Scope, imported: str = "", alias: ast.expr | None = None) -> None:
        places = scope.outside.get(name)
        if places is None:
            scope.bound.add(name)
        elif places == [self._module]:
            self._module.bound.add(name)
        for place in places or [scope]:
            if imported:
                place.imports.setdefault(name, set()).add(imported)
            if alias is not None:
                place.aliases.setdefault(name, []).append(alias)

    def _all(self, nodes: list[ast.stmt] | list[ast.expr] | list[ast.AST], scope: _Scope) -> None:
        for node in nodes:
            self._visit(node, scope)

    def _visit(self, node: ast.AST, scope: _Scope) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            self._function(node, scope)
        elif isinstance(node, ast.ClassDef):
            self._bind(node.name, scope)
            self._all([*node.decorator_list, *node.bases, *node.keywords], scope)
            self._all(node.body, self._below("class", scope))
        elif isinstance(node, _COMPREHENSIONS):
            self._comprehension(node, scope)
        elif isinstance(node, ast.NamedExpr):
            place = scope
            while place.kind == "comprehension" and place.outer is not None:
                place = place.outer
            self._visit(node.target, place)
            self._visit(node.value, scope)
        else:
            self._names(node, scope)
            self._all(list(ast.iter_child_nodes(node)), scope)

    def _names(self, node: ast.AST, scope: _Scope) -> None:
        """What one node itself binds."""
        if isinstance(node, ast.Name):
            self._scopes[node] = scope
            if not isinstance(node.ctx, ast.Load):
                self._bind(node.id, scope)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    self._bind(target.id, scope, alias=node.value)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                self._bind(alias.asname or top, scope, imported=alias.name if alias.asname else top)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                self._bind(alias.asname or alias.name, scope, imported=f"{node.module or ''}.{alias.name}")
        elif isinstance(node, ast.Global):
            scope.outside |= {name: [self._module] for name in node.names}
        elif isinstance(node, ast.Nonlocal):
            around, outer = [], scope.outer
            while outer is not None:
                around += [outer] if outer.kind == "function" else []
                outer = outer.outer
            scope.outside |= {name: list(around) for name in node.names}
        else:
            for name in (getattr(node, "name", None), getattr(node, "rest", None)):  # except … as, case … as, **rest
                if isinstance(name, str):
                    self._bind(name, scope)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: _Scope) -> None:
        inner = self._below("function", scope)
        if isinstance(node, ast.Lambda):
            self._visit(node.args, scope)
            body: list[ast.AST] = [node.body]
        else:
            self._bind(node.name, scope)
            self._all([*node.decorator_list, node.args, *([node.returns] if node.returns else [])], scope)
            body = [*node.body]
        arguments = (n for n in ast.walk(node.args) if isinstance(n, ast.arg) and self.parents[n] is node.args)
        for argument in arguments:
            self._bind(argument.arg, inner)
        self._all(body, inner)

    def _comprehension(self, node: ast.expr, scope: _Scope) -> None:
        inner = self._below("comprehension", scope)
        generators: list[ast.comprehension] = node.generators  # type: ignore[attr-defined]
        self._visit(generators[0].iter, scope)  # the first one is looked up outside
        for number, generator in enumerate(generators):
            self._visit(generator.target, inner)
            if number:
                self._visit(generator.iter, inner)
            self._all(generator.ifs, inner)
        results = [getattr(node, name) for name in ("elt", "key", "value") if hasattr(node, name)]
        self._all(results, inner)


def _taken_apart(node: ast.AST) -> tuple[ast.Name | None, list[str]]:
    """``a`` and ``["b", "c"]`` of ``a.b.c``; None for what does not begin with a name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.insert(0, node.attr)
        node = node.value
    return (node if isinstance(node, ast.Name) else None), parts
