"""The launch grid ignores a block size that autotune chooses.

What it means
    Each program works on ``program_id * BLOCK``, and ``@triton.autotune`` chooses BLOCK. How many programs are needed
    follows from the choice, so the grid has to be a function of it: ``lambda META: (triton.cdiv(n, META["BLOCK"]),)``.
    A tuple, or a function that reads another number, is right for one configuration at best.

Why it matters
    A configuration with a smaller block leaves the rest of the output unwritten, and wins the tuning because it does
    less. A check may pass all the same: earlier trials have filled the buffer. A published BatchNorm "ran 2.09 times
    as fast" this way, writing a quarter to a half of its output. A larger block starts programs that find nothing to
    do.

How it is found
    In the kernel, products of a program id (or of what is divided or taken modulo from one) with a meta-parameter that
    the configurations set; at the launch, which of them the grid reads. Left alone are kernels that loop from their
    program id in strides (persistent ones are fine with any grid), blocks that a loop walks on by (split-K), products
    that only put programs in another order, and meta-parameters with one value in all configurations. An error when
    some configuration covers less than the grid's own number assumes, a warning when that number cannot be read.

Instead
    ``grid = lambda META: (triton.cdiv(n, META["BLOCK"]),)``

When to ignore it
    When the number of programs was chosen such that every configuration covers everything, and idle programs are fine.

Sources
    Triton's documentation of ``triton.autotune``. The BatchNorm kernel: problem 33 of KernelBench level 1, in a public
    optimisation run; three of its four configurations write 25 to 50 % of the output.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.source.lint import violation
from ncukit.source.lint.host import bindings, compact, literal, names, own, resolved, scopes
from ncukit.source.lint.programs import Product, factors, products

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.source.inspection import Severity, Violation
    from ncukit.source.lint.module import Kernel, Module, Site

CODE = "TRI201"
NAME = "autotuned-grid"
SEVERITY: Severity = "error"


def check(module: Module) -> Iterator[Violation]:
    """Compare what an autotuned kernel multiplies its program id by with what its launches' grids read."""
    for site in module.sites:
        tuned = site.kernel.autotune
        if tuned is None or not tuned.meta:
            continue
        values = _values(module, site.kernel)
        varied = frozenset(name for name in tuned.meta if values is None or len({v.get(name) for v in values}) > 1)
        found = products(module, site.kernel, varied)
        grid = resolved(module, site.grid)
        read = _read(module, grid)
        ignored = next((p for p in found if read is not None and not p.meta & read), None)
        if ignored is not None:
            yield _said(module, site, grid, ignored, found, values)


def _values(module: Module, kernel: Kernel) -> list[dict[str, int]] | None:
    """What each configuration sets; None when the text does not show all of it."""
    tuned = kernel.autotune
    if tuned is None or tuned.configs is None:
        return None
    found = []
    for config in tuned.configs:
        table = next((k.value for k in config.keywords if k.arg == "kwargs"), config.args[0] if config.args else None)
        if not isinstance(table, ast.Dict):
            return None
        row = {}
        for key, value in zip(table.keys, table.values, strict=True):
            number = literal(module, value)
            if not isinstance(key, ast.Constant) or not isinstance(number, int):
                return None
            row[str(key.value)] = number
        found.append(row)
    return found


def _read(module: Module, grid: ast.expr) -> frozenset[str] | None:
    """Meta-parameters that a grid reads; None when the text does not tell."""
    if isinstance(grid, ast.Tuple | ast.List):
        hidden = any(isinstance(n, ast.Starred) for n in ast.walk(grid))
        return None if hidden else frozenset()
    body: list[ast.AST] = []
    parameter = None
    if isinstance(grid, ast.Lambda):
        body, arguments = [grid.body], grid.args.args
    elif isinstance(grid, ast.Name):
        function = _function(module, grid)
        if function is None:
            return None
        body, arguments = list(function.body), function.args.args
    else:
        return None
    if len(arguments) != 1:
        return None
    parameter = arguments[0].arg
    found: set[str] = set()
    reads = 0
    for node in (n for part in body for n in ast.walk(part)):
        key = None
        if isinstance(node, ast.Subscript) and _is(node.value, parameter):
            key = node.slice
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is(node.func.value, parameter):
            key = node.args[0] if node.func.attr == "get" and node.args else None
        if isinstance(key, ast.Constant):
            found.add(str(key.value))
            reads += 1
    mentions = sum(_is(n, parameter) for part in body for n in ast.walk(part))
    return frozenset(found) if mentions == reads else None


