"""What an answer says of itself: the first sentence outside its code."""

from __future__ import annotations

import re

from ncukit.source.text import lines_of

LONGEST = 200
_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_MARKS = re.compile(r"^[\s>#*_`-]+|[*_`]+")


def summary(answer: str, code: str) -> str:
    """The first sentence of an answer's prose, on one line of printable text; empty when there is only code.

    Args:
        answer: the whole answer.
        code: its Python on the lines where it stood, other lines blank; empty when none was found.
    """
    python = lines_of(code)
    prose, fenced = [], False
    for number, line in enumerate(lines_of(answer)):
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced and not (number < len(python) and line.strip() and python[number].strip() == line.strip()):
            prose.append(line)
    text = _THOUGHT.sub("\n", "\n".join(prose))
    first = next((block for block in re.split(r"\n\s*\n", text) if _MARKS.sub("", block).strip()), "")
    words = " ".join(_MARKS.sub("", line).strip() for line in first.splitlines())
    sentence = re.split(r"(?<=[.!?])\s", " ".join(words.split()), maxsplit=1)[0]
    shown = "".join(c if c.isprintable() else "?" for c in sentence)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"
