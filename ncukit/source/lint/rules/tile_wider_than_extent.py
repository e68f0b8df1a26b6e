"""A tile is at least twice as wide as what its mask lets through: most of its lanes do nothing.

What it means
    The tile's size is fixed, and the dimension it covers is much smaller: 256 lanes for 64 channels. The mask keeps
    the result right, and three of four lanes are switched off in every program.

Why it matters
    Masked lanes take registers, instructions and threads like the others; they only move no data. A published RMSNorm
    answer spends 234 registers a thread on a tile of 256 channels for 64 (64 registers at 64), which leaves one
    program to an SM.

How it is found
    With the values of a launch, or with literals at the launch for both numbers: no access that has a tile of this
    extent lets more than half of the lanes along that axis through, in any program that is looked at, and the tile is
    wider than the next power of two. Left alone are masks along several axes at once and of loaded values, extents
    below 32 lanes, and launches of fewer than 128 programs: a GPU that is mostly empty has lanes to spare.

Instead
    ``triton.next_power_of_2(extent)`` at the launch, with a limit for large ones.

When to ignore it
    When other launches of the same kernel fill the tile, and one compilation for all is wanted.

Sources
    Registers: the seed RMSNorm of this project's reference, compiled with Triton 3.9.0 for sm_89.
"""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ncukit.source.lint import violation
from ncukit.source.lint.host import compact
from ncukit.source.lint.ways import assumed, traces

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ncukit.source.inspection import Severity, Violation
    from ncukit.source.lint.module import Kernel, Module
    from ncukit.source.lint.tiles import Term
    from ncukit.source.lint.trace import Access, Trace

CODE = "TRI304"
NAME = "tile-wider-than-extent"
SEVERITY: Severity = "warning"
SMALLEST = 32
"""Lanes of a warp; fewer cost nothing to speak of, and a tl.dot needs 16."""
FEW = 128
"""Programs below which a launch does not fill a GPU."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The comparison that lets most lanes of one extent through."""

    node: ast.Compare | None
    """None when some access has no such comparison."""
    live: int
    constants: Mapping[str, object]


def check(module: Module) -> Iterator[Violation]:
    """Look at the masks of every launch."""
    for kernel in module.kernels.values():
        found: dict[int, Seen] = {}
        for constants, trace in _known(module, kernel):
            for access in trace.accesses:
                for extent, seen in _lanes(access, constants):
                    if extent not in found or found[extent].live < seen.live:
                        found[extent] = seen
        for extent, seen in found.items():
            if seen.node is not None and extent >= SMALLEST and 0 < seen.live * 2 <= extent:
                yield _said(module, kernel, extent, seen, seen.node)


def _known(module: Module, kernel: Kernel) -> Iterator[tuple[Mapping[str, object], Trace]]:
    recorded = False
    for launch, trace in traces(module, kernel):
        recorded = True
        if launch.grid is not None and math.prod(launch.grid) >= FEW:
            yield launch.constexprs, trace
    if not recorded:
        yield from assumed(module, kernel)


def _lanes(access: Access, constants: Mapping[str, object]) -> Iterator[tuple[int, Seen]]:
    """Every extent of an access with how many of its lanes its mask lets through."""
    shape = access.pointer.shape
    if shape is None:
        return
    mask = access.mask
    terms: tuple[Term, ...] | None = ()
    if mask is not None and mask.shape is not None and len(mask.shape) <= len(shape):
        terms = mask.moved(len(shape) - len(mask.shape), shape).terms
    for axis, extent in enumerate(shape):
        if extent is None:
            continue
        best = Seen(None, extent, constants)
        for term in terms or ():
            live = _live(term, axis, extent)
            if live is not None and live <= best.live and isinstance(term.node, ast.Compare):
                best = Seen(term.node, live, constants)
        yield extent, best


def _live(term: Term, axis: int, extent: int) -> int | None:
    """Lanes along ``axis`` that a comparison lets through, where it bounds just these from above."""
    if term.line is None or [a for a, step in enumerate(term.line.steps) if step] != [axis]:
        return None
    step = term.line.steps[axis]
    return max(0, min(extent, (term.line.base - 1) // -step + 1)) if step < 0 else None


def _said(module: Module, kernel: Kernel, extent: int, seen: Seen, node: ast.Compare) -> Violation:
    name = next((n for n in kernel.parameters if seen.constants.get(n) == extent and n in kernel.constexprs), None)
    power = 1 << max(0, seen.live - 1).bit_length()
    tile = f"`{name}` is {extent:,}" if name else f"the tile has {extent:,} lanes"
    return violation(
        __name__,
        module,
        node,
        f"{tile}, and `{compact(node)}` holds for {seen.live:,} of its lanes at most: "
        f"{1 - seen.live / extent:.0%} of the tile is masked off in every program",
        instead=_instead(kernel, name, node.comparators[0], power),
        kernel=kernel.name,
    )


def _instead(kernel: Kernel, name: str | None, bound: ast.expr, power: int) -> str:
    if name is None:
        return f"a tile of {power:,} lanes for `{compact(bound)}`"
    if isinstance(bound, ast.Name) and bound.id in kernel.parameters:
        return f"`{name}=triton.next_power_of_2({bound.id})` at the launch: {power:,}"
    return f"`{name}={power}` at the launch"
