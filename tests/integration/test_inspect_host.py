"""What `ncukit inspect` makes of host code: what it reads, what it asks of a GPU, and how it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("triton")

HEAD = """import os
import sys
import torch
import torch.nn as nn
import triton
import triton.language as tl

@triton.jit
def scale_kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + at, tl.load(x_ptr + at, mask=at < n) * 2, mask=at < n)

x = torch.rand(1024, device="cuda")
y = torch.empty_like(x)
def launch(block):
    scale_kernel[(1,)](x, y, 1024, BLOCK=block)
"""
MODEL = """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(64))
    def forward(self, x):
        return forward(self, x)
def get_inputs():
    return [torch.rand(1024, 64)]
def get_init_inputs():
    return []
"""


def written(folder: Path, text: str, name: str = "kernel.py") -> str:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return name


@pytest.fixture
def ask(shell, monkeypatch, tmp_path_factory):
    """Call it, and read its JSON; answers are kept away from the user's own."""
    monkeypatch.setenv("NCUKIT_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))

    def call(*words: str, code: int = 0):
        done = shell("inspect", *words, "--arch", "sm_90", "--no-probe", "--format", "json")
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    return call


def seen(answer) -> list[tuple[object, str]]:
    return [(k["constexprs"]["BLOCK"], k["origin"]) for k in answer["kernels"]]


def test_checks_of_results_are_taken_to_hold_and_a_bad_exit_is_an_error(ask, shell) -> None:
    script = """
launch(64)
torch.testing.assert_close(x, y)
triton.testing.assert_close(x, y)
launch(128)
if not torch.allclose(x, y):
    sys.exit(1)
launch(256)
rows = (x > 2).nonzero()
launch(512)
assert (x + 1 == y).all(), "a check of values that nobody computed"
"""
    answer = ask(written(shell.folder, HEAD + script), code=4)
    assert seen(answer) == [(64, "run"), (128, "run"), (256, "assumed"), (512, "assumed")]
    assert answer["errors"] == []
    assert [note["code"] for note in answer["notes"]] == ["host-read"]
    answer = ask(written(shell.folder, HEAD + "launch(64)\nsys.exit('no CUDA 13 here')\n"), code=1)
    [error] = answer["errors"]
    assert "SystemExit: no CUDA 13 here" in error["message"]


def test_an_error_of_the_file_s_own_that_speaks_of_meta_is_an_error(ask, shell) -> None:
    script = "launch(64)\nraise RuntimeError('value depends on meta tensor data of the request')\n"
    [error] = ask(written(shell.folder, HEAD + script), code=1)["errors"]
    assert error["line"] == HEAD.count("\n") + 2
    assert "of the request" in error["message"]


def test_kernels_of_an_installed_module_keep_their_builds_when_values_are_read(ask, shell) -> None:
    library = HEAD.split("x = torch")[0].replace("scale_kernel", "library_kernel")
    written(shell.folder, library, "site-packages/installed_kernels.py")
    written(shell.folder, library.replace("library_kernel", "helper_kernel"), "site/helper_kernels.py")
    script = """
sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), n) for n in ("site-packages", "site")]
from installed_kernels import library_kernel
from helper_kernels import helper_kernel
helper_kernel[(1,)](x, y, 1024, BLOCK=64)
library_kernel[(1,)](x, y, 1024, BLOCK=128)
scale_kernel[(2 if x[:1] >= 0 else 3,)](x, y, 1024, BLOCK=256)
library_kernel[(1,)](x, y, 1024, BLOCK=128)
library_kernel[(1,)](x, y, 1024, BLOCK=512)
"""
    answer = ask(written(shell.folder, HEAD + script))
    assert {(k["name"], k["constexprs"]["BLOCK"], k["origin"]) for k in answer["kernels"]} == {
        ("helper_kernel", 64, "run"),
        ("library_kernel", 128, "run"),
        ("scale_kernel", 256, "assumed"),
        ("library_kernel", 128, "assumed"),
        ("library_kernel", 512, "assumed"),
    }
    assert answer["errors"] == []


def test_what_a_tuned_configuration_sizes_is_assumed(ask, shell) -> None:
    tuned = """
tuned = triton.autotune(configs=[triton.Config({"BLOCK": b}) for b in (128, 256)], key=["n"])(scale_kernel)
tuned[(4,)](x, y, 1024)
scale_kernel[(tuned.best_config.kwargs["BLOCK"],)](x, y, 1024, BLOCK=64)
if os.fork() == 0:
    pass
launch(32)
"""
    answer = ask(written(shell.folder, HEAD + tuned))
    assert seen(answer) == [(128, "run"), (256, "run"), (64, "assumed"), (32, "assumed")]


def test_custom_operators_compiled_models_and_backward_passes_are_seen(ask, shell) -> None:
    script = """
from torch.library import custom_op, triton_op, wrap_triton
@custom_op("ncukit_test::first", mutates_args=())
def first(x: torch.Tensor) -> torch.Tensor:
    y = torch.empty_like(x)
    assert x.is_cuda
    scale_kernel[(1,)](x, y, 1024, BLOCK=64)
    return y
@triton_op("ncukit_test::second", mutates_args={})
def second(x: torch.Tensor) -> torch.Tensor:
    y = torch.empty_like(x)
    wrap_triton(scale_kernel)[(1,)](x, y, 1024, BLOCK=128)
    return y
class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2
    @staticmethod
    def backward(ctx, g):
        scale_kernel[(1,)](g, torch.empty_like(g), 1024, BLOCK=256)
        return g
@torch.compile(mode="max-autotune")
def forward(self, x):
    torch.compile(first)(x), second(x)
    torch.ops.load = torch.library.Library("ncukit_test", "FRAGMENT")
    torch.ops.load.define("third(Tensor x) -> Tensor")
    torch.ops.load.impl("third", lambda x: x.clone(), "CompositeExplicitAutograd")
    torch.ops.ncukit_test.third(x)
    Twice.apply(x * self.weight).sum().backward()
    return x
"""
    answer = ask(written(shell.folder, HEAD + script + MODEL), code=4)
    assert [n["message"][:19] for n in answer["notes"]] == ["ncukit_test::third "], "nobody can look into that one"
    assert seen(answer) == [(64, "run"), (128, "run"), (256, "run")]


def test_a_file_that_interprets_its_kernels_is_told_so(ask, shell) -> None:
    text = HEAD.replace("@triton.jit", "os.environ['TRITON_INTERPRET'] = '1'\n@triton.jit") + "launch(64)\n"
    answer = ask(written(shell.folder, text), code=1)
    assert "the file turns Triton's interpreter on" in answer["errors"][0]["message"]


def test_whose_a_module_is(monkeypatch, tmp_path) -> None:
    import os
    import sys
    import types

    session = pytest.importorskip("ncukit.source.worker.session")
    assert session._is_users(f"{sys.prefix}/project/helper.py"), "a project may lie inside a virtual environment"
    assert session._is_users("/usr/src/helper.py")
    beside = os.__file__.removesuffix("/os.py") + "x/helper.py"
    assert session._is_users(beside), "its folder's name only begins like Python's"
    assert not session._is_users(os.__file__)
    assert not session._is_users(pytest.__file__)
    assert not session._is_users(session.__file__)
    for number in range(2):
        file = tmp_path / written(tmp_path, "", f"helper{number}.py")
        monkeypatch.setitem(sys.modules, f"helper{number}", types.SimpleNamespace(__file__=str(file)))
    before = set(sys.modules) - {"helper0", "helper1"}
    found, cut = session._files(tmp_path / "kernel.py", before)
    assert (len(found), cut) == (2, False)
    monkeypatch.setattr(session, "MOST_FILES", 1)
    assert session._files(tmp_path / "kernel.py", before)[1], "an answer that hangs on more files is not kept"
