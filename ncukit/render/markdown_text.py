"""Text from outside in Markdown, so that nothing of it acts: no tag, no link, no mention, and no end of a cell."""

from __future__ import annotations

import re

from ncukit.render.gate_text import MOST_NAME, MOST_WORDS, bounded

MOST_BYTES = 1_000_000
"""Below GitHub's 1,048,576 bytes a step, with room for what a pipeline writes beside it."""
# an underscore within a word is no emphasis
_ACTIVE = re.compile(r"[\\`*\[\]|~$<>&@#]|(?<![a-z0-9])_|_(?![a-z0-9])|://|www\.", re.IGNORECASE)
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
# a character of no width behind it keeps GitHub from seeing a mention, an issue or an address
_BROKEN = {"@": "@&#8203;", "#": "#&#8203;", "://": ":&#8203;//"}


def code(text: str, most: int = MOST_NAME) -> str:
    """Text from outside as a code span on one line; a backtick is shown as ``\\x60``."""
    shown = bounded(text, most).replace("`", r"\x60")
    # a table is split at its pipes before code spans are seen, and parsers differ on a backslash before an escaped one
    shown = shown.replace("\\|", r"\x5c|").replace("|", r"\|")
    return f"`{shown}`" if shown.strip() else "-"


def prose(text: str) -> str:
    """Words with parts from outside, so that no part of them acts as Markdown, HTML, a link or a mention."""
    return _ACTIVE.sub(_inert, bounded(text, MOST_WORDS))


def _inert(found: re.Match[str]) -> str:
    text = found[0]
    if text.lower() == "www.":
        return f"{text[:3]}&#8203;."
    return _ENTITIES.get(text) or _BROKEN.get(text) or f"\\{text}"


def spans(text: str) -> str:
    """Words with code between backticks, so that nothing from outside acts as Markdown."""
    parts = bounded(text, MOST_WORDS).split("`")
    if len(parts) % 2 == 0:
        return prose(text)
    return "".join(code(part, MOST_WORDS) if i % 2 and part.strip() else prose(part) for i, part in enumerate(parts))
