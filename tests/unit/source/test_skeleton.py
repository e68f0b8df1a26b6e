"""What stays of a file whose host code must not run."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from ncukit.source.lint.module import Module
from ncukit.source.skeleton import sift, skeleton
from ncukit.source.text import parse

FILE = '''
"""Docstring."""
from __future__ import annotations
import os
import math, sys
import triton
import triton.language as tl
from torch import nn
from .beside import helper
BLOCK = 1024
WIDE: tl.constexpr = tl.constexpr(BLOCK * 2)
HOME = os.environ["HOME"]
BIG = 9 ** 9 ** 9
MADE = open("x", "w")
os.system("touch x")
with open("y", "w"): pass
for _ in range(10**9): pass
if True: HIDDEN = print("z")

@triton.autotune(configs=[print("tuned")], key=[])
@triton.jit(do_not_specialize=["n"])
def kernel(x, n, B: tl.constexpr):
    pass

@triton.jit(debug=print("debug"))
def loud(x):
    pass

@cache
def host(x=print("default")):
    pass

@triton.jit
def defaulted(x, y=print("default"), B: tl.constexpr = 4, C=BLOCK):
    pass

@triton.jit
def annotated(x: print("annotation")) -> print("returns"):
    pass

class Model(nn.Module):
    os.remove("x")
'''


def test_only_what_compiling_needs_is_left() -> None:
    kept = ast.unparse(skeleton(ast.parse(FILE)))
    assert "def kernel(x, n, B: tl.constexpr)" in kept
    assert "@triton.jit(do_not_specialize=['n'])" in kept
    assert "BLOCK = 1024" in kept
    assert "WIDE: tl.constexpr = tl.constexpr(BLOCK * 2)" in kept
    assert "import math" in kept
    for gone in (
        "os",
        "open",
        "print",
        "9 **",
        "autotune",
        "class",
        "helper",
        "sys",
        "HOME",
        "HIDDEN",
        "host",
        "range",
    ):
        assert gone not in kept, kept


def test_functions_stay_on_their_lines() -> None:
    whole, kept = ast.parse(FILE), skeleton(ast.parse(FILE))
    lines = {n.name: n.lineno for n in whole.body if isinstance(n, ast.FunctionDef)}
    assert {n.name: n.lineno for n in kept.body if isinstance(n, ast.FunctionDef)}.items() <= lines.items()


HEAD = "import triton\nimport triton.language as tl\nimport math\nimport torch\nfrom triton.language import core as c\n"


@pytest.mark.parametrize(
    "body",
    [
        "tl.core.builtins.exec('import os')",
        "c.builtins.exec('x')",
        "f = tl\n    f.core.builtins.exec('x')",
        "f = tl.core\n    f.builtins.exec('x')",
        "torch.load('x.pkl')",
        "triton.testing.do_bench(1)",
        "triton.compiler.compile(1)",
        "math.__loader__.load_module('os')",
        "getattr(tl, 'core')",
        "x.__class__",
        "import os",
        "tl.extra.cuda.libdevice.core.x()",
        "exec('x')",
        "__import__('os')",
        "z = '{0.x}'.format(x)",
        "z = FORM.format_map(x)",
        "z = '%s' % x",
        "z = ('a' + '%s') % x",
        "z = ''.join(x)",
        "z = f'{x}'.join(x)",
        "z = f'{x.gi_frame}'",
        "z = f'{x.__class__}'",
        "z = str(x).index(x)",
        "z = x.encode('rot13')",
        "z = x.handle.get_context()",
        "z = int.mro()",
        "z = (i for i in x)",
        "z = [i.f_back for i in x]",
        "z = [i.parts for i in x]",
        "(z := x)",
        "yield x",
        "z = x.func_globals.tb_frame.co_code",
    ],
)
def test_a_function_from_which_python_can_be_reached_is_dropped(body) -> None:
    kept = ast.unparse(skeleton(ast.parse(f"{HEAD}@triton.jit\ndef k(x):\n    {body}\n")))
    assert "def k" not in kept or "torch" in body, kept
    assert "import torch" not in kept


def test_every_bundled_kernel_survives() -> None:
    for path in Path("kernels").rglob("*.py"):
        tree = ast.parse(path.read_bytes())
        module = Module(parse(path.read_bytes(), str(path)))
        kept = {n.name for n in skeleton(tree).body if isinstance(n, ast.FunctionDef)}
        assert kept >= set(module.kernels), path


def test_gluon_kernels_stay_and_so_do_those_with_arguments_for_the_launch_alone() -> None:
    text = "import triton\nfrom triton.experimental import gluon\n"
    text += "@gluon.jit\ndef g(x):\n    pass\n"
    text += "@triton.jit(launch_metadata=print, repr=name, noinline=True)\ndef k(x):\n    pass\n"
    kept = ast.unparse(skeleton(ast.parse(text)))
    assert "@gluon.jit\ndef g" in kept
    assert "@triton.jit(noinline=True)\ndef k" in kept


def test_what_kernels_do_with_text_and_percent_stays() -> None:
    text = f"{HEAD}FORM: tl.constexpr = tl.constexpr('ieee')\n@triton.jit\ndef k(x, y):\n"
    text += (
        "    a = tl.load(x, cache_modifier='.cg') % 4\n    b, e = a.split()\n    tl.static_assert(a % 2 == 0, f'{y}')\n"
    )
    text += "    d = [tl.load(x + i) for i in (1, 2)]\n    tl.dot(tl.join(b, e), d[0], input_precision=FORM)\n"
    assert sift(ast.parse(text)).left_out == {}


def test_annotations_and_targets_that_python_would_evaluate_do_not_stay() -> None:
    text = f"{HEAD}A: [open('x', 'w')] = 1\n(B): (g := 1) = 2\nC: tl.constexpr = tl.constexpr(3)\n"
    text += "(tl.load, D) = (1, 2)\nE = open('x').constexpr(1)\nF = '%s' % C\nG: x.gi_frame = 4\n"
    kept = ast.unparse(skeleton(ast.parse(text))).splitlines()
    assert kept[4:] == ["A = 1", "B = 2", "C: tl.constexpr = tl.constexpr(3)", "G = 4"]


NEEDS = """
import os
import triton
import triton.language as tl
from helper_mod import act
from .others import *
try:
    from triton.language.math import tanh
