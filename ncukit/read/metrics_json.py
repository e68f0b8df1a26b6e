"""The metrics JSON that prompts carry: ``{kernel: {metric: value}}``, alone or inside the text of a brief."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from ncukit import gpus, metrics
from ncukit.errors import Exit, NcukitError
from ncukit.model import Environment
from ncukit.read import columns, jsonfile, numbers
from ncukit.read.assemble import Draft, identity

if TYPE_CHECKING:
    from pathlib import Path

MARKER = "[NCU PROFILING METRICS]"
"""The line above the JSON in a brief."""

_GPU_LINE = re.compile(r"^GPU Name:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)


def read_metrics_json(path: Path, *, name: str) -> Draft:
    """Read kernels and their metrics, one launch each.

    Metrics may have short names or ncu's; values are taken to be in base units. What such a file cannot tell
    (grid, block, process) is empty or 0.

    Raises:
        NcukitError: malformed, or without any metric.
    """
    text = jsonfile.load(path, name)
    before, marker, after = text.partition(MARKER)
    if marker and not text.lstrip().startswith(("{", "[")):
        document = jsonfile.parse_prefix(after.lstrip(), name)
    else:
        before, document = "", jsonfile.parse(text, name)
    kernels = _kernels(document, name)
    readings: dict[str, numbers.FloatArray] = {}
    for row, values in enumerate(kernels.values()):
        for metric, value in values.items():
            if not columns.wanted(metric):
                continue
            readings.setdefault(metric, np.full(len(kernels), np.nan))
            readings[metric][row] = _number(value, metric, name)
    return Draft(
        identity=identity({"kernel": list(kernels)}, len(kernels)),
        readings=readings,
        environment=_environment(before),
        notes=[f"{n} is no known metric" for n in readings if "__" not in n and n not in metrics.catalogue()],
    )


def _kernels(document: Any, name: str) -> dict[str, dict[str, Any]]:
    if isinstance(document, dict) and "schema_version" in document:
        raise NcukitError(
            f"{name} is a file that ncukit itself wrote, not measurements",
            causes=("it is the output of --format json, or one file of a run directory",),
            next_command="ncukit diagnose RUN_DIRECTORY",
        )
    if not isinstance(document, dict) or not all(isinstance(values, dict) for values in document.values()):
        raise jsonfile.malformed(name, 'the shape {"kernel": {"metric": value}} was expected')
    if not any(document.values()):
        raise NcukitError(f"{name} holds no metric", next_command="ncukit profile KERNEL.py", exit_code=Exit.NOTHING)
    # A lone surrogate, which JSON can hold, could not be printed later.
    return {kernel.encode("utf-8", "replace").decode("utf-8"): values for kernel, values in document.items()}


def _number(value: Any, metric: str, name: str) -> float:
    if value is None:
        return math.nan
    if isinstance(value, str):
        number = numbers.parse(value, numbers.Style())
        if number is not None:
            return number
    elif isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value) if math.isfinite(value) else math.nan
        except OverflowError:
            return math.nan
    raise jsonfile.malformed(name, f"the value of {metric[:100]} is no number")


def _environment(brief: str) -> Environment:
    """The GPU that a brief names, when the spec table knows it."""
    line = _GPU_LINE.search(brief)
    spec = gpus.find(line[1]) if line else None
    if spec is None:
        return Environment()
    return Environment(gpu=spec.name, compute_capability=spec.compute_capability, sm_count=spec.sm_count)
