"""Which arguments a kernel loads from and stores to, through local names and the Triton functions it calls."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ncukit.source.lint.host import bindings, own

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ncukit.source.lint.module import Kernel, Module

DEPTH = 6
"""Triton functions that call one another, at most."""


@dataclass(frozen=True, slots=True)
class Use:
    """One load, store or atomic, and the argument of the launched kernel whose memory it touches."""

    node: ast.Call
    kind: Literal["load", "store", "atomic"]
    name: str
    """``load``, ``store``, ``atomic_add`` …"""
    argument: str | None
    """None when the address is computed in another way than by adding to one argument."""
    within: Kernel
    """The function whose text it stands in."""


def uses(module: Module, kernel: Kernel) -> tuple[Use, ...]:
    """Every memory access of ``kernel`` and of the functions of the file that it calls."""
    return module.remembered(
        ("uses", kernel.node), lambda: tuple(_uses(module, kernel, {p: p for p in kernel.parameters}, DEPTH))
    )


def _uses(module: Module, kernel: Kernel, passed: Mapping[str, str | None], depth: int) -> Iterator[Use]:
    for node in own(kernel.node):
        if not isinstance(node, ast.Call):
            continue
        name = module.language(node)
        if name in ("load", "store") or (name or "").startswith("atomic_"):
            address = node.args[0] if node.args else next((k.value for k in node.keywords if k.arg == "pointer"), None)
            origin = _passed(base(module, kernel, address), passed) if address is not None else None
            kind: Literal["load", "store", "atomic"] = (
                "load" if name == "load" else "store" if name == "store" else "atomic"
            )
            yield Use(node, kind, name or "", origin, kernel)
        elif isinstance(node.func, ast.Name) and depth > 0:
            inner = module.kernels.get(node.func.id)
            if inner is not None and inner is not kernel:
                given = dict(zip(inner.parameters, node.args, strict=False)) | {
                    k.arg: k.value for k in node.keywords if k.arg
                }
                if any(isinstance(a, ast.Starred) for a in node.args):
                    given = {}
                outer = {n: _passed(base(module, kernel, e), passed) for n, e in given.items()}
                yield from _uses(module, inner, outer, depth - 1)


def _passed(name: str | None, passed: Mapping[str, str | None]) -> str | None:
    return passed.get(name) if name is not None else None


def base(module: Module, kernel: Kernel, address: ast.expr) -> str | None:
    """The parameter that an address is counted from: the one bare parameter, or the first, of a sum."""
    return _base(module, kernel, address, frozenset())


def _base(module: Module, kernel: Kernel, address: ast.expr, seen: frozenset[str]) -> str | None:
    if isinstance(address, ast.BinOp) and isinstance(address.op, ast.Add | ast.Sub):
        left = _base(module, kernel, address.left, seen)
        return (
            left if left is not None or isinstance(address.op, ast.Sub) else _base(module, kernel, address.right, seen)
        )
    if isinstance(address, ast.Call) and isinstance(address.func, ast.Attribute) and address.func.attr == "to":
        return _base(module, kernel, address.func.value, seen)
    if isinstance(address, ast.Call) and module.language(address) in ("multiple_of", "max_contiguous", "broadcast_to"):
        return _base(module, kernel, address.args[0], seen) if address.args else None
    if isinstance(address, ast.Subscript):
        return _base(module, kernel, address.value, seen)
    if not isinstance(address, ast.Name) or address.id in seen:
        return None
    bound = bindings(module, kernel.node).get(address.id, [])
    if address.id in kernel.parameters and all(b is None for b in bound):
        return None if address.id in kernel.constexprs else address.id
    found = {_base(module, kernel, b, seen | {address.id}) for b in bound if b is not None}
    if address.id in kernel.parameters:
        found.add(address.id)
    found.discard(None)
    return found.pop() if len(found) == 1 else None
