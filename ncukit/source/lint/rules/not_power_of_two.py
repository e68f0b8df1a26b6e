"""A tile has a side that is not a power of two.

What it means
    Triton spreads the elements of a tile over threads by halving: every side of every tile is 1, 2, 4, 8 and so on.

Why it matters
    The kernel does not compile: ``arange's range must be a power of 2``, ``Shape element 0 must be a power of 2``.

How it is found
    Ranges of ``tl.arange`` and tile shapes, worked out with what is known of the constants: literals, module constants,
    defaults, each configuration of an autotuner, what each launch in the file passes as a literal, and the launches
    that were really seen.

Instead
    The next power of two, and a mask for the rest: ``BLOCK = triton.next_power_of_2(n)`` on the host,
    ``mask=offsets < n`` in the kernel.

When to ignore it
    When the launch that passes this value is never reached.

Sources
    16 of 804 failed candidates of a public optimisation run (11 ranges, 5 shapes). Compiled with Triton 3.6.0, 3.7.1
    and 3.9.0.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.source.lint import violation
from ncukit.source.lint.calls import Arguments
from ncukit.source.lint.constants import Compilation, compilations
from ncukit.source.lint.kinds import Kinds, kinds
from ncukit.source.lint.rules.arange_not_constexpr import SHAPES
from ncukit.source.lint.wording import listed, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.source.inspection import Severity, Violation
    from ncukit.source.lint.module import Kernel, Module

CODE = "TRI104"
NAME = "not-power-of-two"
SEVERITY: Severity = "error"


def check(module: Module) -> Iterator[Violation]:
    """Every such side, once, with the values that make it so."""
    for kernel in module.kernels.values():
        seen: dict[ast.expr, list[tuple[int, Compilation]]] = {}
        for compilation in compilations(module, kernel):
            found = kinds(module, kernel, compilation.constants or None)
            for node in module.nodes(kernel):
                if isinstance(node, ast.Call) and node in found.values:
                    for place, length in _lengths(module.language(node) or "", node, found):
                        if length < 1 or length & (length - 1):
                            seen.setdefault(place, []).append((length, compilation))
        for place, wrong in seen.items():
            yield _violation(module, kernel, place, wrong)


def _lengths(name: str, node: ast.Call, found: Kinds) -> Iterator[tuple[ast.expr, int]]:
    """Each side of a tile that a call makes, with its length where it is known."""
    given = Arguments(node, found.of)
    if not given.known:
        return
    if name == "arange":
        end = given.node(1, "end")
        start_value, end_value = given.value(0, "start"), given.value(1, "end")
        if end is not None and start_value is not None and end_value is not None:
            start, stop = start_value.literal, end_value.literal
            if type(start) is int and type(stop) is int:
                yield end, stop - start
    if name in SHAPES:
        shape = given.node(*SHAPES[name])
        for part in shape.elts if isinstance(shape, ast.Tuple | ast.List) else ():
            if type(found.of(part).literal) is int and found.of(part).literal != 0:  # 3.6 and 3.7 take a side of 0
                yield part, found.of(part).literal


def _violation(module: Module, kernel: Kernel, place: ast.expr, wrong: list[tuple[int, Compilation]]) -> Violation:
    length, compilation = wrong[0]
    text = shown(place)
    larger = 1 << max(0, length - 1).bit_length() if length > 0 else 1
    said = f"`{text}` is {length}" if text != str(length) else f"a tile side of {length}"
    whys = listed(list(dict.fromkeys(c.why for _, c in wrong if c.why)))
    said += f" ({whys})" if whys and not isinstance(place, ast.Constant) else ""
    fix = f"{larger}, with `mask=offsets < {length}` on what it loads and stores" if length > 0 else "a positive size"
    name = next((n.id for n in ast.walk(place) if isinstance(n, ast.Name) and n.id in compilation.constants), None)
    if name is not None and text == name:
        fix = f"`{name}={larger}` there, with `mask=offsets < {length}` on what the kernel loads and stores"
    return violation(
        __name__,
        module,
        place,
        f"{said}: a tile's side must be a power of two",
        instead=fix,
        kernel=kernel.name,
    )
