"""The program has more threads than its largest tile has values.

What it means
    A program runs ``num_warps`` x 32 threads, and its tiles are spread over them. With fewer values than threads
    Triton lets several threads hold the same value: they load it, compute with it and throw the result away.

Why it matters
    The extra warps take issue slots and registers and bring no value; a reduction has to pass through shared memory
    where one warp's shuffles would do.

How it is found
    With the values of a launch, or literals at it: the largest shape that the kernel computes with has at most half as
    many values as the program has threads. Kernels in which some shape is not known, kernels without any tile, and
    those with a ``tl.dot`` are left alone.

Instead
    ``num_warps`` of the tile's values / 32, rounded down to a power of two; or a larger tile.

When to ignore it
    When the kernel is launched once and takes a microsecond.

Sources
    Triton's blocked layout repeats a tile smaller than the program: language documentation of layouts in
    TritonGPUAttrDefs.td.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ncukit.source.lint import violation
from ncukit.source.lint.host import literals
from ncukit.source.lint.ways import assumed, traces

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from ncukit.source.inspection import Severity, Violation
    from ncukit.source.lint.module import Kernel, Module, Site
    from ncukit.source.lint.trace import Trace

CODE = "TRI307"
NAME = "num-warps-for-tile"
SEVERITY: Severity = "warning"
DEFAULT = 4
WARP = 32


def check(module: Module) -> Iterator[Violation]:
    """Compare tiles with threads, for every launch that is known."""
    recorded = {launch.kernel for launch in module.launches}
    for kernel in module.kernels.values():
        found = [(launch.num_warps, trace) for launch, trace in traces(module, kernel)]
        sites = [s for s in module.sites if s.kernel is kernel]
        if not found and kernel.name not in recorded and kernel.autotune is None:
            for site in sites:
                warps = literals(module, site).get("num_warps", DEFAULT if "num_warps" not in site.given() else None)
                traced = [t for _, t in assumed(module, kernel, site)]
                if isinstance(warps, int) and all(k.arg for k in site.call.keywords):
                    yield from _judge(module, kernel, [(warps, t) for t in traced], site)
            continue
        yield from _judge(module, kernel, found, sites[0] if sites else None)


def _judge(module: Module, kernel: Kernel, found: list[tuple[int, Trace]], site: Site | None) -> Iterator[Violation]:
    sizes = [(warps, _largest(trace)) for warps, trace in found]
    if not sizes or any(size is None or size < 2 or size * 2 > warps * WARP for warps, size in sizes):
        return
    warps, size = max((w, s) for w, s in sizes if s is not None)
    node: ast.AST = kernel.node
    if site is not None:
        node = next((k.value for k in site.call.keywords if k.arg == "num_warps"), site.call.func)
    better = max(1, 1 << int(math.log2(max(1, size / WARP))))
    yield violation(
        __name__,
        module,
        node,
        f"`{kernel.name}` runs {warps * WARP} threads ({warps} warps) on tiles of {size} values: "
        f"{warps * WARP // size} threads hold each value",
        instead=f"`num_warps={better}`",
        kernel=kernel.name,
    )


def _largest(trace: Trace) -> int | None:
    """Values of the largest shape; None when one is not known, or a dot has a say."""
    if not trace.complete or any(n in ("dot", "dot_scaled") or n.startswith("descriptor") for n in trace.called):
        return None
    largest = 1
    for shape in trace.shapes:
        if shape is None or None in shape:
            return None
        largest = max(largest, math.prod(e for e in shape if e is not None))
    return largest
