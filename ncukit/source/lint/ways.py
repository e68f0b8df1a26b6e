"""Which ways through a kernel are followed: those of known launches, of literals in the text, or of any launch."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from ncukit.source.lint.host import is_entry, literals
from ncukit.source.lint.tiles import Line, Value, constant, number
from ncukit.source.lint.trace import Programs, Trace, defaulted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.source.inspection import Launch
    from ncukit.source.lint.module import Kernel, Module, Site

_INTEGERS = {"i1": 1, "i8": 8, "i16": 16, "i32": 32, "i64": 64, "u8": 8, "u16": 16, "u64": 64}


def launched(launch: Launch) -> dict[str, Value]:
    """A launch's arguments as values."""
    found: dict[str, Value] = {}
    for argument in launch.arguments:
        if argument.type == "constexpr":
            found[argument.name] = constant(argument.value)
        elif argument.type.startswith("*"):
            found[argument.name] = Value(line=Line(0), bits=64, pointer=argument.name)
        elif argument.type in _INTEGERS and isinstance(argument.value, int):
            found[argument.name] = number(int(argument.value), _INTEGERS[argument.type])
        else:
            found[argument.name] = Value()
    return found


def traces(module: Module, kernel: Kernel) -> Iterator[tuple[Launch, Trace]]:
    """Every recorded launch of ``kernel``, followed for the programs at the corners of its grid."""
    seen: set[Any] = set()
    for launch in module.launches:
        if launch.kernel != kernel.name or launch.grid is None:
            continue
        key = (launch.grid, launch.arguments, launch.num_warps)
        if key in seen or len(seen) > 64:
            continue
        seen.add(key)
        for program in corners(launch.grid):
            yield launch, _traced(module, kernel, launch, program)


def _traced(module: Module, kernel: Kernel, launch: Launch, program: Programs) -> Trace:
    key = ("trace", kernel.name, launch.grid, launch.arguments, program)
    return module.remembered(key, lambda: Trace(module, kernel, launched(launch), program, launch.grid))


def corners(grid: Programs) -> list[Programs]:
    """The programs where offsets are smallest and largest: first and last along each axis."""
    if any(size < 1 for size in grid):
        return []
    found = dict.fromkeys(product(*((0, size - 1) for size in grid)))
    return [(a, b, c) for a, b, c in found]


def read(module: Module, kernel: Kernel) -> Trace:
    """``kernel`` followed without a launch: nothing is known of its arguments but that each is one value.

    Of a function that only others call, not even that: a tile may be passed.
    """
    given = Value() if is_entry(module, kernel) else Value(shape=None)
    nothing = {name: Value() if name in kernel.constexprs else given for name in kernel.parameters}
    return module.remembered(("trace", kernel.node), lambda: Trace(module, kernel, nothing))


def assumed(module: Module, kernel: Kernel, only: Site | None = None) -> Iterator[tuple[dict[str, object], Trace]]:
    """Program (0, 0, 0) of every launch in the text, as far as it passes literals; the rest is not known.

    An autotuned kernel has other values than its launches show.
    """
    if kernel.autotune is not None or kernel.heuristics:
        return
    for site in module.sites:
        if site.kernel is not kernel or (only is not None and site is not only):
            continue
        known = literals(module, site)
        given = site.given()
        values = {}
        for name in kernel.parameters:
            held = known.get(name)
            if name not in given and all(k.arg for k in site.call.keywords):
                values[name] = defaulted(kernel, name)
            elif isinstance(held, int) and not isinstance(held, bool) and name not in kernel.constexprs:
                values[name] = number(held, 32)
            elif held is not None and name in kernel.constexprs:
                values[name] = constant(held)
            else:
                values[name] = Value()
        yield known, module.remembered(("assumed", site.call), lambda v=values: Trace(module, kernel, v, (0, 0, 0)))  # type: ignore[misc]
