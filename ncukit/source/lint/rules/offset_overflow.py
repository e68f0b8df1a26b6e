"""A 32-bit offset passes 2**31 - 1 at the size of this launch.

What it means
    Program ids, ``tl.arange`` and integer arguments are 32-bit numbers, and so are their products and sums. Only what
    is added to a pointer is widened. An offset of more than 2,147,483,647 elements has wrapped round before that, and
    the address lies far in front of the tensor.

Why it matters
    An illegal memory access, or silently another tensor's memory. It appears with size only: 112 x 64 x 512 x 512
    values reach 87 % of the range, a batch of 128 passes it.

How it is found
    With the values of a launch (this rule says nothing without one) the kernel is followed for the programs at the
    corners of its grid, first and last trip of each loop, and only lanes that the access's mask lets through: no other
    program or lane is needed to show an overflow, and none is guessed. What depends on loaded values is left alone.

Instead
    ``.to(tl.int64)`` on one operand before the product: ``tl.program_id(0).to(tl.int64) * stride``. After it is too
    late. Triton passes an integer argument of 2**31 or more in 64 bits by itself.

When to ignore it
    Never at this size; nothing is said about other sizes.

Sources
    Triton 3.7.1, language/semantic.py: the result of two 32-bit integers has 32 bits; runtime/jit.py: arguments beyond
    32 bits become i64.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.source.lint import violation
from ncukit.source.lint.host import compact
from ncukit.source.lint.masks import limits
from ncukit.source.lint.tiles import LIMIT
from ncukit.source.lint.ways import traces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.source.inspection import Severity, Violation
    from ncukit.source.lint.module import Kernel, Module
    from ncukit.source.lint.trace import Access

CODE = "TRI204"
NAME = "offset-overflow"
SEVERITY: Severity = "error"


def check(module: Module) -> Iterator[Violation]:
    """Follow every launch to its farthest programs."""
    for kernel in module.kernels.values():
        worst: dict[ast.AST, tuple[int, Access]] = {}
        for _, trace in traces(module, kernel):
            for access in trace.accesses:
                for node, reached in _overflows(access):
                    if abs(reached) > abs(worst.get(node, (0, None))[0]):
                        worst[node] = reached, access
        for node, (reached, access) in worst.items():
            yield _said(module, kernel, node, reached, access)


def _overflows(access: Access) -> Iterator[tuple[ast.AST, int]]:
    """The 32-bit operations behind an address that leave their range in a lane that is accessed."""
    if not access.certain or not access.pointer.over:
        return
    lanes = limits(access.pointer, access.mask)
    if lanes is None:
        return
    for over in access.pointer.over:
        low, high = over.line.ends(lanes)
        if high >= LIMIT or low < -LIMIT:
            yield over.node, high if high >= LIMIT else low


def _said(module: Module, kernel: Kernel, node: ast.AST, reached: int, access: Access) -> Violation:
    program = ", ".join(str(p) for p in access.program or ())
    tensor = f" of `{access.pointer.pointer}`" if access.pointer.pointer else ""
    text = compact(node)
    return violation(
        __name__,
        module,
        node,
        f"`{text}` reaches {reached:,} in program ({program}), and 32 bits end at {LIMIT - 1:,}: the "
        f"{access.kind}{tensor} on line {access.node.lineno} goes astray",
        instead=f"`{_widened(module, kernel, node)}`",
        kernel=kernel.name,
    )


def _widened(module: Module, kernel: Kernel, node: ast.AST) -> str:
    """The operation with ``.to(tl.int64)`` on an operand that has a value at run time."""
    if isinstance(node, ast.AugAssign):
        sign = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}.get(type(node.op), "+")
        return f"{ast.unparse(node.target)} = {ast.unparse(node.target)}.to(tl.int64) {sign} {compact(node.value)}"
    if not isinstance(node, ast.BinOp):
        return f"{compact(node)}.to(tl.int64)"
    sides = {"left": node.left, "right": node.right}
    chosen = next((s for s, e in sides.items() if not _constant(module, kernel, e)), "left")
    texts = {s: ast.unparse(e) for s, e in sides.items()}
    texts = {s: f"({t})" if isinstance(sides[s], ast.BinOp) else t for s, t in texts.items()}
    texts[chosen] += ".to(tl.int64)"
    sign = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}.get(type(node.op), "+")
    return f"{texts['left']} {sign} {texts['right']}"


def _constant(module: Module, kernel: Kernel, node: ast.expr) -> bool:
    """Whether an operand is a constant of the compiler's, which has no ``.to``."""
    read = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    return all(n in kernel.constexprs or n in module.constants for n in read)
