"""Finding the table in ncu's output: by its header line, with bytes, without reading the file into memory.

ncu writes its log lines and the profiled program's output into the same stream as the CSV, so the table may
start anywhere and be followed by anything. The header is the line that starts with ``"ID","Process ID",``.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal

import numpy as np

from ncukit.errors import NcukitError

if TYPE_CHECKING:
    from ncukit.read.chatter import Chatter

_CHUNK = 1 << 18  # fits the second-level cache; larger chunks scan slower
LINE_LIMIT = 1 << 22
"""Longest line that is looked at: a ``--set full`` header has about 150 kB."""

Page = Literal["raw", "details"]
_NEWLINE, _QUOTE = 10, 34


@dataclass(frozen=True, slots=True)
class Header:
    """A table's header line."""

    names: tuple[str, ...]
    page: Page
    quoted: bool
    """Whether names stand in quotes, as ncu writes them; a file saved again by another program has none."""


@dataclass(frozen=True, slots=True)
class Block:
    """Where the data rows of a table lie when nothing interrupts them."""

    start: int
    end: int
    """Byte offsets: of the first data row, and past the last complete one."""
    rows: int
    truncated: bool = False
    """Whether a row follows that is cut off."""


def record(line: str) -> list[str] | None:
    """The fields of one CSV line, or None when it is none."""
    try:
        return next(csv.reader([line], strict=True), None)
    except csv.Error:
        return None


def text_line(raw: bytes) -> str:
    """A line decoded: kernel names may hold bytes of any encoding."""
    return raw.decode("utf-8", errors="replace").rstrip("\r\n")


def header(line: str) -> Header | None:
    """The header that this line is, or None.

    Raises:
        NcukitError: it is the header of a page that holds no launches, such as a summary.
    """
    line = line.removeprefix("\ufeff")
    if not line.startswith(('"ID",', "ID,", '"Process ID",', '"Domain",', '"Kernel Name","')):
        return None
    names = record(line)
    if names is None or "Kernel Name" not in names:
        return None
    if names[0] != "ID":
        _other_page(names)
        return None
    page: Page = "details" if {"Section Name", "Metric Name", "Metric Value"} <= set(names) else "raw"
    return Header(names=tuple(names), page=page, quoted=line.startswith('"'))


def _other_page(names: list[str]) -> None:
    if "Minimum" in names or "Invocations" in names:
        raise NcukitError(
            "this is a summary page (--print-summary): it has no launches",
            causes=("ncu averaged the launches before writing them",),
            next_command="ncu --import REPORT.ncu-rep --csv --page raw",
        )
    if names[0] == "Kernel Name" and len(names) == 2:
        raise NcukitError(
            "this is ncu's source page: it has lines of code, not launches",
            next_command="ncu --import REPORT.ncu-rep --csv --page raw",
        )


def find_header(stream: BinaryIO, chatter: Chatter) -> Header | None:
    """Read past the first header line and return it; None when there is no header."""
    while raw := stream.readline(LINE_LIMIT):
        if b"\0" in raw:
            raise binary()
        line = text_line(raw)
        found = header(line)
        if found is not None:
            return found
        chatter.hear(line)
    return None


def binary() -> NcukitError:
    """The error for bytes that are no text."""
    return NcukitError(
        "the file holds binary data where text was expected",
        causes=("it is damaged, or no report", "it is UTF-16 without a byte order mark"),
        next_command="file REPORT",
    )


def clean_block(stream: BinaryIO, columns: int, chatter: Chatter) -> Block | None:
    """Check that every line from here to the end of the table is a whole row; None when any is not.

    Only bytes are counted: each line begins with a quote, and the quotes add up to two a cell. Lines after
    the table are given to ``chatter``.

    Raises:
        NcukitError: binary data.
    """
    start = stream.tell()
    found = _count(stream)
    truncated = False
    if found.tail:  # the last line has no end: it may still be a whole row
        stream.seek(start + found.size - found.tail)
        tail = stream.read(found.tail)
        cells = record(text_line(tail)) if found.tail < LINE_LIMIT else None
        truncated = cells is None or len(cells) != columns
        if truncated:
            found.size -= found.tail
            found.quotes -= tail.count(b'"')
        else:
            found.lines += 1
    stream.seek(start + found.size)
    while not truncated and (raw := stream.readline(LINE_LIMIT)):
        if raw.startswith(b'"') or b"\0" in raw:
            return None
        chatter.hear(text_line(raw))
    if not found.lines or found.quotes != 2 * columns * found.lines:
        return None
    return Block(start=start, end=start + found.size, rows=found.lines, truncated=truncated)


@dataclass(slots=True)
class _Counts:
    """Sums over the lines up to the first that begins without a quote."""

    size: int = 0
    lines: int = 0
    quotes: int = 0
    tail: int = 0
    """Bytes after the last newline."""


def _count(stream: BinaryIO) -> _Counts:
    found = _Counts()
    previous = _NEWLINE
    while chunk := stream.read(_CHUNK):
        data = np.frombuffer(chunk, dtype=np.uint8)
        if chunk.find(b"\0") >= 0:
            raise binary()
        quote = data == _QUOTE
        newline = data == _NEWLINE
        if previous == _NEWLINE and not quote[0]:
            break
        foreign = np.flatnonzero(newline[:-1] & ~quote[1:])
        stop = int(foreign[0]) + 1 if foreign.size else len(data)
        found.size += stop
        found.lines += int(np.count_nonzero(newline[:stop]))
        found.quotes += int(np.count_nonzero(quote[:stop]))
        last = chunk.rfind(b"\n", 0, stop)
        found.tail = stop - last - 1 if last >= 0 else found.tail + stop
        previous = int(data[stop - 1])
        if foreign.size:
            break
    return found


class Window(io.RawIOBase):
    """The bytes of ``stream`` between two offsets, as a file that pandas can read."""

    def __init__(self, stream: BinaryIO, block: Block) -> None:
        super().__init__()
        self._stream = stream
        self._left = block.end - block.start
        stream.seek(block.start)

    def readable(self) -> bool:
        """Whether it can be read: always."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill ``buffer`` from the window."""
        chunk = self._stream.read(min(len(buffer), self._left))
        buffer[: len(chunk)] = chunk
        self._left -= len(chunk)
        return len(chunk)