except ImportError:
    pass
SIZE = int(os.environ["SIZE"])
HALF = SIZE // 2
def host(x):
    return x
@triton.jit
def direct(x):
    return act(x)
@triton.jit
def through(x):
    return direct(x)
@triton.jit
def sized(x, n=HALF):
    return x
@triton.jit
def hosted(x):
    return host(x)
@triton.jit
def starred(x):
    return other(x)
@triton.jit
def conditional(x):
    return tanh(x)
@triton.jit
def own(x, act):
    host = [n for n in (1, 2)]
    return own(act(host), range(len(x)))
@triton.jit
def twice(x):
    return x
@triton.jit
def twice(x):
    return -x
class Model:
    @triton.jit
    def method(x):
        return x
"""


def test_what_needs_something_that_did_not_stay_is_left_out_by_name() -> None:
    sifted = sift(ast.parse(NEEDS))
    assert [n.name for n in sifted.module.body if isinstance(n, ast.FunctionDef)] == ["own"]
    assert {name: one.why for name, one in sifted.left_out.items()} == {
        "host": "has no decorator of Triton's own that compiles it",
        "direct": "uses `act`, which comes from helper_mod",
        "through": "uses `direct`, which uses `act`, which comes from helper_mod",
        "sized": "uses `HALF`, which is set on line 12",
        "hosted": "uses `host`, which has no decorator of Triton's own that compiles it",
        "starred": "uses `other`, which may come from .others",
        "conditional": "uses `tanh`, which is imported on line 8, inside something that would have to run",
        "twice": "is defined more than once",
        "method": "is not defined at the top of the file, but inside something that would have to run",
    }
    assert sifted.left_out["through"].line == 19


def test_a_name_that_the_file_has_nowhere_is_the_files_own_error() -> None:
    text = f"{HEAD}@triton.jit\ndef k(x):\n    return nowhere(x)\n"
    assert sift(ast.parse(text)).left_out == {}
