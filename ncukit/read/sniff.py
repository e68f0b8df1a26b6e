"""What a file is, by its content: names lie, and CSV comes as .log, .txt and .out."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ncukit.errors import Exit, NcukitError
from ncukit.read import scan
from ncukit.read.chatter import Chatter
from ncukit.read.files import opened
from ncukit.read.long import read_long
from ncukit.read.metrics_json import MARKER
from ncukit.read.repfile import COMPRESSED_MAGIC, MAGIC
from ncukit.read.wide import read_wide

if TYPE_CHECKING:
    from pathlib import Path

    from ncukit.read.assemble import Draft

_HEAD = 1 << 16


class Kind(Enum):
    """What there is to read."""

    REP = "ncu-rep"
    JSON = "metrics-json"
    TABLE = "csv"
    DIRECTORY = "run-directory"


def kind_of(path: Path, name: str) -> Kind:
    """The kind of what lies at ``path``.

    Raises:
        NcukitError: it is empty, or cannot be opened.
    """
    if path.is_dir():
        return Kind.DIRECTORY
    with opened(path, name) as stream:
        head = stream.read(_HEAD)
        if not head:
            raise NcukitError(
                f"{name} is empty",
                causes=("the profiling run failed before it wrote anything", "the disk was full"),
                next_command="ncukit profile KERNEL.py",
            )
        if head.startswith((MAGIC, COMPRESSED_MAGIC)):
            return Kind.REP
        text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
        if text.startswith((b"{", b"[")):
            return Kind.JSON
        # A brief holds its metrics behind some kilobytes of source code.
        return Kind.JSON if MARKER.encode() in head else Kind.TABLE


def read_table(path: Path, *, name: str) -> tuple[Draft, str]:
    """Read either CSV page.

    Returns:
        The draft and its dialect, ``csv-raw`` or ``csv-details``.

    Raises:
        NcukitError: there is no table, or no launch in it.
    """
    with opened(path, name) as stream:
        chatter = Chatter()
        try:
            header = scan.find_header(stream, chatter)
            if header is None:
                raise _no_table(chatter, name)
            if header.page == "details":
                return read_long(stream, header, chatter, path=name), "csv-details"
            return read_wide(stream, header, chatter, path=name), "csv-raw"
        except NcukitError as error:
            raise _named(error, name) from error.__cause__


def _no_table(chatter: Chatter, name: str) -> NcukitError:
    if chatter.spoke:
        return chatter.nothing_measured(name, why="there is no table in ncu's output")
    return NcukitError(
        f"{name} is nothing that ncukit reads",
        causes=(
            "it is not ncu's CSV (--csv --page raw), an .ncu-rep file, a metrics JSON or a run directory",
            "ncu wrote its plain tables because --csv was not given",
        ),
        next_command="ncukit profile KERNEL.py",
    )


def _named(error: NcukitError, name: str) -> NcukitError:
    """The same error with the file's name in its message."""
    if name in error.message:
        return error
    return NcukitError(
        f"{name}: {error.message}",
        causes=error.causes,
        next_command=error.next_command,
        exit_code=Exit(error.exit_code),
        detail=error.detail,
    )
