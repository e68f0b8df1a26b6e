"""Which source line an instruction belongs to.

A disassembly names a line with ``//## File "…", line N`` wherever it changes. With ``-g`` that is the line of the
innermost function: ``tl.sum`` shows as a line of Triton's ``standard.py``. ``-gi`` would add where it is inlined, but a
cubin of Triton has no such records (3.6 and 3.7, all architectures: ``-g`` and ``-gi`` print the same), because ptxas
reads the calls only from ``inlined_at`` and LLVM writes them as a comment::

    .loc	2 293 36    // standard.py:293:36 @[ instance_norm.py:44:19 ]

``-gp`` gives the line of the PTX that an instruction comes from, and that comment is what stands there. So the chain of
calls is found through the PTX text, and without one an inlined instruction has no line of the kernel's own. Both forms
of chain are read, in case a later Triton tells ptxas.

Line 0 is LLVM's word for code that it moved or merged: no line, rather than the one before it that ptxas then shows.

Triton writes its loads and stores as inline assembly of several lines. From Triton 3.9 on LLVM counts a source line on
for each of them, so what it says within such a block is not looked at.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Frame = tuple[str, int]
"""File and line."""
PTX = ".nv_debug_ptx_txt"
"""Name that nvdisasm gives the PTX."""

COMMENT = re.compile(r'\s*//## File "([^"]*)", line ([0-9]{1,9})(?:,? inlined at "([^"]*)", line ([0-9]{1,9}))?')
_LOC = re.compile(r"\s*\.loc\s+([0-9]{1,9})\s+([0-9]{1,9})\b(?:[^/]*//\s*(.*))?")
_FILE = re.compile(r'\s*\.file\s+([0-9]{1,9})\s+"([^"]*)"(?:\s+"([^"]*)")?')
_CALL = re.compile(r"(.*?):([0-9]{1,9}):[0-9]+[\s\]]*$")


class Lines:
    """Source line of instructions."""

    def __init__(self, file: str | None, span: tuple[int, int] | None, ptx: str | None) -> None:
        self._file = _parts(file) if file else None
        self._span = span
        self._starts, self._chains = _locations(ptx) if ptx else ([], [])
        self._known: dict[tuple[tuple[Frame, ...], int | None], int | None] = {}

    def line(self, frames: tuple[Frame, ...], ptx_line: int | None) -> int | None:
        """The line, in the kernel's own file and span, of an instruction that the disassembly puts at ``frames``.

        Args:
            frames: Innermost function first.
            ptx_line: Where it stands in the PTX; None when that is unknown.
        """
        key = frames, ptx_line
        if key not in self._known:
            self._known[key] = self._outermost(self._chain(ptx_line) or frames)
        return self._known[key]

    def _chain(self, ptx_line: int | None) -> tuple[Frame, ...]:
        at = bisect_right(self._starts, ptx_line) if ptx_line is not None else 0
        return self._chains[at - 1] if at else ()

    def _outermost(self, frames: Sequence[Frame]) -> int | None:
        for file, line in reversed(frames):
            if self._file is not None and not _same(self._file, _parts(file)):
                continue
            if line and (self._span is None or self._span[0] <= line <= self._span[1]):
                return line
        return None


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.replace("\\", "/").split("/") if part not in ("", ".", ".."))


def _same(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    """Whether two paths may be one file: a comment in PTX has the last part only, and users type relative paths."""
    shared = min(len(a), len(b))
    return bool(shared) and a[-shared:] == b[-shared:]


def _locations(ptx: str) -> tuple[list[int], list[tuple[Frame, ...]]]:
    """Lines of the PTX on which another source position begins, and the chain of calls there, innermost first."""
    text = ptx.splitlines()
    files = {m[1]: f"{m[2]}/{m[3]}" if m[3] else m[2] for m in map(_FILE.match, text) if m}
    starts, chains = [], []
    inline = False
    for number, line in enumerate(text, start=1):
        inline = "// begin inline asm" in line or (inline and "// end inline asm" not in line)
        found = _LOC.match(line) if ".loc" in line and not inline else None
        if found:
            starts.append(number)
            calls = [_CALL.match(call) for call in (found[3] or "").split(" @[ ")[1:]]
            chains.append(((files.get(found[1], ""), int(found[2])), *((c[1], int(c[2])) for c in calls if c)))
    return starts, chains
