"""The numbers of a kernel file that may be turned: tile sizes, ``num_warps``, ``num_stages``, an autotuner's own.

A setting becomes another text of the file, so what is measured is what the diff says, and host code (the grid above
all) follows by itself. Nothing is executed here.
"""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING

from ncukit.collect.target import constants
from ncukit.gpus.occupancy import WARP
from ncukit.optimize.tune.edits import Edit, Span, Text
from ncukit.optimize.tune.places import Places
from ncukit.source.syntax import is_jit
from ncukit.source.whatif import WARPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Setting = tuple[int, ...]
"""One value for each knob of a group, in their order."""
OPTIONS = ("num_warps", "num_stages")
STAGES = (1, 2, 3, 4, 5)
SMALLEST_TILE, LARGEST_TILE = 16, 2**17
REACH = 3
"""Doublings and halvings of a tile that are tried; one less where a tile has two sides."""
MOST_SETTINGS = 4096
"""Settings of constants that are turned together; what goes beyond is a group of its own."""
MOST_VALUES = 512
"""Values of a tile that a thread may hold: at 255 registers, twice that has been spilled before it is computed on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """One number that may be turned."""

    name: str
    """As its kernel calls it: ``BLOCK_SIZE``, ``num_warps``; the constant's own name where it belongs to the file."""
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Kernel → how that one calls it; several where one number of the text is several of its arguments."""
    value: int
    """As it stands in the file; Triton's default where it does not stand there."""
    values: tuple[int, ...]
    """What is tried, ascending; ``value`` is among them."""
    spans: tuple[Span, ...] = ()
    """Where the number stands; empty where it has to be inserted."""
    calls: tuple[ast.Call, ...] = ()
    """Launches that lack it."""
    line: int
    sides: int = 0
    """Sides of the tile that it is the length of: 0 for what is no tile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Knobs that are turned together: those of one kernel, or of several that share one."""

    kernels: tuple[str, ...]
    knobs: tuple[Knob, ...]
    configs: Span | None = None
    """The list of an autotuner's configurations, which one configuration takes the place of."""
    made: str = ""
    """What makes a configuration, as the file calls it: ``triton.Config``."""
    own: Setting | None = None
    """The file's setting; None for an autotuner, which chooses when it runs."""
    listed: tuple[Setting, ...] = ()
    """An autotuner's own configurations."""

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Every setting of which a thread would hold between one value and ``MOST_VALUES``; the file's own always."""
        found = [s for s in product(*(knob.values for knob in self.knobs)) if s == self.own or self._fits(s)]
        return tuple(found)

    def words(self, setting: Setting) -> str:
        """``BLOCK_SIZE=2048, num_warps=8``."""
        return ", ".join(f"{self.label(knob)}={value}" for knob, value in zip(self.knobs, setting, strict=True))

    def label(self, knob: Knob) -> str:
        """The knob's name, with its kernel's before it where another kernel of the group has one of that name."""
        twins = [other for other in self.knobs if other.name == knob.name]
        return f"{next(iter(knob.names))}.{knob.name}" if len(twins) > 1 else knob.name

    @property
    def title(self) -> str:
        """Whose knobs these are."""
        return ", ".join(self.kernels) or "constants " + ", ".join(knob.name for knob in self.knobs)

    def _fits(self, setting: Setting) -> bool:
        return all(self._fits_kernel(kernel, setting) for kernel in self.kernels)

    def _fits_kernel(self, kernel: str, setting: Setting) -> bool:
        elements, warps = 1, None
        for knob, value in zip(self.knobs, setting, strict=True):
            names = knob.names.get(kernel, ())
            elements *= value**knob.sides if names else 1
            warps = value if "num_warps" in names else warps
        if elements == 1 or warps is None:
            return True
        return 1 <= elements / (warps * WARP) <= MOST_VALUES


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """A number that is not turned, and why."""

    kernel: str
    name: str
    line: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """What a file offers to turn."""

    text: Text
    groups: tuple[Group, ...]
    fixed: tuple[Fixed, ...] = ()
    first: Mapping[str, int] = field(default_factory=dict)
    """Kernel → line of its first launch."""

    def edited(self, chosen: Mapping[int, Setting]) -> str:
        """The file's text with these settings, by the index of their group."""
        return self.text.edited([e for i, setting in chosen.items() for e in self._edits(self.groups[i], setting)])

    def _edits(self, group: Group, setting: Setting) -> Iterator[Edit]:
        if group.configs is not None:
            yield Edit(span=group.configs, text=_configuration(group, setting))
            return
        for knob, value in zip(group.knobs, setting, strict=True):
            if value == knob.value:
                continue
            yield from (Edit(span=span, text=str(value)) for span in knob.spans)
            yield from (self.text.added(call, f"{knob.name}={value}") for call in knob.calls)