def _is(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _function(module: Module, name: ast.Name) -> ast.FunctionDef | None:
    for scope in scopes(module, name):
        found = [n for n in own(scope) if isinstance(n, ast.FunctionDef) and n.name == name.id]
        if found:
            return found[0] if len(found) == 1 and not found[0].decorator_list else None
        if name.id in bindings(module, scope):
            return None
    return None


def _said(
    module: Module,
    site: Site,
    grid: ast.expr,
    product: Product,
    every: list[Product],
    values: list[dict[str, int]] | None,
) -> Violation:
    kernel = site.kernel.name
    chosen = ", ".join(f"`{n}`" for n in sorted(product.meta))
    message = f"the grid of `{kernel}` does not read {chosen}, which autotune chooses and each program multiplies its "
    message += f"program id by (`{compact(product.node)}`, line {product.node.lineno})"
    worst = _worst(module, grid, product, values)
    if worst is not None:
        smallest, assumed = worst
        message += f": the grid counts blocks of {assumed:,}, and a configuration has {smallest:,}, which leaves "
        message += f"{1 - smallest / assumed:.0%} of the output unwritten"
    return violation(
        __name__,
        module,
        site.grid,
        message,
        instead=_instead(module, grid, every),
        kernel=kernel,
        severity="error" if worst is not None else "warning",
    )


def _element(grid: ast.expr, axis: int | None) -> ast.expr | None:
    """The grid's size along an axis."""
    body = grid.body if isinstance(grid, ast.Lambda) else grid
    if not isinstance(body, ast.Tuple | ast.List):
        return body if axis == 0 and isinstance(grid, ast.Lambda) else None
    return body.elts[axis] if axis is not None and axis < len(body.elts) else None


def _divided(module: Module, node: ast.expr | None) -> tuple[ast.expr, ast.expr] | None:
    """(what is covered, the block) of ``triton.cdiv(n, BLOCK)`` or ``(n + BLOCK - 1) // BLOCK``."""
    node = resolved(module, node) if node is not None else None
    if isinstance(node, ast.Call) and module.called(node).endswith("cdiv") and len(node.args) == 2:
        return node.args[0], node.args[1]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.FloorDiv):
        inner = node.left
        while isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Add | ast.Sub):
            inner = inner.left
        return inner, node.right
    return None


def _worst(
    module: Module, grid: ast.expr, product: Product, values: list[dict[str, int]] | None
) -> tuple[int, int] | None:
    """(smallest block of a configuration, the block that the grid counts), where the first is smaller."""
    parts = _divided(module, _element(grid, product.axis))
    assumed = literal(module, parts[1]) if parts is not None else None
    if values is None or not isinstance(assumed, int) or assumed < 1:
        return None
    sizes = []
    for row in values:
        size = 1
        for factor in factors(product.node):
            mentioned = names(factor) & set(row)
            if isinstance(factor, ast.Name) and factor.id in row:
                size *= row[factor.id]
            elif mentioned:
                return None
            elif isinstance(factor, ast.Constant):
                if not isinstance(factor.value, int):
                    return None
                size *= factor.value
        sizes.append(size)
    smallest = min(sizes, default=assumed)
    return (smallest, assumed) if smallest < assumed else None


def _instead(module: Module, grid: ast.expr, every: list[Product]) -> str:
    """The grid as a function of what the products use."""
    body = grid.body if isinstance(grid, ast.Lambda) else grid
    elements = body.elts if isinstance(body, ast.Tuple | ast.List) else [body]
    by_axis: dict[int, str] = {}
    for product in every:
        if product.axis is None:
            by_axis = {}
            break
        by_axis.setdefault(product.axis, product.block)
    written = []
    for axis, element in enumerate(elements):
        parts = _divided(module, element)
        if axis in by_axis:
            covered = compact(parts[0]) if parts is not None else "…"
            written.append(f"triton.cdiv({covered}, {by_axis[axis]})")
        else:
            written.append(compact(element) if by_axis else "…")
    if not by_axis:
        block = " and ".join(f'META["{n}"]' for n in sorted({n for p in every for n in p.meta}))
        return f"`grid = lambda META: (…,)`, with the number of programs computed from {block}"
    return f"`grid = lambda META: ({', '.join(written)}{',' if len(written) == 1 else ''})`"
