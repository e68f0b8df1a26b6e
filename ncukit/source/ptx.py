"""What PTX and Triton's intermediate text tell: width of global accesses by line, tile shapes, buffers."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from ncukit.collect.ttir import locations
from ncukit.source.sass.lines import Lines

_GLOBAL = re.compile(r"\b(ld|st)\.(?:[\w:]+\.)*?global(?:\.[\w:]+)*?(?:\.v(\d+))?\.[busf](\d+)\b")
_ASYNC = re.compile(r"\bcp\.async\.c[ag]\.shared\S*\s.*?,\s*(0x[0-9a-f]+|\d+)\s*[,;]")
_TENSOR = re.compile(r"\btt\.(load|store)\b.*?:\s*(tensor<([\dx]+)x!tt\.ptr<(\w+)>)?")
_LOCATION = re.compile(r"loc\((#loc\d*)\)\s*$")
_ADDRESS = re.compile(r"/\*([0-9a-f]{4,})\*/")
_BUFFER = re.compile(r"ttg\.local_alloc\b(?: \{[^}]*\})?\s*:\s*\(\)\s*->\s*!ttg\.memdesc<(\d+)x")
"""Shared memory that nothing is put into at first: what the pipeliner makes, its number of copies before the tile."""
_NOISE = ("//", ".loc", ".file", ".section", ".b8", ".b32", ".b64", "}", "{", "$L__", ".Ldebug", "$L__tmp")


def facts(text: str, file: str | None = None, span: tuple[int, int] | None = None) -> dict[str, Any]:
    """Accesses by line, and a hash of the instructions that is the same for the same code.

    Args:
        text: PTX.
        file: the kernel's file; with ``span``, its first and last line, an inlined function counts at its call.
        span: see ``file``.

    Returns:
        ``accesses``: ``[line, "load" or "store", bits a thread, instructions]`` for global memory; ``hash``;
        ``async``: asynchronous copies.
    """
    found: dict[tuple[int, str, int], int] = {}
    copies = 0
    lines = Lines(file, span, text)
    body = hashlib.sha256()
    for number, row in enumerate(text.splitlines(), start=1):
        stripped = row.strip()
        if not stripped or stripped.startswith(_NOISE):
            continue
        body.update(re.sub(r"\s*//.*$", "", stripped).encode())
        access, copy = _GLOBAL.search(row), _ASYNC.search(row)
        line = (lines.line((), number) or 0) if access or copy else 0
        if access:
            bits = int(access.group(2) or 1) * int(access.group(3))
            key = (line, "load" if access.group(1) == "ld" else "store", bits)
            found[key] = found.get(key, 0) + 1
        if copy:
            copies += 1
            key = (line, "load", 8 * int(copy.group(1), 0))
            found[key] = found.get(key, 0) + 1
    accesses = [[*key, count] for key, count in sorted(found.items())]
    return {"accesses": accesses, "hash": body.hexdigest(), "async": copies}


def tiles(ttir: str) -> list[list[Any]]:
    """``[line, "load" or "store", elements, type]`` of every tensor access in TTIR; scalars are left out."""
    lines = ttir.splitlines()
    places = locations(lines)
    found = []
    for row in lines:
        access = _TENSOR.search(row)
        if access and access.group(2):
            number = 1
            for size in access.group(3).split("x"):
                number *= int(size)
            place = _LOCATION.search(row)
            found.append([places.get(place.group(1), 0) if place else 0, access.group(1), number, access.group(4)])
    return found


def buffers(ttgir: str) -> int | None:
    """The most copies of a tile that the pipeliner keeps in shared memory; None when it keeps none."""
    if "ttg.async_copy" not in ttgir and "ttng.async_tma_copy" not in ttgir:
        return None
    return max((int(n) for n in _BUFFER.findall(ttgir)), default=None)


def code_bytes(sass: str) -> int:
    """Size of the code section: every instruction takes 16 bytes from compute capability 7.0 on."""
    last = max((int(a, 16) for a in _ADDRESS.findall(sass)), default=None)
    return 0 if last is None else last + 16