def _configuration(group: Group, setting: Setting) -> str:
    pairs = list(zip(group.knobs, setting, strict=True))
    options = [f"{k.name}={v}" for k, v in pairs if k.name in OPTIONS]
    numbers = ", ".join(f'"{k.name}": {v}' for k, v in pairs if k.name not in OPTIONS)
    return f"[{group.made}({', '.join(['{' + numbers + '}', *options])})]"


def find_knobs(code: str, tree: ast.Module, problem_names: frozenset[str] = frozenset()) -> Knobs:
    """The knobs of a kernel file.

    Args:
        code: its text.
        tree: its syntax tree.
        problem_names: names of constants that belong to the problem and not to the kernel.
    """
    text = Text(code)
    places = Places(tree, text, problem_names)
    groups: list[Group] = []
    fixed = list(places.fixed)
    for kernel in places.launched:
        tuner = places.autotuner(kernel)
        if tuner is not None:
            group, why = _autotuned(places, kernel, tuner)
            if group is not None:
                groups = _with_autotuned(groups, group)
            else:
                fixed.append(Fixed(kernel=kernel, name="autotune", line=tuner.lineno, why=why))
            continue
        knobs, left = _of_launch(places, kernel)
        fixed += left
        if knobs:
            own = tuple(knob.value for knob in knobs)
            groups.append(Group(kernels=(kernel,), knobs=tuple(knobs), own=own))
    found = list(_merged(groups))
    taken = {span.start for group in found for knob in group.knobs for span in knob.spans}
    constant_knobs = tuple(_constants(tree, text, problem_names, taken))
    for together in _batches(constant_knobs):
        own = tuple(knob.value for knob in together)
        found.append(Group(kernels=(), knobs=together, own=own))
    return Knobs(text=text, groups=tuple(found), fixed=tuple(fixed), first=places.first)


def _of_launch(places: Places, kernel: str) -> tuple[list[Knob], list[Fixed]]:
    """Tiles, warps and stages of a kernel as its launches set them."""
    knobs: list[Knob] = []
    fixed: list[Fixed] = []
    tiles = places.tiles(kernel)
    several = len(tiles) > 1
    for name, sides in tiles.items():
        value, spans, line, why = places.constant(kernel, name)
        if value is None:
            fixed.append(Fixed(kernel=kernel, name=name, line=line, why=why))
        elif value < SMALLEST_TILE or value & (value - 1):
            fixed.append(
                Fixed(kernel=kernel, name=name, line=line, why=f"{value} is no power of two from {SMALLEST_TILE}")
            )
        else:
            values = _doublings(value, REACH - 1 if several or sides > 1 else REACH)
            knobs.append(
                Knob(
                    name=name, names={kernel: (name,)}, value=value, values=values, spans=spans, line=line, sides=sides
                )
            )
    for name, default, values in (("num_warps", 4, WARPS), ("num_stages", 3, STAGES)):
        if name == "num_stages" and not places.pipelined(kernel):
            why = "no dot, descriptor or tl.range(num_stages=) in its loops: the compiler emits the same code"
            fixed.append(Fixed(kernel=kernel, name=name, line=places.first[kernel], why=why))
            continue
        value, spans, line, why = places.option(kernel, name)
        calls: tuple[ast.Call, ...] = ()
        if value is None and not why:
            value, calls = default, places.launched[kernel]
        if value is None:
            fixed.append(Fixed(kernel=kernel, name=name, line=line, why=why))
        else:
            among = tuple(sorted({*values, value}))
            knobs.append(
                Knob(name=name, names={kernel: (name,)}, value=value, values=among, spans=spans, calls=calls, line=line)
            )
    for value, span in places.staged(kernel):
        among = tuple(sorted({*STAGES, value}))
        knobs.append(
            Knob(name=f"num_stages of line {span.line}", value=value, values=among, spans=(span,), line=span.line)
        )
    return _shared(knobs), fixed


def _shared(knobs: list[Knob]) -> list[Knob]:
    """Knobs of one kernel, those as one that the same number of the text stands for."""
    found: list[Knob] = []
    for knob in knobs:
        twin = next((k for k in found if _starts(k) & _starts(knob)), None)
        if twin is None:
            found.append(knob)
            continue
        values = tuple(v for v in twin.values if v in knob.values)
        both = replace(_joined(twin, knob), name=f"{twin.name}={knob.name}", values=values)
        found[found.index(twin)] = replace(both, sides=twin.sides + knob.sides)
    return found


def _joined(one: Knob, other: Knob) -> Knob:
    """The first knob at the places, and under the names, of both."""
    names = {
        kernel: (*one.names.get(kernel, ()), *other.names.get(kernel, ())) for kernel in {**one.names, **other.names}
    }
    spans = {span.start: span for span in (*one.spans, *other.spans)}
    return replace(one, names=names, spans=tuple(spans.values()))


def _starts(knob: Knob) -> set[int]:
    return {span.start for span in knob.spans}


