"""``[tool.ncukit]`` → Settings. Strict: an unknown key names the nearest one, a wrong value its file and key.

The nearest ``ncukit.toml`` (keys at the top level) or ``pyproject.toml`` with a ``[tool.ncukit]`` table
counts; the search goes from the working directory upwards, and files are not merged. Keys may be written with
``-`` or ``_``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ncukit.config.readers import BUDGET, GATE, IGNORE, INSPECT, PROFILE, Reader, WrongValueError
from ncukit.config.settings import (
    DEFAULT,
    BudgetSettings,
    GateSettings,
    IgnoreSettings,
    InspectSettings,
    ProfileSettings,
    Settings,
)
from ncukit.errors import NcukitError, nearest

Keys = Mapping[str, tuple[str, Reader]]
_LISTS: Mapping[str, Keys] = {"budget": BUDGET, "ignore": IGNORE}
"""``[[gate.…]]``: key → what one entry may hold."""
_SECTIONS = ("profile", "gate", "inspect")


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
        return Settings(origins=_origins(set(), ""))
    prefix = "tool.ncukit." if path.name == "pyproject.toml" else ""
    sections = _known(path, prefix, _table_of(path, prefix.rstrip("."), table), _SECTIONS)
    profile = _profile(path, f"{prefix}profile", sections.get("profile", {}))
    gate = _gate(path, f"{prefix}gate", sections.get("gate", {}))
    inspect = InspectSettings(**_read(path, f"{prefix}inspect", sections.get("inspect", {}), INSPECT))
    written = {
        *(f"profile.{key}" for key in _plain(sections.get("profile", {}))),
        *_written("gate", _plain(sections.get("gate", {}))),
        *_written("inspect", _plain(sections.get("inspect", {}))),
    }
    return Settings(profile=profile, gate=gate, inspect=inspect, origins=_origins(written, str(path)), path=path)


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


def _plain(table: Any) -> dict[str, Any]:
    """The table with its keys as they are documented: ``max_drop`` is ``max-drop``, ``clock-control`` the other way."""
    documented = {key.replace("-", "_"): key for key in (*PROFILE, *GATE, *BUDGET, *IGNORE, *INSPECT, *_LISTS)}
    plain: dict[str, Any] = {}
    for key, value in table.items():
        word = documented.get(key.replace("-", "_"), key)
        plain[f"{key} (given twice)" if word in plain else word] = value
    return plain


def _table_of(path: Path, key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _error(path, f"{key} must be a table", f"edit {path}")
    return value


def _profile(path: Path, key: str, table: Any) -> ProfileSettings:
    values = _read(path, key, table, PROFILE)
    for name in ("ncu", "python"):
        if name in values:
            values[name] = _beside(path, values[name])
    return ProfileSettings(**values)


def _gate(path: Path, key: str, table: Any) -> GateSettings:
    plain = _plain(_table_of(path, key, table))
    lists = {name: _entries(path, f"{key}.{name}", plain.pop(name, []), keys) for name, keys in _LISTS.items()}
    for number, entry in enumerate(lists["ignore"], start=1):
        if "reason" not in entry:
            raise _error(path, f"{key}.ignore, entry {number}, gives no reason", f"edit {path}", 'add reason = "why"')
    return GateSettings(
        **_read(path, key, plain, GATE, tuple(_LISTS)),
        budgets=tuple(BudgetSettings(**entry) for entry in lists["budget"]),
        ignore=tuple(IgnoreSettings(**entry) for entry in lists["ignore"]),
    )


def _entries(path: Path, key: str, value: Any, keys: Keys) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise _error(path, f"{key} must be a list of tables, each written [[{key}]]", f"edit {path}")
    read = [_read(path, f"{key}, entry {number}:", one, keys) for number, one in enumerate(value, start=1)]
    for number, entry in enumerate(read, start=1):
        if keys is BUDGET and BudgetSettings(**entry).empty:
            cause = "it needs min, max, max-drop, max-rise or forbid"
            raise _error(path, f"{key}, entry {number}, asks for nothing", f"edit {path}", cause)
    return read


def _read(path: Path, key: str, table: Any, keys: Keys, more: tuple[str, ...] = ()) -> dict[str, Any]:
    """The fields of one table. ``more``: keys that are read elsewhere, to be named in a hint."""
    plain = _plain(_table_of(path, key.rstrip(":"), table))
    stem = f"{key} " if key.endswith(":") else f"{key}."
    values = {}
    for word, value in _known(path, stem, plain, (*keys, *more)).items():
        name, reader = keys[word]
        try:
            values[name] = reader(value)
        except WrongValueError as error:
            shown = repr(value)[:80]
            raise _error(path, f"{stem}{word} = {shown} must be {error}", f"edit {path}") from error
    return values


def _beside(path: Path, program: str) -> str:
    """A program's path counts from the configuration file; a bare name is looked up on PATH."""
    return str(path.absolute().parent / Path(program).expanduser()) if "/" in program else program


def _known(path: Path, stem: str, table: dict[str, Any], known: tuple[str, ...]) -> dict[str, Any]:
    for key in table:
        if key not in known:
            close = nearest(key, known, 1) or nearest(key.replace("-", "_"), known, 1)
            hint = f"did you mean '{stem}{close[0]}'?" if close else f"known here: {', '.join(known)}"
            raise _error(path, f"has an unknown key '{stem}{key}'", f"edit {path}", hint)
    return table


def _written(section: str, table: Mapping[str, Any]) -> set[str]:
    """Keys of a section that the file sets: a table's members one by one, a list of tables by number."""
    found = set()
    for key, value in table.items():
        if isinstance(value, dict):
            found |= {f"{section}.{key}.{member}" for member in value}
        elif section == "gate" and key in _LISTS:
            found |= {f"{section}.{key}.{number}" for number in range(1, len(value) + 1)}
        else:
            found.add(f"{section}.{key}")
    return found


def _origins(written: set[str], path: str) -> dict[str, str]:
    """Every key that has a value → the file, or ``default``."""
    plain = [f"profile.{key}" for key in PROFILE]
    plain += [f"gate.{key}" for key in ("level", "baseline", "all-cases", "strict", "allow", "forbid")]
    plain += [f"inspect.{key}" for key in INSPECT if key not in ("min", "max")]
    return {key: path if key in written else DEFAULT for key in (*plain, *sorted(written - set(plain)))}


def _error(path: Path, what: str, next_command: str, cause: str = "") -> NcukitError:
    return NcukitError(f"{path} {what}", causes=(cause,) if cause else (), next_command=next_command)
