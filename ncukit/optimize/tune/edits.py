"""Where a number stands in a file's text, and the text with other numbers."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterable

_PIECE = re.compile(rb"#[^\r\n]*|.", re.DOTALL)
"""A comment, or one character of what stands between an argument and the end of its call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A piece of a text, from ``start`` to before ``end`` in bytes of UTF-8; empty for a place to insert at."""

    start: int
    end: int
    line: int
    """Line of its start, from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Other text for a span."""

    span: Span
    text: str


class Text:
    """A file's text by the positions of its syntax tree."""

    def __init__(self, code: str) -> None:
        self.raw = code.encode()
        # lines and columns as Python's parser counts them: it does not see a byte order mark
        self._starts = [len(BOM_UTF8) if self.raw.startswith(BOM_UTF8) else 0]
        for line in self.raw[self._starts[0] :].replace(b"\r\n", b"\0\n").replace(b"\r", b"\n").split(b"\n"):
            self._starts.append(self._starts[-1] + len(line) + 1)

    def span(self, node: ast.expr | ast.keyword) -> Span:
        """Where a node of the tree stands."""
        return Span(
            start=self._starts[node.lineno - 1] + node.col_offset,
            end=self._starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0),
            line=node.lineno,
        )

    def read(self, span: Span) -> str:
        """The text of a span."""
        return self.raw[span.start : span.end].decode()

    def added(self, call: ast.Call, keyword: str) -> Edit:
        """The edit that gives a call one more keyword argument (``num_warps=8``)."""
        whole = self.span(call)
        arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
        after = max((self.span(node).end for node in arguments), default=whole.end - 1)
        # what may follow: brackets around the last argument, a comma, comments, line ends
        at, comma = after, False
        for piece in _PIECE.finditer(self.raw[after : whole.end - 1]):
            if piece[0] in (b")", b","):
                at, comma = after + piece.end(), piece[0] == b","
        text = f" {keyword}," if comma else f", {keyword}" if arguments else keyword
        return Edit(span=Span(start=at, end=at, line=call.end_lineno or call.lineno), text=text)

    def edited(self, edits: Iterable[Edit]) -> str:
        """The text with these edits; of two at one place, both in their order."""
        parts, at = [], 0
        for edit in sorted(edits, key=lambda e: e.span.start):
            if edit.span.start < at:
                raise ValueError(f"two edits of line {edit.span.line} overlap")
            parts += [self.raw[at : edit.span.start], edit.text.encode()]
            at = edit.span.end
        return b"".join([*parts, self.raw[at:]]).decode()
