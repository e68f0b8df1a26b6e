"""JSON from outside: bounded, duplicate keys refused, and every way it can be wrong turned into one error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ncukit.errors import NcukitError
from ncukit.read.files import unreadable

if TYPE_CHECKING:
    from pathlib import Path

SIZE_LIMIT = 64 << 20
SCHEMA_VERSION = 1


def load(path: Path, name: str) -> str:
    """The text of a JSON (or brief) file.

    Raises:
        NcukitError: too large, unreadable, or not text.
    """
    try:
        if path.stat().st_size > SIZE_LIMIT:
            raise NcukitError(
                f"{name} is larger than {SIZE_LIMIT >> 20} MiB",
                causes=("it is no metrics JSON: one kernel takes a few kilobytes",),
                next_command="ncukit diagnose REPORT.csv",
            )
        raw = path.read_bytes()
    except OSError as error:
        raise unreadable(name, error) from error
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return raw.decode(encoding, errors="replace")


def parse(text: str, name: str) -> Any:
    """The value of a JSON document.

    Raises:
        NcukitError: malformed, nested too deeply, or with a key twice in one object.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is a ValueError, too
        raise malformed(name, _why(error)) from error


def parse_prefix(text: str, name: str) -> Any:
    """The JSON value at the start of ``text``, whatever follows it.

    Raises:
        NcukitError: as for :func:`parse`.
    """
    try:
        return json.JSONDecoder(object_pairs_hook=_unique).raw_decode(text)[0]
    except (ValueError, RecursionError) as error:
        raise malformed(name, _why(error)) from error


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} in line {error.lineno}, column {error.colno}"
    return str(error)[:200]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"'{key[:80]}' stands twice in one object")
        found[key] = value
    return found


def malformed(name: str, why: str) -> NcukitError:
    """The error for a JSON file that cannot be understood."""
    return NcukitError(
        f"{name} cannot be understood: {why}",
        causes=("it was cut off or edited", "it is not a file of this kind"),
        next_command="ncukit profile KERNEL.py",
    )


def versioned(text: str, name: str) -> dict[str, Any]:
    """A document with a ``schema_version`` that this ncukit knows.

    Raises:
        NcukitError: malformed, or written by a newer ncukit.
    """
    document = parse(text, name)
    if not isinstance(document, dict):
        raise malformed(name, "an object was expected")
    version = document.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise malformed(name, "schema_version is missing")
    if version > SCHEMA_VERSION:
        raise NcukitError(
            f"{name} has schema version {version}; this ncukit reads up to {SCHEMA_VERSION}",
            causes=("a newer ncukit wrote it",),
            next_command="pip install --upgrade ncukit",
        )
    return document
