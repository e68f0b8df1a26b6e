"""The Python text of a kernel file, or of a model's answer with prose around its code."""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from ncukit.errors import NcukitError

LARGEST = 4_000_000
"""Bytes of source that are read at most."""
_FENCE = re.compile(r"^\s{0,3}(`{3,}|~{3,})\s*([\w+-]*)[^`]*$")
_PYTHON = ("", "python", "python3", "py", "triton")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceText:
    """Python code on the lines where it stands in the file."""

    path: str
    code: str
    """As many lines as the file; what is not code is left blank."""
    tree: ast.Module
    fenced: bool = False
    """Whether the code was cut out of a text."""


def read_text(path: str) -> SourceText:
    """Read a kernel file, or the fenced Python code of any other text.

    Raises:
        NcukitError: it cannot be read, is too large, or holds no Python.
    """
    try:
        raw = sys.stdin.buffer.read(LARGEST + 1) if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise NcukitError(
            f"cannot read {path}: {error.strerror}",
            causes=("the path is wrong, or it is a folder",),
            next_command="ls kernels/",
        ) from error
    return parse(raw, path)


def parse(raw: bytes, path: str) -> SourceText:
    """``raw`` as Python: all of it, or the code between its fences.

    Raises:
        NcukitError: it is too large, or holds no Python.
    """
    if len(raw) > LARGEST:
        raise NcukitError(
            f"{path} has {len(raw):,} bytes; no more than {LARGEST:,} are read",
            causes=("a kernel file is text of a few kilobytes",),
            next_command=f"head -c 200 {path}",
        )
    text = raw.decode("utf-8", "replace")
    problem = _problem(raw)
    if problem is None:
        return SourceText(path=path, code=text, tree=ast.parse(raw, filename=path))
    code = _fenced(text)
    if code is not None:
        problem = _problem(code.encode())
        if problem is None:
            return SourceText(path=path, code=code, tree=ast.parse(code, filename=path), fenced=True)
    line, why = problem
    raise NcukitError(
        f"{path}:{line}: not Python: {why}" if line else f"{path} is not Python: {why}",
        causes=("the file has a syntax error" if code is None else "its fenced code has a syntax error",),
        next_command=f"python -m py_compile {path}" if code is None else f"sed -n {line or 1}p {path}",
    )


def lines_of(text: str) -> list[str]:
    """Lines as Python's parser counts them: a form feed or a Unicode separator begins no line."""
    lines = re.split(r"\r\n|\r|\n", text)
    return lines if lines[-1] else lines[:-1]


def _problem(raw: bytes) -> tuple[int | None, str] | None:
    """Line and reason why ``raw`` is not Python; None when it is."""
    try:
        ast.parse(raw)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return getattr(error, "lineno", None), str(getattr(error, "msg", None) or error)
    return None


def _fenced(text: str) -> str | None:
    """The Python blocks of a text, every other line left blank; None without one."""
    kept, opened, ours, found = [], "", False, False
    for line in lines_of(text):
        fence = _FENCE.match(line)
        if fence and not opened:
            opened, ours = fence.group(1), fence.group(2).lower() in _PYTHON
            kept.append("")
        elif fence and fence.group(1).startswith(opened) and not fence.group(2):  # as long as it was opened, or longer
            opened = ""
            kept.append("")
        elif opened and ours:
            kept.append(line)
            found = True
        else:
            kept.append("")
    return "\n".join(kept) + "\n" if found else None
