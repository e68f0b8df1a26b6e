"""A name is annotated ``tl.constexpr`` where it already has a value.

What it means
    ``NAME: tl.constexpr = …`` defines a constant, once. A parameter of that name, or the same line in an earlier trip
    of an unrolled loop, has defined it before.

Why it matters
    The kernel does not compile: ``C is already defined. constexpr cannot be reassigned.``

How it is found
    Annotated assignments to a parameter, to a name that the same block annotates before, and in the body of a
    ``tl.static_range`` loop, outside of other loops and of branches at run time inside it: those forget their names.

Instead
    Another name. In an unrolled loop, the expression itself in the places where the constant is used.

When to ignore it
    When the unrolled loop has a single trip.

Sources
    Compiled with Triton 3.6.0, 3.7.1 and 3.9.0.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.source.lint import violation
from ncukit.source.lint.kinds import Kinds, kinds
from ncukit.source.lint.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.source.inspection import Severity, Violation
    from ncukit.source.lint.module import Kernel, Module

CODE = "TRI113"
NAME = "constexpr-reassigned"
SEVERITY: Severity = "error"


def check(module: Module) -> Iterator[Violation]:
    """Every such assignment."""
    for kernel in module.kernels.values():
        found = kinds(module, kernel)
        for node in module.nodes(kernel):
            if not isinstance(node, ast.AnnAssign) or node in found.dead or node.value is None:
                continue
            if not (isinstance(node.target, ast.Name) and shown(node.annotation).split(".")[-1] == "constexpr"):
                continue
            name, value = node.target.id, shown(node.value)
            before = _before(module, kernel, node, name)
            loop = None if before else _unrolled(module, kernel, node, found)
            if before is None and loop is None:
                continue
            said = before or f"each trip of the unrolled loop in line {getattr(loop, 'lineno', '?')} defines it again"
            yield violation(
                __name__,
                module,
                node,
                f"`{name}: tl.constexpr` cannot be assigned here: {said}",
                instead=f"`{name}_: tl.constexpr = {value}`, used from there on"
                if before
                else f"`{value}` in its place",
                kernel=kernel.name,
            )


def _before(module: Module, kernel: Kernel, node: ast.AnnAssign, name: str) -> str | None:
    """Where the name is defined before, in words."""
    if name in kernel.parameters:
        return f"it is a parameter of {kernel.name}"
    outer = module.parent(node)
    for block in (getattr(outer, "body", []), getattr(outer, "orelse", [])):
        for earlier in block[: block.index(node)] if node in block else []:
            if (
                isinstance(earlier, ast.AnnAssign)
                and isinstance(earlier.target, ast.Name)
                and earlier.target.id == name
            ):
                return f"line {earlier.lineno} defines it"
    return None


def _unrolled(module: Module, kernel: Kernel, node: ast.AnnAssign, found: Kinds) -> ast.For | None:
    """The unrolled loop whose next trip would meet the name again."""
    for outer in module.around(node):
        if outer is kernel.node or isinstance(outer, ast.While):
            return None
        if isinstance(outer, ast.If) and found.of(outer.test).form != "constexpr":
            return None
        if isinstance(outer, ast.For):
            unrolled = module.language(outer.iter) == "static_range" and isinstance(outer.iter, ast.Call)
            one = (
                unrolled
                and isinstance(outer.iter, ast.Call)
                and [shown(a) for a in outer.iter.args] in (["1"], ["0", "1"])
            )
            return outer if unrolled and not one else None
    return None
