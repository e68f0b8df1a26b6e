"""Annotations of GitHub's workflow commands, and paths as CI services want them."""

from __future__ import annotations

from pathlib import PureWindowsPath
from typing import TYPE_CHECKING

from ncukit.render.gate_text import MOST_WORDS, bounded

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST = 10
"""Annotations a step."""
_MOST_MESSAGE = 4000
"""Characters of a message: the runner cuts it after 4096."""


def command(level: str, properties: Mapping[str, str], message: str) -> str:
    """``::error file=F,line=L,title=T::message``, escaped as actions/toolkit does; empty properties are left out."""
    given = ",".join(f"{name}={_property(value)}" for name, value in properties.items() if value)
    return f"::{level} {given}::{_data(bounded(message, _MOST_MESSAGE))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def relative(path: str) -> str:
    """A path as CI services want it, with ``/``; empty when it is absolute, leads out, or is no name of a file."""
    if not path or len(path) > MOST_WORDS or not path.isprintable():
        return ""
    parts = PureWindowsPath(path)  # it knows both kinds of separator, and drives
    if parts.drive or parts.root or ".." in parts.parts or not parts.parts:
        return ""
    return "/".join(parts.parts)
