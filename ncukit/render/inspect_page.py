"""A page of plain lines: wrapped to a width, indented, painted."""

from __future__ import annotations

import textwrap

from ncukit.render.inspect_text import several
from ncukit.render.text import paint

_SEVERITY_STYLE = {"error": "red", "warning": "yellow"}


class Page:
    """Lines, and how wide and colourful they may be."""

    def __init__(self, color: bool, width: int) -> None:
        self.lines: list[str] = []
        self.color = color
        self.width = width

    def paint(self, text: str, style: str) -> str:
        """``text`` in a style, where colour is wanted."""
        return paint(text, style, self.color)

    def add(self, text: str, indent: str = "", hanging: str | None = None, style: str = "", head: str = "") -> None:
        """Text in as many lines as it takes; a word longer than a line stays whole.

        Args:
            text: already made visible and bounded.
            indent: before the first line.
            hanging: before the others; the same when it is not given.
            style: colour; of ``head`` alone, where there is one.
            head: how the text begins.
        """
        drawn = textwrap.wrap(
            text,
            self.width,
            initial_indent=indent,
            subsequent_indent=indent if hanging is None else hanging,
            break_long_words=False,
            break_on_hyphens=False,
        )
        if style and not head:
            drawn = [self.paint(line, style) for line in drawn]
        elif style and drawn:
            drawn[0] = drawn[0].replace(head, self.paint(head, style), 1)
        self.lines += drawn

    def heading(self, text: str) -> None:
        """An empty line and a title."""
        self.lines += ["", self.paint(text, "bold")]

    def table(self, drawn: list[str], *, head: bool = True) -> None:
        """Aligned lines, indented."""
        self.lines += [f"  {self.paint(line, 'dim') if head and i == 0 else line}" for i, line in enumerate(drawn)]

    def more(self, count: int, what: str, indent: str = "  ") -> None:
        """What is left out, if anything is."""
        if count > 0:
            self.add(f"… and {several(count, f'more {what}')} (--format json has all)", indent, style="dim")

    def problem(self, place: str, text: str, severity: str, instead: str) -> None:
        """``path:line:column`` with what is wrong there, and what to write."""
        at = f"{place}  " if place else ""
        self.add(f"{at}{text}", "  ", "      ", style=_SEVERITY_STYLE.get(severity, "dim"), head=place)
        if instead:
            self.add(f"instead: {instead}", "      ", " " * 15)
