"""What the machine code of a kernel tells beyond its numbers: loops, widths of accesses, spills, what num_stages does.

A problem is told of whichever launch and architecture has it. What only describes is told of the first one: it differs
a little everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ncukit.render import inspect_text as words
from ncukit.render.gate_text import MOST_WORDS, bounded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ncukit.source.inspection import Access, Compiled, Loop, Narrow

MOST_LOOPS = 5
MOST_LINES = 8
"""Source lines listed in one place."""
SHOWN_SHARE = 0.05
"""Kinds of work that make up less of a loop are not named."""
MANY_INTEGERS = {True: 1 / 3, False: 1 / 2}
"""Share of integer instructions from which they are worth a word, where nothing else is more frequent: in a loop, and
in code without one, where addresses are a larger part."""
SHORT = 200
"""Instructions below which code without a loop is too short to have many of anything."""
_KINDS = {"load": "loads", "store": "stores", "atomic": "atomics", "async-copy": "asynchronous copies"}
_COUNTED = {
    "barrier": ("barrier", "barriers"),
    "shuffle": ("shuffle", "shuffles"),
    "local": ("access to local memory", "accesses to local memory"),
    "tensor": ("tensor-core product", "tensor-core products"),
}
"""What is counted in a loop, whatever its share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One line about a kernel."""

    label: str
    """``loop``, ``spilled`` …"""
    text: str
    problem: bool = False
    """Whether it is told of whichever launch has it, and where."""
    key: tuple[object, ...] = ()
    """What makes it the same fact on another architecture."""
    where: str = ""
    """Which of the launches and architectures have it; empty for all."""


def facts(rows: Sequence[Sequence[Compiled]]) -> list[Fact]:
    """All there is to say of one kernel: of the first launch, and problems of every one.

    Args:
        rows: launches and configurations, each on every architecture.
    """
    every = [one for row in rows for one in row]
    of = ["first row"] if len(rows) > 1 else []
    of += [every[0].arch] if len({one.arch for one in every}) > 1 else []
    found = _described(every[0], f" ({', '.join(of)})" if of else "")
    problems: dict[tuple[object, ...], Fact] = {}
    holders: dict[tuple[object, ...], list[Compiled]] = {}
    for one in every:
        for fact in _problems(one):
            problems.setdefault(fact.key, fact)
            holders.setdefault(fact.key, []).append(one)
    for key, fact in problems.items():
        where = _where(holders[key], every)
        found.append(Fact(label=fact.label, text=fact.text, problem=fact.problem, key=key, where=where))
    return sorted(found, key=lambda fact: _ORDER.index(fact.label))


_ORDER = ("code", "loop", "global", "narrow", "stages", "spilled", "fp64", "dot", "integer")


def _where(holders: Sequence[Compiled], every: Sequence[Compiled]) -> str:
    if len(holders) == len(every):
        return ""
    archs = dict.fromkeys(one.arch for one in holders)
    if sum(one.arch in archs for one in every) == len(holders):
        return words.listed(archs)
    return f"{len(holders)} of {len(every)} compilations"


def _described(one: Compiled, of: str) -> list[Fact]:
    loops = [(index, loop) for index, loop in enumerate(one.sass.loops) if not loop.waits]
    found = [Fact(label="loop", text=_loop(loop, one, of)) for _, loop in loops[:MOST_LOOPS]]
    if loops[MOST_LOOPS:]:
        found.append(Fact(label="loop", text=f"… and {len(loops) - MOST_LOOPS} more (--format json has all)"))
    if not loops and one.sass.instructions:
        text = f"{words.several(one.sass.instructions, 'instruction')}{of}, no loop: {_shares(one.sass.mix)}"
        found.append(Fact(label="code", text=text))
    widths = _widths(a for a in one.sass.accesses if a.space == "global")
    return [*found, Fact(label="global", text=widths)] if widths else found


def _loop(loop: Loop, one: Compiled, of: str) -> str:
    place = f":{loop.line}" if loop.line else "(line unknown)"
    parent = one.sass.loops[loop.parent].line if loop.parent is not None else None
    inside = f" in that of :{parent}" if parent else ""
    counted = [f"{n:,} {one_many[n != 1]}" for kind, one_many in _COUNTED.items() if (n := loop.mix.get(kind))]
    costs = f"; {', '.join(counted)} in it" if counted else ""
    return f"{place}{inside}, {words.several(loop.instructions, 'instruction')}{of}: {_shares(loop.mix)}{costs}"


def _shares(mix: Mapping[str, int]) -> str:
    """``74 % fp32, 7 % integer``: the three most frequent kinds."""
    total = sum(mix.values())
    frequent = sorted(mix.items(), key=lambda entry: (-entry[1], entry[0]))[:3]
    return ", ".join(f"{100 * n / total:.0f} % {kind}" for kind, n in frequent if n >= SHOWN_SHARE * total)


def _widths(accesses: Iterable[Access]) -> str:
    """``loads 128 bit :36, 32 bit :33; stores 32 bit :47 :48``: what one thread moves with one instruction."""
    kinds: dict[str, dict[int | None, dict[int | None, None]]] = {}
    for access in accesses:
        kind = _KINDS.get(access.kind, "bulk copies")
        kinds.setdefault(kind, {}).setdefault(access.bits, {})[access.line] = None
    return "; ".join(
        f"{kind} "
        + ", ".join(f"{f'{bits} bit ' if bits else ''}{lines(at)}" for bits, at in sorted(by.items(), key=_widest))
        for kind, by in kinds.items()
    )


def _widest(entry: tuple[int | None, object]) -> int:
    return -(entry[0] or 0)


def lines(numbers: Iterable[int | None]) -> str:
    """``:36 :40``, in their order; ``elsewhere`` where the line is not known."""
    known = sorted({n for n in numbers if n is not None})
    rest = f" and {len(known) - MOST_LINES} more" if len(known) > MOST_LINES else ""
    return " ".join(f":{n}" for n in known[:MOST_LINES]) + rest or "elsewhere"


def _problems(one: Compiled) -> Iterator[Fact]:
    yield from _narrow(one.narrow)
    yield from _stages(one)
    if one.sass.spills:
        yield Fact(label="spilled", text=_spilled(one), problem=True, key=("spilled",))
    elif one.spills:
        text = f"{words.size(one.stack_bytes)} a thread in local memory; the lines are not known"
        yield Fact(label="spilled", text=text, problem=True, key=("spilled",))
    if one.sass.fp64_lines:
        text = f"double-precision arithmetic in {lines(one.sass.fp64_lines)}"
        yield Fact(label="fp64", text=text, problem=True, key=("fp64", one.sass.fp64_lines))
    if one.has_dot and not one.sass.tensor_core:
        text = 'a tl.dot without tensor-core instructions (fp32 with input_precision="ieee" does that)'
        yield Fact(label="dot", text=text, problem=True, key=("dot",))
    yield from _integers(one)


def _narrow(found: Sequence[Narrow]) -> Iterator[Fact]:
    """Accesses of one width and cause together."""
    groups: dict[tuple[str, int, str, int | None], list[int | None]] = {}
    for narrow in found:
        groups.setdefault((narrow.kind, narrow.bits, narrow.cause, narrow.wider_bits), []).append(narrow.line)
    for (kind, bits, cause, wider), at in groups.items():
        better = f"; with it {wider} bit" if wider else ""
        verb = kind if len(set(at)) > 1 else f"{kind}s"
        text = f"{lines(at)} {verb} {bits} bit a thread: {bounded(cause, MOST_WORDS)}{better}"
        yield Fact(label="narrow", text=text, problem=wider is not None, key=(kind, bits, cause, wider, tuple(at)))


def _stages(one: Compiled) -> Iterator[Fact]:
    stages = one.stages
    if stages is None:
        return
    tried = [str(n) for n in stages.tried]
    row = " and ".join(filter(None, (", ".join(tried[:-1]), tried[-1] if tried else "")))
    if not stages.changes:
        yield Fact(label="stages", text=f"num_stages {row} give the same code", key=("stages", False, stages.tried))
        return
    parts = [words.several(stages.depth, "buffer")] if stages.depth else []
    if stages.async_copies:
        parts.append(f"{stages.async_copies:,} asynchronous cop{'y' if stages.async_copies == 1 else 'ies'} in loops")
    made = ", ".join(parts) or "no asynchronous copy in a loop"
    text = f"num_stages={one.launch.num_stages}: {made}; {row} do not all give the same code"
    yield Fact(label="stages", text=text, key=("stages", True, stages.tried))


def _spilled(one: Compiled) -> str:
    """By the line that computed the value, the most first."""
    sizes: dict[tuple[int | None, bool], int] = {}
    for spill in one.sass.spills:
        sizes[spill.line, spill.in_loop] = sizes.get((spill.line, spill.in_loop), 0) + spill.bytes
    order = sorted(sizes.items(), key=lambda entry: (not entry[0][1], -entry[1]))
    parts = [
        f"{words.size(stored)} from {f':{line}' if line else 'an unknown line'}{' in a loop' if in_loop else ''}"
        for (line, in_loop), stored in order[:MOST_LINES]
    ]
    rest = f" and {len(order) - MOST_LINES} more" if order[MOST_LINES:] else ""
    return f"stored to local memory by a thread: {', '.join(parts)}{rest}"


def _integers(one: Compiled) -> Iterator[Fact]:
    """Where most of the work of the largest loop, or of long code without any, is finding out where to work."""
    loops = [loop for loop in one.sass.loops if not loop.waits]
    largest = max(loops, key=lambda loop: loop.instructions, default=None)
    mix = largest.mix if largest is not None else one.sass.mix
    total, count = sum(mix.values()), mix.get("integer", 0)
    too_short = largest is None and total < SHORT
    if too_short or not total or count < MANY_INTEGERS[largest is not None] * total or count < max(mix.values()):
        return
    of = f"the loop in :{largest.line}" if largest is not None and largest.line else "the code"
    text = f"{100 * count / total:.0f} % of {of} is integer arithmetic: indices and masks"
    yield Fact(label="integer", text=text, problem=True, key=("integer",))
