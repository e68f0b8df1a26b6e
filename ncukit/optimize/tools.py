"""What the loop needs of the other rooms, as values: ``ncukit.optimize.real`` has the real ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ncukit.model import Diagnosis, Report
    from ncukit.optimize.agent import Answer
    from ncukit.optimize.timing import Race
    from ncukit.optimize.verdict import Checked, Reason, Round
    from ncukit.source.inspection import Inspection


class DoesNotRun(Exception):  # noqa: N818 - it names what happened, and what is caught is expected
    """A kernel that the check let pass failed when it was timed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a kernel file; None for what could not be had."""

    report: Report | None = None
    diagnosis: Diagnosis | None = None
    inspection: Inspection | None = None
    unmeasured: str = ""
    """Why there is no report."""
    uncompiled: str = ""
    """Why there is no inspection."""
    notes: tuple[str, ...] = ()
    """What a person should know of that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a brief is written from."""

    code: str
    """The best kernel file so far."""
    path: str
    known: Known
    rounds: tuple[Round, ...] = ()
    stage: str | None = None
    """The stage to stay in, when an answer is to be mended."""
    repair: tuple[str, tuple[Reason, ...]] | None = None
    """The refused code, and what stands against it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A brief, ready to be sent."""

    text: str
    stage: str
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The other rooms, as the loop uses them. Each may raise ``NcukitError``, which ends the call but not the run."""

    ask: Callable[[str, float], Answer]
    """A brief and seconds → what the program answered."""
    check: Callable[[Path], Checked]
    """An answer, or a kernel file, on disk → what stands against it."""
    race: Callable[[str, str], Race]
    """Texts of two kernel files → both timed in turns; raises ``DoesNotRun`` when the second one fails."""
    study: Callable[[Path, Path], Known]
    """A kernel file and the folder for its profile → what is known of it."""
    left: Callable[[Known], str]
    """What is known of the best → why there is nothing left to win; empty while there is."""
    brief: Callable[[Moment], Asked]
