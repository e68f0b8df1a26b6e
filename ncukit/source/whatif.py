"""What another ``num_warps`` or tile size would make of a launch: what to try, and what the compiler made of it.

Two tables. One compiles nothing: registers and shared memory are kept and only the block changes. That is exact for
what would fit, and not what the compiler would do: more warps share a tile's values, so a thread would need fewer
registers. The other is filled by compiling each trial. Neither is a measurement: occupancy is no speed, and a tile that
a kernel takes for a whole row, or a grid that follows it, may need other host code to be right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ncukit.gpus.occupancy import WARP
from ncukit.source.fit import fits_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from ncukit.source.collected import Variation
    from ncukit.source.fit import Fit
    from ncukit.source.inspection import Compiled, Launch

WARPS = (1, 2, 4, 8, 16, 32)
"""Values of ``num_warps`` that a block may have (1024 threads)."""
MOST_TRIALS = 24
SMALLEST, LARGEST = 16, 2**20
"""Tile sizes that are tried: below the first a tile is no tile, above the second Triton refuses the tensor."""
KEPT = "registers and shared memory kept: an estimate, not compiled"
_TILE = ("BLOCK", "TILE", "CHUNK", "SIZE")
_PROBLEM = ("GROUP", "HEAD", "DMODEL", "HIDDEN", "VOCAB", "BATCH", "STRIDE")
"""Words of constants that are a property of the data or of the order of programs, not of the tile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One change of a launch."""

    num_warps: int
    constexprs: Mapping[str, int] = field(default_factory=dict)
    """Constants that differ from the launch's own."""
    own_warps: int
    """The launch's ``num_warps``."""

    @property
    def override(self) -> dict[str, Any]:
        """What differs, as the compiling child takes it."""
        options = {"num_warps": self.num_warps} if self.num_warps != self.own_warps else {}
        parts = {"options": options, "constexprs": dict(self.constexprs)}
        return {name: values for name, values in parts.items() if values}

    @property
    def words(self) -> str:
        """``num_warps=8, BLOCK=2048``."""
        return ", ".join(f"{n}={v}" for part in self.override.values() for n, v in part.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What became of a trial, or the launch as it is."""

    num_warps: int
    constexprs: Mapping[str, int] = field(default_factory=dict)
    """Constants that differ from the launch's own."""
    registers: int | None
    """A thread's; None when it does not compile."""
    spills: int | None
    shared_bytes: int | None
    fits: tuple[Fit, ...] = ()
    """On each GPU; without waves where another tile may mean another grid."""
    compiled: bool
    """Whether the compiler was asked; if not, registers and shared memory are those of the launch as it is."""
    note: str = ""
    """Why it does not compile, or what is assumed."""

    @property
    def problem(self) -> str:
        """Why it would not run on the first GPU, or does not compile; empty when it runs."""
        if self.registers is None:
            return self.note
        return self.fits[0].problem if self.fits else ""

    @property
    def occupancy_pct(self) -> float | None:
        """On the first GPU: those of one compute capability have the same."""
        return self.fits[0].occupancy_pct if self.fits and self.registers is not None else None


def tiles(launch: Launch, names: Collection[str] = ()) -> dict[str, int]:
    """The constants of a launch that are tile sizes.

    Args:
        launch: as the host code launches it.
        names: constants that bound a ``tl.arange`` in the source, and so are one whatever they are called.

    Returns:
        Name → value, of powers of two from 16 whose name says that it is a tile.
    """
    found = {}
    for name, value in launch.constexprs.items():
        upper = name.upper()
        called = name in names or any(word in upper for word in _TILE)
        if called and not any(word in upper for word in _PROBLEM) and _power_of_two(value) and value >= SMALLEST:
            found[name] = value
    return found


def _power_of_two(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0 and value & (value - 1) == 0


def trials(launch: Launch, names: Collection[str] = (), most: int = MOST_TRIALS) -> tuple[Trial, ...]:
    """What to try for a launch, the nearest changes first.

    Other warps; each tile size halved and doubled; then both at once, so that a thread keeps its number of values.
    """
    own = launch.num_warps
    warps = sorted((n for n in WARPS if n != own), key=lambda n: (abs(math.log2(n / own)), -n))
    changes: list[tuple[int, dict[str, int]]] = [(n, {}) for n in warps]
    sizes = [
        (name, value * factor // 2, own * factor // 2)
        for name, value in tiles(launch, names).items()
        for factor in (1, 4)
        if SMALLEST <= value * factor // 2 <= LARGEST
    ]
    changes += [(own, {name: value}) for name, value, _ in sizes]
    changes += [(beside, {name: value}) for name, value, beside in sizes if beside in WARPS]
    found = [Trial(num_warps=n, constexprs=constexprs, own_warps=own) for n, constexprs in changes]
    return tuple(found[: max(0, most)])


def as_it_is(compiled: Compiled) -> Variant:
    """The launch itself, to hold the others against."""
    return Variant(
        num_warps=compiled.launch.num_warps,
        registers=compiled.registers,
        spills=compiled.spills,
        shared_bytes=compiled.shared_bytes,
        fits=fits_of(compiled),
        compiled=True,
    )


def kept(compiled: Compiled) -> tuple[Variant, ...]:
    """Other warps with registers and shared memory as they are, without compiling: labelled as an estimate."""
    found = []
    for warps in WARPS:
        if warps == compiled.launch.num_warps:
            continue
        one = replace(compiled, launch=replace(compiled.launch, num_warps=warps))
        found.append(replace(as_it_is(one), compiled=False, note=KEPT))
    return tuple(found)


def tried(trial: Trial, compiled: Compiled) -> Variant:
    """What the compiler made of a trial.

    Args:
        trial: what was changed.
        compiled: the result; its launch may still say the old warps.
    """
    grids = dict.fromkeys(compiled.grids) if trial.constexprs else compiled.grids
    one = replace(compiled, launch=replace(compiled.launch, num_warps=trial.num_warps), grids=grids)
    note = "another tile may need another grid" if trial.constexprs else ""
    return replace(as_it_is(one), constexprs=trial.constexprs, note=note)


def refused(trial: Trial, message: str) -> Variant:
    """A trial that does not compile."""
    return Variant(
        num_warps=trial.num_warps,
        constexprs=trial.constexprs,
        registers=None,
        spills=None,
        shared_bytes=None,
        compiled=True,
        note=message or "it does not compile",
    )


def flags(variant: Variant, own: Variant) -> tuple[str, ...]:
    """What there is to say of a variant beside the launch as it is, in words, worst first."""
    if variant.registers is None:
        return ("does not compile",)
    found = ["does not fit"] if variant.problem else []
    if variant.compiled:
        found += _spills(own.spills or 0, variant.spills or 0)
    if own.occupancy_pct is not None and variant.occupancy_pct is not None and not variant.problem:
        gain = round(variant.occupancy_pct - own.occupancy_pct)
        found += [f"occupancy {gain:+d} points"] if gain else []
    return tuple(found if variant.compiled else [*found, "estimate"])


def _spills(before: int, after: int) -> list[str]:
    if not after:
        return ["no longer spills"] if before else []
    if not before:
        return ["spills"]
    return [] if after == before else [f"spills {'more' if after > before else 'less'}"]


def ranked(variants: Iterable[Variant]) -> tuple[Variant, ...]:
    """What runs before what does not, fewer spills first, then more occupancy; otherwise in their order.

    An order to look at, not an order of speed.
    """
    return tuple(sorted(variants, key=lambda v: (bool(v.problem), v.spills or 0, -(v.occupancy_pct or 0.0))))


def values_per_thread(elements: int, num_warps: int, num_ctas: int = 1) -> float:
    """Values of a tile of so many elements that each thread holds; below 1, threads hold copies."""
    return elements / (num_warps * WARP * num_ctas)


def tile_elements(sizes: Mapping[str, int]) -> int | None:
    """Elements of the tile that these sizes make: one or two of them; of more it is not known which make one."""
    return math.prod(sizes.values()) if 1 <= len(sizes) <= 2 else None


def table(compiled: Compiled, variations: Iterable[Variation], names: Collection[str] = ()) -> tuple[Variant, ...]:
    """The launch as it is, and below it what became of each trial that was compiled; empty without one.

    Args:
        compiled: the launch.
        variations: every launch that was compiled with something changed.
        names: as for ``trials``.
    """
    launch = compiled.launch
    known = {repr(trial.override): trial for trial in trials(launch, names)}
    rows = []
    for one in variations:
        trial = known.get(repr(dict(one.override)))
        if trial is None or one.arch != compiled.arch or one.launch != launch:
            continue
        rows.append(refused(trial, one.message) if one.compiled is None else tried(trial, one.compiled))
    return (as_it_is(compiled), *ranked(rows)) if rows else ()
