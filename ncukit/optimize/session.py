"""The parent's side of ``ncukit.optimize.worker``: one child process that answers jobs until it dies or is ended."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from ncukit.collect.process import end
from ncukit.errors import Exit, NcukitError
from ncukit.source.child import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Mode = Literal["gpu", "interpreter"]
START_S = 120.0
"""Seconds in which the child must have loaded torch and Triton."""
POLL_S = 0.25
LONGEST_LINE = 16 * 2**20
TAIL = 2000


class Ended(Exception):  # noqa: N818 - it names what happened, and what is caught is expected
    """The child did not answer a job.

    Args:
        how: ``late`` (out of time), ``memory`` (took more than it may) or ``crashed``.
        message: the same in words.
        detail: the end of what it printed.
    """

    def __init__(self, how: Literal["late", "memory", "crashed"], message: str, detail: str = "") -> None:
        super().__init__(message)
        self.how = how
        self.message = message
        self.detail = detail


class Session:
    """One child process, started with the first job and again after it died.

    Args:
        mode: ``gpu``, or ``interpreter`` for Triton's interpreter on the CPU.
        python: interpreter with torch and triton; None for this one.
        memory_gb: host memory that the child may take.
    """

    def __init__(self, mode: Mode, *, python: str | None = None, memory_gb: float = 32.0) -> None:
        self.mode = mode
        self.about: Mapping[str, Any] = {}
        """What the child said of itself: ``gpu``, ``versions``, ``compute_capability``, ``sms``, ``l2_bytes``."""
        self._python = python or sys.executable
        self._memory = memory_gb * 2**30
        self._place = tempfile.TemporaryDirectory(prefix="ncukit-optimize-", ignore_cleanup_errors=True)
        self._child: subprocess.Popen[bytes] | None = None
        self._answers = -1
        self._buffer = b""

    def __enter__(self) -> Self:
        """Nothing is started before the first job."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the child and all it started, and remove its folder."""
        self.stop()
        self._place.cleanup()

    @property
    def folder(self) -> Path:
        """A folder of the session's own, for what jobs need as files."""
        return Path(self._place.name)

    @property
    def running(self) -> bool:
        """Whether the child of the last job still lives, with what it remembers."""
        return self._child is not None and self._child.poll() is None

    def ask(
        self,
        job: Mapping[str, Any],
        timeout_s: float,
        on_event: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> Mapping[str, Any]:
        """Send one job and wait for its answer.

        Args:
            job: ``do`` names it (``ncukit.optimize.worker.jobs``); the rest is the job's own.
            timeout_s: seconds until the child is ended.
            on_event: called with what the job tells on its way.

        Returns:
            The job's answer; ``{"error": {"type", "message", "line", …}}`` when it raised.

        Raises:
            Ended: the child died or was ended; the next job gets a new one.
            NcukitError: the child cannot be started, or has no torch, Triton or GPU.
        """
        self.start()
        token = secrets.token_hex(16)
        answer = self._exchange({**job, "token": token}, token, timeout_s, on_event)
        if isinstance(answer.get("error"), dict) and answer["error"].get("fatal"):
            self.stop()  # an illegal access leaves a process with which nothing more can be done
        return answer

    def stop(self) -> None:
        """End the child, if one runs."""
        child, self._child = self._child, None
        if child is not None:
            end(child, grace_s=1.0)
            with contextlib.suppress(OSError):
                os.close(self._answers)
            if child.stdin is not None:
                with contextlib.suppress(OSError):
                    child.stdin.close()

    def start(self) -> Mapping[str, Any]:
        """Start the child if none runs.

        Returns:
            ``about``.

        Raises:
            NcukitError: it cannot be started, or has no torch, Triton or GPU.
        """
        if not self.running:
            self.stop()
            self._start()
        return self.about

    def _start(self) -> None:
        ours, theirs = os.pipe()
        worker = Path(__file__).parent / "worker"
        self._buffer = b""
        try:
            with (self.folder / "log.txt").open("wb") as log:
                self._child = subprocess.Popen(
                    [self._python, str(worker), str(theirs), str(self.folder)],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=self._environment(),
                    cwd=self.folder,
                    pass_fds=(theirs,),
                    start_new_session=True,
                )
        except OSError as error:
            os.close(ours)
            raise NcukitError(
                f"cannot start {self._python}: {error.strerror}",
                causes=("--python takes the path of an interpreter with torch and triton",),
                next_command=f"{self._python} --version",
                exit_code=Exit.ENVIRONMENT,
            ) from error
        finally:
            os.close(theirs)
        self._answers = ours
        token = secrets.token_hex(16)
        try:
            said = self._exchange({"do": "hello", "mode": self.mode, "token": token}, token, START_S, None)
        except Ended as error:
            said = {"error": {"type": "", "message": error.message, "detail": error.detail}}
        if "error" in said:
            self.stop()
            raise NcukitError(
                f"{self._python} cannot run kernels: {said['error']['message'][:500]}",
                causes=("torch and triton are missing or broken", "there is no GPU, or another process fills it"),
                next_command="ncukit doctor",
                exit_code=Exit.ENVIRONMENT,
                detail=str(said["error"].get("detail", "")),
            )
        self.about = said

    def _environment(self) -> dict[str, str]:
        found = environment(self.folder, gpu=self.mode == "gpu")
        return {**found, "TRITON_INTERPRET": "1"} if self.mode == "interpreter" else found

    def _exchange(
        self,
        message: Mapping[str, Any],
        token: str,
        timeout_s: float,
        on_event: Callable[[Mapping[str, Any]], None] | None,
    ) -> Mapping[str, Any]:
        child = self._child
        if child is None or child.stdin is None:
            raise Ended("crashed", "there is no process to ask")
        deadline = time.monotonic() + timeout_s
        try:
            child.stdin.write(json.dumps(message).encode() + b"\n")
            child.stdin.flush()
            while True:
                for line in self._lines(deadline, timeout_s):
                    if line.get("token") != token:
                        continue  # what another job left, or somebody made up
                    if "reply" in line and isinstance(line["reply"], dict):
                        return line["reply"]
                    if on_event is not None and isinstance(line.get("event"), dict):
                        on_event(line["event"])
        except Ended as error:
            error.detail = error.detail or self._log()
            self.stop()
            raise
        except OSError as error:
            detail = self._log()
            self.stop()
            raise Ended("crashed", f"the process ended: {error.strerror}", detail) from error
        except BaseException:
            self.stop()
            raise

    def _lines(self, deadline: float, timeout_s: float) -> list[dict[str, Any]]:
        """The complete lines that came within a moment."""
        child = self._child
        if child is None:
            raise Ended("crashed", "there is no process to ask")
        left = deadline - time.monotonic()
        if left <= 0:  # also where it talks without end
            raise Ended("late", f"no result after {timeout_s:g} s")
        if _resident(child.pid) > self._memory:
            raise Ended("memory", f"the process took more than {self._memory / 2**30:g} GiB of host memory")
        gone = child.poll() is not None  # asked first: what it wrote before is there to be read
        if select.select([self._answers], [], [], min(POLL_S, left))[0]:
            data = os.read(self._answers, 1 << 16)
            if not data:
                raise Ended("crashed", _how(child))
            self._buffer += data
            if len(self._buffer) > LONGEST_LINE:
                raise Ended("crashed", "the process answers without end")
        elif gone:  # what it started holds the other end
            raise Ended("crashed", _how(child))
        *complete, self._buffer = self._buffer.split(b"\n")
        found = []
        for line in complete:
            with contextlib.suppress(ValueError, RecursionError):
                value = json.loads(line)
                if isinstance(value, dict):
                    found.append(value)
        return found

    def _log(self) -> str:
        with contextlib.suppress(OSError):
            return (self.folder / "log.txt").read_bytes()[-TAIL:].decode("utf-8", "replace")
        return ""


def _how(child: subprocess.Popen[bytes]) -> str:
    """How a process ended of which nothing more is to be read."""
    try:
        code = child.wait(timeout=1)
    except subprocess.TimeoutExpired:
        return "the process closed the way that answers take"
    return "the process ended " + (f"by signal {-code}" if code < 0 else f"with exit code {code}")


def _resident(pid: int) -> int:
    """Bytes of memory that a process holds; 0 where that cannot be told."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
