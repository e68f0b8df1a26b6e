"""What the doctor advises before a run is what the error of a failed run advises."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ncukit.collect import failures
from ncukit.collect.doctor import access, folders, gpu, host, profiler, use, versions
from ncukit.collect.doctor.facts import Condition
from ncukit.collect.machine import Ncu

USER = "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\n"


@pytest.fixture
def ill(make, h200, tmp_path):
    """A machine with every trouble at once."""
    return make(
        {
            "proc/driver/nvidia/params": "RmProfilingAdminOnly: 1\n",
            "proc/self/status": USER,
            "proc/version": "Linux version 6.8.0 (gVisor)\n",
        },
        processes={"7": "nv-hostengine"},
        gpus=(replace(h200, mig=True, driver_version="570.86"),),
        condition=Condition(used_mb=140000, total_mb=143771),
        profiler=Ncu(path="/nowhere/ncu", version=(2025, 3, 1), version_text="2025.3.1"),
        environment={"TMPDIR": str(tmp_path / "absent")},
    )


@pytest.mark.parametrize(
    ("words_of_ncu", "look", "common"),
    [
        ("ERR_NVGPUCTRPERM - The user", access.permission, "sudo -E ncukit profile"),
        ("ERR_NVGPUCTRPERM - The user", access.permission, "NVreg_RestrictProfilingToAdminUsers=0"),
        ("ERR_NVGPUCTRPERM - The user", access.permission, "--recorded"),
        ("Profiling failed because a driver resource was unavailable", use.dcgm, "dcgmi profile --pause"),
        ("Failed to create temporary file", folders.temporary, "TMPDIR=/tmp"),
        ("Cuda driver is not compatible with Nsight Compute.", versions.ncu_driver, "NCUKIT_NCU"),
        ("Failed to initialize the profiler: LibraryNotLoaded", host.sandbox, "ncukit profile … --recorded"),
        ("Cannot lock GPU clock frequencies on MIG", access.mig, "--clock-control none"),
        ("When profiling on a MIG instance, it is not possible to collect", access.mig, "on a GPU without MIG"),
        ("CUDA error: out of memory", use.in_use, "add --size batch_size=8"),
    ],
)
def test_the_same_advice_before_and_after(ill, words_of_ncu: str, look, common: str) -> None:
    error = failures.explain(f"==ERROR== {words_of_ncu}", "", "", 1)

    assert error is not None
    assert common in error.next_command
    assert common in look(ill).fix


def test_no_driver(make) -> None:
    error = failures.explain("", "", "==ERROR== Nsight Compute failed to connect to the CUDA driver", 1)

    assert error is not None
    for words in (error.next_command, gpu.driver(make()).fix):
        assert "--recorded" in words


def test_a_lock_of_somebody_else(make, tmp_path) -> None:
    (tmp_path / "nsight-compute-lock").touch()
    error = failures.explain("==ERROR== InterprocessLockFailed", "", "", 9)

    assert error is not None
    assert "TMPDIR=$HOME/tmp" in error.next_command
    assert "TMPDIR=~/tmp" in folders.OWN


def test_a_chip_that_ncu_does_not_know(make, program, h200) -> None:
    path = program("ncu", "echo ga100")
    error = failures.explain("==ERROR== Profiling is not supported on device 0.", "", "", 1)
    found = profiler.supported(
        make(gpus=(h200,), profiler=Ncu(path=str(path), version=(2024, 1), version_text="2024.1"))
    )

    assert error is not None
    assert error.next_command == "ncu --list-chips"
    assert found.evidence.endswith("it knows ga100")  # what that command would print
