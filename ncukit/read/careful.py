"""A raw page row by row: for tables that anything interrupts, or that are written in another locale."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ncukit.errors import NcukitError
from ncukit.read import columns, numbers
from ncukit.read.assemble import NUMBERS, Draft, identity
from ncukit.read.rows import Table, tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncukit.read import scan
    from ncukit.read.chatter import Chatter
    from ncukit.read.numbers import FloatArray


def read_careful(stream: BinaryIO, header: scan.Header, chatter: Chatter, path: str) -> Draft:
    """All raw tables of a file, one below the other.

    Raises:
        NcukitError: no launch was measured, the row of units is missing, or the bytes are no text.
    """
    found, losses = tables(stream, header, chatter)
    drafts = [_table(table, path) for table in found if table.header.page == "raw" and len(table.rows) > 0]
    drafts = [draft for draft in drafts if len(draft)]
    if not drafts:
        why = "the file is cut off" if losses.truncated else ""
        raise chatter.nothing_measured(path, why=why)
    draft = drafts[0] if len(drafts) == 1 else _joined(drafts)
    draft.notes += losses.notes()
    draft.incomplete = losses.truncated
    return draft


def _table(table: Table, path: str) -> Draft:
    names = table.header.names
    if not columns.is_units(table.rows[0], names):
        raise _no_units(path)
    plan = columns.plan(names, table.rows[0])
    rows = table.rows[1:]
    if not rows:
        return Draft(identity=identity({}, 0), readings={})
    step = max(1, len(rows) // columns.sample_size(len(names)))
    style = numbers.detect(columns.cells(names, rows[::step]))
    cells = list(zip(*rows, strict=True))
    readings: dict[str, FloatArray] = {}
    strange = []
    for index, name, factor in plan.readings:
        values, text = numbers.to_floats(cells[index], style)
        if text and np.isnan(values).all():
            continue  # a column of words, such as a scheduling policy
        if text:
            strange.append(name)
        if name not in readings or np.isnan(readings[name]).all():
            readings[name] = values * factor
    return Draft(
        identity=identity({column: cells[index] for column, index in plan.identity.items()}, len(rows)),
        readings=readings,
        environment=columns.environment(plan, rows[0], style),
        notes=[*plan.unknown_units, *style.notes(), *columns.strange_notes(strange)],
    )


def _joined(drafts: Sequence[Draft]) -> Draft:
    """Tables of several processes, one below the other; a metric that one of them lacks is NaN there."""
    names = dict.fromkeys(name for draft in drafts for name in draft.readings)
    texts = ("kernel", "grid", "block", "stream")
    stacked = {column: [value for draft in drafts for value in draft.identity[column]] for column in drafts[0].identity}
    whole = identity({column: stacked[column] for column in texts}, sum(map(len, drafts)))
    whole.update({column: np.array(stacked[column], dtype=np.int64) for column in NUMBERS})
    return Draft(
        identity=whole,
        readings={
            name: np.concatenate([d.readings.get(name, np.full(len(d), np.nan)) for d in drafts]) for name in names
        },
        environment=drafts[0].environment,
        notes=[note for draft in drafts for note in draft.notes],
    )


def _no_units(path: str) -> NcukitError:
    return NcukitError(
        f"{path}: the row of units below the header is missing, so ns cannot be told from ms",
        causes=("another program saved the table without it",),
        next_command="ncu --import REPORT.ncu-rep --csv --page raw",
    )
