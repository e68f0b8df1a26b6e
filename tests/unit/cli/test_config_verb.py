"""``ncukit config``: what holds here and why."""

from __future__ import annotations

import json

from ncukit.cli import run
from ncukit.errors import Exit


def test_effective_settings_with_their_file(monkeypatch, tmp_path, capsys) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text("[tool.ncukit.profile]\nlaunches = 3\n")
    monkeypatch.chdir(tmp_path)

    assert run(["config", "--format", "json"]) == Exit.OK

    settings = json.loads(capsys.readouterr().out)["settings"]
    assert {"value": 3, "from": str(path)} == settings["profile.launches"]
    assert settings["profile.preset"]["from"] == "default"


def test_a_broken_file_is_a_usage_error(monkeypatch, tmp_path, capsys) -> None:
    (tmp_path / "ncukit.toml").write_text("[profile]\nprest = 'full'\n")
    monkeypatch.chdir(tmp_path)

    assert run(["config"]) == Exit.USAGE
    assert "did you mean 'profile.preset'?" in capsys.readouterr().err
