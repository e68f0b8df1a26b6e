"""A tile is reduced to one number in every trip of a loop, only to be added to what the last trip left.

What it means
    ``total += tl.sum(x)`` inside a loop: the lanes exchange their values in each trip. Adding the tile to a tile, and
    reducing that once after the loop, gives the same number.

Why it matters
    A reduction over a program of 4 warps is 10 shuffles in a warp, then shared memory with barriers between the warps,
    and nothing else of the trip can overtake it. In a published InstanceNorm kernel the compiler made 14 shuffles and
    4 barriers of it, in every trip. A tile's sum also rounds less: each lane adds up fewer values.

How it is found
    ``a += tl.sum(x)``, ``a = a + tl.sum(x)``, ``a = tl.maximum(a, tl.max(x))`` and the like in a loop, where all axes
    of a tile are reduced (its rank is known) and the loop reads ``a`` nowhere else. A running maximum that later lines
    of the loop need is left alone, so is a reduction that decides a branch, and so is a loop with a ``tl.dot``, where
    another tile to carry may cost more than it saves.

Instead
    ``acc = tl.zeros((BLOCK,), tl.float32)`` before the loop, ``acc += x`` in it, ``total = tl.sum(acc)`` after it.

When to ignore it
    When the loop runs once or twice, or the tile's registers are needed for something better.

Sources
    Machine code of the seed InstanceNorm (14 SHFL and 4 BAR in the loop, Triton 3.9.0, sm_89); of its repaired form,
    none in the loop.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.source.lint import inside_loops, violation
from ncukit.source.lint.host import bindings, compact
from ncukit.source.lint.ways import read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.source.inspection import Severity, Violation
    from ncukit.source.lint.module import Kernel, Module

CODE = "TRI303"
NAME = "scalar-reduction-in-loop"
SEVERITY: Severity = "warning"
_TILE = {"sum": "acc += {x}", "max": "acc = tl.maximum(acc, {x})", "min": "acc = tl.minimum(acc, {x})"}
_START = {"sum": "tl.zeros({shape}, tl.float32)", "max": 'tl.full({shape}, float("-inf"), tl.float32)',
          "min": 'tl.full({shape}, float("inf"), tl.float32)'}  # fmt: skip


def check(module: Module) -> Iterator[Violation]:
    """Look at every loop of every kernel."""
    for kernel in module.kernels.values():
        total = None
        for node, loop in inside_loops(kernel.node):
            carried = _carried(node)
            if carried is None:
                continue
            name, value = carried
            call = _reduction(module, kernel, value, loop)
            if call is None or _read_elsewhere(loop, name, node):
                continue
            if any(module.language(n) in ("dot", "dot_scaled") for n in ast.walk(loop)):
                continue
            total = total or _to_one(module, kernel)
            kind = module.language(call)
            if call not in total or kind not in _TILE or not _matches(module, node, kind):
                continue
            yield violation(
                __name__,
                module,
                node,
                f"`{name}` takes the {kind} of a tile in every trip of this loop: shuffles and barriers each time, "
                "where a tile could be carried and reduced once",
                instead=_instead(name, call, kind, total[call], _counts(module, kernel, name)),
                kernel=kernel.name,
            )


def _carried(node: ast.AST) -> tuple[str, ast.expr] | None:
    """(name, what is joined to it) of a statement that carries a value from trip to trip."""
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) and isinstance(node.op, ast.Add):
        return node.target.id, node.value
    if not (isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)):
        return None
    name, value = node.targets[0].id, node.value
    pair: list[ast.expr] = []
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        pair = [value.left, value.right]
    elif isinstance(value, ast.Call) and len(value.args) == 2 and not value.keywords:
        pair = list(value.args)
    rest = [p for p in pair if not (isinstance(p, ast.Name) and p.id == name)]
    return (name, rest[0]) if len(pair) == 2 and len(rest) == 1 else None


def _matches(module: Module, node: ast.AST, kind: str) -> bool:
    """Whether what joins is the operation that reduces."""
    joined = node.value if isinstance(node, ast.Assign) else None
    if isinstance(joined, ast.Call):
        name = module.language(joined) or module.called(joined)
        return {"maximum": "max", "max": "max", "minimum": "min", "min": "min"}.get(name) == kind
    return kind == "sum"


def _reduction(module: Module, kernel: Kernel, value: ast.expr, loop: ast.AST) -> ast.Call | None:
    """The call of ``tl.sum`` and the like that ``value`` is, through a cast or a name used for nothing else."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "to":
        value = value.func.value
    if isinstance(value, ast.Name):
        bound = bindings(module, kernel.node).get(value.id, [])
        if len(bound) != 1 or bound[0] is None or sum(_reads(n, value.id) for n in kernel.walk()) != 1:
            return None
        if not any(n is bound[0] for n in ast.walk(loop)):
            return None
        value = bound[0]
    return value if isinstance(value, ast.Call) and module.language(value) in _TILE else None


def _reads(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)


def _read_elsewhere(loop: ast.AST, name: str, statement: ast.AST) -> bool:
    own = {id(n) for n in ast.walk(statement)}
    return any(isinstance(n, ast.Name) and n.id == name and id(n) not in own for n in ast.walk(loop))


def _to_one(module: Module, kernel: Kernel) -> dict[ast.Call, int]:
    """Reductions of a tile over all of its axes, with its rank."""
    found = read(module, kernel).reductions
    some = {r.node: r.value.rank or 0 for r in found if r.value.rank and len(r.axes) == r.value.rank}
    odd = {r.node for r in found if r.node not in some or not r.value.rank or len(r.axes) != r.value.rank}
    return {node: rank for node, rank in some.items() if node not in odd}


def _counts(module: Module, kernel: Kernel, name: str) -> bool:
    """Whether it starts as a whole number."""
    first = (bindings(module, kernel.node).get(name) or [None])[0]
    return isinstance(first, ast.Constant) and type(first.value) is int


def _instead(name: str, call: ast.Call, kind: str, rank: int, counts: bool) -> str:
    value = compact(call.args[0]) if call.args else "x"
    shape = "(BLOCK,)" if rank == 1 else "(" + ", ".join("…" for _ in range(rank)) + ")"
    before = "acc = " + _START[kind].format(shape=shape)
    if counts:
        before = f"acc = tl.zeros({shape}, tl.int32)" if kind == "sum" else f"acc = tl.full({shape}, {name}, tl.int32)"
    return f"`{before}` before the loop, `{_TILE[kind].format(x=value)}` in it, `{name} = tl.{kind}(acc)` after it"
