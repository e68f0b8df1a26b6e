"""The doctor's checks on machines that are well, ill, and not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ncukit.collect import doctor, machine
from ncukit.collect.doctor import Check, State, gpu, host, software
from ncukit.collect.doctor.check import Machine
from ncukit.collect.machine import GpuSeen

BANNER = "echo 'NVIDIA (R) Nsight Compute Command Line Profiler'; echo 'Version {} (build 1) (public-release)'"
H200 = GpuSeen(
    index=0,
    name="NVIDIA H200",
    compute_capability="9.0",
    driver_version="580.159.04",
    memory_mb=143771,
    uuid="GPU-a",
)
ROOT_CAPS = "Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n"
CONTAINER_ROOT = "Uid:\t0\t0\t0\t0\nCapEff:\t00000000a80425fb\n"
USER = "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\n"
WHOLE_MACHINE = "         0          0 4294967295\n"


@pytest.fixture(autouse=True)
def _no_install_folders(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(machine, "INSTALL_FOLDERS", ())


@pytest.fixture
def proc(tmp_path: Path):
    """Files of a made-up /proc."""

    def write(**files: str) -> Machine:
        for name, text in files.items():
            path = tmp_path / "proc" / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Machine(proc=tmp_path / "proc", environment={"TMPDIR": str(tmp_path)}, gpus=(H200,))

    return write


def params(restricted: int) -> dict[str, str]:
    return {"driver__nvidia__params": f"ResmanDebugLevel: 4294967295\nRmProfilingAdminOnly: {restricted}\n"}


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
def test_counter_permission(proc, restricted, status, uid_map, state, words) -> None:
    check = gpu.permission(proc(**params(restricted), self__status=status, self__uid_map=uid_map))

    assert state is check.state
    assert words in check.evidence
    assert bool(check.fix) == (state is not State.OK)


def test_counter_permission_is_unknown_without_the_drivers_file(proc) -> None:
    assert State.SKIP is gpu.permission(proc(self__status=USER)).state


def test_a_gpu(proc) -> None:
    check = gpu.driver(proc())

    assert Check(
        name="GPU and driver",
        state=State.OK,
        evidence="NVIDIA H200, compute capability 9.0, driver 580.159.04, 140 GiB",
    ) == check  # fmt: skip


def test_a_gpu_that_is_hidden(proc, monkeypatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")

    check = gpu.driver(proc())

    assert (check.state, check.fix) == (State.FAIL, "unset CUDA_VISIBLE_DEVICES")


def test_without_a_gpu_nvidia_smi_is_quoted(program) -> None:
    assert gpu.driver(Machine()).evidence == "there is no nvidia-smi"

    program("nvidia-smi", "echo 'NVIDIA-SMI has failed'; exit 9")
    assert "NVIDIA-SMI has failed" in gpu.driver(Machine()).evidence


def test_pascal_is_not_supported() -> None:
    old = GpuSeen(index=0, name="GTX 1080", compute_capability="6.1", driver_version="580", memory_mb=8192)

    assert State.FAIL is gpu.supported(Machine(gpus=(old,))).state


def test_a_gpu_newer_than_ncu_is_not_supported(program) -> None:
    program(
        "ncu",
        f'case $1 in --list-chips) echo "ad102, ga100, gh100";; *) {BANNER.format("2024.2.0.0")};; esac',
    )
    new = GpuSeen(index=0, name="RTX 5090", compute_capability="12.0", driver_version="580", memory_mb=32000)

    assert State.OK is gpu.supported(Machine(gpus=(H200,))).state
    check = gpu.supported(Machine(gpus=(new,)))
    assert State.FAIL is check.state
    assert "knows no gb202" in check.evidence


def test_support_is_not_guessed_without_gpu_or_ncu(program) -> None:
    assert State.SKIP is gpu.supported(Machine()).state
    assert State.SKIP is gpu.supported(Machine(gpus=(H200,))).state


def test_mig_is_a_warning() -> None:
    split = GpuSeen(
        index=0, name="H200", compute_capability="9.0", driver_version="580", memory_mb=1, mig=True
    )  # fmt: skip

    assert State.WARN is gpu.mig(Machine(gpus=(split,))).state
    assert State.OK is gpu.mig(Machine(gpus=(H200,))).state
    assert State.SKIP is gpu.mig(Machine()).state


@pytest.mark.parametrize("name", ["nv-hostengine", "dcgm-exporter"])
def test_a_running_monitor_is_a_warning_with_the_pause_command(proc, name: str) -> None:
    check = gpu.dcgm(proc(**{"1__comm": "init\n", "712__comm": f"{name}\n"}))

    assert State.WARN is check.state
    assert f"{name} runs (process 712)" in check.evidence
    assert "dcgmi profile --pause" in check.fix


def test_no_monitor(proc) -> None:
    assert State.OK is gpu.dcgm(proc(**{"1__comm": "init\n"})).state
    assert State.SKIP is gpu.dcgm(Machine(proc=Path("/nonexistent"))).state


def test_the_temporary_folder_must_be_there(tmp_path) -> None:
    check = host.temporary(Machine(environment={"TMPDIR": str(tmp_path / "absent")}))

    assert State.FAIL is check.state
    assert "TMPDIR" in check.fix


def test_the_temporary_folder_is_found_as_ncu_finds_it(tmp_path) -> None:
    assert str(tmp_path) in host.temporary(Machine(environment={"TMPDIR": "", "TEMP": str(tmp_path)})).evidence


def test_a_lock_that_can_be_written(proc, tmp_path) -> None:
    (tmp_path / "nsight-compute-lock").touch()

    assert "nsight-compute-lock is writable" in host.temporary(proc()).evidence


def test_a_lock_that_cannot_be_written(proc, tmp_path, monkeypatch) -> None:
    (tmp_path / "nsight-compute-lock").touch(mode=0o444)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write every file

    assert State.FAIL is host.temporary(proc()).state


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_somebody_elses_lock_in_a_sticky_folder_is_refused_even_to_root(proc, tmp_path) -> None:
    (tmp_path / "nsight-compute-lock").touch(mode=0o666)
    os.chown(tmp_path / "nsight-compute-lock", 12345, 12345)
    here = proc(sys__fs__protected_regular="2\n")

    assert State.OK is host.temporary(here).state
    tmp_path.chmod(0o1777)
    assert State.FAIL is host.temporary(here).state


@pytest.mark.parametrize(
    ("version", "state"),
    [
        ("Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016\n", State.WARN),
        ("Linux version 6.8.0 (gVisor)\n", State.WARN),
        ("Linux version 6.8.0-45-generic (buildd@lcy02)\n", State.OK),
    ],
)
def test_gvisor_is_recognised(proc, program, version: str, state: State) -> None:
    program("dmesg", "exit 1")

    assert state is host.sandbox(proc(version=version)).state


def test_gvisor_is_recognised_by_its_log(proc, program) -> None:
    program("dmesg", "echo '[   0.000000] Starting gVisor...'")

    assert State.WARN is host.sandbox(proc(version="Linux version 6.1")).state


@pytest.mark.parametrize(
    ("found", "state"),
    [
        ("2.9.1", State.OK),
        ("2.10.0", State.OK),
        ("2.5.1", State.WARN),
        ("2.9.1+cpu", State.FAIL),
        ("", State.FAIL),
    ],
)
def test_packages_of_the_python_that_runs_kernels(program, found: str, state: State) -> None:
    python = program("python9", f"echo noise; test -z '{found}' || echo 'ncukit-found torch {found}'")

    check = software.package("torch")(Machine(python=str(python)))

    assert state is check.state
    assert (str(python) in check.fix) == (state is not State.OK)


def test_packages_of_this_python_are_looked_up_without_importing(monkeypatch) -> None:
    monkeypatch.setattr(software, "version", {"torch": "2.9.1+cu130", "triton": "3.7.0"}.__getitem__)

    assert software.package("torch")(Machine()).evidence == "2.9.1+cu130"


def test_a_python_that_does_not_run(program) -> None:
    assert State.FAIL is software.python(Machine(python="/nowhere/python")).state
    assert State.OK is software.python(Machine(python=str(program("py", "echo Python 3.12.1")))).state
    assert State.OK is software.python(Machine()).state


def test_the_optional_wheel_is_never_a_failure(monkeypatch) -> None:
    def absent(name: str) -> str:
        raise software.PackageNotFoundError(name)

    monkeypatch.setattr(software, "version", absent)

    assert State.SKIP is software.report_reader(Machine()).state


def test_a_whole_examination_without_gpu_and_ncu(program, tmp_path) -> None:
    checks = doctor.examine(proc=tmp_path)

    assert len(doctor.CHECKS) == len(checks)
    assert not doctor.ready(checks)
    assert all(check.fix for check in checks if check.state in (State.FAIL, State.WARN))


def test_old_ncu_is_a_failure_with_its_reason(program) -> None:
    program("ncu", BANNER.format("2022.3.0.0"))

    check = software.ncu(Machine())

    assert State.FAIL is check.state
    assert "2022.3.0" in check.evidence
    assert "--config-file" in check.evidence
