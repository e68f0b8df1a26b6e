"""What the gate read, for benchmark-action/github-action-benchmark: a list of name, unit, value, range and extra.

A file of that action has one direction for all its values. This one holds the metrics for which lower is better, for
``tool: customSmallerIsBetter``; with ``better="higher"`` it holds the others, for ``tool: customBiggerIsBetter``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from ncukit.render.gate_numbers import directed_readings, series, spread
from ncukit.render.gate_text import RECORDED, device

if TYPE_CHECKING:
    from ncukit.gate.answer import Judgement
    from ncukit.gate.readings import Reading


def render(*judgements: Judgement, better: Literal["lower", "higher"] = "lower") -> str:
    """The medians of ``judgement.entries`` for which ``better`` is the good direction."""
    document = [
        _benchmark(judgement, f"{name}/{metric.name}", metric.unit, reading)
        for judgement in judgements
        for name, entry in series(judgement)
        for metric, reading in directed_readings(entry)
        if metric.better == better
    ]
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _benchmark(judgement: Judgement, name: str, unit: str, reading: Reading) -> dict[str, Any]:
    # the action draws one chart a name, so each metric is a benchmark of its own
    value: dict[str, Any] = {"name": name, "unit": unit or "count", "value": reading.median}
    between = spread(reading)
    if between is not None:
        value["range"] = f"± {(between[1] - between[0]) / 2:.6g}"
    launches = f"median of {reading.count} launch{'es' if reading.count != 1 else ''}"
    recorded = f"{RECORDED}; " if judgement.environment.recorded else ""
    return value | {"extra": f"{recorded}{launches}, {device(judgement.environment)}"}
