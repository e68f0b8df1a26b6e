"""What Triton needs to compile and start a kernel."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from ncukit.collect.doctor import State, toolchain
from ncukit.collect.doctor.interpreter import Interpreter

PTXAS = """case $1 in --version) echo 'Cuda compilation tools, release {release}, V{release}.93';;
--help) echo "'compute_90','sm_80','sm_89','sm_90','sm_90a','sm_100'";; esac"""


@pytest.fixture
def python(tmp_path: Path) -> Interpreter:
    """A Python with triton and headers."""
    (tmp_path / "triton").mkdir()
    return Interpreter(
        version="3.12.1", executable="/py", triton=str(tmp_path / "triton"), headers="/include", has_headers=True
    )


@pytest.mark.parametrize("value", ["1", "true", "YES", "on"])
def test_the_interpreter_leaves_nothing_to_profile(make, value: str) -> None:
    found = toolchain.interpret(make(environment={"TRITON_INTERPRET": value}))

    assert (found.state, found.fix) == (State.FAIL, "unset TRITON_INTERPRET")


@pytest.mark.parametrize("environment", [{}, {"TRITON_INTERPRET": "0"}, {"TRITON_INTERPRET": ""}])
def test_the_interpreter_is_off(make, environment: dict[str, str]) -> None:
    assert toolchain.interpret(make(environment=environment)).state is State.OK


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"TRITON_CACHE_DIR": "{}/mine"}, "mine"),
        ({"TRITON_HOME": "{}/th", "HOME": "{}"}, "th/.triton/cache"),
        ({"HOME": "{}"}, ".triton/cache"),
    ],
)
def test_the_cache_folder_is_found_as_triton_finds_it(make, tmp_path, environment, folder: str) -> None:
    here = make(environment={name: value.format(tmp_path) for name, value in environment.items()})

    assert toolchain.cache_folder(here) == tmp_path / folder
    assert toolchain.cache(here).state is State.OK
    assert not (tmp_path / folder).exists()  # a look changes nothing


def test_a_cache_folder_that_cannot_be_written(make, tmp_path, monkeypatch) -> None:
    (tmp_path / "file").touch()
    under_a_file = toolchain.cache(make(environment={"TRITON_CACHE_DIR": f"{tmp_path}/file/cache"}))
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    read_only = toolchain.cache(make(environment={"TRITON_CACHE_DIR": str(tmp_path)}))

    assert under_a_file.state is read_only.state is State.FAIL
    assert under_a_file.fix == read_only.fix == "export TRITON_CACHE_DIR=$(mktemp -d)"


def test_a_cache_folder_that_nothing_can_be_loaded_from(make, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=os.ST_NOEXEC))

    found = toolchain.cache(make(environment={"TRITON_CACHE_DIR": str(tmp_path)}))

    assert State.FAIL is found.state
    assert "noexec" in found.evidence
    assert "TRITON_CACHE_DIR" in found.fix


def test_a_compiler(make, program, python) -> None:
    gcc = program("gcc", "true")

    assert toolchain.compiler(make(interpreter=python)).evidence == f"{gcc}; Python.h in /include"
    assert toolchain.compiler(make(interpreter=python, environment={"CC": str(gcc)})).state is State.OK


def test_no_compiler(make, python, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    here = make(interpreter=python, environment={"TRITON_CACHE_DIR": f"{tmp_path}/cache"})

    found = toolchain.compiler(here)

    assert State.FAIL is found.state
    assert "neither gcc nor clang" in found.evidence
    assert "apt-get install gcc" in found.fix
    # with a warm cache some kernels still run
    (tmp_path / "cache" / "ABC").mkdir(parents=True)
    (tmp_path / "cache" / "ABC" / "cuda_utils.cpython-312.so").touch()
    assert toolchain.compiler(here).state is State.WARN


def test_a_compiler_that_is_named_but_not_there(make, program, python, tmp_path) -> None:
    program("gcc", "true")

    found = toolchain.compiler(make(interpreter=python, environment={"CC": "gcc -m64", "HOME": str(tmp_path)}))

    assert State.FAIL is found.state
    assert "CC='gcc -m64' is not a program" in found.evidence
    assert found.fix.startswith("unset CC")


def test_no_headers(make, program, python, tmp_path) -> None:
    program("gcc", "true")

    found = toolchain.compiler(
        make(interpreter=replace(python, has_headers=False), environment={"HOME": str(tmp_path)})
    )

    assert State.FAIL is found.state
    assert "/include holds no Python.h" in found.evidence
    assert "python3.12-dev" in found.fix


@pytest.mark.parametrize("check", [toolchain.compiler, toolchain.ptxas, toolchain.libcuda])
def test_without_triton_there_is_nothing_to_look_at(make, h200, check) -> None:
    bare = Interpreter(version="3.12.1", executable="/py")

    assert check(make(gpus=(h200,), interpreter=bare)).state is State.SKIP
    assert check(make(gpus=(h200,))).state is State.SKIP


@pytest.fixture
def ptxas(program):
    """Write an assembler of triton's, or of a CUDA toolkit."""

    def write(name: str, release: str = "12.8", folder: str = "triton/backends/nvidia/bin") -> str:
        return str(program(f"../{folder}/{name}", PTXAS.format(release=release)).resolve())

    return write


