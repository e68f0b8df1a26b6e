"""The effective settings as text and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ncukit.config import DEFAULT
from ncukit.render.text import columns, visible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ncukit.config import BudgetSettings, InspectSettings, Settings


def flat(settings: Settings) -> dict[str, Any]:
    """Key as in the file (``gate.min.dram_pct``) → value."""
    gate = settings.gate
    values = {f"profile.{name}": value for name, value in asdict(settings.profile).items()}
    values |= {"gate.baseline": gate.baseline, "gate.all-cases": gate.all_cases}
    values |= {"gate.strict": gate.strict, "gate.level": gate.level}
    values |= {f"gate.{name}": list(getattr(gate, name)) for name in ("allow", "forbid")}
    for bound, limits in _limits(gate).items():
        values |= {f"gate.{bound}.{metric}": limit for metric, limit in limits.items()}
    values |= {f"gate.budget.{n}": _table(one) for n, one in enumerate(gate.budgets, start=1)}
    values |= {f"gate.ignore.{n}": _written(asdict(one)) for n, one in enumerate(gate.ignore, start=1)}
    return values | _inspect(settings.inspect)


def _inspect(inspect: InspectSettings) -> dict[str, Any]:
    values: dict[str, Any] = {f"inspect.{name}": list(getattr(inspect, name)) for name in ("arch", "select", "ignore")}
    values["inspect.strict"] = inspect.strict
    for bound, limits in (("min", inspect.minimum), ("max", inspect.maximum)):
        values |= {f"inspect.{bound}.{metric}": limit for metric, limit in limits.items()}
    return values


def _limits(budget: BudgetSettings) -> dict[str, Mapping[str, Any]]:
    return {
        "min": budget.minimum,
        "max": budget.maximum,
        "max-drop": budget.max_drop,
        "max-rise": budget.max_rise,
    }


def _table(budget: BudgetSettings) -> dict[str, Any]:
    """One ``[[gate.budget]]`` as it is written in the file."""
    plain = {"kernel": budget.kernel, "case": budget.case, "forbid": list(budget.forbid), "level": budget.level}
    return _written({**plain, **{bound: dict(limits) for bound, limits in _limits(budget).items()}})


def _written(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in ("", {}, [], None)}


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
    if not settings.gate.all_budgets:
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
