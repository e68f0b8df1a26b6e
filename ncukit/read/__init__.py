"""Reading measurements: ``ncukit.read(path).frame`` is a pandas frame with one row a launch.

Accepted, whatever the file is called: ncu's CSV, raw or details page, with log lines and program output
around it; ``.ncu-rep``; the metrics JSON of prompts, alone or inside a brief; a run directory; ``-`` for
standard input.

**Columns.** ``kernel``, ``grid``, ``block`` and ``stream`` are categorical texts (grid and block as ncu
prints them, ``(7168, 1, 1)``), ``device`` (ncu's index) and ``process`` (pid) are int64. What a source does
not tell is empty or 0. Every other column is a float64 metric, under its short name (``ncukit metrics``) or,
outside the catalogue, under ncu's name; readings of a details page without a known name are
``section/label``. Metrics that can be computed from others are.

**Units** are base units: ns, byte, %, counts; ``Report.environment`` describes the device.

**Missing** readings are NaN. A metric without any value has no column and stands in ``Report.missing`` with
the reason; what else a reader should know stands in ``Report.notes``.

**Opinions**: where a details page or a ``.ncu-rep`` carries results of NVIDIA's rules, ``Report.opinions`` has them.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import ncukit
from ncukit.read.assemble import finish
from ncukit.read.files import on_disk
from ncukit.read.join import join
from ncukit.read.metrics_json import read_metrics_json
from ncukit.read.rep import read_rep
from ncukit.read.run_directory import is_recording, read_run_directory
from ncukit.read.sniff import Kind, kind_of, read_table

if TYPE_CHECKING:
    from ncukit.model import Report

__all__ = ["join", "read"]


def read(path: str | os.PathLike[str], *, gpu: str | None = None) -> Report:
    """Read measurements from a file, a run directory or standard input (``-``).

    Args:
        path: what to read; its content tells the kind, its name does not.
        gpu: the GPU to assume when the source does not name one, such as ``"RTX 4090"``.

    Returns:
        One row a measured launch; see the module's text for columns and units. At least one row.

    Raises:
        NcukitError: exit code 2 when it cannot be read or understood, 3 when the tool to read it is missing
            or the recorded launches do not match, 4 when it holds no measured launch.
    """
    name = os.fsdecode(path)
    with on_disk(name) as file:
        kind = kind_of(file, name)
        match kind:
            case Kind.DIRECTORY:
                return read_run_directory(file, name=name, gpu=gpu)
            case Kind.REP:
                return finish(read_rep(file, name=name), path=name, kind=kind.value, gpu=gpu)
            case Kind.JSON:
                return finish(read_metrics_json(file, name=name), path=name, kind=kind.value, gpu=gpu)
            case Kind.TABLE:
                draft, dialect = read_table(file, name=name)
                report = finish(draft, path=name, kind=dialect, gpu=gpu)
                return recorded(report) if is_recording(file) else report


def recorded(report: Report) -> Report:
    """The report, marked as a recording."""
    return replace(report, environment=replace(report.environment, recorded=True))


ncukit.make_callable(__name__)
