"""A branch or loop asks whether a whole block is true.

What it means
    ``if``, ``while`` and ``a if condition else b`` decide for the whole program at once. A comparison of blocks has a
    yes or no for each element.

Why it matters
    The kernel does not compile: ``Boolean value of Tensor with more than one value is ambiguous``; for ``while`` and
    the conditional expression the compiler fails without saying where.

How it is found
    Conditions that are certainly blocks: comparisons with ``tl.arange``, what is loaded through a block of pointers,
    masks. ``and``, ``or`` and ``not`` on blocks work (with a warning) and are not named on their own. A block that may
    have one element is left alone.

Instead
    ``tl.where(condition, a, b)`` chooses element by element; a mask on load and store leaves elements out;
    ``tl.sum(condition.to(tl.int32)) > 0`` asks whether any element is meant.

When to ignore it
    When the block always has one element: Triton takes that in an ``if``.

Sources
    Part of the 86 compilation errors of other kinds among 804 failed candidates of a public optimisation run. Compiled
    with Triton 3.6.0, 3.7.1 and 3.9.0.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.source.lint import violation
from ncukit.source.lint.kinds import kinds
from ncukit.source.lint.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.source.inspection import Severity, Violation
    from ncukit.source.lint.module import Module

CODE = "TRI110"
NAME = "branch-on-tensor"
SEVERITY: Severity = "error"

_WORDS = {ast.If: "if", ast.While: "while", ast.IfExp: "… if … else …"}


def check(module: Module) -> Iterator[Violation]:
    """Every such condition."""
    for kernel in module.kernels.values():
        found = kinds(module, kernel)
        for node in module.nodes(kernel):
            if not isinstance(node, ast.If | ast.While | ast.IfExp) or node in found.dead:
                continue
            test = found.of(node.test)
            if test.form != "block" or test.single:
                continue
            text = shown(node.test, 48)
            if isinstance(node, ast.IfExp):
                instead = f"`tl.where({text}, {shown(node.body, 24)}, {shown(node.orelse, 24)})`"
            elif isinstance(node, ast.While):
                instead = f"`while tl.sum(({text}).to(tl.int32)) > 0:` for as long as any element asks for it"
            else:
                instead = (
                    f"`tl.where({text}, …, …)` or `mask=` to choose by element, or "
                    f"`if tl.sum(({text}).to(tl.int32)) > 0:` for any element"
                )
            yield violation(
                __name__,
                module,
                node.test,
                f"`{text}` is a block, and `{_WORDS[type(node)]}` needs one value",
                instead=instead,
                kernel=kernel.name,
            )
