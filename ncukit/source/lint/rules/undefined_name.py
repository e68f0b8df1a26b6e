"""A kernel reads a name that is not there: never assigned, or forgotten at the end of a loop or branch.

What it means
    The name is no parameter, nothing that the kernel or the file defines, and none of the Python functions that Triton
    knows. Or it is assigned only where Triton drops it again: of a loop only names that existed before it live on, of
    an ``if`` on a run-time value only names that both branches assign.

Why it matters
    The kernel does not compile: ``NameError('q is not defined')``. Python, and so Triton's interpreter, keeps names
    that were assigned in loops and branches; the compiler does not.

How it is found
    The body is followed as the compiler does it. Names that a constexpr branch, an unrolled loop, ``import *``,
    ``exec`` or ``globals()`` may bring are left alone.

Instead
    Assign the name before the loop or ``if``, with a value of the same type and shape. A missing import is named.

When to ignore it
    When the file is a fragment whose names come from somewhere else.

Sources
    75 of 804 failed candidates of a public optimisation run. Compiled with Triton 3.6.0, 3.7.1 and 3.9.0.
"""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING

from ncukit.errors import nearest
from ncukit.source.lint import violation
from ncukit.source.lint.kinds import Missing, kinds
from ncukit.source.lint.names import known
from ncukit.source.lint.scopes import scopes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.source.inspection import Severity, Violation
    from ncukit.source.lint.module import Kernel, Module

CODE = "TRI106"
NAME = "undefined-name"
SEVERITY: Severity = "error"

_IMPORTS = {
    "tl": "import triton.language as tl",
    "triton": "import triton",
    "libdevice": "from triton.language.extra import libdevice",
    "math": "import math",
}


def check(module: Module) -> Iterator[Violation]:
    """The first use of every such name in a kernel."""
    for kernel in module.kernels.values():
        told: set[str] = set()
        missing = sorted(kinds(module, kernel).missing, key=lambda m: (m.node.lineno, m.node.col_offset))
        for one in missing:
            name = one.node.id
            if name in told or (hasattr(builtins, name) and one.lost is None) or name.startswith("__"):
                continue
            told.add(name)
            yield violation(
                __name__, module, one.node, _message(one), instead=_instead(module, kernel, one), kernel=kernel.name
            )


def _message(one: Missing) -> str:
    name = one.node.id
    if one.lost is None:
        return f"`{name}` is not defined: neither the kernel nor the file gives it a value"
    line = one.lost.node.lineno
    if one.lost.how == "loop":
        return f"`{name}` is only assigned in the loop of line {line}: Triton forgets it when the loop ends"
    if one.lost.how == "branch":
        return f"`{name}` is not assigned in every branch of the `if` in line {line}: Triton forgets it after the `if`"
    return f"`{name}` is read before line {line} assigns it"


def _instead(module: Module, kernel: Kernel, one: Missing) -> str:
    name = one.node.id
    if one.lost is not None:
        line = one.lost.node.lineno
        if one.lost.how == "later":
            return f"assign `{name}` before line {one.node.lineno}"
        test = one.lost.node.test if isinstance(one.lost.node, ast.If) else None
        other = ", or in the other branch too" if test is not None else ""
        return f"assign `{name}` before line {line}, with the type and shape that it gets there{other}"
    if name in _IMPORTS:
        return f"`{_IMPORTS[name]}` at the top of the file"
    if known("tl", name):
        return f"`tl.{name}`"
    if known("triton", name):
        return f"`triton.{name}`"
    names = {n.id for n in module.nodes(kernel) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    close = nearest(name, sorted(names | set(kernel.parameters) | set(scopes(module).names)))
    if close:
        return f"`{close[0]}`" + (f" or `{close[1]}`" if len(close) > 1 else "")
    constant = "`: tl.constexpr`" if name.isupper() else ""
    return f"a parameter `{name}{constant.strip('`')}` of {kernel.name}, passed at the launch"
