"""The raw page: one row a launch, one column a metric, a row of units below the header.

Two ways to the same columns. An uninterrupted table goes to pandas' C parser straight from the file
(:mod:`ncukit.read.fast`); anything else, such as lines between the rows, another locale's numbers or a second
header, is read row by row (:mod:`ncukit.read.careful`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ncukit.read.assemble import carry_over, drop_failed
from ncukit.read.careful import read_careful
from ncukit.read.chatter import Chatter
from ncukit.read.fast import read_fast
from ncukit.read.rows import sifted

if TYPE_CHECKING:
    from ncukit.read import scan
    from ncukit.read.assemble import Draft


def read_wide(stream: BinaryIO, header: scan.Header, chatter: Chatter, *, path: str) -> Draft:
    """Read a raw page.

    Args:
        stream: behind the header line.
        header: that line.
        chatter: what ncu said before it; the lines after it are added.
        path: the report as the user named it.

    Returns:
        One entry a measured launch, in the file's order; values in base units.

    Raises:
        NcukitError: no launch was measured, the row of units is missing, or the bytes are no text.
    """
    start = stream.tell()
    draft = read_fast(stream, header, chatter)
    if draft is None:
        stream.seek(start)
        with sifted(stream, header, between := Chatter()) as rows:
            draft = None if rows is None else read_fast(rows, header, between)
        if draft is not None:
            chatter.absorb(between)
    if draft is None:
        stream.seek(start)
        draft = read_careful(stream, header, chatter, path)
    drop_failed(draft, path, chatter)
    _note_devices(draft)
    carry_over(draft, chatter)
    return draft


def _note_devices(draft: Draft) -> None:
    devices = np.unique(draft.identity["device"])
    if len(devices) > 1:
        draft.notes.append(f"launches ran on {len(devices)} devices; the GPU's limits are those of the first launch's")
