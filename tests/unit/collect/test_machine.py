"""Finding ncu and GPUs, with programs that are absent, old, strange, hanging or talkative."""

from __future__ import annotations

import time

import pytest

from ncukit.collect import machine
from ncukit.errors import Exit, NcukitError

BANNER = """cat <<'END'
NVIDIA (R) Nsight Compute Command Line Profiler
Copyright (c) 2018-2025 NVIDIA Corporation
Version {} (build 36398880) (public-release)
END"""
NPM = "echo 16.14.2"
SMI = """echo '0, NVIDIA H200, 9.0, 580.159.04, 143771, GPU-aa11, Disabled'
echo '1, NVIDIA A100-SXM4-40GB, 8.0, 580.159.04, 40960, GPU-bb22, Enabled'"""


@pytest.fixture(autouse=True)
def _no_install_folders(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(machine, "INSTALL_FOLDERS", (f"{tmp_path}/opt/nsight-compute/*",))


def test_ncu_on_path(program) -> None:
    path = program("ncu", BANNER.format("2025.3.1.0"))

    assert machine.Ncu(path=str(path), version=(2025, 3, 1, 0), version_text="2025.3.1") == machine.find_ncu()


def test_no_ncu_is_an_environment_error_with_the_next_step(program) -> None:
    with pytest.raises(NcukitError, match="was not found") as caught:
        machine.find_ncu()

    assert Exit.ENVIRONMENT is caught.value.exit_code
    assert "NCUKIT_NCU" in caught.value.next_command


@pytest.mark.parametrize("version", ["2022.3.0.0", "2023.3.1.0"])
def test_an_old_ncu_is_refused_with_its_version(program, version: str) -> None:
    program("ncu", BANNER.format(version))

    with pytest.raises(NcukitError, match=r"needs 2024\.1 or newer") as caught:
        machine.find_ncu()

    assert Exit.ENVIRONMENT is caught.value.exit_code


def test_the_oldest_supported_version_is_taken(program) -> None:
    program("ncu", BANNER.format("2024.1.0.0"))

    assert machine.find_ncu().version == (2024, 1, 0, 0)


def test_another_program_called_ncu_is_passed_over(program) -> None:
    program("ncu", NPM)
    good = program("../opt/nsight-compute/2025.3.1/ncu", BANNER.format("2025.3.1.0"))

    assert str(good.resolve()) == machine.find_ncu().path


def test_another_program_called_ncu_is_named_when_it_is_the_only_one(program) -> None:
    path = program("ncu", NPM)

    with pytest.raises(NcukitError) as caught:
        machine.find_ncu()

    assert f"{path} is called ncu but is another program" in " ".join(caught.value.causes)


def test_the_newest_of_the_install_folders_is_taken(program) -> None:
    for version in ("2024.3.2", "2025.10.0", "2025.3.1"):
        program(f"../opt/nsight-compute/{version}/ncu", BANNER.format(version + ".0"))

    assert machine.find_ncu().version_text == "2025.10.0"


def test_an_old_ncu_on_path_does_not_hide_a_newer_install(program) -> None:
    program("ncu", BANNER.format("2022.3.0.0"))
    program("../opt/nsight-compute/2025.3.1/ncu", BANNER.format("2025.3.1.0"))

    assert machine.find_ncu().version_text == "2025.3.1"


def test_the_one_asked_for_wins_over_the_environment_and_path(program, monkeypatch, tmp_path) -> None:
    program("ncu", BANNER.format("2025.3.1.0"))
    asked = program("asked", BANNER.format("2026.1.0.0"))
    monkeypatch.setenv("NCUKIT_NCU", str(program("env", BANNER.format("2025.1.0.0"))))

    assert machine.find_ncu().version_text == "2025.1.0"
    assert machine.find_ncu(str(asked)).version_text == "2026.1.0"


@pytest.mark.parametrize("script", [NPM, "exit 7", "printf '\\377\\376Nsight Compute'"])
def test_the_one_asked_for_must_be_nsight_compute(program, monkeypatch, script: str) -> None:
    program("ncu", BANNER.format("2025.3.1.0"))
    monkeypatch.setenv("NCUKIT_NCU", str(program("other", script)))

    with pytest.raises(NcukitError, match="is not Nsight Compute") as caught:
        machine.find_ncu()

    assert caught.value.next_command.startswith("unset NCUKIT_NCU")


def test_the_one_asked_for_must_exist(program) -> None:
    with pytest.raises(NcukitError, match="/nowhere/ncu is not a program"):
        machine.find_ncu("/nowhere/ncu")


def test_a_hanging_program_is_ended_with_its_children(program) -> None:
    path = program("slow", "echo started; sleep 60 & wait")
    start = time.monotonic()

    said = machine.ask([str(path)], timeout_s=0.3)

    assert machine.Output(exit_code=None, text="started\n") == said
    assert time.monotonic() - start < 10


def test_a_child_that_keeps_the_pipe_open_does_not_delay_the_answer(program) -> None:
    path = program("leaves_a_child", "echo done; sleep 60 &")
    start = time.monotonic()

    assert machine.Output(exit_code=0, text="done\n") == machine.ask([str(path)], timeout_s=30)
    assert time.monotonic() - start < 10


def test_endless_output_is_bounded(program) -> None:
    said = machine.ask([str(program("loud", "yes"))], timeout_s=30)

    assert said is not None
    assert said.exit_code is None
    assert len(said.text) < 2 << 20


def test_programs_run_in_a_neutral_locale_without_input(program, monkeypatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")

    said = machine.ask([str(program("locale", 'cat; echo "$LC_ALL"; echo oops >&2; exit 3'))])

    assert machine.Output(exit_code=3, text="C.UTF-8\noops\n") == said


def test_gpus_as_nvidia_smi_lists_them(program) -> None:
    program("nvidia-smi", SMI)

    first, second = machine.query_gpus()

    assert (
        first.name, first.compute_capability, first.driver_version, first.memory_mb, first.mig,
    ) == ("NVIDIA H200", "9.0", "580.159.04", 143771, False)  # fmt: skip
    assert (second.index, second.mig) == (1, True)


def test_what_nvidia_smi_does_not_know_is_empty(program) -> None:
    program("nvidia-smi", "echo '0, NVIDIA X, [N/A], 470.1, [Not Supported], GPU-a, [N/A]'")

    (gpu,) = machine.query_gpus()

    assert (gpu.compute_capability, gpu.memory_mb, gpu.mig) == ("", None, False)


@pytest.mark.parametrize(
    "script",
    [
        'echo "NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver."; exit 9',
        "echo No devices were found",
        "head -c 1000 /dev/urandom",
        "exit 0",
    ],
)
def test_no_answer_means_no_gpu(program, script: str) -> None:
    program("nvidia-smi", script)

    assert machine.query_gpus() == ()


def test_without_nvidia_smi_there_is_no_gpu(program) -> None:
    assert machine.query_gpus() == ()
    assert machine.visible_gpu() is None


@pytest.mark.parametrize(
    ("visible", "index"),
    [(None, 0), ("1,0", 1), (" 1", 1), ("GPU-bb", 1), ("MIG-cc33", 1), ("", None), ("-1", None), ("7", None)],
)
def test_the_visible_gpu_is_cudas_first(program, monkeypatch, visible: str | None, index: int | None) -> None:
    program("nvidia-smi", SMI)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    gpu = machine.visible_gpu()

    assert index == (gpu.index if gpu else None)
