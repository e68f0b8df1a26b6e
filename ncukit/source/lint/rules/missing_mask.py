"""A load or store without a mask reaches past the end of its tensor.

What it means
    A tile has a power of two of lanes, the tensor need not. Without ``mask=`` the last program's lanes past the end
    load or store what lies behind the tensor.

Why it matters
    A store destroys another tensor's values, a load brings in whatever is there, and both may be an illegal memory
    access. Whether anything is noticed depends on what the allocator put behind.

How it is found
    With the values of a launch: the kernel is followed for the programs at the corners of its grid, and an access
    without a mask that surely happens reaches an address outside of the tensor that was passed. Without a launch: an
    access without a mask at the very offsets at which the kernel masks another access, of the same tensor, or of one
    that the host made with ``torch.empty_like`` of it. An access inside a condition is left alone.

Instead
    ``mask=offsets < n`` with the comparison that the kernel has already, and ``other=`` for a load.

When to ignore it
    When the tensor is a slice of a larger one and reading past it is meant.

Sources
    Triton's documentation of ``tl.load`` and ``tl.store``.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.source.lint import violation
from ncukit.source.lint.host import bindings, compact, resolved
from ncukit.source.lint.masks import limits
from ncukit.source.lint.pointers import base, uses
from ncukit.source.lint.ways import traces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.source.inspection import Launch, Severity, Violation
    from ncukit.source.lint.module import Kernel, Module
    from ncukit.source.lint.pointers import Use
    from ncukit.source.lint.trace import Access

CODE = "TRI205"
NAME = "missing-mask"
SEVERITY: Severity = "warning"
LIKE = (
    "torch.empty_like",
    "torch.zeros_like",
    "torch.ones_like",
    "torch.full_like",
    "torch.rand_like",
    "torch.randn_like",
)
_SIZES = {"fp64": 8, "i64": 8, "u64": 8, "fp32": 4, "i32": 4, "u32": 4, "fp16": 2, "bf16": 2, "i16": 2, "u16": 2,
          "i8": 1, "u8": 1, "i1": 1, "fp8e4nv": 1, "fp8e5": 1}  # fmt: skip


def check(module: Module) -> Iterator[Violation]:
    """Follow every launch; compare masked accesses with unmasked ones."""
    told: set[ast.AST] = set()
    for kernel in module.kernels.values():
        for launch, trace in traces(module, kernel):
            for access in trace.accesses:
                outside = _outside(launch, access) if access.node not in told else None
                if outside is not None:
                    told.add(access.node)
                    yield _reached(module, kernel, launch, access, *outside)
    for kernel in module.kernels.values():
        for use, masked in _pairs(module, kernel):
            if use.node not in told:
                told.add(use.node)
                yield _unlike(module, kernel, use, masked)


def _outside(launch: Launch, access: Access) -> tuple[int, int] | None:
    """(element that is reached, elements of the tensor) of an access without a mask that leaves its tensor."""
    pointer = access.pointer
    if not access.certain or access.mask is not None or pointer.line is None or pointer.over:
        return None
    argument = next((a for a in launch.arguments if a.name == pointer.pointer), None)
    size = _SIZES.get(argument.type.removeprefix("*k").lstrip("*")) if argument is not None else None
    lanes = limits(pointer, None)
    if argument is None or argument.bytes is None or size is None or lanes is None:
        return None
    elements = argument.bytes // size
    low, high = pointer.line.ends(lanes)
    if high >= elements:
        return high, elements
    return (low, elements) if low < 0 else None


def _reached(module: Module, kernel: Kernel, launch: Launch, access: Access, reached: int, elements: int) -> Violation:
    size = next((a.name for a in launch.arguments if a.type in ("i32", "i64") and a.value == elements), None)
    mask = _bound(module, access.kernel)
    instead = _instead(access.node, mask or _limit(access, size or "n"))
    if mask is None and size is None:
        instead += f", with `n` passed to `{kernel.name}`: {elements:,} here"
    program = ", ".join(str(p) for p in access.program or ())
    return violation(
        __name__,
        module,
        access.node,
        f"this {access.kind} has no mask and reaches element {reached:,} of `{access.pointer.pointer}` in program "
        f"({program}); the tensor that was passed has {elements:,}",
        instead=instead,
        kernel=kernel.name,
        severity="warning" if access.kind == "load" else "error",
    )


def _bound(module: Module, kernel: Kernel) -> str | None:
    """The first mask that the kernel has."""
    for use in uses(module, kernel):
        mask = _mask(use)
        if mask is not None and use.within is kernel:
            return compact(mask)
    return None


def _limit(access: Access, size: str) -> str:
    """A comparison for a kernel that has none: what is added to the pointer, and the size."""
    address = access.node.args[0] if access.node.args else None
    plain = isinstance(address, ast.BinOp) and isinstance(address.op, ast.Add) and isinstance(address.left, ast.Name)
    offsets = compact(address.right) if plain and isinstance(address, ast.BinOp) else "offsets"
    return f"{offsets} < {size}"


def _instead(node: ast.Call, mask: str) -> str:
    other = ", other=0.0" if isinstance(node.func, ast.Attribute) and node.func.attr == "load" else ""
    return f"`{compact(node, 90)[:-1]}, mask={mask}{other})`"


def _mask(use: Use) -> ast.expr | None:
    """The mask that is passed; None without one."""
    at = {"load": 1, "store": 2}.get(use.kind)
    given = next((k.value for k in use.node.keywords if k.arg == "mask"), None)
    if given is None and at is not None and len(use.node.args) > at:
        given = use.node.args[at]
    return None if isinstance(given, ast.Constant) and given.value is None else given


def _plain(use: Use) -> bool:
    known = {k.arg for k in use.node.keywords}
    return not known & {"boundary_check", None} and not any(isinstance(a, ast.Starred) for a in use.node.args)


def _pairs(module: Module, kernel: Kernel) -> Iterator[tuple[Use, Use]]:
    """(access without a mask, access with one) at the same offsets of tensors of one size."""
    found = [u for u in uses(module, kernel) if u.within is kernel and u.kind != "atomic" and u.argument and _plain(u)]
    free = [u for u in found if not _conditional(module, kernel, u.node)]
    masked = [u for u in free if (m := _mask(u)) is not None and _bounds(module, kernel, m, u)]
    for use in (u for u in free if _mask(u) is None):
        offsets = _offsets(module, kernel, use)
        for other in masked:
            if (
                offsets is not None
                and offsets == _offsets(module, kernel, other)
                and _same_size(module, kernel, use, other)
            ):
                yield use, other
                break


def _conditional(module: Module, kernel: Kernel, node: ast.AST) -> bool:
    for outer in module.around(node):
        if outer is kernel.node:
            return False
        if isinstance(outer, ast.If | ast.IfExp | ast.While):
            return True
    return True


def _offsets(module: Module, kernel: Kernel, use: Use) -> str | None:
    """What is added to the pointer, as one text; None when it is no plain sum, or holds no tile of one axis."""
    address = use.node.args[0] if use.node.args else None
    terms = _terms(module, kernel, address, 4) if address is not None else None
    if terms is None or use.argument not in {t.id for t in terms if isinstance(t, ast.Name)}:
        return None
    rest = [t for t in terms if not (isinstance(t, ast.Name) and t.id == use.argument)]
    names = {n.id for t in rest for n in ast.walk(t) if isinstance(n, ast.Name)}
    bound = bindings(module, kernel.node)
    if any(len(bound.get(n, [])) != 1 for n in names if n in bound and n not in kernel.parameters):
        return None
    tile = any(module.language(n) == "arange" for t in rest for n in _behind(module, kernel, t))
    return "+".join(sorted(ast.dump(t) for t in rest)) if tile else None


def _terms(module: Module, kernel: Kernel, node: ast.expr, depth: int) -> list[ast.expr] | None:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _terms(module, kernel, node.left, depth), _terms(module, kernel, node.right, depth)
        return None if left is None or right is None else [*left, *right]
    if isinstance(node, ast.Name) and node.id not in kernel.parameters and depth and base(module, kernel, node):
        bound = bindings(module, kernel.node).get(node.id, [])
        if len(bound) != 1 or bound[0] is None:
            return None
        return _terms(module, kernel, bound[0], depth - 1)
    return [node]


def _behind(module: Module, kernel: Kernel, node: ast.expr, depth: int = 6) -> Iterator[ast.AST]:
    """Every node that ``node`` is computed from, through names with one meaning."""
    for inner in ast.walk(node):
        yield inner
        if isinstance(inner, ast.Name) and depth:
            bound = bindings(module, kernel.node).get(inner.id, [])
            if len(bound) == 1 and bound[0] is not None:
                yield from _behind(module, kernel, bound[0], depth - 1)


def _bounds(module: Module, kernel: Kernel, mask: ast.expr, use: Use) -> bool:
    """Whether a mask is ``offsets < n`` for offsets of its own access and an argument ``n``."""
    bound = bindings(module, kernel.node)
    if isinstance(mask, ast.Name):
        values = bound.get(mask.id, [])
        if len(values) != 1 or values[0] is None:
            return False
        mask = values[0]
    if not (isinstance(mask, ast.Compare) and len(mask.ops) == 1 and isinstance(mask.ops[0], ast.Lt)):
        return False
    limit, tile = mask.comparators[0], mask.left
    if not (isinstance(limit, ast.Name) and limit.id in kernel.parameters):
        return False
    address = use.node.args[0]
    text = ast.dump(tile)
    return any(ast.dump(n) == text for n in _behind(module, kernel, address) if isinstance(n, ast.expr))


def _same_size(module: Module, kernel: Kernel, use: Use, other: Use) -> bool:
    """Whether both accesses' tensors surely have the same size."""
    if use.argument == other.argument:
        return True
    sites = [s for s in module.sites if s.kernel is kernel]
    for site in sites:
        given = site.given()
        ours, theirs = given.get(use.argument or ""), given.get(other.argument or "")
        if ours is None or theirs is None or not (_like(module, ours, theirs) or _like(module, theirs, ours)):
            return False
    return bool(sites)


def _like(module: Module, made: ast.expr, model: ast.expr) -> bool:
    """Whether ``made`` is ``torch.empty_like(model)``, or they are one."""
    if ast.dump(made) == ast.dump(model):
        return True
    call = resolved(module, made)
    called = isinstance(call, ast.Call) and module.called(call) in LIKE and bool(call.args)
    return called and isinstance(call, ast.Call) and ast.dump(call.args[0]) == ast.dump(model)


def _unlike(module: Module, kernel: Kernel, use: Use, masked: Use) -> Violation:
    mask = _mask(masked)
    text = compact(mask) if mask is not None else "mask"
    return violation(
        __name__,
        module,
        use.node,
        f"this {use.kind} of `{use.argument}` has no mask, and the {masked.kind} of `{masked.argument}` at the same "
        f"offsets has one (`{text}`, line {masked.node.lineno})",
        instead=_instead(use.node, text),
        kernel=kernel.name,
    )
