"""What a check is: its names, its severity, and what becomes of a look that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ncukit.collect.doctor import Check, Severity, State
from ncukit.collect.doctor.check import Machine, check, nearest, ok, text_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("state", "severity"),
    [
        (State.OK, Severity.NONE),
        (State.SKIP, Severity.NONE),
        (State.WARN, Severity.DEGRADING),
        (State.FAIL, Severity.BLOCKING),
    ],
)
def test_severity_follows_from_the_state(state: State, severity: Severity) -> None:
    assert severity is Check(id="mig", name="MIG", state=state, evidence="e").severity


def test_a_look_becomes_a_check_of_its_names() -> None:
    look = check("mig", "MIG")(lambda here: ok("off"))

    assert Check(id="mig", name="MIG", state=State.OK, evidence="off") == look(Machine())


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), ValueError("embedded null byte")])
def test_a_look_that_fails_is_skipped_with_the_reason(error: Exception) -> None:
    def look(here: Machine):
        raise error

    found = check("disk-space", "disk space")(look)(Machine())

    assert State.SKIP is found.state
    assert f"cannot look: {error}" == found.evidence


def test_evidence_is_bounded() -> None:
    assert len(check("x", "x")(lambda here: ok("n" * 10_000))(Machine()).evidence) == 601


def test_a_file_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert text_of(tmp_path / "absent") == ""


def test_the_nearest_folder_that_exists(tmp_path: Path) -> None:
    assert tmp_path == nearest(tmp_path / "a" / "b")
    assert tmp_path == nearest(tmp_path)
