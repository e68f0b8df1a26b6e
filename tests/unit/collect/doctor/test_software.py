"""The Python that runs kernel files, and its packages."""

from __future__ import annotations

import pytest

from ncukit.collect.doctor import State, software
from ncukit.collect.doctor.interpreter import Interpreter


def python(torch: str = "", triton: str = "", cuda: str | None = None, hip: str | None = None) -> Interpreter:
    packages = {name: version for name, version in (("torch", torch), ("triton", triton)) if version}
    return Interpreter(version="3.12.1", executable="/py", packages=packages, torch_cuda=cuda, torch_hip=hip)


def test_a_python(make) -> None:
    assert software.python(make(interpreter=python())).evidence == "3.12.1 at /py"
    assert software.python(make(interpreter=python(), python="py")).evidence == "3.12.1 at /py runs kernel files"


def test_a_python_that_does_not_run(make) -> None:
    found = software.python(make(python="/nowhere/python"))

    assert State.FAIL is found.state
    assert found.evidence == "/nowhere/python does not run"
    assert "profile.python" in found.fix


@pytest.mark.parametrize(
    ("version", "cuda", "state"),
    [
        ("2.9.1", "13.0", State.OK),
        ("2.10.0+cu130", "13.0", State.OK),
        ("2.9.1", None, State.OK),
        ("2.5.1", "12.4", State.WARN),
        ("2.9.1+cpu", None, State.FAIL),
        ("2.9.1", "", State.FAIL),
        ("", None, State.FAIL),
    ],
)
def test_torch(make, version: str, cuda: str | None, state: State) -> None:
    found = software.torch(make(interpreter=python(torch=version, cuda=cuda), python="py9"))

    assert state is found.state
    assert ("py9 -m pip" in found.fix) == (state is not State.OK)
    if state is State.OK and cuda:
        assert found.evidence == f"{version}, built for CUDA {cuda}"


def test_a_torch_without_cuda_is_replaced_whatever_index_is_configured(make) -> None:
    found = software.torch(make(interpreter=python(torch="2.9.1+cpu", cuda=""), python="py9"))

    assert "without CUDA" in found.evidence
    assert found.fix == "py9 -m pip --isolated install --force-reinstall torch"


def test_a_torch_for_rocm(make) -> None:
    found = software.torch(make(interpreter=python(torch="2.9.1+rocm6.4", cuda="", hip="6.4.4")))

    assert State.FAIL is found.state
    assert "a build for ROCm 6.4.4" in found.evidence


@pytest.mark.parametrize(("version", "state"), [("3.7.1", State.OK), ("3.5.0", State.WARN), ("", State.FAIL)])
def test_triton(make, version: str, state: State) -> None:
    found = software.triton(make(interpreter=python(triton=version), python="py9"))

    assert state is found.state
    assert found.fix == ("" if state is State.OK else "py9 -m pip install --upgrade torch triton")


def test_packages_are_unknown_without_their_python(make) -> None:
    assert software.torch(make()).state is State.SKIP
    assert software.triton(make()).state is State.SKIP


def test_the_optional_wheel_is_never_a_failure(make, monkeypatch) -> None:
    def absent(name: str) -> str:
        raise software.PackageNotFoundError(name)

    monkeypatch.setattr(software, "version", absent)
    found = software.report_reader(make())
    monkeypatch.setattr(software, "version", {"ncu-report": "2026.3.1"}.__getitem__)

    assert State.SKIP is found.state
    assert "pip install ncu-report" in found.fix
    assert software.report_reader(make()).evidence == "2026.3.1"
