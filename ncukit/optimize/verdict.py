"""What came of checking an answer, and of one round of the loop: values that the verbs share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Verdict = Literal["accepted", "unproven", "refused"]
"""Nothing against it and everything looked at; nothing against it, but something not looked at; refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One thing that stands against an answer."""

    code: str
    """Stable slug, such as ``wrong-values``; a lint rule's code, such as ``TRI101``."""
    line: int | None
    """Line in the answer as it was given; None when it is no single place."""
    message: str
    """What was found, in one sentence."""
    instead: str = ""
    """What to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One set of inputs that an answer was tried on."""

    name: str
    """In words: ``own sizes, float32``, ``rows=1000, bfloat16, transposed``."""
    outcome: Literal["right", "wrong", "declined", "dropped"]
    """``declined``: it raised an error instead of computing; ``dropped``: the reference itself cannot do it."""
    error: float | None = None
    """Largest error relative to what is allowed: above 1 is wrong. None when nothing was compared."""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The answer of ``ncukit check``."""

    path: str
    verdict: Verdict
    reasons: tuple[Reason, ...] = ()
    unproven: tuple[str, ...] = ()
    """What could not be looked at, and why."""
    cases: tuple[Case, ...] = ()
    code: str = ""
    """The Python of the answer, on the lines where it stood."""
    where: str = ""
    """Where it ran: ``NVIDIA H200``, ``Triton's interpreter``; empty when nothing ran."""
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round of the loop: what was asked, what came back, what it was worth."""

    number: int
    """From 1."""
    stage: str
    """Slug of the brief's stage."""
    outcome: Literal["faster", "no faster", "refused", "no answer", "late", "failed"]
    """``late``: the agent ran out of time; ``failed``: it ended with an error."""
    ratio: float | None = None
    """Time of the best before over this one's, in the same run; None when it was not timed."""
    reasons: tuple[Reason, ...] = ()
    summary: str = ""
    """What the answer says that it does: its first sentence outside the code, bounded."""
