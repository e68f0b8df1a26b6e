"""What every SARIF 2.1.0 document of ncukit shares: its frame, its limits, and how places and texts are written."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ncukit import __version__
from ncukit.render.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MOST_RESULTS = 5000
"""GitHub keeps so many results of a run, and says nothing of the others (GitHub's page on SARIF support)."""
MOST_WORDS = 1000
"""Characters of a message; a name or a sentence out of a report may be of any length."""
MOST_NAME = 300
"""Characters of a name or of what a reading is compared with."""
MOST_LISTED = 20
"""Kernels, notes and readings listed in one place."""


def document(run: Mapping[str, Any], rules: Iterable[Mapping[str, Any]]) -> str:
    """One run of ncukit as text.

    Args:
        run: the run without its tool.
        rules: the rules that its results name, by index.
    """
    driver = {"name": "ncukit", "version": __version__, "rules": list(rules)}
    whole = {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, **run}]}
    return json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def uri(path: str, root: Path | None) -> str | None:
    """``path`` as a URI below the checkout, or None: never absolute, never out of it."""
    if len(path) > MOST_WORDS or "\0" in path:
        return None
    if root is not None and Path(path).is_absolute() and Path(path).is_relative_to(root):
        path = str(Path(path).relative_to(root))
    parts = PureWindowsPath(path)  # knows both kinds of separator, and drives
    if parts.drive or parts.root or ".." in parts.parts or not parts.parts:
        return None
    return quote("/".join(parts.parts), safe="/", errors="replace")


def location(at: str, region: Mapping[str, int]) -> dict[str, Any]:
    """A place in the source: a URI and lines and columns there."""
    return {"physicalLocation": {"artifactLocation": {"uri": at, "uriBaseId": "%SRCROOT%"}, "region": dict(region)}}


def fingerprint(*parts: str) -> str:
    """A mark of what makes a result the same one in the next run."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:16]


def message(text: str, most: int = MOST_WORDS) -> str:
    """Text from outside as a message: on one line, bounded, without what a viewer would obey."""
    shown = visible(text[: most + 1])
    # to a viewer these are a link and a placeholder for an argument; none is to be had from a kernel's name
    shown = shown.replace("](", "] (").replace("{", "(").replace("}", ")")
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def camel(slug: str) -> str:
    """``LoopExit`` of ``loop-exit``, as names of rules are written."""
    return "".join(part.capitalize() for part in slug.split("-"))


def notice(level: str, text: str) -> dict[str, Any]:
    """Something about the run itself."""
    return {"level": level, "message": {"text": visible(text)[:MOST_WORDS]}}


def short(text: str) -> str:
    """A name from outside."""
    return visible(text[:MOST_NAME])


def number(value: float) -> float | None:
    """JSON has no NaN and no infinity."""
    return value if math.isfinite(value) else None
