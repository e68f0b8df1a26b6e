"""What a run of the loop remembers and ends with: settings, rounds, why it stopped, what was gained."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - codec reads the annotations at run time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ncukit.errors import Exit
from ncukit.optimize.verdict import Round  # noqa: TC001 - likewise

if TYPE_CHECKING:
    from ncukit.optimize.timing import Race
    from ncukit.optimize.verdict import Checked

ANSWERLESS = ("no answer", "late", "failed")
"""Outcomes of rounds in which there was nothing to check."""
StopCode = Literal["rounds", "minutes", "nothing-left", "agent", "interrupted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What makes two calls the same run. Budgets are no part of it: a run may go on with larger ones."""

    file: str
    """As it was typed."""
    sha256: str
    """Of its bytes."""
    agent: str
    """The text of ``--agent``."""
    sizes: Mapping[str, str] = field(default_factory=dict)
    scope: str = "wide"
    repairs: int = 2
    """Times in a row that a refused answer is sent back with the reasons."""
    max_tokens: int | None = None
    """Of a brief. Kept, but a limit: a run whose briefs outgrew it goes on with a larger one."""
    profile: bool = True
    """Whether kernels are profiled, where that is possible."""
    gpu: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of Python, torch and Triton: what was measured under others is no base to go on from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When to stop asking."""

    rounds: int = 8
    """Calls of the agent; a repair is one."""
    minutes: float = 30.0
    """Of finished rounds, over all calls of the command; a round that has an answer is finished."""
    agent_timeout_s: float = 300.0
    failures: int = 3
    """Rounds in a row without an answer, after which the agent is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One round as it is kept."""

    round: Round
    repair: bool = False
    """Whether the brief was about mending the answer before."""
    against: int = 0
    """The round whose kernel was to be beaten; 0 for the start."""
    verdict: str = ""
    """Of the check; empty without an answer."""
    unproven: tuple[str, ...] = ()
    median_us: float | None = None
    """Its time in its race."""
    agent_s: float = 0.0
    """Seconds that the agent took."""
    wall_s: float = 0.0
    """Seconds that the round took."""
    spent_s: float = 0.0
    """Seconds that the run had taken at its end, over all calls of the command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Why the loop ended."""

    code: StopCode
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The answer of ``ncukit optimize``."""

    settings: Settings
    folder: str
    entries: tuple[Entry, ...]
    stop: Stop
    start: Race
    """The start against itself: its time, and how far two equal kernels lie apart here."""
    gain: Race | None = None
    """Start against best, measured again after the last round; None without a best, or when it could not be."""
    again: Checked | None = None
    """``best.py`` as a whole file, checked again; None when it was not."""
    notes: tuple[str, ...] = ()
    cut_short: bool = False
    """Whether the last call of the agent was ended because the minutes were used up, so that it is no round."""

    @property
    def best(self) -> int:
        """The round of the best kernel; 0 when none was faster."""
        return best_of(self.entries)

    @property
    def holds(self) -> bool:
        """Whether the gain was there when it was measured again, and the file was not refused."""
        refused = self.again is not None and self.again.verdict == "refused"
        return self.gain is not None and self.gain.faster and not refused

    @property
    def exit_code(self) -> Exit:
        """What the shell gets: a run in which nothing could be measured says nothing about the kernel."""
        if self.stop.code == "interrupted":
            return Exit.INTERRUPTED
        measured = any(entry.round.ratio is not None for entry in self.entries)
        tried = self.entries or self.cut_short
        return Exit.NOTHING if tried and not measured else Exit.OK


def best_of(entries: tuple[Entry, ...] | list[Entry]) -> int:
    """The number of the last round that was faster than the best before it; 0 without one."""
    return next((entry.round.number for entry in reversed(entries) if entry.round.outcome == "faster"), 0)


def against_start(entries: tuple[Entry, ...] | list[Entry]) -> dict[int, float]:
    """Round → about how many times as fast as the start: a product of races, so each one's noise is in it."""
    found = {0: 1.0}
    for entry in entries:
        if entry.round.ratio is not None:
            found[entry.round.number] = found.get(entry.against, 1.0) * entry.round.ratio
    return found
