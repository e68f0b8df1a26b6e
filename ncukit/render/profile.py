"""The result of ``ncukit profile`` as text or JSON."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from ncukit.render.json import device

if TYPE_CHECKING:
    from ncukit.model import Report

SCHEMA_VERSION = 1


def to_text(report: Report, *, color: bool, width: int) -> str:
    """A line a launch, drawn for a terminal."""
    from ncukit.render.console import profile_page

    return profile_page(report, color=color, width=width)


def to_json(report: Report) -> str:
    """Every launch with every metric by short name; a metric that is missing is absent, with its reason apart."""
    rows = []
    for row in report.frame.to_dict("records"):
        identity = {k: row.pop(k) for k in ("kernel", "grid", "block", "device", "stream", "process") if k in row}
        metrics = {k: v for k, v in row.items() if isinstance(v, float) and math.isfinite(v)}
        entry: dict[str, Any] = {str(k): _plain(v) for k, v in identity.items()}
        rows.append({**entry, "metrics": metrics})
    document = {
        "schema_version": SCHEMA_VERSION,
        "path": report.path,
        "target": report.target or None,
        "recorded": report.environment.recorded,
        "device": device(report.environment),
        "launches": rows,
        "missing": [{"metric": name, "reason": reason} for name, reason in report.missing.items()],
        "notes": list(report.notes),
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    return int(value) if hasattr(value, "__index__") else str(value)
