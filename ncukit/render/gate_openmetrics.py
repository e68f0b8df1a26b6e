"""What the gate read, as OpenMetrics text: for GitLab's metrics report, which shows what changed in a merge request.

One gauge a metric, with the median over a kernel's launches, in OpenMetrics' base units: seconds, bytes, and ratios
(0.82, not 82 %). A reading that is missing is left out. The samples of a recording carry ``recorded="true"``, so that
nothing compares them with live ones.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ncukit.gate.answer import WORST_FIRST
from ncukit.metrics import catalogue
from ncukit.render.gate_rows import identities
from ncukit.render.gate_text import bounded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.gate.answer import Judgement

_UNITS = {
    ("ns", "_ns"): ("seconds", 1e-9),
    ("us", "_us"): ("seconds", 1e-6),
    ("%", "_pct"): ("ratio", 0.01),
    ("x", "_ratio"): ("ratio", 1.0),
    ("byte", "_bytes"): ("bytes", 1.0),
    ("GB/s", "_gbps"): ("bytes_per_second", 1e9),
}
"""Unit and ending of a short name → OpenMetrics' unit, which must be the ending of the name there, and the factor."""


@dataclass(slots=True, kw_only=True)
class _Family:
    about: str
    unit: str = ""
    samples: dict[str, float] = field(default_factory=dict)
    """Labels as written → value."""


def render(*judgements: Judgement) -> str:
    """The medians of ``judgement.entries`` and the number of verdicts of each status."""
    families: dict[str, _Family] = {}
    for judgement in judgements:
        _gather(judgement, families)
    # the verdicts last, as they were not measured
    verdicts = families.pop("ncukit_gate_verdicts", None)
    told = {**families, **({"ncukit_gate_verdicts": verdicts} if verdicts is not None else {})}
    return "\n".join([*(line for name, family in told.items() for line in _lines(name, family)), "# EOF"]) + "\n"


def _gather(judgement: Judgement, families: dict[str, _Family]) -> None:
    common = {"case": bounded(judgement.case)} if judgement.case else {}
    common |= {"recorded": "true"} if judgement.environment.recorded else {}
    for entry, identity in zip(judgement.entries, identities(judgement.entries), strict=True):
        labels = _labels(common | identity)
        for metric, reading in entry.readings.items():
            name, unit, factor = _named(metric)
            # the same time in ns and in us is one family: the first of them stays
            if math.isfinite(reading.median):
                family = families.setdefault(name, _Family(about=_about(metric), unit=unit))
                family.samples.setdefault(labels, reading.median * factor)
    verdicts = {_labels(common | {"status": str(status)}): float(judgement.count(status)) for status in WORST_FIRST}
    families.setdefault("ncukit_gate_verdicts", _Family(about="Verdicts of the gate.")).samples.update(verdicts)


def _named(metric: str) -> tuple[str, str, float]:
    """Name of the family, its unit (empty where OpenMetrics has none), and the factor to it."""
    entry = catalogue().get(metric)
    for (unit, ending), (base, factor) in _UNITS.items():
        if entry is not None and entry.unit == unit and metric.endswith(ending):
            return f"ncukit_{metric.removesuffix(ending)}_{base}", base, factor
    return "ncukit_" + re.sub(r"[^a-zA-Z0-9_]", "_", bounded(metric)), "", 1.0


def _about(metric: str) -> str:
    # the catalogue says of duration_us only that it is the same time
    entry = catalogue().get("duration_ns" if metric == "duration_us" else metric)
    if entry is None:
        return f"{bounded(metric)}. Median over the launches."
    unit = f" Unit: {entry.unit}." if entry.unit and not _named(metric)[1] else ""
    return f"{entry.about} Median over the launches.{unit}"


def _lines(name: str, family: _Family) -> Iterator[str]:
    yield f"# TYPE {name} gauge"
    if family.unit:
        yield f"# UNIT {name} {family.unit}"
    yield f"# HELP {name} {_escaped(family.about)}"
    for labels, value in family.samples.items():
        yield f"{name}{labels} {_number(value)}"


def _labels(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    """Whole numbers in full; GitLab compares values as text, so no digits beyond what a measurement has."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else f"{value:.9g}"
