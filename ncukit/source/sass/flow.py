"""Basic blocks, dominators and loops of a listing.

A loop is a natural one: a branch back to a block through which every way to that branch leads, and all blocks between.
This is what keeps loops small where ptxas moves code to the end of the function: the branch from there back into the
middle leads to a block that can also be reached without it, so it makes no loop.

What is not followed:

- Calls of subroutines (``CALL`` of a name: slow paths of division and roots, shared by all their callers). They run for
  rare operands, and belong to no loop; a loop around the call has the ``CALL``. ``CALL`` of a ``.L_x`` label never
  returns: up to 8.9 ptxas leaves loops with it, and here it is a branch.
- ``BRA.DIV``: what a warp does whose lanes have drifted apart, a copy of the same shuffles at the end of the function.
  Triton's warps stay together; counted into the loop, every shuffle would count twice.
- Branches through registers, unless the text lists their targets.

All of it is in the totals of ``Sass``. Two loops of the code may be one loop of the source: ptxas unrolls by four and
puts the rest into a loop of its own, with the same line.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncukit.source.sass.instructions import Instruction, Listing

_ENDS = frozenset({"BRA", "BRX", "BRXU", "EXIT", "JMP", "JMX", "JMXU", "KILL", "RET", "RTT"})
_LOCAL = ".L_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Instructions that run one after another."""

    start: int
    stop: int
    """Index after its last instruction."""
    successors: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NaturalLoop:
    """One loop, by its blocks."""

    header: int
    latches: tuple[int, ...]
    """Blocks that branch back to the header."""
    parent: int | None
    """Index of the loop around it, smaller than its own."""
    depth: int
    """1 for an outermost loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """How control moves through a listing."""

    blocks: tuple[Block, ...]
    predecessors: tuple[tuple[int, ...], ...]
    loops: tuple[NaturalLoop, ...]
    innermost: tuple[int | None, ...]
    """By block: index of the innermost loop that it is in."""


def flow(listing: Listing) -> Flow:
    """Blocks and loops of a listing."""
    blocks = _blocks(listing)
    predecessors: list[list[int]] = [[] for _ in blocks]
    for number, block in enumerate(blocks):
        for successor in block.successors:
            predecessors[successor].append(number)
    at = {block.start: number for number, block in enumerate(blocks)}
    entries = [at[start] for start in listing.functions]
    order = _order(blocks, entries)
    loops, innermost = _loops(predecessors, order, _dominators(predecessors, order, entries))
    return Flow(
        blocks=tuple(blocks),
        predecessors=tuple(map(tuple, predecessors)),
        loops=loops,
        innermost=innermost,
    )


def _blocks(listing: Listing) -> list[Block]:
    code = listing.instructions
    functions = frozenset(listing.functions)
    leaders = {*functions, *listing.labels.values()}
    leaders.update(i + 1 for i, instruction in enumerate(code) if _branches(instruction))
    starts = sorted(start for start in leaders | {0} if start < len(code))
    at = {start: number for number, start in enumerate(starts)}
    blocks = []
    for start, stop in pairwise([*starts, len(code)]):
        last = code[stop - 1]
        follows = [listing.labels.get(target) for target in last.targets] if _followed(last) else []
        if _falls_through(last) and stop not in functions:
            follows.append(stop)
        successors = dict.fromkeys(at[index] for index in follows if index is not None and index in at)
        blocks.append(Block(start=start, stop=stop, successors=tuple(successors)))
    return blocks


def _branches(instruction: Instruction) -> bool:
    return instruction.opcode in _ENDS or instruction.opcode == "CALL"


def _followed(instruction: Instruction) -> bool:
    """Whether its targets are ways on within the function."""
    if instruction.opcode == "CALL":
        return all(target.startswith(_LOCAL) for target in instruction.targets)
    return instruction.opcode in _ENDS and instruction.opcode != "RET" and "DIV" not in instruction.modifiers


def _falls_through(instruction: Instruction) -> bool:
    """Whether the next instruction can be the one that runs next."""
    if instruction.opcode not in _ENDS or instruction.guard is not None or "DIV" in instruction.modifiers:
        return True
    # `BRA P1, …` and `BRA.U !UP0, …` have their condition in front of the label
    return instruction.opcode == "BRA" and len(instruction.operands) > 1


def _order(blocks: Sequence[Block], entries: Sequence[int]) -> list[int]:
    """Reachable blocks in reverse postorder, every function after those before it."""
    order: list[int] = []
    seen: set[int] = set()
    for entry in reversed(entries):
        stack = [] if entry in seen else [(entry, iter(blocks[entry].successors))]
        seen.add(entry)
        while stack:
            number, successors = stack[-1]
            following = next((s for s in successors if s not in seen), None)
            if following is None:
                order.append(number)
                stack.pop()
            else:
                seen.add(following)
                stack.append((following, iter(blocks[following].successors)))
    order.reverse()
    return order


def _dominators(
    predecessors: Sequence[Sequence[int]], order: Sequence[int], entries: Sequence[int]
) -> dict[int, int | None]:
    """Reachable block → its immediate dominator, None for an entry.

    The iterative algorithm of Cooper, Harvey and Kennedy ("A simple, fast dominance algorithm").
    """
    position = {block: i for i, block in enumerate(order)}
    above: dict[int, int | None] = dict.fromkeys(entries)
    roots = frozenset(entries)

    def meet(a: int | None, b: int | None) -> int | None:
        while a != b:
            if a is None or b is None:
                return None
            if position[a] > position[b]:
                a = above[a]
            else:
                b = above[b]
        return a

    changed = True
    while changed:
        changed = False
        for block in order:
            if block in roots:
                continue
            known = [p for p in predecessors[block] if p in above]
            new = known[0] if known else None
            for other in known[1:]:
                new = meet(new, other)
            if block not in above or above[block] != new:
                above[block] = new
                changed = True
    return above


def _loops(
    predecessors: Sequence[Sequence[int]], order: Sequence[int], above: dict[int, int | None]
) -> tuple[tuple[NaturalLoop, ...], tuple[int | None, ...]]:
    """Natural loops, each after the one around it and by where they begin, and the innermost one of each block."""
    latches = _latches(predecessors, order, above)
    around: dict[int, int] = {}  # block → header of the smallest loop found so far that holds it, not counting its own
    outermost: dict[int, int] = {}  # for `find`: shortcuts up `around`

    def find(block: int) -> int:
        """Header of the largest loop found so far around ``block``, or itself."""
        top = block
        while top in outermost:
            top = outermost[top]
        while block in outermost:
            outermost[block], block = top, outermost[block]
        return top

    for header in reversed(order):  # inner loops first: their headers come later in this order
        work = [find(latch) for latch in latches.get(header, ())]
        while work:
            block = work.pop()
            if block == header or block in around:
                continue
            around[block] = outermost[block] = header
            work.extend(find(p) for p in predecessors[block] if p in above)
    return _numbered(latches, around, len(predecessors))


def _latches(
    predecessors: Sequence[Sequence[int]], order: Sequence[int], above: dict[int, int | None]
) -> dict[int, list[int]]:
    """Header → the blocks that branch back to it: those that it dominates."""
    size = dict.fromkeys(order, 1)  # of the tree of dominators below each block
    for block in reversed(order):
        parent = above[block]
        if parent is not None:
            size[parent] += size[block]
    first: dict[int, int] = {}  # a number such that a block's tree has the next `size` ones
    free: dict[int | None, int] = {None: 0}
    for block in order:
        first[block] = free[above[block]]
        free[above[block]] += size[block]
        free[block] = first[block] + 1
    found = {}
    for header in order:
        tree = range(first[header], first[header] + size[header])
        back = [p for p in predecessors[header] if p in first and first[p] in tree]
        if back:
            found[header] = back
    return found


def _numbered(
    latches: dict[int, list[int]], around: dict[int, int], blocks: int
) -> tuple[tuple[NaturalLoop, ...], tuple[int | None, ...]]:
    inside: dict[int | None, list[int]] = {}
    for header in sorted(latches, reverse=True):
        inside.setdefault(around.get(header), []).append(header)
    loops: list[NaturalLoop] = []
    index: dict[int, int] = {}
    work = list(inside.get(None, ()))
    while work:
        header = work.pop()
        parent = index.get(around.get(header, -1))
        index[header] = len(loops)
        depth = 1 if parent is None else loops[parent].depth + 1
        loops.append(NaturalLoop(header=header, latches=tuple(latches[header]), parent=parent, depth=depth))
        work.extend(inside.get(header, ()))
    innermost = tuple(index.get(block, index.get(around.get(block, -1))) for block in range(blocks))
    return tuple(loops), innermost
