"""What was measured, a line a trial, as it is measured: a search that was ended goes on from there."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ncukit.errors import NcukitError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ncukit.optimize.problem import Problem

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


def header(problem: Problem, about: Mapping[str, Any]) -> dict[str, Any]:
    """What trials can be compared under: code, sizes, GPU and versions."""
    return {
        "schema_version": SCHEMA_VERSION,
        "code": hashlib.sha256(problem.code.encode()).hexdigest()[:16],
        "sizes": dict(problem.sizes),
        "gpu": about.get("gpu", ""),
        "versions": dict(about.get("versions", {})),
    }


class Record:
    """A file of JSON lines: a header, trials, and results.

    Args:
        path: where it is, or will be.
        head: what this search can be compared under.

    Raises:
        NcukitError: it is a record of something else, or no record.
    """

    def __init__(self, path: Path, head: Mapping[str, Any]) -> None:
        self.path = path
        self.trials: list[Trial] = []
        self.result: Mapping[str, Any] | None = None
        """What the last search that came to its end found."""
        lines = _lines(path)
        if lines:
            self._check(lines[0], head)
            for line in lines[1:]:
                self._take(line)
        self._lines = [dict(head), *lines[1:]]

    def add(self, trial: Trial) -> None:
        """Keep one trial; it stands in the file when this returns."""
        self.trials.append(trial)
        self._append({"trial": asdict(trial)})

    def finish(self, result: Mapping[str, Any]) -> None:
        """Keep what it all came to."""
        self.result = result
        self._append({"result": dict(result)})

    def _append(self, line: dict[str, Any]) -> None:
        self._lines.append(line)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # whole each time, beside and renamed: a few hundred lines, and never half a one
        beside = self.path.with_name(f".{self.path.name}.part")
        beside.write_text("".join(json.dumps(one) + "\n" for one in self._lines), encoding="utf-8")
        beside.replace(self.path)

    def _check(self, found: Mapping[str, Any], head: Mapping[str, Any]) -> None:
        for name, value in head.items():
            if found.get(name) != value:
                raise NcukitError(
                    f"{self.path} is the record of another search: its {name} is {found.get(name)!r}, now {value!r}",
                    causes=("the file, the sizes, the GPU or a version changed since, so its times do not compare",),
                    next_command="the same command with --fresh, or --record with another path",
                )

    def _take(self, line: Mapping[str, Any]) -> None:
        if isinstance(line.get("result"), dict):
            self.result = line["result"]
            return
        given = line.get("trial")
        try:
            before = tuple((int(i), tuple(map(int, s))) for i, s in given["before"])  # type: ignore[index]
            setting = tuple(map(int, given["setting"]))  # type: ignore[index]
            rest = {k: v for k, v in given.items() if k not in ("before", "setting", "launches")}  # type: ignore[union-attr]
            launches = tuple(given["launches"])  # type: ignore[index]
            self.trials.append(Trial(**rest, before=before, setting=setting, launches=launches))
        except (TypeError, KeyError, ValueError) as error:
            raise NcukitError(
                f"{self.path} holds a line that is no trial: {str(error)[:200]}",
                causes=("it was written by another version, or edited",),
                next_command="the same command with --fresh",
            ) from error


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
            next_command="--record with another path, or --fresh to start over",
        ) from error
    return found
