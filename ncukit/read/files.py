"""Getting at the bytes: a path or standard input, in UTF-8 or in what a Windows shell makes of it."""

from __future__ import annotations

import codecs
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from ncukit.errors import NcukitError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 20

# PowerShell's ">" writes UTF-16 with a byte order mark. The UTF-32 marks begin like those of UTF-16: test
# them first.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@contextmanager
def on_disk(path: str) -> Iterator[Path]:
    """A seekable file for what the user named; standard input (``-``) is copied to a temporary one.

    Raises:
        NcukitError: the path is missing, or is no regular file.
    """
    if path != "-":
        yield _existing(path)
        return
    with tempfile.NamedTemporaryFile(prefix="ncukit-stdin-") as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        yield Path(copy.name)


def _existing(path: str) -> Path:
    try:
        found = Path(path)
        if found.exists():
            return found
    except (OSError, ValueError) as error:  # a NUL byte in the name, a name too long
        raise unreadable(path, error) from error
    raise NcukitError(
        f"no such file or directory: {path}",
        causes=("the name is misspelt, or relative to another folder", "the profiling run wrote nothing"),
        next_command="ncukit profile KERNEL.py",
    )


def unreadable(path: str, error: Exception) -> NcukitError:
    """The error for a file that the system refuses to open or read."""
    reason = getattr(error, "strerror", None) or str(error)
    return NcukitError(
        f"cannot read {path}: {reason}",
        causes=("ncu ran as root and left files that only root may read", "the path is not a file"),
        next_command=f"ls -l {path}",
    )


@contextmanager
def opened(path: Path, name: str) -> Iterator[BinaryIO]:
    """The file's bytes as UTF-8, seekable; UTF-16 and UTF-32 with a byte order mark are converted on the way.

    Args:
        path: where the bytes are.
        name: what the user called it, for messages.

    Raises:
        NcukitError: the system refuses to read it.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(4)
            stream.seek(0)
            encoding = next((encoding for mark, encoding in _MARKS if head.startswith(mark)), None)
            if encoding is None:
                yield stream
                return
            with tempfile.TemporaryFile() as converted:
                _convert(stream, cast("BinaryIO", converted), encoding)
                converted.seek(0)
                yield cast("BinaryIO", converted)
    except OSError as error:
        raise unreadable(name, error) from error


def _convert(stream: BinaryIO, target: BinaryIO, encoding: str) -> None:
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    while chunk := stream.read(_CHUNK):
        target.write(decoder.decode(chunk).encode("utf-8", errors="replace"))
    target.write(decoder.decode(b"", final=True).encode("utf-8", errors="replace"))
