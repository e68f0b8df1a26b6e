"""``[tool.ncukit]`` → Settings. Strict: an unknown key names the nearest one, a wrong value its file and key.

The nearest ``ncukit.toml`` (keys at the top level) or ``pyproject.toml`` with a ``[tool.ncukit]`` table
counts; the search goes from the working directory upwards, and files are not merged.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ncukit.errors import NcukitError, nearest

PRESETS = ("quick", "default", "full")
CLOCK_CONTROLS = ("base", "none", "reset")
CACHE_CONTROLS = ("all", "none")
DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileSettings:
    """``[tool.ncukit.profile]``: how kernels are measured."""

    preset: str = "default"
    """Which metrics to collect: ``quick``, ``default`` or ``full``."""
    clock_control: str = "base"
    """ncu's ``--clock-control``: ``base`` locks the clocks, so that two runs can be compared; ``none``
    measures at the clocks the kernel really gets; ``reset`` undoes a lock that a killed run left behind."""
    cache_control: str = "all"
    """ncu's ``--cache-control``: ``all`` flushes caches before every pass, ``none`` leaves them warm."""
    timeout_s: float = 600.0
    """Seconds after which a measurement is ended."""
    launches: int | None = None
    """Most launches to measure; None measures every launch of the profiled range."""
    ncu: str | None = None
    """The ncu to run; None looks it up. A relative path counts from the configuration file."""
    python: str | None = None
    """The Python that runs kernel files; None is the one that runs ncukit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings:
    """``[tool.ncukit.gate]``: budgets by metric name, as written in the file."""

    minimum: Mapping[str, float] = field(default_factory=dict)
    """``min = {dram_pct = 70}``: the measured value must not be below."""
    maximum: Mapping[str, float] = field(default_factory=dict)
    """``max = {duration_us = 6000}``: the measured value must not be above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The effective configuration and where each value came from."""

    profile: ProfileSettings = field(default_factory=ProfileSettings)
    gate: GateSettings = field(default_factory=GateSettings)
    origins: Mapping[str, str] = field(default_factory=dict)
    """Key such as ``profile.preset`` or ``gate.min.dram_pct`` → the file that set it, or ``default``."""
    path: Path | None = None
    """The configuration file, or None when there is none."""


Reader = Callable[[Any], Any]


class _WrongValueError(ValueError):
    """What a value should have been; ``load`` adds file and key."""


def _one_of(*allowed: str) -> Reader:
    def read(value: Any) -> str:
        if value not in allowed or not isinstance(value, str):
            close = nearest(str(value), allowed, 1)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            raise _WrongValueError(f"one of {', '.join(allowed)}{hint}")
        return value

    return read


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _seconds(value: Any) -> float:
    if not _is_number(value) or value <= 0:
        raise _WrongValueError("a number of seconds above 0")
    return float(value)


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _WrongValueError("a whole number of at least 1")
    return value


def _program(value: Any) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise _WrongValueError("a program name or path in quotes")
    return value


def _budgets(value: Any) -> dict[str, float]:
    if not isinstance(value, dict):
        raise _WrongValueError("a table of metric = number, such as { dram_pct = 70 }")
    for name, limit in value.items():
        if not _is_number(limit):
            raise _WrongValueError(f"a finite number for {name}, without quotes or units")
    return {name: float(limit) for name, limit in value.items()}


READERS: Mapping[str, Mapping[str, tuple[str, Reader]]] = {
    "profile": {
        "preset": ("preset", _one_of(*PRESETS)),
        "clock_control": ("clock_control", _one_of(*CLOCK_CONTROLS)),
        "cache_control": ("cache_control", _one_of(*CACHE_CONTROLS)),
        "timeout_s": ("timeout_s", _seconds),
        "launches": ("launches", _count),
        "ncu": ("ncu", _program),
        "python": ("python", _program),
    },
    "gate": {"min": ("minimum", _budgets), "max": ("maximum", _budgets)},
}
"""Section → key in the file → (field of the section's dataclass, reader)."""


def load(start: Path | None = None, explicit: Path | None = None) -> Settings:
    """The settings that hold in ``start`` (the working directory by default).

    Args:
        start: folder from which to look upwards.
        explicit: a configuration file to use instead of looking for one.

    Raises:
        NcukitError: a file cannot be read, or a key or value in it is wrong; names the file and the key.
    """
    path = explicit if explicit is not None else _find(start)
    table = _table(path) if path is not None else None
    if path is None or table is None:
        if explicit is not None:
            raise _error(explicit, "has no [tool.ncukit] table", "ncukit config")
        return Settings(origins=_origins({}, ""))
    values = _values(path, table)
    return Settings(
        profile=ProfileSettings(**values["profile"]),
        gate=GateSettings(**values["gate"]),
        origins=_origins(values, str(path)),
        path=path,
    )


def _find(start: Path | None) -> Path | None:
    try:
        first = (start or Path.cwd()).absolute()
    except FileNotFoundError:  # the working directory is gone: nothing is configured there
        return None
    for folder in (first, *first.parents):
        own, shared = folder / "ncukit.toml", folder / "pyproject.toml"
        in_shared = shared.is_file() and _table(shared) is not None
        if own.is_file() and in_shared:
            raise _error(own, f"and {shared} both configure ncukit; keep one", f"rm {own}")
        if own.is_file():
            return own
        if in_shared:
            return shared
    return None


def _table(path: Path) -> dict[str, Any] | None:
    """The raw table of one file, or None for a pyproject.toml without one."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _error(path, f"cannot be read: {error.strerror}", "ncukit config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _error(path, f"is not TOML: {error}", f"edit {path}") from error
    except RecursionError as error:
        raise _error(path, "is nested too deeply", f"edit {path}") from error
    if path.name != "pyproject.toml":
        return raw
    tool = raw.get("tool", {})
    table = tool.get("ncukit") if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise _error(path, "tool.ncukit must be a table", f"edit {path}")
    return table


def _values(path: Path, table: dict[str, Any]) -> dict[str, dict[str, Any]]:
    prefix = "tool.ncukit." if path.name == "pyproject.toml" else ""
    _known(path, prefix, table, tuple(READERS))
    values: dict[str, dict[str, Any]] = {section: {} for section in READERS}
    for section, entries in table.items():
        if not isinstance(entries, dict):
            raise _error(path, f"{prefix}{section} must be a table", f"edit {path}")
        _known(path, f"{prefix}{section}.", entries, tuple(READERS[section]))
        for key, value in entries.items():
            name, reader = READERS[section][key]
            try:
                values[section][name] = reader(value)
            except _WrongValueError as error:
                shown = repr(value)[:80]
                raise _error(path, f"{prefix}{section}.{key} = {shown} must be {error}", f"edit {path}") from error
    for name in ("ncu", "python"):
        if name in values["profile"]:
            values["profile"][name] = _beside(path, values["profile"][name])
    return values


def _beside(path: Path, program: str) -> str:
    """A program's path counts from the configuration file; a bare name is looked up on PATH."""
    return str(path.absolute().parent / Path(program).expanduser()) if "/" in program else program


def _known(path: Path, prefix: str, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            close = nearest(key.replace("-", "_"), known, 1)
            hint = f"did you mean '{prefix}{close[0]}'?" if close else f"known here: {', '.join(known)}"
            raise _error(path, f"has an unknown key '{prefix}{key}'", f"edit {path}", hint)


def _origins(values: Mapping[str, Mapping[str, Any]], path: str) -> dict[str, str]:
    origins: dict[str, str] = {}
    for one in fields(ProfileSettings):
        origins[f"profile.{one.name}"] = path if one.name in values.get("profile", {}) else DEFAULT
    for key, (name, _) in READERS["gate"].items():
        for metric in values.get("gate", {}).get(name, {}):
            origins[f"gate.{key}.{metric}"] = path
    return origins


def _error(path: Path, what: str, next_command: str, cause: str = "") -> NcukitError:
    return NcukitError(f"{path} {what}", causes=(cause,) if cause else (), next_command=next_command)
