"""The whole examination: every check once, in order, in bounded time."""

from __future__ import annotations

import re
import time
from pathlib import Path

import ncukit.collect.doctor
from ncukit.collect import doctor
from ncukit.collect.doctor import State, check, facts


def test_without_gpu_and_ncu(program, tmp_path) -> None:
    checks = doctor.examine(proc=tmp_path)

    assert len(doctor.CHECKS) == len(checks)
    assert not doctor.ready(checks)
    assert all(check.evidence for check in checks)
    assert all(check.fix for check in checks if check.state in (State.FAIL, State.WARN))


def test_ids_are_unique_slugs_and_names_are_unique(program, tmp_path) -> None:
    checks = doctor.examine(proc=tmp_path)

    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", check.id) for check in checks)
    assert len({check.id for check in checks}) == len({check.name for check in checks}) == len(checks)


def test_programs_that_hang_cost_a_bounded_time_and_are_not_asked_again(program, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(facts, "SMI_S", 0.5)
    monkeypatch.setattr(facts, "ANSWER_S", 0.5)
    monkeypatch.setattr(check, "ANSWER_S", 0.5)
    for name in ("nvidia-smi", "ncu", "dmesg", "locale"):
        program(name, f"echo asked >> {tmp_path}/{name}; sleep 60")

    started = time.monotonic()
    checks = {check.id: check for check in doctor.examine()}

    assert time.monotonic() - started < 5.0
    assert "does not answer in time" in checks["gpu-driver"].evidence
    assert State.FAIL is checks["nsight-compute"].state
    # one question for the GPUs and one for their state, at the same time
    assert (tmp_path / "nvidia-smi").read_text().count("asked") == 2
    assert (tmp_path / "ncu").read_text().count("asked") == 1


def test_no_fix_names_a_package_registry() -> None:
    for path in Path(ncukit.collect.doctor.__file__).parent.glob("*.py"):
        assert not re.search(r"index-url|https?://", path.read_text()), path


def test_the_doctor_does_not_take_its_own_questions_for_another_profiler(program, monkeypatch) -> None:
    banner = "echo 'NVIDIA (R) Nsight Compute Command Line Profiler'; echo 'Version 2025.3.1.0 (build 1)'"
    program("ncu", f"{banner}; sleep 0.3")  # in sight of /proc while the checks run
    monkeypatch.setattr(facts, "processes_in", lambda _: {"1": "init"})

    checks = {check.id: check for check in doctor.examine()}

    assert State.OK is checks["nsight-compute"].state
    assert checks["other-profilers"].evidence == "none among 1 processes"