def _doublings(value: int, reach: int) -> tuple[int, ...]:
    found = (value * 2**step for step in range(-reach, reach + 1))
    least = min(SMALLEST_TILE, max(2, value // 4))  # one side of a flat tile may be short
    return tuple(int(v) for v in found if least <= v <= LARGEST_TILE and v == int(v))


def _autotuned(places: Places, kernel: str, tuner: ast.Call) -> tuple[Group | None, str]:
    configs, span, why = places.configurations(tuner)
    if not configs:
        return None, why
    names = list(configs[0].numbers)
    if any(list(c.numbers) != names for c in configs):
        return None, "its configurations set different constants"
    sides = places.tiles(kernel)
    knobs = []
    for name in names:
        present = sorted({c.numbers[name] for c in configs})
        powers = all(v >= SMALLEST_TILE and v & (v - 1) == 0 for v in present)
        beside = [v for v in (present[0] // 2, present[-1] * 2) if powers and SMALLEST_TILE <= v <= LARGEST_TILE]
        values = tuple(sorted({*present, *beside}))
        knobs.append(
            Knob(
                name=name,
                names={kernel: (name,)},
                value=present[0],
                values=values,
                line=tuner.lineno,
                sides=sides.get(name, 0),
            )
        )
    for name, default, values in (("num_warps", 4, WARPS), ("num_stages", 3, STAGES)):
        present = sorted({c.options.get(name, default) for c in configs})
        if name == "num_stages" and len(present) == 1 and not places.pipelined(kernel):
            continue
        among = tuple(sorted({*present, *(v for v in values if present[0] / 2 <= v <= present[-1] * 2)}))
        knobs.append(Knob(name=name, names={kernel: (name,)}, value=present[0], values=among, line=tuner.lineno))
    defaults = {"num_warps": 4, "num_stages": 3}
    listed = tuple(tuple({**defaults, **c.numbers, **c.options}[k.name] for k in knobs) for c in configs)
    return Group(
        kernels=(kernel,),
        knobs=tuple(knobs),
        configs=span,
        made=configs[0].made,
        listed=tuple(dict.fromkeys(listed)),
    ), ""


def _with_autotuned(groups: list[Group], group: Group) -> list[Group]:
    """Add an autotuned kernel's group; kernels that share a list of configurations are turned together."""
    twin = next((g for g in groups if g.configs is not None and g.configs == group.configs), None)
    if twin is None:
        return [*groups, group]
    # one kernel of them may be pipelined: the longer list has all that any of them is turned by
    first, second = (twin, group) if len(twin.knobs) >= len(group.knobs) else (group, twin)
    others = {knob.name: knob for knob in second.knobs}
    knobs = tuple(_joined(k, others[k.name]) if k.name in others else k for k in first.knobs)
    both = replace(first, kernels=(*twin.kernels, *group.kernels), knobs=knobs)
    return [both if g is twin else g for g in groups]


def _merged(groups: list[Group]) -> Iterator[Group]:
    """Groups that share a place in the text, as one."""
    waiting = list(groups)
    while waiting:
        first, *waiting = waiting
        places = {start for knob in first.knobs for start in _starts(knob)}
        second = next((g for g in waiting if any(places & _starts(k) for k in g.knobs)), None)
        if second is None:
            yield first
            continue
        waiting.remove(second)
        knobs = list(first.knobs)
        for knob in second.knobs:
            index = next((i for i, k in enumerate(knobs) if _starts(knob) & _starts(k)), None)
            if index is None:
                knobs.append(knob)
            else:
                knobs[index] = _joined(knobs[index], knob)
        own = tuple(knob.value for knob in knobs)
        waiting.insert(0, Group(kernels=(*first.kernels, *second.kernels), knobs=tuple(knobs), own=own))


def _batches(knobs: Iterable[Knob]) -> Iterator[tuple[Knob, ...]]:
    """Knobs in groups of at most ``MOST_SETTINGS``."""
    together: list[Knob] = []
    for knob in knobs:
        if together and math.prod(len(k.values) for k in (*together, knob)) > MOST_SETTINGS:
            yield tuple(together)
            together = []
        together.append(knob)
    if together:
        yield tuple(together)


def _constants(tree: ast.Module, text: Text, problem_names: frozenset[str], taken: set[int]) -> Iterator[Knob]:
    """Whole numbers at the file's top level, in capitals, that its host code reads: what its author left to turn."""
    read = {
        node.id
        for part in tree.body
        if isinstance(part, ast.FunctionDef | ast.ClassDef) and not any(is_jit(d) for d in part.decorator_list)
        for node in ast.walk(part)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    for name, constant in constants(tree).items():
        value, span = constant.value, text.span(constant)
        if type(value) is not int or value < 1 or not name.isupper() or name not in read - problem_names:
            continue
        if span.start in taken:
            continue
        if value & (value - 1):
            values = tuple(range(max(1, value - 2), value + 3))
        else:
            values = tuple(v for v in (value // 4, value // 2, value, value * 2, value * 4) if v >= 1)
        yield Knob(name=name, value=value, values=values, spans=(span,), line=span.line)
