"""``ncukit doctor``: exit code and streams."""

from __future__ import annotations

import json

import pytest

from ncukit.cli import run
from ncukit.collect import doctor
from ncukit.collect.doctor import Check, State
from ncukit.errors import Exit


@pytest.mark.parametrize(
    ("state", "code"),
    [(State.OK, Exit.OK), (State.WARN, Exit.OK), (State.SKIP, Exit.OK), (State.FAIL, Exit.ENVIRONMENT)],
)
@pytest.mark.parametrize("format_", ["console", "json"])
def test_only_a_failure_stands_in_the_way(monkeypatch, capsys, state: State, code: Exit, format_: str) -> None:
    monkeypatch.setattr(
        doctor, "examine", lambda *_: (Check(id="ncu", name="ncu", state=state, evidence="e", fix="f"),)
    )

    assert code == run(["doctor", "--format", format_])

    out, err = capsys.readouterr()
    assert ("--recorded" in err) == (code == Exit.ENVIRONMENT)
    if format_ == "json":
        assert (code == Exit.OK) == json.loads(out)["ready"]


def test_the_configured_programs_are_examined(monkeypatch, tmp_path) -> None:
    (tmp_path / "ncukit.toml").write_text("[profile]\nncu = '/opt/ncu'\npython = 'python9'\n")
    monkeypatch.chdir(tmp_path)
    asked: list[object] = []
    monkeypatch.setattr(doctor, "examine", lambda *a: asked.extend(a) or ())

    run(["doctor", "--format", "json"])

    assert asked == ["/opt/ncu", "python9"]
