"""A raw page through pandas' C parser, straight from the file: for tables that nothing interrupts."""

from __future__ import annotations

import io
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
import pandas as pd

from ncukit.read import columns, numbers, scan
from ncukit.read.assemble import NUMBERS, Draft, nothing
from ncukit.read.chatter import Chatter
from ncukit.read.rows import Losses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncukit.read.numbers import FloatArray


def read_fast(stream: BinaryIO, header: scan.Header, chatter: Chatter) -> Draft | None:
    """The whole table, or None when it is not as regular as pandas needs it.

    Raises:
        NcukitError: binary data.
    """
    if not header.quoted:
        return None
    unit_row = scan.record(scan.text_line(stream.readline(scan.LINE_LIMIT)))
    if unit_row is None or not columns.is_units(unit_row, header.names):
        return None
    start = stream.tell()
    sample = [scan.record(scan.text_line(line)) for line in islice(stream, columns.sample_size(len(header.names)))]
    stream.seek(start)
    rows = [row for row in sample if row is not None and len(row) == len(header.names)]
    style = numbers.detect(columns.cells(header.names, rows))
    if not rows or style.decimal_comma:
        return None
    block = scan.clean_block(stream, len(header.names), after := Chatter())
    if block is None:
        return None
    plan = columns.plan(header.names, unit_row)
    # A column of nothing but words, such as a scheduling policy, is no metric.
    readings = [r for r in plan.readings if any(numbers.parse(row[r[0]], style) is not None for row in rows)]
    try:
        parsed = _parse(stream, block, plan, [index for index, _, _ in readings], style)
        whole = _identity(parsed, plan, block.rows)
    except (ValueError, OverflowError):  # text in a numeric column, numbers in another style
        return None
    chatter.absorb(after)
    return Draft(
        identity=whole,
        readings=_scaled(parsed, readings),
        environment=columns.environment(plan, rows[0], style),
        notes=[*plan.unknown_units, *style.notes(), *Losses(truncated=block.truncated).notes()],
        incomplete=block.truncated,
    )


def _parse(
    stream: BinaryIO, block: scan.Block, plan: columns.Plan, metrics: list[int], style: numbers.Style
) -> pd.DataFrame:
    """Frame with identification columns by their frame name and metrics by position, as text.

    Raises:
        ValueError: a cell does not have the type of its column.
    """
    # Text throughout: pandas takes a whole number in ``dtype`` for a position in the file.
    names = {index: column for column, index in plan.identity.items()}
    names.update((index, str(index)) for index in metrics)
    # Ready-made dtypes: pandas takes 50 us to look each name up.
    text, whole, real = pd.CategoricalDtype(), np.dtype("int64"), np.dtype("float64")
    types: dict[str, Any] = {column: whole if column in NUMBERS else text for column in plan.identity}
    types.update((str(index), real) for index in metrics)
    used = sorted(names)
    with io.BufferedReader(scan.Window(stream, block), buffer_size=1 << 18) as window:
        frame: pd.DataFrame = pd.read_csv(
            cast("BinaryIO", window),
            header=None,
            names=[names[index] for index in used],
            usecols=used,
            dtype=types,
            index_col=False,
            thousands="," if style.grouped else None,
            # For all columns, as a list for each is slow with two thousand of them. A kernel called "nan" is
            # then taken for a short row, and read carefully.
            na_values=sorted(numbers.MISSING),
            keep_default_na=False,
            encoding_errors="replace",
            engine="c",
        )
        return frame


def _identity(parsed: pd.DataFrame, plan: columns.Plan, rows: int) -> dict[str, Any]:
    """Identification columns of a parsed table.

    Raises:
        ValueError: a row is too short, or a text column does not hold text.
    """
    whole = {column: nothing(column, rows) for column in columns.IDENTITY}
    for column in plan.identity:
        values: Any = parsed[column].array
        whole[column] = parsed[column].to_numpy() if column in NUMBERS else _texts(values, column)
    return whole


def _texts(values: Any, column: str) -> Any:
    """Categories as texts, in the order of first launch; pandas sorts them."""
    if (values.codes < 0).any():
        raise ValueError(f"no {column} in some row")
    # pandas 3.1 makes numbers of categories that look like some. That is undone for streams; a kernel called
    # "1e5" would have lost its name.
    if values.categories.inferred_type == "integer" and column == "stream":
        values = values.rename_categories([str(category) for category in values.categories])
    if values.categories.inferred_type != "string":
        raise ValueError(f"{column} does not hold text")
    return values.reorder_categories(values.categories[pd.unique(values.codes)])


def _scaled(parsed: pd.DataFrame, readings: Sequence[tuple[int, str, float]]) -> dict[str, FloatArray]:
    found: dict[str, FloatArray] = {}
    for index, name, factor in readings:
        values = parsed[str(index)].to_numpy()
        if name not in found or np.isnan(found[name]).all():
            found[name] = values if factor == 1.0 else values * factor
    return found
