"""What a Python has, looked up without importing torch or triton."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict

import pytest

from ncukit.collect.doctor import interpreter
from ncukit.collect.doctor.interpreter import Interpreter


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Write a package that the running Python finds first."""
    monkeypatch.syspath_prepend(tmp_path / "site")

    def write(name: str, release: str, **files: str) -> None:
        folder = tmp_path / "site" / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("raise SystemExit('imported')")
        for stem, text in files.items():
            (folder / f"{stem}.py").write_text(text)
        record = tmp_path / "site" / f"{name}-{release}.dist-info"
        record.mkdir()
        (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {release}\n")
        monkeypatch.delitem(sys.modules, name, raising=False)

    return write


@pytest.mark.parametrize(
    ("line", "cuda"),
    [
        ("cuda: Optional[str] = '13.0'", "13.0"),
        ('cuda = "12.8"', "12.8"),
        ("cuda: Optional[str] = None", ""),
        ("debug = False", None),
    ],
)
def test_what_torch_was_built_for(packages, line: str, cuda: str | None) -> None:
    packages("torch", "9.1.0", version=f"__version__ = '9.1.0'\n{line}\nhip: Optional[str] = None\n")

    found = interpreter.look()

    assert (found.packages["torch"], found.torch_cuda, found.torch_hip) == ("9.1.0", cuda, "")


def test_where_triton_lies(packages, tmp_path) -> None:
    packages("triton", "9.7.0")

    found = interpreter.look()

    assert (found.packages["triton"], found.triton) == ("9.7.0", str(tmp_path / "site" / "triton"))


def test_packages_that_are_not_there(tmp_path) -> None:
    bare = [sys.executable, "-I", "-S", interpreter.__file__]
    done = subprocess.run(bare, cwd=tmp_path, capture_output=True, text=True, check=True)

    found = interpreter.parse(done.stdout)

    assert found is not None

    assert (found.packages, found.torch_cuda, found.triton) == ({}, None, "")


def test_the_headers_are_those_of_this_python() -> None:
    found = interpreter.look()

    assert f"python{sys.version_info[0]}.{sys.version_info[1]}" in found.headers


def test_it_runs_by_path_in_a_python_that_knows_nothing_of_ncukit(tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, "-S", interpreter.__file__], cwd=tmp_path, env={}, capture_output=True, text=True, check=True
    )

    found = interpreter.parse(done.stdout)

    assert found is not None
    assert found.version == ".".join(map(str, sys.version_info[:3]))


def test_an_answer_among_other_output() -> None:
    python = Interpreter(version="3.12.1", executable="/py", packages={"torch": "2.9"}, torch_cuda="13.0")

    assert python == interpreter.parse(f"noise\nncukit-found {json.dumps(asdict(python))}\nmore noise\n")


@pytest.mark.parametrize(
    "text", ["", "Python 3.12", "ncukit-found {", "ncukit-found {}", 'ncukit-found {"version": 1}']
)
def test_no_answer(text: str) -> None:
    assert interpreter.parse(text) is None
