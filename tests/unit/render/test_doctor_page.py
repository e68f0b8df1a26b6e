"""The doctor's page: what is wrong, how to fix it, and what works anyway."""

from __future__ import annotations

import json

from ncukit.collect.doctor import Check, State
from ncukit.render import doctor

FINE = Check(id="python", name="Python", state=State.OK, evidence="3.11.7")
WARN = Check(id="dcgm", name="DCGM", state=State.WARN, evidence="nv-hostengine runs", fix="dcgmi profile --pause")
BROKEN = Check(id="nsight-compute", name="Nsight Compute", state=State.FAIL, evidence="not \x1bfound", fix="install it")


def test_a_machine_that_can_profile() -> None:
    assert (
        doctor.render((FINE, WARN))
        == """\
OK    Python  3.11.7
WARN  DCGM    nv-hostengine runs
              fix: dcgmi profile --pause

Profiling should work here.
"""
    )


def test_a_machine_that_cannot_names_the_obstacles_and_what_works() -> None:
    text = doctor.render((FINE, BROKEN))

    assert r"FAIL  Nsight Compute  not \x1bfound" in text
    assert "before this is fixed: Nsight Compute." in text
    assert "--recorded" in text


def test_json() -> None:
    document = json.loads(doctor.render_json((WARN, BROKEN)))

    assert (document["schema_version"], document["ready"]) == (1, False)
    assert document["checks"][0] == {
        "id": "dcgm", "name": "DCGM", "status": "warn", "severity": "degrading",
        "evidence": "nv-hostengine runs", "fix": "dcgmi profile --pause",
    }  # fmt: skip
    assert document["checks"][1]["severity"] == "blocking"
    assert "ncukit diagnose REPORT" in document["works_anyway"]
