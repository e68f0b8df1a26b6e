"""The details page: one row a reading, with the labels that ncu shows on screen, and rule rows in between.

Labels repeat across sections with another meaning ("Memory Throughput" is a percentage in Speed Of Light and
a rate in Memory Workload Analysis), so a reading is known by section and label together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ncukit import metrics
from ncukit.model import Environment, Opinion
from ncukit.read import columns, numbers, opinions, scan, units
from ncukit.read.assemble import Draft, carry_over, drop_failed, identity
from ncukit.read.rows import Table, tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ncukit.read.chatter import Chatter

_SAMPLE = 20_000
_SM_COUNT = "launch__sm_count"
_LABELS_OF_THE_DEVICE = {("Launch Statistics", "# SMs"): _SM_COUNT}


@dataclass(slots=True)
class _Launch:
    """The rows of one launch."""

    cells: Mapping[str, str]
    """Identification cells by frame column."""
    capability: str
    readings: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Name → (unit, cell)."""
    opinions: list[Opinion] = field(default_factory=list)


def read_long(stream: BinaryIO, header: scan.Header, chatter: Chatter, *, path: str) -> Draft:
    """Read a details page.

    Args:
        stream: behind the header line.
        header: that line.
        chatter: what ncu said before it; the lines after it are added.
        path: the report as the user named it.

    Returns:
        One entry a measured launch, in the file's order; values in base units, as exact as ncu's two decimals
        allow.

    Raises:
        NcukitError: no launch was measured, or the bytes are no text.
    """
    found, losses = tables(stream, header, chatter)
    launches = [launch for table in found if table.header.page == "details" for launch in _launches(table)]
    if not launches:
        raise chatter.nothing_measured(path, why="the file is cut off" if losses.truncated else "")
    draft = _draft(launches)
    draft.notes += losses.notes()
    draft.incomplete = losses.truncated
    drop_failed(draft, path, chatter)
    carry_over(draft, chatter)
    return draft


def name_of(section: str, label: str) -> str:
    """The name under which a reading is kept: ncu's where it is known, else ``section/label``.

    In a run with ``--metrics``, or with ``--print-metric-name name``, the label is ncu's name already.
    """
    short = metrics.by_label().get((section, label))
    if short is not None:
        names = metrics.catalogue()[short].ncu
        return names[0] if names else short
    if label in metrics.by_ncu_name() or "__" in label:
        return label
    return _LABELS_OF_THE_DEVICE.get((section, label), f"{section}/{label}")


def _launches(table: Table) -> list[_Launch]:
    names = table.header.names
    where = {name: index for index, name in reversed(list(enumerate(names)))}
    section, label, value = where["Section Name"], where["Metric Name"], where["Metric Value"]
    unit, body, capability = where.get("Metric Unit"), where.get("Body Item Label"), where.get("CC")
    ids = [where[name] for name in ("ID", "Process ID") if name in where]
    shown = {column: where[ncu] for column, ncu in columns.IDENTITY.items() if ncu in where}
    launches: dict[tuple[str, ...], _Launch] = {}
    advice: list[tuple[tuple[str, ...], Opinion]] = []
    for row in table.rows:
        key = tuple(row[index] for index in ids)
        if not row[label]:
            said = opinions.of_row(row, where)
            if said is not None:
                advice.append((key, said))
            continue
        launch = launches.get(key)
        if launch is None:
            cells = {column: row[index] for column, index in shown.items()}
            launch = launches[key] = _Launch(cells, row[capability] if capability is not None else "")
        if body is not None and row[body] and "__" not in row[label]:
            continue  # --print-details all: part of a chart, whose label is another reading's elsewhere
        name = name_of(row[section], row[label])
        launch.readings.setdefault(name, (row[unit] if unit is not None else "", row[value]))
    for key, said in advice:
        if key in launches:
            launches[key].opinions.append(said)
    return list(launches.values())


def _draft(launches: list[_Launch]) -> Draft:
    cells = [(name, cell) for launch in launches for name, (_, cell) in launch.readings.items()]
    style = numbers.detect(cells[:: max(1, len(cells) // _SAMPLE)])
    names = dict.fromkeys(name for name, _ in cells if columns.wanted(name))
    unknown: dict[str, str] = {}
    readings, strange = {}, []
    for name in names:
        values = np.full(len(launches), np.nan)
        words = 0
        for row, launch in enumerate(launches):
            unit, cell = launch.readings.get(name, ("", ""))
            factor = units.factor(unit)  # each launch is scaled on its own: ms here, us there
            if factor is None:
                unknown[unit] = name
            number = numbers.parse(cell, style)
            words += number is None
            values[row] = np.nan if number is None else number * (1.0 if factor is None else factor)
        if words and np.isnan(values).all():
            continue
        if words:
            strange.append(name)
        readings[name] = values
    shown = {column: [launch.cells.get(column, "") for launch in launches] for column in columns.IDENTITY}
    notes = [columns.unknown_unit(unit, name) for unit, name in unknown.items()]
    return Draft(
        identity=identity(shown, len(launches)),
        readings=readings,
        environment=Environment(compute_capability=launches[0].capability),
        notes=[*notes, *style.notes(), *columns.strange_notes(strange)],
        opinions=[opinions.bounded(launch.opinions) for launch in launches],
    )
