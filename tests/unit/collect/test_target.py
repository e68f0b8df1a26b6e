"""What the user typed becomes a target, from the text alone."""

from __future__ import annotations

import pytest

from ncukit.collect.target import kernel_name, resolve, slug
from ncukit.errors import Exit, NcukitError

LAYOUT = """
import torch
from torch import nn
batch_size = 112
features, dim1 = 64, 512.0
ratio: float = 0.5
derived = batch_size * 2
class ModelNew(nn.Module):
    pass
def get_inputs():
    return [torch.rand(batch_size)]
def get_init_inputs():
    return []
"""


def write(tmp_path, text=LAYOUT, name="kernel.py"):
    path = tmp_path / name
    path.write_text(text)
    return str(path)


def test_a_file_in_the_layout_is_a_kernel(tmp_path):
    path = write(tmp_path)
    assert (resolve(path, None).kind, resolve(path, None).argv) == ("kernel", (path,))


def test_the_same_file_with_arguments_is_a_script(tmp_path):
    path = write(tmp_path)
    assert resolve(path, ("--n", "4")).kind == "script"
    assert resolve(path, ("--n", "4")).argv == (path, "--n", "4")


def test_dashes_alone_make_a_script_of_it_too(tmp_path):
    assert resolve(write(tmp_path), ()).kind == "script"


def test_a_python_file_without_the_layout_is_a_script(tmp_path):
    assert resolve(write(tmp_path, "print(1)"), None).kind == "script"


def test_words_after_the_dashes_alone_are_a_command():
    assert resolve(None, ("./a.out", "-k")).argv == ("./a.out", "-k")
    assert resolve(None, ("./a.out",)).kind == "command"


def test_a_model_imported_from_elsewhere_counts(tmp_path):
    text = LAYOUT.replace("class ModelNew(nn.Module):\n    pass", "from elsewhere import Model")
    assert resolve(write(tmp_path, text), None).kind == "kernel"


def test_sizes_set_constants_also_in_tuples_and_with_annotations(tmp_path):
    path = write(tmp_path)
    target = resolve(path, None, ("batch_size=8", "dim1=32", "ratio=0.25"))
    assert target.sizes == (("batch_size", "8"), ("dim1", "32"), ("ratio", "0.25"))


@pytest.mark.parametrize(
    ("size", "says"),
    [
        ("batchsize=8", "did you mean batch_size?"),
        ("batch_size", "NAME=NUMBER"),
        ("batch_size=__import__('os')", "NAME=NUMBER"),
        ("derived=8", "it has: batch_size"),
    ],
)
def test_a_size_that_cannot_be_set_is_a_usage_error(tmp_path, size, says):
    with pytest.raises(NcukitError) as error:
        resolve(write(tmp_path), None, (size,))
    assert error.value.exit_code == Exit.USAGE
    assert says in " ".join((error.value.message, *error.value.causes))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("class ModelNew: pass\ndef get_inputs(): ...", "not get_init_inputs"),
        ("def broken(:\n", "not a Python file"),
        ("\x00\x01\x02", "not a Python file"),
        ("(" * 5000, "not a Python file"),
    ],
)
def test_a_file_that_cannot_be_profiled_says_why(tmp_path, text, says):
    with pytest.raises(NcukitError, match=says) as error:
        resolve(write(tmp_path, text), None)
    assert error.value.exit_code == Exit.USAGE
    assert error.value.next_command


def test_missing_file_folder_and_nothing_at_all(tmp_path):
    for argument in (str(tmp_path / "no.py"), str(tmp_path)):
        with pytest.raises(NcukitError, match="cannot read"):
            resolve(argument, None)
    with pytest.raises(NcukitError, match="nothing to profile"):
        resolve(None, None)


def test_names_of_folders():
    from pathlib import Path

    assert kernel_name(Path("/x/kernels/naive/instance_norm.py")) == "naive_instance_norm"
    assert kernel_name(Path("kernels/rms_norm.py")) == "rms_norm"
    assert kernel_name(Path("my bench.py")) == "my_bench"
    assert slug("../..") == "target"
