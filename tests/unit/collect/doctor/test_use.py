"""What else goes on at the GPU."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ncukit.collect.doctor import State, use
from ncukit.collect.doctor.facts import Condition

IDLE = Condition(used_mb=4, total_mb=143771, busy_pct=0, reasons=0x1, temperature_c=31)


def apps(*lines: str) -> str:
    return "".join(f"echo '{line}'\n" for line in lines) or "true"


@pytest.mark.parametrize("name", ["nv-hostengine", "dcgm-exporter"])
def test_a_running_monitor_is_a_warning_with_the_pause_command(make, name: str) -> None:
    found = use.dcgm(make(processes={"1": "init", "712": name}))

    assert State.WARN is found.state
    assert f"{name} runs (process 712)" in found.evidence
    assert "dcgmi profile --pause" in found.fix


def test_no_monitor(make) -> None:
    assert use.dcgm(make(processes={"1": "init"})).state is State.OK
    assert use.dcgm(make()).state is State.SKIP


def test_another_profiler(make) -> None:
    found = use.profilers(make(processes={"1": "init", "55": "ncu", "77": "nsys"}))

    assert State.WARN is found.state
    assert "ncu (process 55)" in found.evidence
    assert "kill 55 77" in found.fix


def test_no_other_profiler(make) -> None:
    assert use.profilers(make(processes={"1": "init", "2": "ncurses"})).state is State.OK
    assert use.profilers(make()).state is State.SKIP


def test_a_gpu_of_ones_own(make, program, h200) -> None:
    program("nvidia-smi", apps("GPU-other, 9, python, 300 MiB"))

    found = use.in_use(make(gpus=(h200,), condition=IDLE))

    assert State.OK is found.state
    assert "0.0 of 140 GiB in use" in found.evidence


def test_another_program_on_the_gpu(make, program, h200) -> None:
    program("nvidia-smi", apps("GPU-a, 4321, /usr/bin/python3, 30000 MiB"))

    found = use.in_use(make(gpus=(h200,), condition=IDLE))

    assert State.WARN is found.state
    assert "/usr/bin/python3 (process 4321, 30000 MiB)" in found.evidence
    assert "kill 4321" in found.fix


def test_a_free_gpu_is_offered(make, program, h200) -> None:
    program("nvidia-smi", apps("GPU-a, 1, python, 3 MiB", "GPU-b, 2, python, 3 MiB"))
    gpus = (h200, replace(h200, index=1, uuid="GPU-b"), replace(h200, index=2, uuid="GPU-c"))

    assert use.in_use(make(gpus=gpus, condition=IDLE)).fix == "export CUDA_VISIBLE_DEVICES=2"


@pytest.mark.parametrize(
    ("state", "words"),
    [(replace(IDLE, used_mb=71886), "70.2 of 140 GiB in use"), (replace(IDLE, busy_pct=97), "97 % busy")],
)
def test_programs_out_of_sight_show_in_memory_and_time(make, program, h200, state: Condition, words: str) -> None:
    program("nvidia-smi", "true")

    found = use.in_use(make(gpus=(h200,), condition=state))

    assert State.WARN is found.state
    assert words in found.evidence
    assert found.fix
    assert ("--size" in found.fix) == ("in use" in words)


def test_many_programs_are_counted(make, program, h200) -> None:
    program("nvidia-smi", apps(*(f"GPU-a, {n}, python, 3 MiB" for n in range(1, 9))))

    assert "4 more programs" in use.in_use(make(gpus=(h200,), condition=IDLE)).evidence


def test_use_is_unknown_without_gpu_or_answer(make, program, h200) -> None:
    program("nvidia-smi", "echo '0, NVIDIA H200, 9.0, 580, 143771, GPU-a, Disabled'")

    assert use.in_use(make()).state is State.SKIP
    assert use.in_use(make(gpus=(h200,))).state is State.SKIP


@pytest.mark.parametrize(
    ("reasons", "words", "fix"),
    [
        (0x40 | 0x08, "HW thermal slowdown", "TEMPERATURE"),
        (0x20, "SW thermal slowdown", "TEMPERATURE"),
        (0x80, "power brake", "POWER"),
        (0x04, "power limit", "-pl WATTS"),
        (0x02, "application clocks", "nvidia-smi -rac"),
        (0x10, "sync boost", "sync boost"),
    ],
)
def test_clocks_that_are_held_down(make, h200, reasons: int, words: str, fix: str) -> None:
    found = use.throttling(make(gpus=(h200,), condition=replace(IDLE, reasons=reasons, temperature_c=88)))

    assert State.WARN is found.state
    assert words in found.evidence
    assert "88 degrees" in found.evidence
    assert fix in found.fix


@pytest.mark.parametrize("reasons", [0x0, 0x1, 0x8])
def test_clocks_that_are_free(make, h200, reasons: int) -> None:
    assert use.throttling(make(gpus=(h200,), condition=replace(IDLE, reasons=reasons))).state is State.OK


def test_clocks_are_unknown_without_an_answer(make, h200) -> None:
    assert use.throttling(make()).state is State.SKIP
    assert use.throttling(make(gpus=(h200,), condition=replace(IDLE, reasons=None))).state is State.SKIP
