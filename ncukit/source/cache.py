"""Answers kept by content: an unchanged file under unchanged versions is not run and compiled again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST = 256 * 2**20
"""Bytes that the folder may hold; the oldest answers go first."""
LOOK_EVERY_S = 3600.0


def folder() -> Path | None:
    """Where answers are kept, or None where there is no place: ``NCUKIT_CACHE_DIR``, else the user's cache folder."""
    given = os.environ.get("NCUKIT_CACHE_DIR")
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - may have no home
    place = Path(given) if given else Path(base) / "ncukit"
    place = place / "inspect"
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return None
    return place if os.access(place, os.W_OK) else None


@cache
def own_code() -> str:
    """Hash of the code that makes the answers: another ncukit may see more in the same file."""
    root = Path(__file__).resolve().parent
    digest = hashlib.sha256()
    shared = [root.parent / "collect" / name for name in ("ttir.py", "harness.py")]
    for path in sorted([*root.rglob("*.py"), *shared]):
        state = path.stat()
        digest.update(f"{path.relative_to(root.parent)} {state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def key(parts: Mapping[str, Any]) -> str:
    """Hash of everything that an answer depends on."""
    text = json.dumps({**parts, "own": own_code()}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def load(place: Path | None, name: str) -> dict[str, Any] | None:
    """The answer kept under ``name``, if the files that it was made of are as they were."""
    if place is None:
        return None
    path = place / f"{name}.json"
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        for file, digest in kept["files"].items():
            if hashlib.sha256(Path(file).read_bytes()).hexdigest() != digest:
                return None
        with contextlib.suppress(OSError):
            os.utime(path)  # what is used stays
        return dict(kept)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def store(place: Path | None, name: str, answer: Mapping[str, Any]) -> None:
    """Keep an answer; a full or read-only disk only costs the next run its time."""
    if place is None:
        return
    with contextlib.suppress(OSError):
        beside = place / f".{name}.{os.getpid()}"
        beside.write_text(json.dumps(answer), encoding="utf-8")
        beside.replace(place / f"{name}.json")
        _tidy(place)


def _tidy(place: Path) -> None:
    looked = place / ".looked"
    if looked.exists() and time.time() - looked.stat().st_mtime < LOOK_EVERY_S:
        return
    looked.touch()
    kept = sorted(((p.stat().st_mtime, p.stat().st_size, p) for p in place.glob("**/*.json")), reverse=True)
    total = 0
    for _, size, path in kept:
        total += size
        if total > LARGEST:
            path.unlink(missing_ok=True)
    for empty in place.glob("compiled-*"):
        with contextlib.suppress(OSError):  # not empty
            empty.rmdir()
