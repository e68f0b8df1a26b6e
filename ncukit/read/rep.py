"""``.ncu-rep``, the only report with exact values: read by NVIDIA's wheel, else by ncu itself."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ncukit.errors import Exit, NcukitError
from ncukit.model import Environment, Opinion
from ncukit.read import columns, opinions, scan, units
from ncukit.read.assemble import Draft, drop_failed, identity
from ncukit.read.chatter import Chatter
from ncukit.read.files import unreadable
from ncukit.read.repfile import COMPRESSED_MAGIC, DamagedReportError, Summary, summary
from ncukit.read.reprules import rule_results
from ncukit.read.wide import read_wide

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_IMPORT_TIMEOUT_S = 300


def read_rep(path: Path, *, name: str) -> Draft:
    """Read a report file.

    Args:
        path: where it lies.
        name: what the user called it.

    Raises:
        NcukitError: it is damaged, holds no launch, or neither the wheel nor ncu is there to read it.
    """
    try:
        with path.open("rb") as stream:
            compressed = stream.read(4) == COMPRESSED_MAGIC
        found = Summary(launches=-1, process=0, ncu_version="") if compressed else summary(path)
    except DamagedReportError as error:
        raise _damaged(name, str(error)) from error
    except OSError as error:
        raise unreadable(name, error) from error
    try:
        import ncu_report
    except ImportError:
        return _import(path, name, _ncu(name), found)
    return _by_wheel(ncu_report, path, name, found)


def _damaged(name: str, why: str) -> NcukitError:
    return NcukitError(
        f"{name} is damaged: {why}",
        causes=("ncu was killed while it wrote the report", "the copy or download is not complete"),
        next_command="ncukit profile KERNEL.py",
    )


# --- the wheel


@dataclass(slots=True)
class _Columns:
    """Cells by column while the launches are walked."""

    rows: int = 0
    identity: dict[str, list[str]] = field(default_factory=dict)
    readings: dict[str, dict[int, float]] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    opinions: list[tuple[Opinion, ...]] = field(default_factory=list)


def _by_wheel(ncu_report: Any, path: Path, name: str, found: Summary) -> Draft:
    table = _Columns()
    environment = Environment()
    try:
        report = ncu_report.load_report(str(path))
        actions = [action for group in report for action in group]
        for action in actions:
            values = _values(action, table)
            if not table.rows:
                environment = _environment(values, found)
            _add(table, action, values)
            table.opinions.append(opinions.of_action(ncu_report, action))
    except Exception as error:  # the wheel raises whatever its C++ side makes of damaged bytes
        raise _damaged(name, f"NVIDIA's reader says {type(error).__name__}") from error
    if found.launches not in (-1, table.rows):
        raise _damaged(name, f"it announces {found.launches} launches and holds {table.rows}")
    if not table.rows:
        raise Chatter().nothing_measured(name)
    whole = identity(table.identity, table.rows)
    whole["process"] = np.full(table.rows, found.process, dtype=np.int64)
    readings = {}
    for metric, by_row in table.readings.items():
        readings[metric] = np.full(table.rows, np.nan)
        readings[metric][list(by_row)] = list(by_row.values())
    notes = [columns.unknown_unit(unit, metric) for unit, metric in table.unknown.items()]
    draft = Draft(identity=whole, readings=readings, environment=environment, notes=notes, opinions=table.opinions)
    drop_failed(draft, name, Chatter())
    return draft


def _values(action: Any, table: _Columns) -> dict[str, float | str]:
    """All readings of one launch that have a value; text stays text."""
    values: dict[str, float | str] = {}
    for name in action.metric_names():
        metric = action.metric_by_name(name)
        # Without has_value() a metric that holds only instances reads as 0.0.
        if metric is None or not metric.has_value() or values.get(name) is not None:
            continue
        value = metric.value()
        if not isinstance(value, int | float):
            values[name] = str(value)
            continue
        factor = units.factor(metric.unit())
        if factor is None:
            table.unknown[metric.unit()] = name
        number = float(value) * (1.0 if factor is None else factor)
        values[name] = number if np.isfinite(number) else float("nan")
    return values


def _add(table: _Columns, action: Any, values: dict[str, float | str]) -> None:
    def whole(name: str) -> str:
        value = values.get(name)
        return str(int(value)) if isinstance(value, float) and np.isfinite(value) else ""

    def shape(what: str) -> str:
        sizes = [whole(f"launch__{what}_dim_{axis}") for axis in "xyz"]
        return f"({', '.join(sizes)})" if all(sizes) else ""

    cells = {
        "kernel": str(action.name()),
        "grid": shape("grid"),
        "block": shape("block"),
        "device": whole("launch__device_id") or whole("device__attribute_device_index"),
        "stream": whole("launch__stream_id"),
    }
    for column, cell in cells.items():
        table.identity.setdefault(column, []).append(cell)
    for name, value in values.items():
        if isinstance(value, float) and columns.wanted(name):
            table.readings.setdefault(name, {})[table.rows] = value
    table.rows += 1


def _environment(values: dict[str, float | str], found: Summary) -> Environment:
    prefix = columns.ATTRIBUTE
    attributes = {
        name.removeprefix(prefix): value
        for name, value in values.items()
        if name.startswith(prefix) and isinstance(value, float) and np.isfinite(value)
    }
    version = [attributes.get(f"compute_capability_{part}") for part in ("major", "minor")]
    count = attributes.get("multiprocessor_count")
    return Environment(
        gpu=str(values.get(f"{prefix}display_name", "")),
        compute_capability=".".join(f"{part:.0f}" for part in version if part is not None),
        sm_count=int(count) if count else None,
        ncu_version=found.ncu_version,
        attributes=attributes,
    )


# --- ncu --import


def _ncu(name: str) -> str:
    """The ncu to run: ``NCUKIT_NCU``, else the one on PATH."""
    named = os.environ.get("NCUKIT_NCU") or "ncu"
    command = shutil.which(named)
    if command is None:
        raise NcukitError(
            f"nothing here can read {name}",
            causes=(
                "NVIDIA's reader is not installed: pip install 'ncukit[rep]'",
                f"there is no {named} to convert it: install Nsight Compute, or set NCUKIT_NCU to its path",
            ),
            next_command="pip install 'ncukit[rep]'",
            exit_code=Exit.ENVIRONMENT,
        )
    return command


def _import(path: Path, name: str, ncu: str, found: Summary) -> Draft:
    """Read by way of ``ncu --import``, with auto units: base units are rounded, 0.0243 to 0.02."""
    command = [ncu, "--import", str(path.absolute()), "--csv", "--page", "raw", "--print-units", "auto"]
    output = _run(command, name)
    stream = io.BytesIO(output)
    chatter = Chatter()
    header = scan.find_header(stream, chatter)
    if header is None or header.page != "raw":
        raise _import_failed(name, command, "\n".join(chatter.lines))
    draft = read_wide(stream, header, chatter, path=name)
    draft.environment = replace(draft.environment, ncu_version=found.ncu_version)
    draft.opinions = _opinions(path, len(draft), found)
    return draft


def _opinions(path: Path, launches: int, found: Summary) -> list[tuple[Opinion, ...]]:
    """Rule results from the file itself: the raw page does not print them. Nothing when they cannot be told apart."""
    if found.launches != launches:  # a compressed file, or launches that failed
        return []
    try:
        return rule_results(path)
    except (DamagedReportError, OSError):
        return []  # the readings are whole, and advice is not worth an error


def _run(command: Sequence[str], name: str) -> bytes:
    # The number format follows the locale; without the variable ncu copies its section files into the home
    # folder.
    settings = {"LC_ALL": "C.UTF-8", "NV_COMPUTE_PROFILER_DISABLE_STOCK_FILE_DEPLOYMENT": "1"}
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **settings},
            capture_output=True,
            timeout=_IMPORT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise _import_failed(name, command, str(error)) from error
    if done.returncode != 0:
        raise _import_failed(name, command, (done.stdout + done.stderr).decode("utf-8", errors="replace"))
    return done.stdout


def _import_failed(name: str, command: Sequence[str], words: str) -> NcukitError:
    return NcukitError(
        f"ncu could not import {name}",
        causes=(
            "the report was written by a newer ncu: an older one cannot open it",
            "the report is damaged",
        ),
        next_command=" ".join(command),
        exit_code=Exit.ENVIRONMENT,
        detail=words[-2000:],
    )
