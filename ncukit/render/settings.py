"""The effective settings as text and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from ncukit.config import DEFAULT, Settings
from ncukit.render.text import columns, visible


def flat(settings: Settings) -> dict[str, Any]:
    """Key as in the file (``gate.min.dram_pct``) → value."""
    values = {f"profile.{name}": value for name, value in asdict(settings.profile).items()}
    for bound, limits in (("min", settings.gate.minimum), ("max", settings.gate.maximum)):
        values |= {f"gate.{bound}.{metric}": limit for metric, limit in limits.items()}
    return values


def render(settings: Settings) -> str:
    """One line a setting: key, value, origin."""
    rows = [
        [
            visible(key),
            "-" if value is None else visible(json.dumps(value)),
            visible(settings.origins.get(key, DEFAULT)),
        ]
        for key, value in flat(settings).items()
    ]
    lines = columns([["setting", "value", "from"], *rows], "<<<")
    if not (settings.gate.minimum or settings.gate.maximum):
        lines += ["", "no budgets; for example: [tool.ncukit.gate] min = { dram_pct = 70 }"]
    return "\n".join(lines) + "\n"


def render_json(settings: Settings) -> str:
    """The same for programs."""
    document = {
        "schema_version": 1,
        "file": str(settings.path) if settings.path else None,
        "settings": {
            key: {"value": value, "from": settings.origins.get(key, DEFAULT)} for key, value in flat(settings).items()
        },
    }
    return json.dumps(document, indent=2) + "\n"
