"""A kernel file as the problem that others are held to."""

from __future__ import annotations

from pathlib import Path

import pytest

from ncukit.errors import Exit, NcukitError
from ncukit.optimize.problem import read_problem

ROOT = Path(__file__).resolve().parents[3]
NAIVE = str(ROOT / "kernels/naive/layer_norm.py")


def test_a_kernel_file_is_a_problem():
    problem = read_problem(NAIVE)

    assert problem.code == Path(NAIVE).read_text()
    assert problem.constants == {"batch_size": 16, "features": 64, "dim1": 256, "dim2": 256}
    assert (problem.path, problem.sizes, problem.fenced) == (NAIVE, {}, False)


def test_sizes_replace_constants():
    problem = read_problem(NAIVE, ("batch_size=2", "dim2=0.5"))

    assert problem.sizes == {"batch_size": "2", "dim2": "0.5"}
    assert problem.constants == {"batch_size": 2, "features": 64, "dim1": 256, "dim2": 0.5}
    assert problem.code == Path(NAIVE).read_text(), "the text stays: they are set when it runs"


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ("batch=2", "has no module-level constant 'batch'"),
        ("BLOCK_SIZE=2", "has no module-level constant 'BLOCK_SIZE'"),
        ("batch_size", "takes NAME=NUMBER, not 'batch_size'"),
        ("batch_size=2*3", "takes NAME=NUMBER"),
    ],
)
def test_a_size_that_is_none_is_a_usage_error(size, message):
    with pytest.raises(NcukitError, match=message) as caught:
        read_problem(NAIVE, (size,))
    assert caught.value.exit_code == Exit.USAGE


def test_line_ends_and_unicode_are_kept(tmp_path):
    code = "\ufeff# größe\nsize = 4\nclass Model: pass\ndef get_inputs(): return []\ndef get_init_inputs(): return []"
    code = code.replace("\n", "\r\n")
    (tmp_path / "k.py").write_bytes(code.encode())

    problem = read_problem(str(tmp_path / "k.py"))
    assert problem.code == code
    assert problem.constants == {"size": 4}


def test_code_out_of_a_text_is_not_the_whole_file(tmp_path):
    code = Path(NAIVE).read_text()
    (tmp_path / "k.md").write_text(f"Here it is:\n\n```python\n{code}```\n")

    assert read_problem(str(tmp_path / "k.md")).fenced


@pytest.mark.parametrize(
    ("code", "lacking"),
    [
        ("x = 1\n", "Model and get_inputs and get_init_inputs"),
        ("class Model: pass\ndef get_inputs(): pass\n", "get_init_inputs"),
        ("class ModelNew: pass\ndef get_inputs(): pass\ndef get_init_inputs(): pass\n", "Model"),
    ],
)
def test_a_file_that_states_no_problem_is_told_what_it_lacks(tmp_path, code, lacking):
    path = tmp_path / "k.py"
    path.write_text(code)

    with pytest.raises(NcukitError, match=f"states no problem: it does not define {lacking}$") as caught:
        read_problem(str(path))
    assert caught.value.exit_code == Exit.USAGE


@pytest.mark.parametrize("content", [b"def (", b"\x00\x01", b"'" * 5])
def test_what_is_no_python_is_an_error(tmp_path, content):
    path = tmp_path / "k.py"
    path.write_bytes(content)

    with pytest.raises(NcukitError, match="not Python"):
        read_problem(str(path))


def test_what_is_not_there_is_an_error(tmp_path):
    with pytest.raises(NcukitError, match="cannot read"):
        read_problem(str(tmp_path / "nosuch.py"))
    with pytest.raises(NcukitError, match="cannot read"):
        read_problem(str(tmp_path))
