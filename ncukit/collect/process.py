"""Running ncu: output to files, progress from the harness, a deadline, and no children left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ncukit.errors import Exit, NcukitError

TAIL = 20_000
"""Bytes kept of each output stream when something goes wrong."""

Progress = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A program that ended by itself."""

    exit_code: int
    stdout: str
    """The last part of its output."""
    stderr: str
    wall_s: float


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    folder: Path,
    timeout_s: float,
    progress_file: Path | None = None,
    on_progress: Progress | None = None,
) -> Finished:
    """Run ``argv`` to its end.

    Args:
        argv: program and arguments; no shell is involved.
        env: its whole environment.
        folder: where its output streams are kept while it runs.
        timeout_s: seconds until the whole process group is ended.
        progress_file: a file of JSON lines that the program appends to.
        on_progress: called with each of those lines.

    Raises:
        NcukitError: the program could not be started, or ran out of time.
        KeyboardInterrupt: after the process group has been ended.
    """
    started = time.monotonic()
    streams = [folder / "stdout.txt", folder / "stderr.txt"]
    with streams[0].open("wb") as out, streams[1].open("wb") as err:
        try:
            # a session of its own, so that ending the group ends ncu, the program and what it started
            child = subprocess.Popen(
                argv, env=dict(env), stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
            )
        except OSError as error:
            raise NcukitError(
                f"cannot start {argv[0]}: {error.strerror}",
                causes=("the program is missing or not executable",),
                next_command="ncukit doctor",
                exit_code=Exit.ENVIRONMENT,
            ) from error
        try:
            _wait(child, started + timeout_s, progress_file, on_progress)
        except subprocess.TimeoutExpired:
            end(child)
            raise NcukitError(
                f"no result after {timeout_s:g} s: ncu and the program were ended",
                causes=(
                    "the program is slow or waits for input, or blocks that wait for each other hang under replay",
                    "kernel replay saves and restores all memory a kernel can reach, once a pass",
                ),
                next_command="add --preset quick (one pass, nothing to restore), --launches 1, or a longer --timeout",
                exit_code=Exit.ENVIRONMENT,
                detail=_tail(streams[1])[-600:],
            ) from None
        except BaseException:
            end(child)
            raise
    return Finished(
        exit_code=child.returncode,
        stdout=_tail(streams[0]),
        stderr=_tail(streams[1]),
        wall_s=time.monotonic() - started,
    )


def _wait(
    child: subprocess.Popen[bytes], deadline: float, progress_file: Path | None, on_progress: Progress | None
) -> None:
    position = 0
    pause = 0.02
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=max(0.0, min(pause, deadline - time.monotonic())))
        if progress_file is not None and on_progress is not None:
            position = _report(progress_file, position, on_progress)
        if child.returncode is not None:
            return
        if time.monotonic() >= deadline:
            raise subprocess.TimeoutExpired(child.args, 0)
        pause = min(0.1, pause * 1.5)


def _report(path: Path, position: int, on_progress: Progress) -> int:
    """Hand on the complete lines after ``position``; the new position."""
    try:
        with path.open("rb") as file:
            file.seek(position)
            data = file.read(1 << 20)
    except OSError:
        return position
    complete = data[: data.rfind(b"\n") + 1]
    for line in complete.splitlines():
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict):
                on_progress(event)
    return position + len(complete)


def end(child: subprocess.Popen[bytes], grace_s: float = 5.0) -> None:
    """End a process and all it started: politely, so that ncu can unlock the clocks, then for good.

    ncu gives its target a process group of its own, so the family is read off /proc before its head is gone.
    """
    family = _descendants(child.pid)
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, sign)
        for pid in family:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, sign)
        deadline = time.monotonic() + grace_s
        while time.monotonic() < deadline and (child.poll() is None or any(_alive(pid) for pid in family)):
            time.sleep(0.02)
    child.poll()


def _descendants(pid: int) -> list[int]:
    """Processes below ``pid``, by the parent that /proc names; empty where there is no /proc."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # the second field is the program's name in brackets and may hold anything
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, queue = [], [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def _alive(pid: int) -> bool:
    """Whether the process still runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
