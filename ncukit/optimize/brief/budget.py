"""What a brief is made of, and what goes first when it must be short.

Tokens are an estimate: no model's tokenizer is asked. Three bytes of UTF-8 a token is more than tokenizers need for
code and English, so a text that fits by this count should fit in truth; nothing here has checked that.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from ncukit.errors import NcukitError

BYTES_A_TOKEN = 3
ESTIMATE = f"estimated: UTF-8 bytes / {BYTES_A_TOKEN}, rounded up"


class Value(IntEnum):
    """What a part is worth to its reader: the first is never left out, the last goes first."""

    MUST = 0
    """Role, name of the GPU, stage, current code, the answer that was refused and why, task, output rules."""
    STAGE = 1
    """Focus, and when the stage is done."""
    PROBLEM = 2
    """The reference that the answer is held to."""
    DEVICE = 3
    ADVICE = 4
    """What to change, for the findings of this stage."""
    READINGS = 5
    FUTILE = 6
    """What will not help."""
    TRAFFIC = 7
    LADDER = 8
    FAULTS = 9
    """What the compiler says is wrong: errors, spills, narrow accesses."""
    CHECKS = 10
    """Metrics to check, with their targets."""
    ROUNDS = 11
    """The last rounds."""
    EVIDENCE = 12
    """Findings of this stage: the readings behind them."""
    OTHERS = 13
    """Findings of other stages, and limits that were reached."""
    GENERAL = 14
    """What goes for the stage in general."""
    ABSENT = 15
    """Metrics that are missing, and why."""
    COMPILED = 16
    """Registers, occupancy, what loops hold."""
    RUNGS = 17
    """Limits far below the time."""
    TENSORS = 18
    OLDER = 19
    """Rounds before the last ones."""
    SILENT = 20
    """Causes that were looked for and not found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The least that is left out at once: a line or a block."""

    text: str
    value: Value
    name: str
    """What it is, for the list of what was left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Parts under a title; without any part left there is no title either."""

    title: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A text that fits."""

    text: str
    tokens: int
    left_out: tuple[str, ...] = ()


def tokens(text: str) -> int:
    """How many tokens a text is taken for."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_A_TOKEN)


def fit(sections: tuple[Section, ...], most: int | None = None) -> Fitted:
    """Write the sections, without their least useful parts if they are too long.

    What is left out with a small budget is also left out with a smaller one: parts go one by one in one fixed order.

    Raises:
        NcukitError: not even what is indispensable fits.
    """
    text = written(sections)
    if most is None or tokens(text) <= most:
        return Fitted(text=text, tokens=tokens(text))
    every = [(p.value, i, j) for i, section in enumerate(sections) for j, p in enumerate(section.parts)]
    order = sorted((entry for entry in every if entry[0] != Value.MUST), reverse=True)
    gone: set[tuple[int, int]] = set()
    for _, i, j in order:
        gone.add((i, j))
        text = written(sections, gone)
        if tokens(text) <= most:
            left = dict.fromkeys(sections[i].parts[j].name for i, j in sorted(gone))
            return Fitted(text=text, tokens=tokens(text), left_out=tuple(left))
    raise NcukitError(
        f"the brief cannot be shorter than {tokens(text):,} tokens, and {most:,} are allowed",
        causes=("role, current code, task and output rules are never left out", f"tokens are {ESTIMATE}"),
        next_command=f"--max-tokens {tokens(text)}",
    )


def written(
    sections: tuple[Section, ...], gone: set[tuple[int, int]] | frozenset[tuple[int, int]] = frozenset()
) -> str:
    """The sections as text, a blank line between them."""
    blocks = []
    for i, section in enumerate(sections):
        kept = [part.text for j, part in enumerate(section.parts) if (i, j) not in gone]
        if kept:
            blocks.append("\n".join([section.title, *kept] if section.title else kept))
    return "\n\n".join(blocks) + "\n"
