"""What a listing and its loops say of memory, spills and double precision."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Literal

from ncukit.source.inspection import Access, Loop, Sass, Spill
from ncukit.source.sass.flow import Flow, flow
from ncukit.source.sass.registers import Definitions, register

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncukit.source.sass.instructions import Instruction, Listing

Space = Literal["global", "shared", "local"]
Kind = Literal["load", "store", "atomic", "async-copy", "bulk-copy"]

_SPACES: dict[Space, dict[Kind, str]] = {
    "global": {
        "load": "LD LDG LDGMC",
        "store": "ST STG USTGR",
        "atomic": "ATOM ATOMG RED REDG UREDGR",
        "async-copy": "LDGSTS",
        "bulk-copy": "UBLKCP UBLKRED UTMALDG UTMAREDG UTMASTG",
    },
    "shared": {"load": "LDS LDSM", "store": "STAS STS STSM", "atomic": "ATOMS REDAS"},
    "local": {"load": "LDL", "store": "STL"},
}
ACCESSES: dict[str, tuple[Space, Kind]] = {
    opcode: (space, kind)
    for space, kinds in _SPACES.items()
    for kind, opcodes in kinds.items()
    for opcode in opcodes.split()
}
"""Opcode → space and kind. Prefetches are none: they bring nothing to the thread."""

_WIDTH = re.compile(r"(?:BF|F|U|S|B)?([0-9]{1,3})(?:_?[xV]([0-9]{1,2}))?$")
_STACK = re.compile(r"\[R1(?:\+-?0x[0-9a-f]+)?\]$")
_WAITS = frozenset({"NANOSLEEP", "SYNCS", "UTCATOMSWS"})
_IDLE = frozenset({"async", "control", "integer", "move", "tensor-memory", "uniform"})


def facts(listing: Listing) -> Sass:
    """Everything that ``Sass`` holds."""
    ways = flow(listing)
    code = listing.instructions
    mix = Counter(instruction.category for instruction in code)
    return Sass(
        instructions=len(code),
        mix=_ordered(mix),
        loops=_loops(code, ways),
        accesses=_accesses(code, ways),
        spills=_spills(code, ways),
        tensor_core=mix["tensor"],
        fp64_lines=tuple(sorted({i.line for i in code if i.category == "fp64" and i.line is not None})),
    )


def _ordered(mix: Counter[str]) -> dict[str, int]:
    return dict(sorted(mix.items(), key=lambda entry: (-entry[1], entry[0])))


def width(instruction: Instruction) -> int | None:
    """Bits that one lane moves with one memory instruction; None of a bulk copy, whose descriptor says it."""
    if ACCESSES[instruction.opcode][1] == "bulk-copy":
        return None
    if instruction.opcode in ("LDSM", "STSM"):  # .16.M88.4: four matrices, of each of which a lane gets 32 bits
        count = instruction.modifiers[-1] if instruction.modifiers else ""
        return 32 * int(count) if count in ("2", "4") else 32
    sizes = [m for m in map(_WIDTH.match, instruction.modifiers) if m]
    return int(sizes[0][1]) * int(sizes[0][2] or 1) if sizes else 32


def _accesses(code: Sequence[Instruction], ways: Flow) -> tuple[Access, ...]:
    """One entry for all alike, by where the first one stands."""
    found: Counter[tuple[Space, Kind, int | None, int | None, int | None]] = Counter()
    for number, block in enumerate(ways.blocks):
        for instruction in code[block.start : block.stop]:
            if instruction.opcode in ACCESSES and not instruction.never:
                space, kind = ACCESSES[instruction.opcode]
                found[space, kind, instruction.line, width(instruction), ways.innermost[number]] += 1
    return tuple(
        Access(space=space, kind=kind, line=line, bits=bits, count=count, loop=loop)
        for (space, kind, line, bits, loop), count in found.items()
    )


def _loops(code: Sequence[Instruction], ways: Flow) -> tuple[Loop, ...]:
    own: list[list[Instruction]] = [[] for _ in ways.loops]
    for number, block in enumerate(ways.blocks):
        inside = ways.innermost[number]
        if inside is not None:
            own[inside].extend(code[block.start : block.stop])
    mixes = [Counter(instruction.category for instruction in body) for body in own]
    waits = [any(instruction.opcode in _WAITS for instruction in body) for body in own]
    for index in reversed(range(len(ways.loops))):  # a loop stands behind the one around it
        parent = ways.loops[index].parent
        if parent is not None:
            mixes[parent] += mixes[index]
    return tuple(
        Loop(
            line=_line(code, ways, index),
            depth=loop.depth,
            parent=loop.parent,
            instructions=mixes[index].total(),
            mix=_ordered(mixes[index]),
            waits=waits[index] and mixes[index].keys() <= _IDLE,
        )
        for index, loop in enumerate(ways.loops)
    )


def _line(code: Sequence[Instruction], ways: Flow, index: int) -> int | None:
    """The line of the loop's statement: that of the branch back, or of what decides it when that is smaller.

    Both are usually the ``for`` or ``while``; Blackwell's uniform branches often carry the line of a neighbour. The
    header's first instruction is no guide, since the scheduler puts a load there, and neither is the smallest line of
    the body: code from before the loop is moved into it. Of the 592 loops of the bundled kernels on six architectures,
    this names the statement of all but 5, and waits (6 of them) have none.
    """
    found: list[int] = []
    for latch in ways.loops[index].latches:
        block = ways.blocks[latch]
        branch = code[block.stop - 1]
        guards = {(branch.guard or "").lstrip("!"), *(o.lstrip("!~") for o in branch.operands[:-1])} - {""}
        deciding = (i for i in reversed(code[block.start : block.stop - 1]) if guards & set(i.operands[:2]))
        found.extend(i.line for i in (branch, next(deciding, branch)) if i.line is not None)
    if found:
        return min(found)
    return code[ways.blocks[ways.loops[index].header].start].line


def _spills(code: Sequence[Instruction], ways: Flow) -> tuple[Spill, ...]:
    """Stores to a fixed place of the stack, by the line that computed what is stored.

    A compiler's array in local memory looks the same when its index is constant, but Triton makes none. An address
    that is computed is an array's: an access, no spill.
    """
    stores = [
        (index, number)
        for number, block in enumerate(ways.blocks)
        for index in range(block.start, block.stop)
        if code[index].opcode == "STL" and len(code[index].operands) > 1 and _on_stack(code[index].operands[0])
    ]
    if not stores:
        return ()
    definitions = Definitions(code)
    found: Counter[tuple[int | None, bool]] = Counter()
    for index, block in stores:
        line = _computed(code, ways, definitions, index, block)
        found[line, ways.innermost[block] is not None] += (width(code[index]) or 0) // 8
    return tuple(Spill(line=line, bytes=size, in_loop=in_loop) for (line, in_loop), size in found.items())


def _on_stack(address: str) -> bool:
    """Whether it is ``[R1]`` or ``[R1+0x10]``: R1 is the stack pointer."""
    return _STACK.match(address) is not None


def _computed(code: Sequence[Instruction], ways: Flow, definitions: Definitions, index: int, block: int) -> int | None:
    """Line of the instruction whose result an ``STL`` puts away, copies followed back."""
    number = register(code[index].operands[1])
    if number is None:
        return code[index].line  # RZ: a zero that nothing computed
    at, seen = (index, block), {index}
    while True:
        found = _definition(ways, definitions, number, *at)
        if found is None:
            return None
        source = definitions.copied(found[0])
        if source is None or found[0] in seen:
            return code[found[0]].line
        seen.add(found[0])
        number, at = source, found


def _definition(ways: Flow, definitions: Definitions, number: int, index: int, block: int) -> tuple[int, int] | None:
    """Index and block of the nearest instruction before ``index`` that writes a register, blocks breadth first."""
    start = ways.blocks[block].start
    found = definitions.last(number, start, index)
    if found is not None:
        return found, block
    seen: set[int] = set()
    level = list(ways.predecessors[block])
    while level:
        following: list[int] = []
        for candidate in level:
            if candidate in seen:
                continue
            seen.add(candidate)
            found = definitions.last(number, ways.blocks[candidate].start, ways.blocks[candidate].stop)
            if found is not None:
                return found, candidate
            following.extend(ways.predecessors[candidate])
        level = following
    return None
