"""What a kernel multiplies its program id by: the size of the block that each program covers."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ncukit.source.lint.host import bindings, names, own

if TYPE_CHECKING:
    from ncukit.source.lint.module import Kernel, Module


@dataclass(frozen=True, slots=True)
class Product:
    """A program id times meta-parameters."""

    node: ast.BinOp
    axis: int | None
    """Of the program id, where it is one alone."""
    meta: frozenset[str]
    block: str
    """The other factors, as a grid writes them."""


def products(module: Module, kernel: Kernel, meta: frozenset[str]) -> list[Product]:
    """Every product of a program id and of meta-parameters; none for a kernel that walks on from its program id."""
    ids = _Ids(module, kernel)
    for node in own(kernel.node):
        loop = node.iter if isinstance(node, ast.For) else node.test if isinstance(node, ast.While) else None
        if loop is not None and ids.in_loop(loop):
            return []
        if module.language(node) == "num_programs":
            return []
    found = []
    for node in own(kernel.node):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            parts = factors(node)
            axes = [ids.axis(f) for f in parts if ids.is_id(f)]
            used = frozenset(n for f in parts if not ids.is_id(f) for n in ids.constants(f)) & meta
            if axes and used:
                others = [f for f in parts if not ids.is_id(f)]
                found.append(Product(node, axes[0], used, _block(others, used)))
    inner = {id(n) for p in found for n in ast.walk(p.node) if n is not p.node}
    stepped = _stepped(kernel)
    found = [p for p in found if id(p.node) not in inner and not p.meta & stepped]
    found = [p for p in found if not _reorders(module, kernel, p, meta)]
    return sorted(found, key=lambda p: (p.node.lineno, p.node.col_offset))


def _block(parts: list[ast.expr], meta: frozenset[str]) -> str:
    if all(isinstance(f, ast.Constant) or (isinstance(f, ast.Name) and f.id in meta) for f in parts):
        return " * ".join(f'META["{f.id}"]' if isinstance(f, ast.Name) else ast.unparse(f) for f in parts)
    return " * ".join(f'META["{name}"]' for name in sorted(meta))


def _reorders(module: Module, kernel: Kernel, product: Product, meta: frozenset[str]) -> bool:
    """Whether a product only makes another program id: ``group * GROUP + pid % GROUP``."""
    ids = _Ids(module, kernel)
    statement = next((n for n in module.around(product.node) if isinstance(n, ast.stmt)), None)
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    given = {t.id for t in targets if isinstance(t, ast.Name)}
    for node in own(kernel.node):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and node is not product.node:
            parts = factors(node)
            tuned = any(isinstance(f, ast.Name) and f.id in meta for f in parts)
            if tuned and any(given & ids.behind(f) for f in parts):
                return True
    return False


def _stepped(kernel: Kernel) -> set[str]:
    """Names that a loop walks on by: a program that does may cover any number of blocks (split-K)."""
    found: set[str] = set()
    for loop in ast.walk(kernel.node):
        if isinstance(loop, ast.For):
            found |= names(loop.iter)
        if isinstance(loop, ast.For | ast.While):
            grown = (n for n in ast.walk(loop) if isinstance(n, ast.AugAssign))
            found |= {name for n in grown for name in names(n.value)}
    return found


def factors(node: ast.expr) -> list[ast.expr]:
    """The factors of a product, in order."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*factors(node.left), *factors(node.right)]
    return [node]


class _Ids:
    """What in a kernel is a program id, or a part of one."""

    def __init__(self, module: Module, kernel: Kernel) -> None:
        self._module, self._kernel = module, kernel
        self._bound = bindings(module, kernel.node)

    def is_id(self, node: ast.expr, seen: frozenset[str] = frozenset()) -> bool:
        if isinstance(node, ast.Name):
            bound = self._bound.get(node.id, [])
            if node.id in seen or not bound or node.id in self._kernel.parameters:
                return False
            return all(b is not None and self.is_id(b, seen | {node.id}) for b in bound)
        if isinstance(node, ast.BinOp):
            inner = seen
            if isinstance(node.op, ast.FloorDiv | ast.Mod):
                return self.is_id(node.left, inner)
            if isinstance(node.op, ast.Add | ast.Sub):  # a group's first row and the row in it
                sides = (self.is_id(node.left, inner), self.is_id(node.right, inner))
                return all(sides)
            return False
        if isinstance(node, ast.Call):
            if self._module.language(node) == "program_id":
                return True
            if isinstance(node.func, ast.Attribute) and node.func.attr == "to":
                return self.is_id(node.func.value, seen)
        return False

    def axis(self, node: ast.expr, depth: int = 6) -> int | None:
        """The axis, where ``node`` is ``tl.program_id(axis)`` itself, or a name of it."""
        if depth and isinstance(node, ast.Name):
            bound = self._bound.get(node.id, [])
            return self.axis(bound[0], depth - 1) if len(bound) == 1 and bound[0] is not None else None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "to":
            return self.axis(node.func.value, depth)
        if not (isinstance(node, ast.Call) and self._module.language(node) == "program_id"):
            return None
        given = [*node.args, *(k.value for k in node.keywords if k.arg == "axis")]
        at = given[0].value if given and isinstance(given[0], ast.Constant) else None
        return at if isinstance(at, int) else None

    def constants(self, node: ast.expr, depth: int = 6) -> set[str]:
        """Parameters that ``node`` is made of, through local names."""
        found: set[str] = set()
        for name in names(node):
            bound = self._bound.get(name, [])
            if name in self._kernel.parameters:
                found.add(name)
            elif depth and len(bound) == 1 and bound[0] is not None:
                found |= self.constants(bound[0], depth - 1)
        return found

    def behind(self, node: ast.expr) -> set[str]:
        """Names that ``node`` is computed from."""
        found: set[str] = set()
        waiting = [node]
        while waiting:
            for name in names(waiting.pop()) - found:
                found.add(name)
                waiting += [b for b in self._bound.get(name, ()) if b is not None]
        return found

    def in_loop(self, node: ast.expr) -> bool:
        """Whether a loop's bounds come from a program id."""
        return any(
            self._module.language(n) in ("program_id", "num_programs")
            or (isinstance(n, ast.Name) and self._reaches(n.id))
            for n in ast.walk(node)
        )

    def _reaches(self, name: str, depth: int = 6) -> bool:
        for bound in self._bound.get(name, ()):
            for node in ast.walk(bound) if bound is not None else ():
                if self._module.language(node) in ("program_id", "num_programs"):
                    return True
                if depth and isinstance(node, ast.Name) and node.id != name and self._reaches(node.id, depth - 1):
                    return True
        return False
