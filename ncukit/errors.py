"""The one exception that ncukit raises on purpose: what happened, why it usually happens, and what to do next."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every verb; ``cli`` is the only room that returns them to the shell."""

    OK = 0
    FAILED = 1
    """A gate failed, or findings at or above ``--fail-on``."""
    USAGE = 2
    """Wrong arguments, configuration, or an input file that cannot be understood."""
    ENVIRONMENT = 3
    """No ncu, no GPU, no counter permission, a lock, or a target that does not run."""
    NOTHING = 4
    """Nothing to judge: no kernel matched, no baseline, nothing measured."""
    INTERRUPTED = 130


class NcukitError(Exception):
    """A foreseen failure.

    Args:
        message: one sentence: what happened, with the name or path it happened to.
        causes: why this usually happens, most likely first.
        next_command: the exact command (or action) to run next.
        exit_code: what the shell gets.
        detail: a bounded excerpt of the other program's own words, or empty.
    """

    def __init__(
        self,
        message: str,
        *,
        causes: tuple[str, ...] = (),
        next_command: str = "",
        exit_code: Exit = Exit.USAGE,
        detail: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.causes = causes
        self.next_command = next_command
        self.exit_code = exit_code
        self.detail = detail


def nearest(name: str, known: list[str] | tuple[str, ...], count: int = 3) -> list[str]:
    """The known names most like ``name``, best first; empty when none is close."""
    from difflib import get_close_matches

    return get_close_matches(name, known, n=count, cutoff=0.6)
