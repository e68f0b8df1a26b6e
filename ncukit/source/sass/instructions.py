"""The instructions of a disassembly: ``nvdisasm -c -g -gp -ndf``, line by line.

``-gp`` is what makes inlined functions' lines known (see ``lines``); text of ``-g`` alone is read too. ``-ndf`` leaves
out nvdisasm's own analysis of branches, which can refuse a file; a branch through a register then names no target
unless it is annotated. Only whole instructions count: a line that was cut off before its ``;`` is not one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ncukit.source.sass.lines import COMMENT, PTX, Frame, Lines
from ncukit.source.sass.opcodes import category

_INSTRUCTION = re.compile(r"\s*(?:\{\s*)?/\*[0-9a-f]{4,16}\*/\s+(?:@(!?\w+)\s+)?([A-Z]\w*)((?:\.\w+)*)([^;]*);")
_LABEL = re.compile(r"([.$\w]+):\s*$")
_TARGET = re.compile(r"`\(([^)]*)\)")
_LISTED = re.compile(r"\.L_x_[0-9]+")
_LOCAL = ".L_"


@dataclass(frozen=True, slots=True)
class Instruction:
    """One machine instruction."""

    guard: str | None
    """``!P0`` of ``@!P0``: the lanes that do it; None when all do."""
    opcode: str
    modifiers: tuple[str, ...]
    """``("E", "128")`` of ``LDG.E.128``."""
    operands: tuple[str, ...]
    line: int | None
    """Source line in the kernel's own file and span; None when it has none."""
    category: str

    @property
    def never(self) -> bool:
        """Whether no lane ever does it: ``@!PT LDS RZ, [RZ]``, which ptxas puts in front of asynchronous copies."""
        return self.guard == "!PT"

    @property
    def targets(self) -> tuple[str, ...]:
        """Labels that it names."""
        text = ", ".join(self.operands)
        return tuple(_TARGET.findall(text)) or tuple(_LISTED.findall(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A disassembly's instructions, padding left out."""

    instructions: tuple[Instruction, ...]
    labels: dict[str, int]
    """Label → index of the instruction after it; as many as there are instructions when it stands at the end."""
    functions: tuple[int, ...]
    """Index of each function's first instruction: the kernel, and subroutines such as the slow paths of division."""


def parse(text: str, lines: Lines) -> Listing:
    """Read a disassembly; text that holds none gives an empty listing."""
    found: list[Instruction] = []
    labels: dict[str, int] = {}
    functions: list[int] = []
    frames: tuple[Frame, ...] = ()
    ptx_line: int | None = None
    fresh = True  # whether the next comment begins another position, rather than adding a caller to it
    for raw in text.splitlines():
        match = _INSTRUCTION.match(raw)
        if match:
            found.append(_instruction(match, lines.line(frames, ptx_line)))
            fresh = True
        elif "//##" in raw and (comment := COMMENT.match(raw)):
            file, line, caller, called = comment.groups()
            if file == PTX:
                ptx_line = int(line)
                continue
            inner = () if fresh else frames
            frames = (*inner, (file, int(line)), *(((caller, int(called)),) if caller else ()))
            fresh = False
        elif label := _LABEL.match(raw):
            if not label[1].startswith(_LOCAL):
                # Subroutines that ptxas adds have no line, and the one before them is another function's
                _trim(found, functions[-1] if functions else 0, labels)
                functions.append(len(found))
                frames, ptx_line, fresh = (), None, True
            labels.setdefault(label[1], len(found))
    _trim(found, functions[-1] if functions else 0, labels)
    starts = tuple(sorted({0, *functions} & set(range(len(found)))))
    return Listing(instructions=tuple(found), labels=labels, functions=starts)


def _instruction(match: re.Match[str], line: int | None) -> Instruction:
    opcode, modifiers = match[2], tuple(match[3].split(".")[1:])
    operands = tuple(part.strip() for part in match[4].split(",")) if match[4].strip() else ()
    kind = category(opcode, modifiers, operands) if match[1] != "!PT" else "other"
    return Instruction(match[1], opcode, modifiers, operands, line, kind)


def _trim(found: list[Instruction], start: int, labels: dict[str, int]) -> None:
    """Drop what fills a function up to the next 128 bytes: a branch to itself that nothing reaches, and ``NOP``."""
    end = len(found)
    while end > start and found[end - 1].opcode == "NOP":
        end -= 1
    if end > start and found[end - 1].opcode == "BRA" and found[end - 1].guard is None:
        end -= any(labels.get(target) == end - 1 for target in found[end - 1].targets)
    del found[end:]
    for label in reversed(labels):  # in the order of the text: the last ones stand at the end
        if labels[label] <= end:
            break
        labels[label] = end
