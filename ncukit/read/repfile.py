r"""The frame of a ``.ncu-rep`` file: enough of it to know that it is whole, and which processes it holds.

Little endian: ``NVR\0``, then a length and the file header, then blocks of a length, a block header and a
payload whose size the header tells (documented as "Report File Format"). NVIDIA's reader does not complain of
a file that is cut off: it returns fewer launches, or none. So the blocks are walked first, and their launches
counted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAGIC = b"NVR\0"
COMPRESSED_MAGIC = b"\x28\xb5\x2f\xfd"
"""zstd, as in ``.ncu-repz`` files of 2026.3; their frame is not looked at."""

_RESULTS, _PAYLOAD, _PROCESS, _PID = 2, 5, 6, 1
_VERSION = re.compile(rb"(20\d\d\.\d+\.\d+)\.\d+ \(build \d+\)")


@dataclass(frozen=True, slots=True)
class Summary:
    """What the block headers tell."""

    launches: int
    process: int
    """Process id when all launches come from one process, else 0."""
    ncu_version: str


class DamagedReportError(ValueError):
    """The file does not add up."""


def summary(path: Path) -> Summary:
    """Walk the blocks of a report.

    Raises:
        DamagedReportError: lengths lead past the end of the file, or a header cannot be read.
        OSError: the file cannot be read.
    """
    launches, processes, version, size = 0, set(), "", path.stat().st_size
    with path.open("rb") as stream:
        offset = len(MAGIC)
        for number in range(1 << 20):
            stream.seek(offset)
            head = stream.read(4)
            if number and not head:
                break
            length = int.from_bytes(head, "little")
            message = stream.read(length) if length <= size else b""
            if len(head) < 4 or len(message) < length:
                raise DamagedReportError(f"a block at byte {offset} leads past the end of the file")
            offset += 4 + length
            if not number:
                continue
            found = _VERSION.search(message)
            version = version or (found[1].decode("ascii") if found else "")
            for key, value in fields(message):
                if key == _RESULTS and isinstance(value, int):
                    launches += value
                elif key == _PAYLOAD and isinstance(value, int):
                    offset += value
                elif key == _PROCESS and isinstance(value, bytes):
                    processes |= {v for k, v in fields(value) if k == _PID and isinstance(v, int)}
    if offset != size:
        raise DamagedReportError(f"it ends {abs(offset - size)} bytes {'early' if offset > size else 'late'}")
    return Summary(launches=launches, process=processes.pop() if len(processes) == 1 else 0, ncu_version=version)


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of a message in protobuf's wire format: varints as int, everything else as bytes.

    Raises:
        DamagedReportError: the bytes are no such message.
    """
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            number, at = _varint(message, at)
            yield tag >> 3, number
            continue
        if kind == 2:
            length, at = _varint(message, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise DamagedReportError(f"unknown wire type {kind}")
        if at + length > len(message):
            raise DamagedReportError("a field leads past the end of its message")
        yield tag >> 3, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise DamagedReportError("a number is cut off")
