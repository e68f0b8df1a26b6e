"""Which general registers an instruction writes: enough to follow a spilled value back to where it was computed.

Widths come from the modifiers, as the disassembler prints them. Where they do not tell, one register is assumed; a
wider result that is missed makes a spill's line unknown or that of an older value, never an error.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ncukit.source.sass.instructions import Instruction

_REGISTER = re.compile(r"R([0-9]{1,3})(?![0-9])")
_PREDICATE = re.compile(r"U?P(?:T|[0-9])$")
_REPEAT = re.compile(r"x([0-9]{1,3})$")
_SHAPE = re.compile(r"64x([0-9]{1,3})x[0-9]+$")
_WRITES_NONE = frozenset({
    "BAR", "BMOV", "BRA", "BRX", "CALL", "CCTL", "EXIT", "FENCE", "JMP", "LDGSTS", "MEMBAR", "NANOSLEEP", "R2UR",
    "RED", "REDAS", "REDG", "RET", "ST", "STAS", "STG", "STL", "STS", "STSM", "STTM", "SYNCS", "UBLKCP", "UTMALDG",
    "UTMASTG", "WARPSYNC",
})  # fmt: skip
_PAIRS = frozenset({"DADD", "DFMA", "DMUL", "FADD2", "FFMA2", "FMUL2"})


def register(operand: str) -> int | None:
    """``58`` of ``R58.reuse``; None of anything else (``RZ``, a constant, an address)."""
    match = _REGISTER.match(operand.lstrip("-|~!"))
    return int(match[1]) if match else None


def written(instruction: Instruction) -> Iterator[int]:
    """Registers that hold its result."""
    opcode, operands = instruction.opcode, instruction.operands
    if opcode in _WRITES_NONE:
        return
    results = operands[:1]
    if len(operands) > 1 and _PREDICATE.match(operands[0]) and opcode in ("ATOM", "ATOMG", "LDG", "SHFL", "VOTE"):
        results = operands[1:2]  # SHFL.BFLY PT, R29, R30, 0x10, 0x1f
    elif "256" in instruction.modifiers:
        results = operands[:2]  # LDG.E.ENL2.256 R8, R4, [address]: four registers each
    for result in results:
        first = register(result)
        if first is not None:
            yield from range(first, first + _width(instruction))


def _width(instruction: Instruction) -> int:
    opcode, modifiers = instruction.opcode, instruction.modifiers
    shape = next((m for m in map(_SHAPE.match, modifiers) if m), None)
    if shape:  # HGMMA.64x128x16.F32: 64 rows by as many columns over 128 lanes
        return int(shape[1]) // (2 if "F32" in modifiers or opcode == "IGMMA" else 4) or 1
    if opcode in ("HMMA", "IMMA", "QMMA", "OMMA", "DMMA"):
        return 2 if opcode == "HMMA" and "F16" in modifiers else 4
    if opcode in ("LDSM", "LDTM"):
        repeat = next((m for m in map(_REPEAT.match, modifiers) if m), None)
        return int(repeat[1]) if repeat else int(modifiers[-1]) if modifiers and modifiers[-1] in ("2", "4") else 1
    if "128" in modifiers or "256" in modifiers:
        return 4
    if opcode in _PAIRS or modifiers[:1] == ("F64",) or "64" in modifiers or "WIDE" in modifiers:
        return 2
    return 2 if opcode == "CS2R" and "32" not in modifiers else 1


class Definitions:
    """Where each register is written."""

    def __init__(self, code: Sequence[Instruction]) -> None:
        self._code = code
        self._at: dict[int, list[int]] = {}
        for index, instruction in enumerate(code):
            for number in written(instruction):
                self._at.setdefault(number, []).append(index)

    def last(self, number: int, start: int, stop: int) -> int | None:
        """Index of the last instruction in ``[start, stop)`` that writes a register."""
        places = self._at.get(number, [])
        at = bisect_left(places, stop)
        return places[at - 1] if at and places[at - 1] >= start else None

    def copied(self, index: int) -> int | None:
        """The register that an instruction only copies; None when it computes."""
        instruction = self._code[index]
        if instruction.category != "move" or instruction.opcode not in ("MOV", "IMAD"):
            return None
        return register(instruction.operands[-1])
