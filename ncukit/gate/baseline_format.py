"""The file of a baseline: small JSON for review, strict when read, with a way from older formats to this one.

Cases are sorted and numbers have six digits, so that a diff shows what changed.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ncukit.diagnose.facts import LARGEST
from ncukit.errors import NcukitError
from ncukit.gate.readings import KEY, Entry, Reading
from ncukit.gate.side import IDENTITY, Side

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

SCHEMA_VERSION = 1
COLUMNS = ("count", "min", "q1", "median", "q3", "max")
"""What each reading's list holds; where the five are one number, it stands alone."""
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""Format → what turns a document of that format into one of the next. Version 1 is the first."""
MOST_BYTES = 64 * 2**20
"""No baseline is larger; what is, was not written by ncukit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One case of a baseline: what was measured, and who accepted it why."""

    side: Side
    saved: str
    """When it was saved, ISO date."""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """One file: the cases of one name on one GPU."""

    name: str
    gpu: str
    """The GPU's folder name: ``h200``."""
    cases: Mapping[str, Kept] = field(default_factory=dict)
    history: tuple[Mapping[str, Any], ...] = ()
    """What replaced what: ``{"case", "saved", "reason", "total_us": [before, after]}``, oldest first."""


def load(path: Path) -> Baseline:
    """One baseline file, of this format or an older one.

    Raises:
        NcukitError: it cannot be read, is of a newer format, or is not what ncukit writes.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise _broken(path, f"it is larger than {MOST_BYTES // 2**20} MiB")
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _broken(path, error.strerror or "it cannot be read") from error
    except (ValueError, RecursionError) as error:
        raise _broken(path, f"it is not JSON: {error}") from error
    document = migrated(document, path)
    try:
        return Baseline(
            name=path.parent.name,
            gpu=path.stem,
            cases={name: _kept(name, case, path) for name, case in document["cases"].items()},
            history=tuple(_line(one) for one in document["history"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise _broken(
            path, f"it has not the shape of a baseline: {type(error).__name__}: {str(error)[:100]}"
        ) from error


def migrated(document: Any, path: Path) -> dict[str, Any]:
    """The document in today's format."""
    version = document.get("schema_version") if isinstance(document, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise _broken(path, "it names no schema_version")
    if version > SCHEMA_VERSION:
        raise NcukitError(
            f"{path} is of format {version}; this ncukit reads up to {SCHEMA_VERSION}",
            causes=("a newer ncukit wrote it",),
            next_command="python -m pip install --upgrade ncukit",
        )
    while version < SCHEMA_VERSION:
        document = MIGRATIONS[version](document)
        version += 1
    return dict(document)


def _kept(name: str, case: Mapping[str, Any], path: Path) -> Kept:
    identity = {field_: _text(case["identity"][field_]) for field_ in IDENTITY if field_ in case["identity"]}
    side = Side(
        path=str(path),
        case=name,
        target=_text(case["target"]),
        identity=identity,
        recorded=case["recorded"] is True,
        entries=tuple(_entry(kernel) for kernel in case["kernels"]),
    )
    keys = [tuple(getattr(entry, part) for part in KEY) for entry in side.entries]
    if len(set(keys)) < len(keys):
        raise ValueError(f"{name} holds one kernel twice")
    return Kept(side=side, saved=_text(case["saved"]), reason=_text(case["reason"]))


def _line(line: Mapping[str, Any]) -> dict[str, Any]:
    before, after = line["total_us"]
    told = {name: _text(line[name]) for name in ("case", "saved", "reason")}
    return {**told, "total_us": [None if before is None else _number(before), _number(after)]}


def _number(value: Any) -> float:
    number = float(value)
    if not 0 <= number <= LARGEST:
        raise ValueError(f"{number} is no amount")
    return int(number) if number == int(number) else number


def _entry(kernel: Mapping[str, Any]) -> Entry:
    causes = kernel["causes"]
    return Entry(
        kernel=_text(kernel["kernel"]),
        grid=_text(kernel["grid"]),
        block=_text(kernel["block"]),
        constexprs=_text(kernel["constexprs"]),
        tensors=_text(kernel["tensors"]),
        buffers=tuple(int(one) for one in kernel["buffers"]),
        launches=_count(kernel["launches"]),
        per_run=float(_count(kernel["per_run"])),
        causes=None if causes is None else tuple(map(_text, causes)),
        readings={_text(name): _reading(row) for name, row in kernel["readings"].items()},
    )


def _reading(row: list[float]) -> Reading:
    values = [float(_number(value)) for value in row]
    if len(values) == 2:
        values = [values[0], *(values[1:] * 5)]
    if len(values) != len(COLUMNS) or not all(map(math.isfinite, values)) or values[1:] != sorted(values[1:]):
        raise ValueError(f"a reading is {len(COLUMNS)} finite numbers, {', '.join(COLUMNS)}, in ascending order")
    if values[0] < 1:
        raise ValueError("a reading of no launch")
    count, low, q1, median, q3, high = values
    return Reading(count=int(count), low=low, q1=q1, median=median, q3=q3, high=high)


def _count(value: Any) -> int:
    number = _number(value)
    if number != int(number) or number < 1:
        raise ValueError(f"{number} is no count of launches")
    return int(number)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text expected, not {str(value)[:40]!r}")
    return value


def _broken(path: Path, why: str) -> NcukitError:
    return NcukitError(
        f"{path} is no baseline that can be read: {why}",
        causes=("it was edited by hand, or a merge left conflict marks in it",),
        next_command=f"git checkout {path}; or remove it and save the baseline again",
    )


def dumped(baseline: Baseline) -> str:
    """The file's text: one line a reading, cases by name."""
    cases = {name: _case(kept) for name, kept in sorted(baseline.cases.items())}
    document = {
        "schema_version": SCHEMA_VERSION,
        "columns": list(COLUMNS),
        "cases": cases,
        "history": list(baseline.history),
    }
    return _folded(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)) + "\n"


def _case(kept: Kept) -> dict[str, Any]:
    side = kept.side
    return {
        "saved": kept.saved,
        "reason": kept.reason,
        "recorded": side.recorded,
        "target": side.target,
        "identity": dict(side.identity),
        "kernels": [_kernel(entry) for entry in side.entries],
    }


def _kernel(entry: Entry) -> dict[str, Any]:
    return {
        "kernel": entry.kernel,
        "grid": entry.grid,
        "block": entry.block,
        "constexprs": entry.constexprs,
        "tensors": entry.tensors,
        "buffers": list(entry.buffers),
        "launches": entry.launches,
        "per_run": rounded(entry.per_run),
        "causes": None if entry.causes is None else list(entry.causes),
        "readings": {name: _row(reading) for name, reading in sorted(entry.readings.items())},
    }


def _row(reading: Reading) -> list[float]:
    numbers = (reading.low, reading.q1, reading.median, reading.q3, reading.high)
    short = [rounded(number) for number in numbers]
    return [reading.count, *(short if len(set(short)) > 1 else short[:1])]


def rounded(value: float) -> float:
    """Six significant digits, whole numbers whole: more is noise, and noise makes diffs long."""
    short = float(f"{value:.6g}")
    return int(short) if short == int(short) else short


def _folded(text: str) -> str:
    """Lists of plain values on one line."""
    # a line break is never inside a string: there JSON writes \\n
    return re.sub(r"\[\n\s+([^\[\]{}]*?)\n\s*\]", lambda found: f"[{re.sub(chr(10) + ' *', ' ', found[1])}]", text)
