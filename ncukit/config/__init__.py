"""``[tool.ncukit]`` → Settings: the values, what may be written for each, and the strict reader of the file."""

from __future__ import annotations

from ncukit.config.load import load
from ncukit.config.readers import ALLOWED, BASELINE_NAME, CACHE_CONTROLS, CLOCK_CONTROLS, LEVELS, PRESETS
from ncukit.config.settings import (
    DEFAULT,
    BudgetSettings,
    GateSettings,
    IgnoreSettings,
    InspectSettings,
    ProfileSettings,
    Settings,
)

__all__ = [
    "ALLOWED",
    "BASELINE_NAME",
    "CACHE_CONTROLS",
    "CLOCK_CONTROLS",
    "DEFAULT",
    "LEVELS",
    "PRESETS",
    "BudgetSettings",
    "GateSettings",
    "IgnoreSettings",
    "InspectSettings",
    "ProfileSettings",
    "Settings",
    "load",
]
