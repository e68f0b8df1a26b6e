"""The careful reader: rows one by one, for tables that anything interrupts.

Slower than the fast path in :mod:`ncukit.read.fast` and indifferent to what stands between the rows: log
lines, the program's output, a second header, rows cut in two, kernel names with line breaks.
"""

from __future__ import annotations

import csv
import io
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from ncukit.read.scan import LINE_LIMIT, Header, binary, header, record, text_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.read.chatter import Chatter

_MOST_LINES_A_ROW = 16
# Without quotes around its cells a row is told from the program's output by its identification columns.
_COMMAS_OF_A_ROW = 10


@contextmanager
def sifted(stream: BinaryIO, first: Header, chatter: Chatter) -> Iterator[BinaryIO | None]:
    """The table without the lines that interrupt it, when that is all that is wrong with it, else None.

    The fast path reads the result; row by row, half a million launches would take ten times as long.

    Args:
        stream: behind the header line.
        first: that header.
        chatter: takes the lines in between.

    Yields:
        The row of units and the rows below it, in a temporary file.

    Raises:
        NcukitError: binary data.
    """
    with tempfile.TemporaryFile() as rows:
        if first.quoted and _sift(stream, rows, 2 * len(first.names), chatter):
            rows.seek(0)
            yield cast("BinaryIO", rows)
        else:
            yield None


def _sift(stream: BinaryIO, rows: IO[bytes], quotes: int, chatter: Chatter) -> bool:
    """Copy the rows; whether there were lines between them and no other trouble."""
    foreign = False
    while raw := stream.readline(LINE_LIMIT):
        if raw.startswith(b'"'):
            if raw.count(b'"') != quotes or raw.startswith(b'"ID",') or not raw.endswith(b"\n"):
                return False
            rows.write(raw)
        elif b"\0" in raw:
            raise binary()
        else:
            foreign = True
            chatter.hear(text_line(raw))
    return foreign


@dataclass(slots=True)
class Table:
    """One header and the rows below it."""

    header: Header
    rows: list[list[str]] = field(default_factory=list)


@dataclass(slots=True)
class Losses:
    """Rows that could not be used."""

    broken: int = 0
    """Rows with the wrong number of cells, inside the table."""
    truncated: bool = False
    """Whether the last row is cut off."""

    def notes(self) -> list[str]:
        """What to say of them."""
        notes = []
        if self.truncated:
            notes.append("the file is cut off: its last row is left out")
        if self.broken:
            notes.append(f"{self.broken} damaged row(s) are left out")
        return notes


def tables(stream: BinaryIO, first: Header, chatter: Chatter) -> tuple[list[Table], Losses]:
    """All tables from here to the end of the stream.

    Args:
        stream: behind the first header line.
        first: that header.
        chatter: takes every line that is no row.

    Raises:
        NcukitError: binary data, or a page that holds no launches.
    """
    found = [Table(first)]
    losses = Losses()
    for row, line in _records(stream, found, losses):
        if row is None:
            again = header(line)
            if again is not None:
                found.append(Table(again))
            else:
                chatter.hear(line)
        else:
            found[-1].rows.append(row)
    return found, losses


def _records(stream: BinaryIO, found: list[Table], losses: Losses) -> Iterator[tuple[list[str] | None, str]]:
    """(row, line) for each line or run of lines that makes a row; row is None for any other line."""
    pending: list[bytes] = []
    while raw := pending.pop(0) if pending else stream.readline(LINE_LIMIT):
        if b"\0" in raw:
            raise binary()
        line = text_line(raw)
        current = found[-1].header
        if line.startswith('"') != current.quoted or line.startswith(('"ID",', "ID,")):
            yield None, line
            continue
        # A quote left open continues on the next line, as in a kernel name with a line break.
        text = raw
        taken: list[bytes] = []
        while text.count(b'"') % 2 and len(taken) < _MOST_LINES_A_ROW:
            more = pending.pop(0) if pending else stream.readline(LINE_LIMIT)
            if not more:
                break
            taken.append(more)
            text += more
        row = _cells(text, current)
        last = not pending and not text.endswith(b"\n")
        if row is not None and not (last and not current.quoted):
            yield row, line
            continue
        # Not a row after all: look at the lines that were taken along one by one.
        pending = taken + pending
        if current.quoted or line.count(",") >= _COMMAS_OF_A_ROW:
            losses.truncated = losses.truncated or (last and not taken)
            losses.broken += not (last and not taken)
        yield None, line


def _cells(raw: bytes, current: Header) -> list[str] | None:
    text = raw.decode("utf-8", errors="replace").rstrip("\r\n")
    row = _multiline(text) if "\n" in text else record(text)
    if row is None or not _fits(row, current):
        return None
    return row


def _multiline(text: str) -> list[str] | None:
    try:
        return next(csv.reader(io.StringIO(text, newline=""), strict=True), None)
    except csv.Error:
        return None


def _fits(row: list[str], current: Header) -> bool:
    if current.page == "raw":
        return len(row) == len(current.names)
    # Details rows are ragged: metric rows end with one empty cell where the rule columns begin.
    needed = current.names.index("Metric Value")
    return needed < len(row) <= len(current.names)
