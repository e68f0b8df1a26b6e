"""The right to read counters."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from ncukit.collect.doctor import State, access

ROOT_CAPS = "Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n"
CONTAINER_ROOT = "Uid:\t0\t0\t0\t0\nCapEff:\t00000000a80425fb\n"
USER = "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\n"
WHOLE_MACHINE = "         0          0 4294967295\n"


@pytest.mark.parametrize(
    ("restricted", "status", "uid_map", "state", "words"),
    [
        (0, USER, WHOLE_MACHINE, State.OK, "every user"),
        (1, ROOT_CAPS, WHOLE_MACHINE, State.OK, "CAP_SYS_ADMIN"),
        (1, CONTAINER_ROOT, WHOLE_MACHINE, State.FAIL, "root without CAP_SYS_ADMIN"),
        (1, USER, WHOLE_MACHINE, State.FAIL, "neither root"),
        (1, ROOT_CAPS, "0 1000 1\n", State.WARN, "user namespace"),
    ],
)
def test_counter_permission(make, restricted, status, uid_map, state, words) -> None:
    params = f"ResmanDebugLevel: 4294967295\nRmProfilingAdminOnly: {restricted}\n"

    found = access.permission(
        make({"proc/driver/nvidia/params": params, "proc/self/status": status, "proc/self/uid_map": uid_map})
    )

    assert state is found.state
    assert words in found.evidence
    assert ("NVreg_RestrictProfilingToAdminUsers=0" in found.fix) == (state is not State.OK)


def test_counter_permission_is_unknown_without_the_drivers_file(make) -> None:
    assert access.permission(make({"proc/self/status": USER})).state is State.SKIP


def test_devices_that_can_be_opened(make, h200) -> None:
    found = access.devices(make({"dev/nvidiactl": "", "dev/nvidia0": "", "dev/nvidia7": ""}, gpus=(h200,)))

    assert State.OK is found.state
    assert "nvidia0" in found.evidence
    assert "nvidia7" not in found.evidence


@pytest.mark.parametrize(("group", "joins"), [(44, True), (0, False)])
def test_devices_of_another_group(make, h200, tmp_path, monkeypatch, group: int, joins: bool) -> None:
    """To join the group of root would be to become root."""
    monkeypatch.setattr(access, "_group", lambda path: group)
    here = make({"dev/nvidiactl": "", "dev/nvidia-uvm": ""}, gpus=(h200,))
    closed = tmp_path / "dev" / "nvidia-uvm"
    monkeypatch.setattr(os, "access", lambda path, mode: path != closed)  # root may open every file

    found = access.devices(here)

    assert State.FAIL is found.state
    assert found.evidence == f"this user may not read and write {closed}"
    assert ("usermod -aG" in found.fix) == joins
    assert f"sudo chmod a+rw {closed}" in found.fix


def test_no_devices(make, h200) -> None:
    assert access.devices(make({"dev/null": ""}, gpus=(h200,))).state is State.SKIP


def test_mig_is_a_warning(make, h200) -> None:
    found = access.mig(make(gpus=(replace(h200, mig=True),)))

    assert State.WARN is found.state
    assert "--clock-control none" in found.fix
    assert access.mig(make(gpus=(h200,))).state is State.OK
    assert access.mig(make()).state is State.SKIP


@pytest.mark.parametrize(
    ("line", "state"),
    [
        ("        Virtualization Mode               : VGPU", State.WARN),
        # seen on an H200, driver 580.159.04
        ("        Virtualization Mode                            : Pass-Through", State.OK),
        ("        Virtualization Mode               : None", State.OK),
        ("    Product Name                          : NVIDIA A16-16Q", State.SKIP),
    ],
)
def test_a_virtual_gpu_is_a_warning(make, program, h200, line: str, state: State) -> None:
    program("nvidia-smi", f'test "$*" = "-q -i 0" && echo "    GPU Virtualization Mode" && echo "{line}"')

    found = access.virtual(make(gpus=(h200,)))

    assert state is found.state
    assert ("hypervisor" in found.fix) == (state is State.WARN)


@pytest.mark.parametrize(
    ("feature", "tools", "state"),
    [
        ("CC status: OFF", "DevTools Mode: OFF", State.OK),
        ("CC status: ON", "DevTools Mode: OFF", State.FAIL),
        ("CC status: ON", "DevTools Mode: ON", State.OK),
        ("Invalid combination of input arguments.", "", State.SKIP),
    ],
)
def test_confidential_computing_hides_the_counters(make, program, h200, feature: str, tools: str, state: State) -> None:
    program(
        "nvidia-smi", f'case "$*" in "conf-compute -f") echo "{feature}";; "conf-compute -d") echo "{tools}";; esac'
    )

    found = access.confidential(make(gpus=(h200,)))

    assert state is found.state
    assert ("devtools" in found.fix) == (state is State.FAIL)


def test_without_a_gpu_nvidia_smi_is_not_asked(make, program, tmp_path) -> None:
    program("nvidia-smi", f"touch {tmp_path}/asked")

    assert access.virtual(make()).state is State.SKIP
    assert access.confidential(make()).state is State.SKIP
    assert not (tmp_path / "asked").exists()
