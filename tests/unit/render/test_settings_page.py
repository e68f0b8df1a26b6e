"""The effective settings with their origins."""

from __future__ import annotations

import json

from ncukit.config import GateSettings, InspectSettings, ProfileSettings, Settings
from ncukit.render import settings as page

SETTINGS = Settings(
    profile=ProfileSettings(preset="quick"),
    gate=GateSettings(minimum={"dram_pct": 70.0}),
    inspect=InspectSettings(arch=("sm_90",), maximum={"spills": 0.0}),
    origins={"profile.preset": "p.toml", "gate.min.dram_pct": "p.toml", "inspect.max.spills": "p.toml"},
)


def test_every_setting_has_a_line_with_its_origin() -> None:
    lines = [line.split() for line in page.render(SETTINGS).splitlines()]

    assert ["profile.preset", '"quick"', "p.toml"] in lines
    assert ["profile.launches", "-", "default"] in lines
    assert ["gate.min.dram_pct", "70.0", "p.toml"] in lines
    assert ["inspect.max.spills", "0.0", "p.toml"] in lines
    assert ["inspect.arch", '["sm_90"]', "default"] in lines
    assert ["inspect.strict", "false", "default"] in lines


def test_without_budgets_an_example_is_given() -> None:
    assert "[tool.ncukit.gate]" in page.render(Settings())


def test_json() -> None:
    document = json.loads(page.render_json(SETTINGS))

    assert document["settings"]["gate.min.dram_pct"] == {"value": 70.0, "from": "p.toml"}
    assert document["file"] is None
