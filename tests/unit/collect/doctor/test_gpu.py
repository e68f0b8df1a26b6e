"""The driver and the GPU that a program gets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ncukit.collect.doctor import Check, State, gpu
from ncukit.collect.doctor.facts import Condition
from ncukit.collect.machine import Output

LOADED = {"proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.159.04\n"}


def test_a_gpu(make, h200) -> None:
    assert Check(
        id="gpu-driver",
        name="GPU and driver",
        state=State.OK,
        evidence="NVIDIA H200, compute capability 9.0, driver 580.159.04, 140 GiB",
    ) == gpu.driver(make(gpus=(h200,)))  # fmt: skip


def test_the_gpu_in_use_is_described(make, h200, monkeypatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")

    found = gpu.driver(make(gpus=(h200, replace(h200, index=1, name="NVIDIA A100"))))

    assert found.evidence.startswith("NVIDIA A100")
    assert found.evidence.endswith("2 GPUs in all")


def test_without_nvidia_smi(make) -> None:
    found = gpu.driver(make(LOADED))

    assert (found.state, found.evidence) == (State.FAIL, "there is no nvidia-smi")
    assert "--gpus all" in found.fix


def test_a_container_with_devices_but_without_nvidia_smi(make) -> None:
    found = gpu.driver(make({**LOADED, "dev/nvidia0": ""}))

    assert State.WARN is found.state
    assert "NVIDIA_DRIVER_CAPABILITIES=compute,utility" in found.fix


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        ("Failed to initialize NVML: Driver/library version mismatch", "sudo reboot"),
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", "sudo modprobe nvidia"),
        ("No devices were found", "--gpus all"),
    ],
)
def test_nvidia_smi_is_quoted_and_its_trouble_cured(make, words: str, fix: str) -> None:
    found = gpu.driver(make(smi=Output(exit_code=9, text=f"\n{words}\nmore\n")))

    assert State.FAIL is found.state
    assert words in found.evidence
    assert fix in found.fix


def test_nvidia_smi_that_does_not_answer(make) -> None:
    found = gpu.driver(make(smi=Output(exit_code=None, text="")))

    assert State.FAIL is found.state
    assert "does not answer in time" in found.evidence
    assert "nvidia-smi" in found.fix


@pytest.mark.parametrize(
    ("value", "state"), [(None, State.OK), ("0", State.OK), ("GPU-a", State.OK), ("3", State.FAIL), ("", State.FAIL)]
)
def test_visible_gpus(make, h200, monkeypatch, value: str | None, state: State) -> None:
    environment = {} if value is None else {"CUDA_VISIBLE_DEVICES": value}
    if value is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)

    found = gpu.visible(make(gpus=(h200,), environment=environment))

    assert state is found.state
    assert found.fix == ("unset CUDA_VISIBLE_DEVICES" if state is State.FAIL else "")


def test_no_gpu_to_choose_from(make) -> None:
    assert gpu.visible(make(environment={"CUDA_VISIBLE_DEVICES": "0"})).state is State.SKIP


def test_unlike_gpus_may_be_numbered_differently(make, h200) -> None:
    unlike = (h200, replace(h200, index=1, name="NVIDIA A100"))

    found = gpu.order(make(gpus=unlike))

    assert (found.state, found.fix) == (State.WARN, "export CUDA_DEVICE_ORDER=PCI_BUS_ID")
    assert gpu.order(make(gpus=unlike, environment={"CUDA_DEVICE_ORDER": "PCI_BUS_ID"})).state is State.OK
    assert gpu.order(make(gpus=(h200, replace(h200, index=1)))).state is State.OK
    assert gpu.order(make()).state is State.SKIP


@pytest.mark.parametrize(
    ("mode", "state"),
    [("Default", State.OK), ("Exclusive_Process", State.WARN), ("Prohibited", State.FAIL), ("", State.SKIP)],
)
def test_compute_mode(make, h200, mode: str, state: State) -> None:
    found = gpu.compute_mode(make(gpus=(h200,), condition=Condition(compute_mode=mode)))

    assert state is found.state
    assert ("nvidia-smi -i 0 -c DEFAULT" in found.fix) == (state in (State.WARN, State.FAIL))


@pytest.mark.parametrize(
    ("mode", "display", "state"),
    [
        ("Enabled", "Disabled", State.OK),
        ("Disabled", "Enabled", State.OK),
        ("Disabled", "Disabled", State.WARN),
        ("", "", State.SKIP),
    ],
)
def test_persistence_mode(make, h200, mode: str, display: str, state: State) -> None:
    found = gpu.persistence(make(gpus=(h200,), condition=Condition(persistence=mode, display=display)))

    assert state is found.state
    assert found.fix == ("sudo nvidia-smi -i 0 -pm 1" if state is State.WARN else "")


def test_modes_are_unknown_without_a_gpu(make) -> None:
    assert gpu.compute_mode(make()).state is State.SKIP
    assert gpu.persistence(make()).state is State.SKIP
