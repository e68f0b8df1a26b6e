"""Nsight Compute: there, whole, recent enough, and free to reach the program."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from ncukit.collect import machine
from ncukit.collect.doctor import State, facts, profiler
from ncukit.collect.machine import GpuSeen, Ncu

BANNER = "echo 'NVIDIA (R) Nsight Compute Command Line Profiler'; echo 'Version {} (build 1) (public-release)'"
CHIPS = 'case $1 in --list-chips) echo "ad102, ga100, gh100";; esac'


def ncu(path: object, version: str = "2024.2.0") -> Ncu:
    return Ncu(path=str(path), version=tuple(map(int, version.split("."))), version_text=version)


def test_an_ncu(make) -> None:
    found = profiler.nsight_compute(make(profiler=ncu("/opt/ncu", "2025.3.1")))

    assert (found.state, found.evidence) == (State.OK, "2025.3.1 at /opt/ncu")


def test_no_ncu(program) -> None:
    found = profiler.nsight_compute(facts.gather())

    assert State.FAIL is found.state
    assert "NCUKIT_NCU" in found.fix


def test_nobody_looked_for_ncu(make) -> None:
    assert profiler.nsight_compute(make()).state is State.SKIP


def test_old_ncu_is_a_failure_with_its_reason(program) -> None:
    program("ncu", BANNER.format("2022.3.0.0"))

    found = profiler.nsight_compute(facts.gather())

    assert State.FAIL is found.state
    assert "2022.3.0" in found.evidence
    assert "--config-file" in found.evidence


@pytest.mark.skipif(os.name != "posix", reason="needs permission bits")
@pytest.mark.parametrize("place", ["path", "install", "named"])
def test_an_ncu_that_is_not_executable(program, tmp_path, monkeypatch, place: str) -> None:
    path = program({"path": "ncu", "install": "../opt/ncu", "named": "../mine/ncu"}[place], BANNER.format("2025.3.1"))
    path = path.resolve()
    path.chmod(0o644)
    if place == "install":
        monkeypatch.setattr(machine, "INSTALL_FOLDERS", (f"{tmp_path}/opt*",))
    if place == "named":
        monkeypatch.setenv("NCUKIT_NCU", str(path))

    found = profiler.nsight_compute(facts.gather())

    assert State.FAIL is found.state
    assert f"{path} is not executable" in found.evidence
    assert found.fix == f"sudo chmod +x {path}"


def test_a_newer_ncu_beside_the_one_in_use(program, tmp_path, monkeypatch, make, h200) -> None:
    used = program("ncu", BANNER.format("2024.1.1.0"))
    other = program("../opt/2025.3.1/ncu", BANNER.format("2025.3.1.0")).resolve()
    monkeypatch.setattr(machine, "INSTALL_FOLDERS", (f"{tmp_path}/opt/*",))
    here = make(profiler=ncu(used, "2024.1.1"))

    found = profiler.choice(here)

    assert State.WARN is found.state
    assert f"2024.1.1 at {used}, 2025.3.1 at {other}" in found.evidence
    assert found.fix == f"export NCUKIT_NCU={other}"
    # it would not run on an older driver, and a choice that somebody made is left alone
    assert profiler.choice(replace(here, gpus=(replace(h200, driver_version="570.86"),))).state is State.OK
    assert profiler.choice(replace(here, asked=str(used))).state is State.OK


def test_several_ncu_of_which_the_newest_is_used(program, tmp_path, monkeypatch, make) -> None:
    used = program("ncu", BANNER.format("2025.3.1.0"))
    program("../opt/2024.1.1/ncu", BANNER.format("2024.1.1.0"))
    program("../opt/2022.3.0/ncu", BANNER.format("2022.3.0.0"))
    monkeypatch.setattr(machine, "INSTALL_FOLDERS", (f"{tmp_path}/opt/*",))

    found = profiler.choice(make(profiler=ncu(used, "2025.3.1")))

    assert State.OK is found.state
    assert "2024.1.1 at" in found.evidence
    assert "2022.3.0" not in found.evidence  # too old to use


def test_no_choice_without_ncu(make) -> None:
    assert profiler.choice(make()).state is State.SKIP


def test_ncu_without_its_sections(make, program) -> None:
    words = "==ERROR== Failed to add rules search path /opt/sections"
    broken = program("ncu", f"echo '{words}'; exit 1")

    found = profiler.files(make(profiler=ncu(broken)))

    assert State.FAIL is found.state
    assert words in found.evidence
    assert "install" in found.fix


def test_ncu_with_its_sections_is_not_let_write_into_the_home_folder(make, program, tmp_path) -> None:
    log = tmp_path / "log"
    whole = program("ncu", f'echo "$1 $NV_COMPUTE_PROFILER_DISABLE_STOCK_FILE_DEPLOYMENT" > {log}; echo basic')

    assert profiler.files(make(profiler=ncu(whole))).state is State.OK
    assert log.read_text() == "--list-sets 1\n"


def test_ncu_that_does_not_list_its_sets(make, program) -> None:
    assert profiler.files(make()).state is State.SKIP
    assert profiler.files(make(profiler=ncu(program("ncu", "exit 3")))).state is State.SKIP
    assert profiler.files(make(profiler=ncu("/nowhere/ncu"))).state is State.SKIP


def test_a_gpu_that_ncu_knows(make, program, h200) -> None:
    assert profiler.supported(make(gpus=(h200,), profiler=ncu(program("ncu", CHIPS)))).state is State.OK


def test_a_gpu_newer_than_ncu_is_not_supported(make, program, h200) -> None:
    new = replace(h200, name="RTX 5090", compute_capability="12.0")

    found = profiler.supported(make(gpus=(new,), profiler=ncu(program("ncu", CHIPS))))

    assert State.FAIL is found.state
    assert "knows no gb202" in found.evidence
    assert "NCUKIT_NCU" in found.fix


@pytest.mark.parametrize(
    ("name", "capability", "words"),
    [("GTX 1080", "6.1", "below 7.0"), ("NVIDIA CMP 170HX", "8.0", "mining processor")],
)
def test_gpus_that_no_ncu_profiles(make, name: str, capability: str, words: str) -> None:
    old = GpuSeen(index=0, name=name, compute_capability=capability, driver_version="580", memory_mb=8192)

    found = profiler.supported(make(gpus=(old,)))

    assert State.FAIL is found.state
    assert words in found.evidence
    assert found.fix


def test_support_is_not_guessed_without_gpu_or_ncu_or_answer(make, program, h200) -> None:
    assert profiler.supported(make()).state is State.SKIP
    assert profiler.supported(make(gpus=(h200,))).state is State.SKIP
    assert profiler.supported(make(gpus=(h200,), profiler=ncu(program("ncu", "exit 1")))).state is State.SKIP


@pytest.mark.parametrize(
    ("environment", "fix"),
    [
        ({"CUDA_INJECTION64_PATH": "/opt/libdyno.so"}, "unset CUDA_INJECTION64_PATH"),
        ({"NVTX_INJECTION64_PATH": "/opt/libToolsInjection64.so"}, "unset NVTX_INJECTION64_PATH"),
        ({"LD_PRELOAD": "/usr/lib/libjemalloc.so:/opt/libcupti_trace_injection.so"}, "unset LD_PRELOAD"),
        (
            {"NV_COMPUTE_PROFILER_LOCAL_CONNECTION_OVERRIDE": "pipe"},
            "unset NV_COMPUTE_PROFILER_LOCAL_CONNECTION_OVERRIDE",
        ),
    ],
)
def test_another_tool_in_the_program(make, environment: dict[str, str], fix: str) -> None:
    found = profiler.connection(make(environment=environment))

    assert (found.state, found.fix) == (State.WARN, fix)
    assert "fail to connect" in found.evidence


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"CUDA_INJECTION64_PATH": "none"},
        {"LD_PRELOAD": "/usr/lib/libjemalloc.so"},
        {"NV_COMPUTE_PROFILER_LOCAL_CONNECTION_OVERRIDE": "uds"},
    ],
)
def test_no_other_tool_in_the_program(make, environment: dict[str, str]) -> None:
    assert profiler.connection(make(environment=environment)).state is State.OK
