"""Running the program that answers a brief: bounded in time and in what it prints, and nothing of it left behind."""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Literal

from ncukit.collect.process import end
from ncukit.errors import NcukitError

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_ANSWER = 1 << 20
"""Bytes of an answer; a kernel file has some thousands."""
MOST_SAID = 1 << 16
"""Bytes kept of what it prints for people, the last ones."""
How = Literal["answered", "empty", "late", "endless", "failed"]
_LOOK_S = 0.05
_GRACE_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of asking once."""

    how: How
    text: str
    """Standard output, as far as it was read; nobody has looked at it yet."""
    said: str
    """The end of its standard error."""
    wall_s: float
    why: str = ""
    """Why there is no answer, in words; empty when there is one."""


def command_of(text: str) -> tuple[str, ...]:
    """The words of ``--agent``; no shell is involved.

    Raises:
        NcukitError: there is none, a quote is not closed, or the program is missing.
    """
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise NcukitError(
            f"--agent cannot be taken apart: {error}: {text}",
            causes=("a quote is not closed",),
            next_command="""--agent 'claude -p' or --agent 'sh -c "my-agent | tail -n +2"'""",
        ) from error
    if not words or shutil.which(words[0]) is None:
        raise NcukitError(
            f"--agent: there is no program {words[0]}" if words else "--agent names no program",
            causes=(
                "it is not on PATH, or not executable",
                "it is a shell function, an alias or a pipeline: no shell is involved",
            ),
            next_command="--agent 'sh -c \"…\"', or docs/agents.md for the commands of popular programs",
        )
    return words


def ask(argv: Sequence[str], brief: str, *, timeout_s: float, most: int = MOST_ANSWER) -> Answer:
    """Give a program the brief on standard input and take the answer from its standard output.

    It has the user's environment and folder, and a process group of its own, which is ended with it.

    Args:
        argv: program and arguments.
        brief: what it reads.
        timeout_s: seconds until it is ended.
        most: bytes of an answer.

    Raises:
        NcukitError: it cannot be started.
        KeyboardInterrupt: after it was ended.
    """
    started = time.monotonic()
    try:
        child = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        raise NcukitError(
            f"cannot start {argv[0]}: {error.strerror}",
            causes=("the program of --agent is missing or not executable",),
            next_command=f"{shlex.join(argv)} < /dev/null",
        ) from error
    talk = _Talk(child, brief.encode("utf-8", "replace"), most)
    how: How
    try:
        how = talk.until(started + timeout_s)
    finally:
        end(child, grace_s=_GRACE_S)  # with whatever it started and left running
        for stream in (child.stdin, child.stdout, child.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
    text = bytes(talk.answer[:most]).decode("utf-8", "replace")
    said = bytes(talk.said).decode("utf-8", "replace")
    wall_s = time.monotonic() - started
    if how == "late":
        why = f"no answer after {timeout_s:g} s: it was ended"
    elif how == "endless":
        why = f"more than {most:,} bytes of answer: it was ended"
    elif child.returncode != 0:
        last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "")
        code = child.returncode
        how, why = "failed", f"ended by signal {-code}" if code < 0 else f"exit code {code}"
        why += f": {last[:300]}" if last else ""
    elif not text.strip():
        how, why = "empty", "it printed nothing"
    else:
        return Answer(how="answered", text=text, said=said, wall_s=wall_s)
    return Answer(how=how, text=text, said=said, wall_s=wall_s, why=why)


class _Talk:
    """The three pipes of a running program."""

    def __init__(self, child: subprocess.Popen[bytes], brief: bytes, most: int) -> None:
        self.child = child
        self.answer, self.said = bytearray(), bytearray()
        self._unsent = memoryview(brief)
        self._most = most

    def until(self, deadline: float) -> Literal["answered", "late", "endless"]:
        """Write and read until the program has ended, or must be ended."""
        with selectors.DefaultSelector() as selector:
            for pipe, event in (
                (self.child.stdin, selectors.EVENT_WRITE),
                (self.child.stdout, selectors.EVENT_READ),
                (self.child.stderr, selectors.EVENT_READ),
            ):
                if pipe is not None:
                    os.set_blocking(pipe.fileno(), False)
                    selector.register(pipe, event)
            while True:
                gone = self.child.poll() is not None
                ready = selector.select(0 if gone else max(0.0, min(_LOOK_S, deadline - time.monotonic())))
                moved = [self._move(key.fileobj, selector) for key, _ in ready]
                if len(self.answer) > self._most:
                    return "endless"
                late = time.monotonic() >= deadline
                if gone and (late or not any(moved)):
                    return "answered"  # what it started may hold the pipes open for as long as it likes
                if late:
                    return "late"

    def _move(self, pipe: object, selector: selectors.BaseSelector) -> bool:
        """Send or take what goes at once; whether something moved."""
        if pipe is self.child.stdin:
            return self._send(selector)
        into = self.answer if pipe is self.child.stdout else self.said
        stream = self.child.stdout if pipe is self.child.stdout else self.child.stderr
        if stream is None:
            return False
        try:
            chunk = os.read(stream.fileno(), 1 << 16)
        except BlockingIOError:
            return False
        if not chunk:
            selector.unregister(stream)
            return False
        into += chunk
        del self.said[:-MOST_SAID]
        return True

    def _send(self, selector: selectors.BaseSelector) -> bool:
        pipe: IO[bytes] | None = self.child.stdin
        if pipe is None:
            return False
        try:
            sent = os.write(pipe.fileno(), self._unsent[: 1 << 16]) if self._unsent else 0
        except BlockingIOError:
            return False
        except OSError:  # it does not read on, which is its own affair
            self._unsent, sent = self._unsent[:0], 0
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            selector.unregister(pipe)
            with contextlib.suppress(OSError):
                pipe.close()
        return bool(sent)
