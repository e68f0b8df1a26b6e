"""The Python that a model answered with, as the rules of form see it."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from ncukit.collect.target import LAYOUT
from ncukit.optimize.check.scopes import Scopes
from ncukit.source.lint.module import Module
from ncukit.source.text import SourceText

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.source.lint.module import Kernel

Function = ast.FunctionDef | ast.AsyncFunctionDef
MODEL = "ModelNew"


@dataclass
class Answer:
    """One answer's code.

    Raises:
        RecursionError: expressions are nested deeper than Python can follow.
    """

    path: str
    code: str
    """On the lines where it stood in the answer; every other line is blank."""
    tree: ast.Module
    own: bool = False
    """Whether it is an engineer's kernel file, with its reference and tests: rules about order do not apply."""
    scopes: Scopes = field(init=False)

    def __post_init__(self) -> None:
        self.scopes = Scopes(self.tree)

    @cached_property
    def source(self) -> SourceText:
        """The same as the lint takes it."""
        return SourceText(path=self.path, code=self.code, tree=self.tree)

    @cached_property
    def module(self) -> Module:
        """The same as the lint's rules see it."""
        return Module(self.source)

    @property
    def kernels(self) -> dict[str, Kernel]:
        """Name → Triton function."""
        return self.module.kernels

    @cached_property
    def model(self) -> ast.ClassDef | None:
        """The last class of that name at the top level: the one that counts."""
        found = [n for n in self.tree.body if isinstance(n, ast.ClassDef) and n.name == MODEL]
        return found[-1] if found else None

    def is_kernel(self, node: ast.AST) -> bool:
        """Whether ``node`` is a Triton function."""
        return any(kernel.node is node for kernel in self.kernels.values())

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around ``node``, innermost first."""
        outer = self.scopes.parents.get(node)
        while outer is not None:
            yield outer
            outer = self.scopes.parents.get(outer)

    def function(self, node: ast.AST) -> Function | None:
        """The innermost named function around ``node``."""
        return next((n for n in self.around(node) if isinstance(n, Function)), None)

    @cached_property
    def host(self) -> tuple[ast.AST, ...]:
        """Every node of the functions and classes that ``ModelNew`` reaches by name, Triton functions left out.

        In an engineer's file the reference, the inputs and the tests are beside them.
        """
        top = {n.name: n for n in self.tree.body if isinstance(n, Function | ast.ClassDef)}
        waiting: list[ast.AST] = [self.model] if self.model else []
        seen: dict[ast.AST, None] = {}
        while waiting:
            node = waiting.pop()
            if node in seen:
                continue
            seen[node] = None
            inside = [n for n in ast.walk(node) if n not in self._inside]
            names = {n.id for n in inside if isinstance(n, ast.Name)}
            waiting += [top[name] for name in names if name in top and not self.is_kernel(top[name])]
        return tuple(n for node in seen for n in ast.walk(node) if n not in self._inside)

    @cached_property
    def _inside(self) -> frozenset[ast.AST]:
        return frozenset(n for kernel in self.kernels.values() for n in ast.walk(kernel.node))

    def is_launch(self, node: ast.AST) -> bool:
        """Whether ``node`` is ``kernel[grid](…)``, whatever the kernel is called there, or ``kernel.run(…)``."""
        if not isinstance(node, ast.Call):
            return False
        return isinstance(node.func, ast.Subscript) or called(node) == "run"

    @cached_property
    def launching(self) -> frozenset[str]:
        """Functions that launch a Triton function, themselves or through others."""
        callers: dict[str, set[str]] = {}
        waiting = []
        for function in (n for n in ast.walk(self.tree) if isinstance(n, Function) and not self.is_kernel(n)):
            calls = [n for n in ast.walk(function) if isinstance(n, ast.Call)]
            waiting += [function.name] if any(self.is_launch(n) for n in calls) else []
            for call in calls:
                callers.setdefault(called(call), set()).add(function.name)
        found: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += callers.get(name, ())
        return frozenset(found)

    def launches(self, nodes: list[ast.stmt]) -> bool:
        """Whether any of these statements launches something."""
        calls = (n for node in nodes for n in ast.walk(node) if isinstance(n, ast.Call))
        return any(self.is_launch(call) or called(call) in self.launching for call in calls)


def called(node: ast.Call) -> str:
    """The last part of the name that a call calls."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def is_problem(names: set[str]) -> bool:
    """Whether a file with these names is a whole kernel file: reference, inputs and answer."""
    return {"Model", MODEL, *LAYOUT} <= names
