"""The driver's age against ncu and torch."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ncukit.collect.doctor import State, versions
from ncukit.collect.doctor.interpreter import Interpreter
from ncukit.collect.machine import Ncu


def ncu(text: str) -> Ncu:
    return Ncu(path="/opt/ncu", version=tuple(map(int, text.split("."))), version_text=text)


def python(cuda: str | None) -> Interpreter:
    return Interpreter(version="3.12.1", executable="/py", torch_cuda=cuda)


@pytest.fixture(autouse=True)
def _no_compatibility_package(monkeypatch) -> None:
    monkeypatch.setattr(versions, "COMPAT_FOLDERS", "/nowhere/*")


@pytest.mark.parametrize(
    ("version", "driver", "state"),
    [
        ("2025.3.1", "580.159.04", State.OK),
        ("2025.3.1", "576.88", State.FAIL),  # reported on WSL and on Windows
        ("2025.3.1", "570.172.08", State.FAIL),  # reported on an L4
        ("2025.2.1", "576.88", State.OK),
        ("2026.2.1", "576.88", State.FAIL),
        ("2024.1.1", "525.60.13", State.OK),
        ("2024.1.1", "515.43.04", State.FAIL),
        ("2022.3.0", "470.82.01", State.SKIP),
        ("2025.3.1", "[N/A]", State.SKIP),
    ],
)
def test_ncu_newer_than_the_driver(make, h200, version: str, driver: str, state: State) -> None:
    found = versions.ncu_driver(make(profiler=ncu(version), gpus=(replace(h200, driver_version=driver),)))

    assert state is found.state
    assert f"ncu {version}, driver {driver}" in found.evidence
    assert ("NCUKIT_NCU" in found.fix) == (state is State.FAIL)


def test_nothing_to_compare_without_ncu_or_driver(make, h200) -> None:
    assert versions.ncu_driver(make(gpus=(h200,))).state is State.SKIP
    assert versions.ncu_driver(make(profiler=ncu("2025.3.1"))).state is State.SKIP


@pytest.mark.parametrize(
    ("cuda", "driver", "state"),
    [
        ("13.0", "580.65.06", State.OK),
        ("13.0", "575.57.08", State.FAIL),
        ("12.8", "535.183.01", State.OK),
        ("12.8", "515.43.04", State.FAIL),
        ("14.0", "600.10", State.SKIP),
        ("", "580.65.06", State.SKIP),
        (None, "580.65.06", State.SKIP),
    ],
)
def test_torch_newer_than_the_driver(make, h200, cuda: str | None, driver: str, state: State) -> None:
    found = versions.torch_driver(make(interpreter=python(cuda), gpus=(replace(h200, driver_version=driver),)))

    assert state is found.state
    assert bool(found.fix) == (state is State.FAIL)


def test_torch_without_a_driver_or_a_python(make, h200) -> None:
    assert versions.torch_driver(make(interpreter=python("13.0"))).state is State.SKIP
    assert versions.torch_driver(make(gpus=(h200,))).state is State.SKIP


@pytest.mark.parametrize("how", ["usual", "named"])
def test_a_compatibility_package_may_make_up_for_an_old_driver(make, h200, tmp_path, monkeypatch, how: str) -> None:
    folder = tmp_path / "cuda-13.0" / "compat"
    folder.mkdir(parents=True)
    (folder / "libcuda.so.1").touch()
    if how == "usual":
        monkeypatch.setattr(versions, "COMPAT_FOLDERS", f"{tmp_path}/cuda*/compat")
    environment = {"LD_LIBRARY_PATH": f"/usr/lib:{folder}"} if how == "named" else {}
    old = replace(h200, driver_version="535.183.01")

    found = versions.torch_driver(make(interpreter=python("13.0"), gpus=(old,), environment=environment))

    assert State.WARN is found.state
    assert str(folder) in found.evidence


def test_a_stub_of_libcuda(make, tmp_path) -> None:
    stubs = tmp_path / "lib64" / "stubs"
    stubs.mkdir(parents=True)
    (stubs / "libcuda.so").touch()

    found = versions.stub(make(environment={"LD_LIBRARY_PATH": f"/usr/lib:{stubs}::/opt/lib"}))

    assert State.WARN is found.state
    assert str(stubs) in found.evidence
    assert found.fix == "export LD_LIBRARY_PATH=/usr/lib:/opt/lib"
    assert versions.stub(make(environment={"LD_LIBRARY_PATH": str(stubs)})).fix == "unset LD_LIBRARY_PATH"


def test_no_stub(make, tmp_path) -> None:
    (tmp_path / "stubs").mkdir()

    assert versions.stub(make()).state is State.OK
    assert versions.stub(make(environment={"LD_LIBRARY_PATH": f"{tmp_path}/stubs:/usr/lib"})).state is State.OK
