"""A masked load without ``other=`` goes into a reduction: its masked lanes hold no defined value.

What it means
    Where the mask of ``tl.load`` is false nothing is loaded, and without ``other=`` Triton does not say what the lane
    holds. A reduction takes all lanes, those too.

Why it matters
    What NVIDIA's back end puts there today is zero. That is wrong for a maximum of negative numbers, a minimum of
    positive ones and a softmax; a sum or a dot is right only as long as this stays so, and other back ends need not do
    it.

How it is found
    A ``tl.load`` with a mask and no ``other``, whose value reaches a reduction or a ``tl.dot`` along an axis on which
    the mask differs between lanes. A mask of rows does not matter to a reduction along columns. ``tl.where``, and a
    product with a mask or with a tile whose masked lanes are zero, decide the lanes and end the search.

Instead
    ``other=0.0`` at the load for a sum or a dot; ``tl.where(mask, x, float("-inf"))`` at a maximum, ``float("inf")``
    at a minimum.

When to ignore it
    When the mask is always true along that axis.

Sources
    Triton's documentation of ``tl.load`` (``mask``, ``other``). PTX of Triton 3.6.0 and 3.7.1: ``mov.u32 %r1, 0x0``
    before the predicated load.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.source.lint import violation
from ncukit.source.lint.host import compact
from ncukit.source.lint.ways import read

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from ncukit.source.inspection import Severity, Violation
    from ncukit.source.lint.module import Module
    from ncukit.source.lint.trace import Reduced

CODE = "TRI209"
NAME = "undefined-lanes"
SEVERITY: Severity = "warning"
_NEUTRAL = {"max": 'float("-inf")', "argmax": 'float("-inf")', "min": 'float("inf")', "argmin": 'float("inf")'}


def check(module: Module) -> Iterator[Violation]:
    """Follow every kernel's masked loads to what reduces them."""
    told: set[ast.AST] = set()
    for kernel in module.kernels.values():
        for reduced in read(module, kernel).reductions:
            for loose in reduced.value.loose:
                if loose.node in told or not loose.axes & reduced.axes:
                    continue
                told.add(loose.node)
                most = reduced.name in _NEUTRAL
                why = "may return it" if most else "takes them too"
                yield violation(
                    __name__,
                    module,
                    loose.node,
                    f"masked lanes of this load have no defined value (zero, as NVIDIA's back end does it today): "
                    f"`tl.{reduced.name}` on line {reduced.node.lineno} {why}",
                    instead=_instead(loose.node, reduced) if most else f"`{compact(loose.node, 90)[:-1]}, other=0.0)`",
                    kernel=reduced.kernel.name,
                )


def _instead(load: ast.AST, reduced: Reduced) -> str:
    mask = next((k.value for k in getattr(load, "keywords", ()) if k.arg == "mask"), None)
    given = getattr(load, "args", [])
    mask = mask or (given[1] if len(given) > 1 else None)
    held = compact(mask) if mask is not None else "mask"
    value = compact(reduced.node.args[0]) if reduced.node.args else "x"
    return f"`tl.{reduced.name}(tl.where({held}, {value}, {_NEUTRAL[reduced.name]}), …)`"
