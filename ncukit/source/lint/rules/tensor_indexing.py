"""A kernel takes elements out of a tensor by index or slice, which Triton does not have.

What it means
    A block's elements live in the registers of many threads. ``x[0]``, ``x[i]``, ``x[1:5]`` and ``x[mask]`` have no
    meaning there; ``x[:, None]`` and ``x[None, :]``, which only add dimensions, are all that there is. A pointer is no
    array either: ``x_ptr[i]`` does not load.

Why it matters
    The kernel does not compile: ``unsupported tensor index``, ``__setitem__ is not supported in triton``, or the
    misleading ``Did you forget to add @triton.jit ?``.

How it is found
    Every assignment to an index, whatever it is of; and every index but ``None`` and ``:`` into a value that is
    certainly a tensor or a pointer: what ``tl.load``, ``tl.arange`` and arithmetic on them give, and parameters that
    the same kernel adds offsets to; and a tuple indexed by a value at run time.

Instead
    For a pointer, ``tl.load(x_ptr + i)`` and ``tl.store(x_ptr + i, value)``. For one element or row of a block, a sum
    over a mask; for part of it, load only that part. For several values, a tuple: tuples can be indexed by constants.

When to ignore it
    Never: no version accepts it.

Sources
    46 of 804 failed candidates of a public optimisation run. Compiled with Triton 3.6.0, 3.7.1 and 3.9.0.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.source.lint import violation
from ncukit.source.lint.kinds import Kinds, Value, kinds
from ncukit.source.lint.parameters import launched
from ncukit.source.lint.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.source.inspection import Severity, Violation
    from ncukit.source.lint.module import Kernel, Module

CODE = "TRI105"
NAME = "tensor-indexing"
SEVERITY: Severity = "error"


def check(module: Module) -> Iterator[Violation]:
    """Every such index."""
    for kernel in module.kernels.values():
        found = kinds(module, kernel)
        if not found.complete:
            continue
        for node in module.nodes(kernel):
            if isinstance(node, ast.Subscript) and node not in found.dead:
                yield from _index(module, kernel, node, found)


def _index(module: Module, kernel: Kernel, node: ast.Subscript, found: Kinds) -> Iterator[Violation]:
    base = shown(node.value, 40)
    pointer = _is_pointer(module, kernel, node.value, found)
    if isinstance(node.ctx, ast.Store):
        if _annotates(module, node):
            return
        message = f"`{shown(node)} = …` assigns to an index: Triton has no such assignment"
        yield _said(module, kernel, node, message, _store_instead(module, node, pointer))
        return
    value = found.of(node.value)
    if value.form == "tuple" and found.of(node.slice).is_tensor:
        message = f"`{shown(node)}` takes an element of a tuple by a run-time value: only constants may choose"
        yield _said(module, kernel, node, message, f"`tl.static_range` for the loop that counts `{shown(node.slice)}`")
        return
    if not (value.is_tensor or pointer) or not isinstance(node.ctx, ast.Load):
        return
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    wrong = next((p for p in parts if _refused(p, found)), None)
    if wrong is None:
        return
    what = "a pointer" if pointer and value.form != "block" else "a tensor"
    message = f"`{shown(node)}` indexes `{base}`, {what}: only `None` and `:` may stand in the brackets"
    yield _said(module, kernel, node, message, _load_instead(node, parts, wrong, value, pointer))


def _said(module: Module, kernel: Kernel, node: ast.Subscript, message: str, instead: str) -> Violation:
    return violation(__name__, module, node, message, instead=instead, kernel=kernel.name)


def _refused(part: ast.expr, found: Kinds) -> bool:
    """Whether an index is certainly neither ``None`` nor ``:``."""
    if isinstance(part, ast.Slice):
        return any(bound is not None for bound in (part.lower, part.upper, part.step))
    if isinstance(part, ast.Constant):
        return part.value is not None
    value = found.of(part)
    return value.is_tensor or (value.form == "constexpr" and value.dtype is not None)


def _is_pointer(module: Module, kernel: Kernel, base: ast.expr, found: Kinds) -> bool:
    """Whether ``base`` is a parameter that holds an address: the launch says so, or the kernel adds offsets to it."""
    if not isinstance(base, ast.Name) or base.id not in kernel.parameters or base.id in kernel.constexprs:
        return False
    if found.of(base).dtype == "pointer":
        return True
    if launched(module, kernel) and base.id.lower().endswith(("ptr", "pointer")):
        return True
    for node in module.nodes(kernel):
        name = (module.language(node) or "") if isinstance(node, ast.Call) and node.args else ""
        if isinstance(node, ast.Call) and (name in ("load", "store") or name.startswith("atomic_")):
            address = node.args[0]
            while isinstance(address, ast.BinOp) and isinstance(address.op, ast.Add | ast.Sub):
                address = address.left
            if isinstance(address, ast.Name) and address.id == base.id:
                return True
    return False


def _annotates(module: Module, node: ast.Subscript) -> bool:
    return isinstance(module.parent(node), ast.AnnAssign) and getattr(module.parent(node), "value", None) is None


def _store_instead(module: Module, node: ast.Subscript, pointer: bool) -> str:
    base, at = shown(node.value, 40), shown(node.slice, 40)
    outer = module.parent(node)
    value = shown(outer.value, 40) if isinstance(outer, ast.Assign | ast.AugAssign) else "value"
    if pointer:
        if isinstance(outer, ast.AugAssign):
            return f"`tl.store({base} + {at}, tl.load({base} + {at}) …)`, or `tl.atomic_add` where programs share it"
        return f"`tl.store({base} + {at}, {value})`"
    if isinstance(node.slice, ast.Slice | ast.Tuple):
        return f"`tl.where(mask, {value}, {base})` with a mask of the places that change"
    return f"`{base} = tl.where(tl.arange(0, N) == {at}, {value}, {base})`; for a list, a tuple made anew"


def _load_instead(node: ast.Subscript, parts: list[ast.expr], wrong: ast.expr, value: Value, pointer: bool) -> str:
    base, at = shown(node.value, 40), shown(node.slice, 40)
    if pointer:
        return (
            f"`tl.load({base} + {at})`"
            if not isinstance(node.slice, ast.Slice | ast.Tuple)
            else (f"`tl.load({base} + offsets, mask=…)` with the offsets of that part")
        )
    if isinstance(wrong, ast.Constant) and wrong.value is Ellipsis:
        rank = value.rank
        marks = [":"] * rank if rank else [":"]
        after = [shown(p) for p in parts[parts.index(wrong) + 1 :]]
        return f"`{base}[{', '.join([*marks[: max(1, len(marks) - after.count(':'))], *after])}]`"
    if value.form == "scalar":
        return f"`{base}`: it is one value"
    if isinstance(wrong, ast.Slice):
        return "load only that part: `tl.load(pointer + offsets)` with the offsets of the slice"
    axis = parts.index(wrong)
    rank = max(value.rank or len(parts), len(parts))
    place = "tl.arange(0, N)" + (
        f"[{', '.join(':' if i == axis else 'None' for i in range(rank))}]" if rank > 1 else ""
    )
    index = shown(wrong, 24)
    return f"`tl.sum(tl.where({place} == {index}, {base}, 0), axis={axis})` with N its size, or load that element"
