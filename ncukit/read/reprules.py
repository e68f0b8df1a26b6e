"""Rule results out of a ``.ncu-rep`` file, for when ncu itself reads it: its raw page leaves them out.

Protobuf's wire format, as the message and field numbers of "Report File Format" version 7 have it. A file holds an
entry for every rule, also for those that did not fire: these have no items.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ncukit.read import opinions
from ncukit.read.repfile import MAGIC, DamagedReportError, fields

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from ncukit.model import Opinion

_SOURCES, _RESULTS, _PAYLOAD = 1, 2, 5
_RULE_RESULT = 19
_KINDS = {1: "INF", 2: "WRN", 3: "ERR", 4: "OPT"}
"""Message type in the file; NVIDIA's reader numbers them differently."""

Message = dict[int, int | bytes]


def rule_results(path: Path) -> list[tuple[Opinion, ...]]:
    """What NVIDIA's rules say of each launch, in the file's order.

    Raises:
        DamagedReportError: the bytes are no such report.
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        stream.seek(len(MAGIC))
        _message(stream)  # the file's header
        return [_of_launch(launch) for launch in _launches(stream)]


def _launches(stream: BinaryIO) -> Iterator[bytes]:
    """The kernel results of all blocks; a payload holds sources, then results, then what else there is."""
    while (header := _message(stream)) is not None:
        block: Message = dict(fields(header))
        end = stream.tell() + _whole(block, _PAYLOAD)
        sources = _whole(block, _SOURCES)
        for number in range(sources + _whole(block, _RESULTS)):
            message = _message(stream)
            if message is None or stream.tell() > end:
                raise DamagedReportError("a block holds fewer launches than it announces")
            if number >= sources:
                yield message
        stream.seek(end)


def _message(stream: BinaryIO) -> bytes | None:
    """The next length and that many bytes; None at the end of the file."""
    head = stream.read(4)
    if not head:
        return None
    length = int.from_bytes(head, "little")
    message = stream.read(length)
    if len(head) < 4 or len(message) < length:
        raise DamagedReportError("a message leads past the end of the file")
    return message


def _of_launch(launch: bytes) -> tuple[Opinion, ...]:
    said: list[Opinion] = []
    for key, value in fields(launch):
        if key == _RULE_RESULT and isinstance(value, bytes):
            result: Message = dict(fields(value))
            said += [
                _opinion(result, dict(fields(item)))
                for number, item in fields(_bytes(result, 3))
                if number == 1 and isinstance(item, bytes)
            ]
    return opinions.bounded([one for one in said if one.kind])


def _opinion(result: Message, item: Message) -> Opinion:
    message: Message = dict(fields(_bytes(item, 1)))
    speedup: Message = dict(fields(_bytes(item, 10)))
    return opinions.opinion(
        rule=_text(result, 1),
        section=_text(result, 4),
        kind=_KINDS.get(_whole(message, 2), ""),
        title=_text(message, 4),
        message=_text(message, 1),
        speedup=_real(speedup, 2),
        scope=opinions.SCOPES.get(_whole(speedup, 1), ""),
    )


def _bytes(message: Message, key: int) -> bytes:
    value = message.get(key, b"")
    return value if isinstance(value, bytes) else b""


def _text(message: Message, key: int) -> str:
    return _bytes(message, key).decode("utf-8", errors="replace")


def _whole(message: Message, key: int) -> int:
    value = message.get(key, 0)
    return value if isinstance(value, int) else 0


def _real(message: Message, key: int) -> float | None:
    raw = _bytes(message, key)
    formats = {8: "<d", 4: "<f"}
    return float(struct.unpack(formats[len(raw)], raw)[0]) if len(raw) in formats else None
