"""What was measured, a line a trial, as it is measured: a search that was ended goes on from there."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ncukit.errors import Exit, NcukitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ncukit.optimize.problem import Problem
    from ncukit.optimize.tune.knobs import Knobs

SCHEMA_VERSION = 1
LARGEST = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One setting of one group, and what came of it."""

    group: int
    setting: tuple[int, ...]
    before: tuple[tuple[int, tuple[int, ...]], ...] = ()
    """Settings of groups that had been settled, by their index: what the rest of the file said."""
    outcome: str
    """``measured``, ``same`` (machine code and grid of one that was measured), ``wrong`` or ``failed``."""
    why: str = ""
    """Why it was tried."""
    note: str = ""
    """What it is the same as, or what went wrong."""
    ratio: float | None = None
    """Time of the file as it stands over this one's, median over the turns."""
    low: float | None = None
    """First quartile."""
    high: float | None = None
    median_us: float | None = None
    runs: int = 0
    error: float | None = None
    """Largest error in what is allowed."""
    identity: str = ""
    launches: tuple[Mapping[str, Any], ...] = field(default_factory=tuple)
    """Kernel, grid, registers, spills, shared memory and warps of each launch."""


def header(problem: Problem, about: Mapping[str, Any], knobs: Knobs) -> dict[str, Any]:
    """What trials can be compared under: code, sizes, knobs, GPU and versions."""
    return {
        "schema_version": SCHEMA_VERSION,
        "code": hashlib.sha256(problem.code.encode()).hexdigest()[:16],
        "sizes": dict(problem.sizes),
        "knobs": [[f"{group.title}: {group.label(knob)}" for knob in group.knobs] for group in knobs.groups],
        "gpu": about.get("gpu", ""),
        "versions": dict(about.get("versions", {})),
    }


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep a second search out of one record.

    Raises:
        NcukitError: there is one, or nothing can be written there.
    """
    lock = path.with_name(f".{path.name}.lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("w")
    except OSError as error:
        raise _unwritable(path, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise NcukitError(
                f"{path} is being written by another ncukit tune",
                causes=("it is still running",),
                next_command="wait for it, or --record with another path",
            ) from error
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                lock.unlink()


class Record:
    """A file of JSON lines: a header, trials, and results.

    Args:
        path: where it is, or will be.
        head: what this search can be compared under.
        fresh: whether to start over; the file stays as it is until there is a trial to write.

    Raises:
        NcukitError: it is a record of something else, or no record.
    """

    def __init__(self, path: Path, head: Mapping[str, Any], *, fresh: bool = False) -> None:
        self.path = path
        self.trials: list[Trial] = []
        self.result: Mapping[str, Any] | None = None
        """What the last search that came to its end found."""
        self._lengths = [len(names) for names in head["knobs"]]
        lines = [] if fresh and _ours(path) else _lines(path)
        if lines:
            self._check(lines[0], head)
            for line in lines[1:]:
                self._take(line)
        self._lines = [dict(head), *lines[1:]]

    def add(self, trial: Trial) -> None:
        """Keep one trial; it stands in the file when this returns.

        Raises:
            NcukitError: the file cannot be written.
        """
        self.trials.append(trial)
        self._append({"trial": asdict(trial)})

    def finish(self, result: Mapping[str, Any]) -> None:
        """Keep what it all came to.

        Raises:
            NcukitError: the file cannot be written.
        """
        self.result = result
        self._append({"result": dict(result)})

    def _append(self, line: dict[str, Any]) -> None:
        self._lines.append(line)
        # whole each time, beside and renamed: a few hundred lines, and never half a one
        beside = self.path.with_name(f".{self.path.name}.part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text("".join(json.dumps(one) + "\n" for one in self._lines), encoding="utf-8")
            beside.replace(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise _unwritable(self.path, error) from error

    def _check(self, found: Mapping[str, Any], head: Mapping[str, Any]) -> None:
        for name, value in head.items():
            if found.get(name) != value:
                was, now = repr(found.get(name))[:300], repr(value)[:300]
                raise NcukitError(
                    f"{self.path} is the record of another search: its {name} is {was}, now {now}",
                    causes=("the file, --size, --knob, the GPU or a version changed since: trials do not compare",),
                    next_command=_instead(self.path),
                )

    def _take(self, line: Mapping[str, Any]) -> None:
        if isinstance(line.get("result"), dict):
            self.result = line["result"]
            return
        try:
            self.trials.append(self._trial(line["trial"]))
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise NcukitError(
                f"{self.path} holds a line that is no trial: {str(error)[:200]}",
                causes=("it was written by another version, or edited",),
                next_command="the same command with --fresh",
            ) from error

    def _trial(self, given: Mapping[str, Any]) -> Trial:
        """One line's trial, every field held to its type: it may have been edited."""
        group, setting = self._setting(given["group"], given["setting"])
        before = tuple(self._setting(*pair) for pair in given["before"])
        if not all(isinstance(one, dict) for one in given["launches"]):
            raise ValueError("a launch is no object")
        numbers: dict[str, Any] = {n: _number(given[n]) for n in ("ratio", "low", "high", "median_us", "error")}
        return Trial(
            group=group,
            setting=setting,
            before=before,
            launches=tuple(given["launches"]),
            runs=int(given["runs"]),
            outcome=str(given["outcome"]),
            why=str(given["why"]),
            note=str(given["note"]),
            identity=str(given["identity"]),
            **numbers,
        )

    def _setting(self, group: Any, setting: Any) -> tuple[int, tuple[int, ...]]:
        values = tuple(map(int, setting))
        if group not in range(len(self._lengths)) or len(values) != self._lengths[group]:
            raise ValueError(f"group {group} has no setting {values}")
        return int(group), values


def _unwritable(path: Path, error: OSError) -> NcukitError:
    return NcukitError(
        f"cannot write {path}: {error.strerror}",
        causes=("the folder is read-only or the disk is full", "the path is a folder, or lies below a file"),
        next_command="the same command with --record and a path that can be written",
        exit_code=Exit.ENVIRONMENT,
    )


def _number(value: Any) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 <= value < math.inf:
        raise ValueError(f"{value!r} is no measurement")
    return float(value)


def _ours(path: Path) -> bool:
    """Whether what is there begins as a record does, and may be written over."""
    try:
        with path.open(encoding="utf-8") as file:
            head = json.loads(file.readline(LARGEST) or "{}")
    except FileNotFoundError:
        return True
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(head, dict) and (not head or {"schema_version", "code"} <= head.keys())


def _instead(path: Path) -> str:
    """What helps where a file is not this search's record: nothing but a record is written over."""
    return (
        "the same command with " + ("--fresh to start over, or " if _ours(path) else "") + "--record and another path"
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        if not path.exists():
            return []
        if path.stat().st_size > LARGEST:
            raise ValueError("it is too large")
        found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        if not all(isinstance(line, dict) for line in found):
            raise ValueError("it is no list of objects")
    except (OSError, ValueError, RecursionError) as error:
        raise NcukitError(
            f"{path} is no record of a search: {str(error)[:200]}",
            causes=("--record names a file of another kind, or it was edited",),
            next_command=_instead(path),
        ) from error
    return found