def test_an_assembler_that_knows_the_gpu(make, h200, python, ptxas) -> None:
    path = ptxas("ptxas")

    assert toolchain.ptxas(make(gpus=(h200,), interpreter=python)).evidence == f"12.8 at {path}"
    assert toolchain.ptxas(make(interpreter=python)).state is State.OK


def test_blackwell_has_an_assembler_of_its_own(make, h200, python, ptxas) -> None:
    ptxas("ptxas")
    path = ptxas("ptxas-blackwell", "13.1")
    new = replace(h200, compute_capability="10.0")

    assert toolchain.ptxas(make(gpus=(new,), interpreter=python)).evidence == f"13.1 at {path}"


def test_an_assembler_that_does_not_know_the_gpu(make, h200, python, ptxas) -> None:
    ptxas("ptxas")
    new = replace(h200, compute_capability="12.1")

    found = toolchain.ptxas(make(gpus=(new,), interpreter=python))

    assert State.FAIL is found.state
    assert "knows no sm_121" in found.evidence
    assert "TRITON_PTXAS_PATH" in found.fix


def test_an_assembler_that_does_not_run(make, python, ptxas) -> None:
    Path(ptxas("ptxas")).write_text("#!/bin/sh\nexit 1\n")

    found = toolchain.ptxas(make(interpreter=python))

    assert State.FAIL is found.state
    assert "--force-reinstall triton" in found.fix


def test_an_assembler_that_is_named(make, python, ptxas) -> None:
    ptxas("ptxas")
    other = ptxas("ptxas", "13.1", "cuda/bin")

    assert toolchain.ptxas(
        make(interpreter=python, environment={"TRITON_PTXAS_PATH": other})
    ).evidence == f"13.1 at {other}"  # fmt: skip
    found = toolchain.ptxas(make(interpreter=python, environment={"TRITON_PTXAS_PATH": "/nowhere/ptxas"}))
    assert (found.state, found.fix) == (State.WARN, "unset TRITON_PTXAS_PATH")


def test_a_triton_for_other_gpus(make, python) -> None:
    assert toolchain.ptxas(make(interpreter=python)).state is State.SKIP


def test_libcuda_is_found_by_the_linkers_list(make, h200, python, program, tmp_path, monkeypatch) -> None:
    library = tmp_path / "libcuda.so.1"
    listing = f"echo '\tlibcuda.so.1 (libc6,x86-64) => {library}'"
    monkeypatch.setattr(toolchain, "LDCONFIG", str(program("ldconfig", listing)))
    here = make(gpus=(h200,), interpreter=python)

    assert toolchain.libcuda(here).state is State.FAIL  # listed, but gone
    library.touch()
    assert toolchain.libcuda(here).evidence == str(library)


def test_libcuda_is_found_in_a_named_folder(make, h200, python, program, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(toolchain, "LDCONFIG", str(program("ldconfig", "true")))
    (tmp_path / "libcuda.so.1").touch()

    by_linker = {"LD_LIBRARY_PATH": f"/nowhere:{tmp_path}"}
    by_triton = {"TRITON_LIBCUDA_PATH": str(tmp_path)}
    for environment in (by_linker, by_triton):
        assert toolchain.libcuda(make(gpus=(h200,), interpreter=python, environment=environment)).state is State.OK


@pytest.mark.parametrize("ldconfig", ["/nowhere/ldconfig", "/bin/true"])
def test_no_libcuda(make, h200, python, monkeypatch, ldconfig: str) -> None:
    monkeypatch.setattr(toolchain, "LDCONFIG", ldconfig)

    found = toolchain.libcuda(make(gpus=(h200,), interpreter=python))

    assert State.FAIL is found.state
    assert ldconfig in found.evidence
    assert "TRITON_LIBCUDA_PATH" in found.fix


def test_libcuda_is_not_missed_without_a_gpu(make, python) -> None:
    assert toolchain.libcuda(make(interpreter=python)).state is State.SKIP
