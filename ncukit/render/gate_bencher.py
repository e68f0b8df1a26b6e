"""What the gate read, in the Bencher Metric Format (bencher.dev): a benchmark a kernel, a measure a metric.

Bencher has no word for which direction is better: that is said where a threshold is set, with a lower boundary for
``dram_pct`` and an upper one for ``duration_us``. Units are those of ``ncukit metrics``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ncukit.render.gate_numbers import directed_readings, series, spread

if TYPE_CHECKING:
    from ncukit.gate.answer import Judgement
    from ncukit.gate.readings import Entry


def render(*judgements: Judgement) -> str:
    """The medians of ``judgement.entries``, with the least and greatest launch where there are several."""
    kernels = [pair for judgement in judgements for pair in series(judgement)]
    document = {name: measures for name, entry in kernels if (measures := _measures(entry))}
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _measures(entry: Entry) -> dict[str, dict[str, float]]:
    measures = {}
    for metric, reading in directed_readings(entry):
        value = {"value": reading.median}
        between = spread(reading)
        if between is not None:
            value |= {"lower_value": between[0], "upper_value": between[1]}
        measures[metric.name] = value
    return measures
