"""A run on disk: written such that a kill at any point leaves a folder that the same command continues.

``optimize.json`` holds the settings; each round has a folder, and counts once its ``round.json`` is there, which is
written last. Everything is written beside its place and renamed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import math
import os
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from ncukit.errors import Exit, NcukitError
from ncukit.optimize.journal import Entry, Settings, best_of
from ncukit.optimize.race import kept_race
from ncukit.source.codec import decode, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ncukit.optimize.journal import Limits
    from ncukit.optimize.timing import Race

SETTINGS, ROUND, BEST = "optimize.json", "round.json", "best.py"
KERNEL, RACE = "kernel.py", "timing.json"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
"""What a disk answers, whatever path is named on it."""


class Folder:
    """The folder of one run, held while the command runs.

    Args:
        place: where it is, or will be.
        settings: of this call.

    Raises:
        NcukitError: the folder is something else, or a run with other settings, or in use.
    """

    def __init__(self, place: Path, settings: Settings) -> None:
        self.place = place
        self.settings = settings
        check_folder(place, settings)
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        """Make it and hold it."""
        try:
            self.place.mkdir(parents=True, exist_ok=True)
            self._lock = (self.place / ".lock").open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.__exit__()
            raise NcukitError(
                f"{self.place} is in use by another ncukit optimize",
                causes=("it is still running",),
                next_command=f"fuser {self.place}/.lock; or another folder: -o {self.place}-2",
            ) from error
        except OSError as error:
            raise _cannot(self.place, error) from error
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of it."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def round(self, number: int) -> Path:
        """The folder of a round; of the start for 0."""
        return self.place / (f"round-{number:02d}" if number else "start")

    def begin(self, limits: Limits, code: str) -> None:
        """Write down what is being done, and the kernel that it starts from."""
        document = {
            "schema_version": 1,
            "settings": encode(self.settings),
            "limits": {"rounds": limits.rounds, "minutes": limits.minutes, "agent_timeout_s": limits.agent_timeout_s},
        }
        self.write(self.place / SETTINGS, _json(document))
        self.write(self.round(0) / KERNEL, code)

    def entries(self) -> list[Entry]:
        """The rounds that were finished, in order.

        Raises:
            NcukitError: one of them cannot be read.
        """
        found: list[Entry] = []
        while (path := self.round(len(found) + 1) / ROUND).exists():
            try:
                entry = decode(Entry, json.loads(path.read_text(encoding="utf-8")))
                _hold(entry, len(found) + 1)
                found.append(entry)
            except (OSError, ValueError, OverflowError) as error:
                raise NcukitError(
                    f"{path} is damaged: {error}",
                    causes=("it was edited, or written by another version of ncukit",),
                    next_command=f"rm -r {self.round(len(found) + 1)}   (that round and the later ones are done again)",
                ) from error
        return found

    def clear(self, number: int) -> Path:
        """The empty folder of a round that is to be done; what a round that was cut off left there goes."""
        place = self.round(number)
        try:
            for leftover in (place, *self.place.glob("round-*")):
                if leftover.exists() and _number(leftover.name) >= number:
                    shutil.rmtree(leftover)
            place.mkdir(parents=True)
        except OSError as error:
            raise _cannot(place, error) from error
        return place

    def finish(self, entry: Entry) -> None:
        """Count a round as done; from here on it is not done again."""
        if entry.round.outcome == "faster":
            self.keep_best(entry.round.number)
        self.write(self.round(entry.round.number) / ROUND, _json(encode(entry)))

    def code(self, number: int) -> str:
        """The kernel file of a round."""
        path = self.round(number) / KERNEL
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise NcukitError(
                f"cannot read {path}: {error.strerror}",
                causes=("it was removed while the run stood still",),
                next_command=f"start anew: -o {self.place}-2",
            ) from error

    def keep_best(self, number: int) -> None:
        """Make ``best.py`` the kernel of a round; no file for the start."""
        if number:
            self.write(self.place / BEST, self.code(number))
        else:
            with contextlib.suppress(FileNotFoundError):
                (self.place / BEST).unlink()

    def settle(self) -> None:
        """Bring ``best.py`` in line with the finished rounds: a kill may have come between the two."""
        self.keep_best(best_of(self.entries()))

    def refused_code(self, number: int) -> str:
        """The Python of a round's answer, as the check saw it; all of the answer where it saw none."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            found = json.loads((self.round(number) / "verdict.json").read_text(encoding="utf-8"))
            if code := str(found["code"]):
                return code
        with contextlib.suppress(OSError):
            return (self.round(number) / "answer.md").read_text(encoding="utf-8")
        return ""

    def keep_race(self, number: int, race: Race) -> None:
        """Keep what timing gave; for 0, the start against itself."""
        self.write(self.round(number) / RACE, _json({"schema_version": 1, **asdict(race)}))

    def race(self, number: int) -> Race | None:
        """What timing gave; None when it is not there or cannot be read."""
        try:
            race = kept_race(json.loads((self.round(number) / RACE).read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            return None
        numbers = (race.ratio, race.low, race.high, race.before.median_us, race.after.median_us)
        return race if all(math.isfinite(one) and one > 0 for one in numbers) else None

    def write(self, path: Path, text: str) -> None:
        """Write a file of the run whole or not at all."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = tempfile.NamedTemporaryFile(  # noqa: SIM115 - closed before it is renamed
                "w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8", errors="replace",
                newline="",
            )  # fmt: skip
            try:
                with beside:
                    beside.write(text)
                    beside.flush()
                    os.fsync(beside.fileno())  # or a machine that stops leaves a round that counts, and is empty
                Path(beside.name).chmod(0o644)
                Path(beside.name).replace(path)
            except BaseException:
                Path(beside.name).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise _cannot(path, error) from error


def _hold(entry: Entry, number: int) -> None:
    """See that a round says nothing that cannot be.

    Raises:
        ValueError: it does; in words.
    """
    one = entry.round
    if one.number != number or not 0 <= entry.against < number:
        raise ValueError(f"it is of round {one.number}, against round {entry.against}")
    if (one.ratio is not None) != (one.outcome in ("faster", "no faster")):
        raise ValueError(f"{one.outcome} with the ratio {one.ratio}")
    for name, value in (("ratio", one.ratio), ("median_us", entry.median_us)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} is {value}")
    for name, value in (("agent_s", entry.agent_s), ("wall_s", entry.wall_s), ("spent_s", entry.spent_s)):
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} is {value}")


def check_folder(place: Path, settings: Settings) -> bool:
    """Whether a run that this call continues is there; nothing is written.

    Raises:
        NcukitError: something else is there, or a run with other settings.
    """
    path = place / SETTINGS
    # hidden files are what a call that was ended at once may leave: its lock, and the beginning of a file
    if not place.exists() or (place.is_dir() and all(found.name.startswith(".") for found in place.iterdir())):
        return False
    if not path.is_file():
        raise NcukitError(
            f"{place} exists and is no run of ncukit optimize",
            causes=("-o names a folder with other files, or a file",),
            next_command=f"choose a new folder: -o {place}-run",
        )
    try:
        then = decode(Settings, json.loads(path.read_text(encoding="utf-8"))["settings"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NcukitError(
            f"{path} cannot be read: {error}",
            causes=("it was edited, or written by another version of ncukit",),
            next_command=f"start anew: -o {place}-2",
        ) from error
    differing = differences(then, settings)
    if differing:
        raise NcukitError(
            f"{place} holds a run with other settings: {'; '.join(differing)}",
            causes=("a run goes on only as it began, or its rounds could not be compared",),
            next_command=f"a folder of its own: -o {place}-2; or the settings of that run",
        )
    return True


def differences(then: Settings, now: Settings) -> list[str]:
    """What is not the same, in words; the machine is left out while it is not known."""
    found = []
    for name, one in asdict(then).items():
        if name == "max_tokens" or (name in ("gpu", "versions") and not now.gpu):
            continue  # a limit may change
        other = getattr(now, name)
        other = dict(other) if isinstance(one, dict) else other
        if one != other and name == "sha256":
            found.append(f"{now.file} was changed since")
        elif one != other:
            found.append(f"{name} was {_shown(one)} and is {_shown(other)}")
    return found


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={one}" for name, one in sorted(value.items())) or "nothing"
    return str(value)


def _number(name: str) -> int:
    digits = name.removeprefix("round-")
    return int(digits) if digits.isdigit() else 0


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _cannot(path: Path, error: OSError) -> NcukitError:
    return NcukitError(
        f"cannot write {path}: {error.strerror or error}",
        causes=("the folder is read-only or the disk is full",),
        next_command="choose another folder with -o",
        exit_code=Exit.ENVIRONMENT if error.errno in _FULL else Exit.USAGE,
    )
