"""What is asked once: GPUs, their state, ncu and the Python of the kernels."""

from __future__ import annotations

import sys

from ncukit.collect.doctor import facts, interpreter
from ncukit.collect.doctor.facts import Condition
from ncukit.collect.machine import Ncu, Output
from ncukit.errors import NcukitError

BANNER = "echo 'NVIDIA (R) Nsight Compute Command Line Profiler'; echo 'Version 2025.3.1.0 (build 1) (public-release)'"
LINE = "0, Enabled, Disabled, Default, 0x0000000000000001, 4, 143771, 0, 39"  # seen on an H200, driver 580.159.04
SMI = f"""case "$*" in
*persistence_mode*) echo '{LINE}';;
*) echo '0, NVIDIA H200, 9.0, 580.159.04, 143771, GPU-a, Disabled';; esac"""


def test_the_state_of_each_gpu() -> None:
    text = f"{LINE}\n1, Disabled, Enabled, Prohibited, [N/A], [N/A], 40960, [N/A], 80\n"

    found = facts.conditions_in(Output(exit_code=0, text=text))

    assert found == {
        0: Condition(
            persistence="Enabled", display="Disabled", compute_mode="Default", reasons=1,
            used_mb=4, total_mb=143771, busy_pct=0, temperature_c=39,
        ),
        1: Condition(
            persistence="Disabled", display="Enabled", compute_mode="Prohibited", total_mb=40960, temperature_c=80
        ),
    }  # fmt: skip


def test_an_answer_to_another_question_is_no_state() -> None:
    assert facts.conditions_in(Output(exit_code=0, text="0, NVIDIA H200, 9.0, 580, 143771, GPU-a, Disabled\n")) == {}
    assert facts.conditions_in(Output(exit_code=2, text=LINE)) == {}
    assert facts.conditions_in(Output(exit_code=None, text=LINE)) == {}
    assert facts.conditions_in(None) == {}


def test_a_machine_with_everything(program) -> None:
    path = program("ncu", BANNER)
    program("nvidia-smi", SMI)

    here = facts.gather()

    assert here.gpu is not None
    assert (here.gpu.name, here.asked) == ("NVIDIA H200", "")
    assert here.condition is not None
    assert here.condition.used_mb == 4
    assert Ncu(path=str(path), version=(2025, 3, 1, 0), version_text="2025.3.1") == here.ncu
    assert here.interpreter == interpreter.look()


def test_a_machine_with_nothing(program) -> None:
    here = facts.gather(python="/nowhere/python")

    assert (here.gpus, here.smi, here.condition, here.ncu, here.interpreter) == ((), None, None, None, None)
    assert isinstance(here.profiler, NcukitError)


def test_the_state_is_that_of_the_gpu_in_use(program, monkeypatch) -> None:
    program(
        "nvidia-smi",
        'case "$*" in *persistence_mode*) echo "0, Enabled, Disabled, Default, 0x1, 4, 8, 0, 31"; '
        'echo "1, Disabled, Disabled, Default, 0x1, 4, 8, 0, 77";; '
        "*) echo '0, H200, 9.0, 580, 8, GPU-a, Disabled'; echo '1, H200, 9.0, 580, 8, GPU-b, Disabled';; esac",
    )
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")

    condition = facts.gather().condition

    assert condition is not None
    assert condition.temperature_c == 77


def test_processes_in_sight(make, tmp_path) -> None:
    make({"proc/1/comm": "init\n", "proc/55/comm": "ncu\n", "proc/9/comm": "", "proc/self/comm": "python\n"})

    assert facts.processes_in(tmp_path / "proc") == {"1": "init", "55": "ncu"}
    assert facts.processes_in(tmp_path / "nowhere") == {}


def test_the_ncu_that_is_asked_is_not_taken_for_a_profiler_at_work(program, monkeypatch) -> None:
    program("ncu", BANNER)
    order: list[str] = []
    monkeypatch.setattr(facts, "processes_in", lambda proc: order.append("processes") or {})
    monkeypatch.setattr(facts, "_profiler", lambda ncu: order.append("ncu"))

    facts.gather()

    assert order == ["processes", "ncu"]


def test_another_python_tells_what_it_has(program) -> None:
    noisy = program("python9", f'echo noise; exec {sys.executable} "$@"')

    found = facts.interpreter_of(str(noisy))

    assert found is not None
    assert found.packages == interpreter.look().packages


def test_a_python_that_fails_tells_nothing(program) -> None:
    assert facts.interpreter_of(str(program("python9", "echo 'ncukit-found {}'; exit 1"))) is None
    assert facts.interpreter_of(str(program("python9", "echo Python 3.12"))) is None
    assert facts.interpreter_of("/nowhere/python") is None
