"""A loop of a kernel has ``break``, ``continue`` or ``return``, which Triton does not compile.

What it means
    Triton turns a loop into an operation that runs all of its trips. There is no way out of the middle: ``break`` and
    ``continue`` are refused in every loop, ``return`` in every loop that is not unrolled.

Why it matters
    The kernel does not compile: ``unsupported AST node type: Continue``, or ``Cannot have `return` statements inside
    `while` or `for` statements``. Triton's interpreter runs such a kernel correctly, so a test on it does not find
    this.

How it is found
    Every ``break`` and ``continue`` in a loop of a Triton function, and every ``return`` in a loop over ``range``,
    ``tl.range`` or a ``while``; a ``return`` in ``tl.static_range`` is accepted. Code behind a condition that is known
    to be false while compiling does not count.

Instead
    For a ``continue`` at the head of a body: drop the guard where the masks already cover it, or put the rest of the
    body under the opposite condition. For a ``break`` or ``return``: a flag in the condition of a ``while``.

When to ignore it
    When the statement stands behind a constexpr condition that no launch fulfils.

Sources
    27 of 804 failed candidates of a public optimisation run (19 ``continue``, 8 ``break``). Compiled with Triton 3.6.0,
    3.7.1 and 3.9.0: every form above, in ``for``, ``while`` and ``tl.static_range``.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.source.lint import violation
from ncukit.source.lint.kinds import kinds
from ncukit.source.lint.wording import opposite, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.source.inspection import Severity, Violation
    from ncukit.source.lint.module import Kernel, Module

CODE = "TRI101"
NAME = "loop-exit"
SEVERITY: Severity = "error"

_MEMORY = ("load", "store")


def check(module: Module) -> Iterator[Violation]:
    """Every statement that leaves a loop, or a trip of it."""
    for kernel in module.kernels.values():
        dead = kinds(module, kernel).dead
        for node in module.nodes(kernel):
            if not isinstance(node, ast.Break | ast.Continue | ast.Return) or node in dead:
                continue
            loop = _loop(module, kernel, node)
            if loop is None:
                continue
            word = type(node).__name__.lower()
            kind = "a while loop" if isinstance(loop, ast.While) else "a for loop"
            yield violation(
                __name__,
                module,
                node,
                f"`{word}` inside {kind} of kernel {kernel.name}: Triton has no `{word}` there",
                instead=_instead(module, kernel, node, loop),
                kernel=kernel.name,
            )


def _loop(module: Module, kernel: Kernel, node: ast.stmt) -> ast.For | ast.While | None:
    """The loop that the statement may not leave; None when it is fine."""
    for outer in module.around(node):
        if outer is kernel.node or isinstance(outer, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            return None
        if isinstance(outer, ast.While):
            return outer
        if isinstance(outer, ast.For):
            unrolled = isinstance(outer.iter, ast.Call) and module.language(outer.iter) == "static_range"
            if not (isinstance(node, ast.Return) and unrolled):
                return outer
    return None


def _instead(module: Module, kernel: Kernel, node: ast.stmt, loop: ast.For | ast.While) -> str:
    guard = module.parent(node)
    plain = isinstance(guard, ast.If) and guard.body == [node] and not guard.orelse
    condition = guard.test if plain and isinstance(guard, ast.If) else None
    if isinstance(node, ast.Continue):
        return _without_continue(module, loop, guard, condition)
    if isinstance(node, ast.Break) and isinstance(loop, ast.For) and module.called(loop.iter).endswith("static_range"):
        rest = f"`if {opposite(condition)}:`" if condition is not None else "the opposite condition"
        return f"put what follows in the body under {rest}, or shorten the range: the loop is unrolled"
    flag = "going" if "going" not in {n.id for n in module.nodes(kernel) if isinstance(n, ast.Name)} else "still_going"
    test = f"({shown(loop.test)}) and {flag}" if isinstance(loop, ast.While) else _counted(loop, flag)
    step = f", counting `{shown(loop.target)}` yourself" if isinstance(loop, ast.For) else ""
    set_ = f"`{flag} = {opposite(condition)}`" if condition is not None else f"`{flag} = False`"
    end = ", then return after the loop" if isinstance(node, ast.Return) else ""
    return (
        f"set `{flag} = True` before the loop, loop `while {test}:`{step}, and write {set_} here with the rest of the "
        f"body under `if {flag}:`{end}"
    )


def _counted(loop: ast.For, flag: str) -> str:
    arguments = loop.iter.args if isinstance(loop.iter, ast.Call) else []
    end = arguments[min(1, len(arguments) - 1)] if arguments else None
    return f"({shown(loop.target)} < {shown(end)}) and {flag}" if end is not None else flag


def _without_continue(
    module: Module, loop: ast.For | ast.While, guard: ast.AST | None, condition: ast.expr | None
) -> str:
    if condition is None or not isinstance(guard, ast.If):
        return "put what follows in the loop body under the opposite of the condition that leads here"
    around = module.parent(guard)
    body = next((b for b in (getattr(around, "body", []), getattr(around, "orelse", [])) if guard in b), [])
    rest = body[body.index(guard) + 1 :] if guard in body else []
    if not rest:
        return (
            "drop it: nothing follows in the body" if around is loop else "drop it, and put what follows under `else:`"
        )
    lines = f"lines {rest[0].lineno}-{rest[-1].end_lineno}" if len(rest) > 1 else f"line {rest[0].lineno}"
    under = f"put {lines} under `if {opposite(condition)}:`"
    memory = [n for s in rest for n in ast.walk(s) if module.language(n) in _MEMORY]
    masked = all(any(k.arg == "mask" for k in n.keywords) for n in memory if isinstance(n, ast.Call))
    if memory and masked and around is loop:
        return f"drop the `if` (every load and store below it is masked), or {under}"
    return under
