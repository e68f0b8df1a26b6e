"""TRI102, 108, 111: names that Triton's compiler does not have or may not read, and what to write for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ncukit.source.lint.names import METHODS, REPLACED, known

ROOT = Path(__file__).parents[4]
BLOCK = "x = tl.load(x_ptr + tl.arange(0, BLOCK))"


def kernel(*lines: str, above: str = "") -> str:
    """A kernel with this body, launched by a function of the same file."""
    head = "import triton\nimport triton.language as tl\nimport math\nimport torch\n"
    head += "import torch.nn.functional as F\nimport numpy as np\n"
    head += "from triton.language.extra import libdevice\n"
    body = "".join(f"    {line}\n" for line in lines)
    launch = "\n\ndef host(x, n):\n    k[(1,)](x, n, 1e-5, BLOCK=64)\n"
    return f"{head}{above}\n@triton.jit\ndef k(x_ptr, n, eps, BLOCK: tl.constexpr):\n{body}{launch}"


# code, what is underlined, part of what to write, body that is refused, body that compiles
CASES = [
    pytest.param(
        "TRI102", "tl.tanh", "libdevice.tanh(x)", (BLOCK, "y = tl.tanh(x)"), (BLOCK, "y = libdevice.tanh(x)"), id="tanh"
    ),
    pytest.param(
        "TRI102",
        "tl.math.tanh",
        "2 * tl.sigmoid(2 * x) - 1",
        (BLOCK, "y = tl.math.tanh(x)"),
        (BLOCK, "y = 2 * tl.sigmoid(2 * x) - 1"),
        id="math.tanh",
    ),
    pytest.param(
        "TRI102",
        "tl.any",
        "tl.max(x.to(tl.int32), axis=0) != 0",
        (BLOCK, "y = tl.any(x > 0)"),
        (BLOCK, "x = x > 0", "y = tl.max(x.to(tl.int32), axis=0) != 0"),
        id="any",
    ),
    pytest.param(
        "TRI102",
        "tl.log1p",
        "libdevice.log1p(",
        (BLOCK, "y = tl.log1p(x)"),
        (BLOCK, "y = libdevice.log1p(x)"),
        id="log1p",
    ),
    pytest.param("TRI102", "tl.isnan", "x != x", (BLOCK, "y = tl.isnan(x)"), (BLOCK, "y = x != x"), id="isnan"),
    pytest.param(
        "TRI102",
        "tl.libdevice",
        "libdevice.",
        (BLOCK, "y = tl.libdevice.tanh(x)"),
        (BLOCK, "y = libdevice.tanh(x)"),
        id="libdevice",
    ),
    pytest.param(
        "TRI102",
        "tl.static_shared_memory",
        "by itself",
        ("y = tl.static_shared_memory((16,))",),
        None,
        id="shared memory",
    ),
    pytest.param("TRI102", "tl.prefetch", "num_stages", ("tl.prefetch(x_ptr)",), None, id="prefetch"),
    pytest.param("TRI102", "tl.cidv", "cdiv", ("y = tl.cidv(n, BLOCK)",), ("y = tl.cdiv(n, BLOCK)",), id="misspelt"),
    pytest.param(
        "TRI102",
        "tl.bool",
        "tl.int1",
        ("y = tl.zeros((BLOCK,), tl.bool)",),
        ("y = tl.zeros((BLOCK,), tl.int1)",),
        id="bool",
    ),
    pytest.param(
        "TRI102",
        "tl.float32",
        "tl.full((), 0.0, tl.float32)",
        ("y = tl.float32(0.0)",),
        ("y = tl.full((), 0.0, tl.float32)",),
        id="a type called",
    ),
    pytest.param("TRI102", "triton.nothing", "", ("y = triton.nothing(3)",), None, id="triton itself"),
    pytest.param("TRI102", "libdevice.sgn", "sin", ("y = libdevice.sgn(eps)",), None, id="in libdevice"),
    pytest.param(
        "TRI102", "x.flatten", "tl.ravel(x)", (BLOCK, "y = x.flatten()"), (BLOCK, "y = tl.ravel(x)"), id="flatten"
    ),
    pytest.param(
        "TRI102",
        "(x + 1).astype",
        "(x + 1).to(dtype)",
        (BLOCK, "y = (x + 1).astype(tl.float16)"),
        (BLOCK, "dtype: tl.constexpr = tl.float16", "y = (x + 1).to(dtype)"),
        id="astype",
    ),
    pytest.param(
        "TRI102", "x.float", "x.to(tl.float32)", (BLOCK, "y = x.float()"), (BLOCK, "y = x.to(tl.float32)"), id="float"
    ),
    pytest.param(
        "TRI102",
        "x.maximum",
        "tl.maximum(x",
        (BLOCK, "y = x.maximum(0.0)"),
        (BLOCK, "y = tl.maximum(x, 0.0)"),
        id="a function as a method",
    ),
    pytest.param("TRI102", "x.numel", "x.numel", (BLOCK, "y = x.numel()"), (BLOCK, "y = x.numel"), id="numel called"),
    pytest.param(
        "TRI102",
        "BLOCK.to",
        "tl.cast(BLOCK",
        ("y = BLOCK.to(tl.int64)",),
        ("y = tl.cast(BLOCK, tl.int64)",),
        id="method of a constant",
    ),
    pytest.param(
        "TRI102",
        "a.append",
        "a + (element,)",
        ("a = (1,)", "a.append(2)"),
        ("a = (1,)", "element = 2", "a = a + (element,)"),
        id="append",
    ),
    pytest.param("TRI111", "abs(eps)", "tl.abs(eps)", ("y = abs(eps)",), ("y = tl.abs(eps)",), id="abs"),
    pytest.param(
        "TRI111", "round(eps)", "tl.floor(eps + 0.5)", ("y = round(eps)",), ("y = tl.floor(eps + 0.5)",), id="round"
    ),
    pytest.param("TRI111", "float(n)", "n.to(tl.float32)", ("y = float(n)",), ("y = n.to(tl.float32)",), id="float()"),
    pytest.param(
        "TRI111",
        "math.sqrt(eps)",
        "tl.sqrt(eps)",
        ("y = math.sqrt(eps)",),
        ("y = tl.sqrt(eps)",),
        id="math at run time",
    ),
    pytest.param(
        "TRI111",
        "triton.cdiv(n, BLOCK)",
        "tl.cdiv(n, BLOCK)",
        ("y = triton.cdiv(n, BLOCK)",),
        ("y = tl.cdiv(n, BLOCK)",),
        id="cdiv",
    ),
    pytest.param(
        "TRI111", "torch.exp(x)", "tl.exp(x)", (BLOCK, "y = torch.exp(x)"), (BLOCK, "y = tl.exp(x)"), id="torch"
    ),
    pytest.param(
        "TRI111",
        "F.silu(x)",
        "x * tl.sigmoid(x)",
        (BLOCK, "y = F.silu(x)"),
        (BLOCK, "y = x * tl.sigmoid(x)"),
        id="torch.nn",
    ),
    pytest.param(
        "TRI111", "np.sqrt(x)", "tl.sqrt(x)", (BLOCK, "y = np.sqrt(x)"), (BLOCK, "y = tl.sqrt(x)"), id="numpy"
    ),
    pytest.param(
        "TRI111",
        "torch.float16",
        "tl.float16",
        (BLOCK, "y = x.to(torch.float16)"),
        (BLOCK, "y = x.to(tl.float16)"),
        id="a type of torch",
    ),
]


@pytest.mark.parametrize(("code", "what", "instead", "refused", "accepted"), CASES)
def test_an_unknown_name_is_found_and_its_replacement_compiles(said, compiled, code, what, instead, refused, accepted):
    text = kernel(*refused)
    (found,) = said(text, "TRI1")
    line = text.splitlines()[found.line - 1]
    assert (found.code, line[found.column - 1 : found.end_column - 1]) == (code, what)
    assert instead in found.instead
    assert compiled(text) is not None
    if accepted is not None:
        assert instead.rstrip("(") in "\n".join(accepted)
        assert said(kernel(*accepted), "TRI1") == []
        assert compiled(kernel(*accepted)) is None


ARGUMENTS = [
    ("i = tl.arange(BLOCK)", "`end` is missing", "tl.arange(start, end)", "i = tl.arange(0, BLOCK)"),
    ("i = tl.arange(0, BLOCK, 2)", "takes 2 arguments", "tl.arange(start, end)", "i = tl.arange(0, BLOCK) * 2"),
    ("a = tl.zeros((BLOCK,))", "`dtype` is missing", "tl.zeros(shape, dtype)", "a = tl.zeros((BLOCK,), tl.float32)"),
    ("a = tl.sum(tl.arange(0, BLOCK), dim=0)", "`dim`", "axis", "a = tl.sum(tl.arange(0, BLOCK), axis=0)"),
    (
        "a = tl.max(tl.arange(0, BLOCK), 0, keepdim=True)",
        "`keepdim`",
        "keep_dims",
        "a = tl.max(tl.arange(0, BLOCK), 0, keep_dims=True)",
    ),
    ("a = tl.load(x_ptr, mask=n > 3, others=0.0)", "`others`", "other", "a = tl.load(x_ptr, mask=n > 3, other=0.0)"),
    (
        "tl.store(x_ptr, value=1.0, pointer=x_ptr)",
        "`pointer` is given twice",
        "tl.store(pointer",
        "tl.store(x_ptr, value=1.0)",
    ),
    ("a = tl.program_id()", "`axis` is missing", "tl.program_id(axis)", "a = tl.program_id(0)"),
]


@pytest.mark.parametrize(("refused", "what", "instead", "accepted"), ARGUMENTS)
def test_arguments_that_a_function_does_not_take_are_found(said, compiled, refused, what, instead, accepted):
    (found,) = said(kernel(refused), "TRI1")
    assert found.code == "TRI112"
    assert what in found.message
    assert instead in found.instead
    assert compiled(kernel(refused)) is not None
    assert said(kernel(accepted), "TRI1") == []
    assert compiled(kernel(accepted)) is None


@pytest.mark.parametrize(
    "body",
    [
        "t = (x_ptr, 1.0)\n    tl.store(*t)",
        "tl.device_print('n', n, eps, hex=True)",
        "a = tl.reshape(tl.arange(0, BLOCK), BLOCK // 2, 2)",
        "a = tl.dot(tl.zeros((16, 16), tl.float16), tl.zeros((16, 16), tl.float16), out_dtype=tl.float32)",
        "for i in tl.range(0, n, 2, num_stages=3):\n        tl.store(x_ptr + i, 1.0)",
        "a = tl.math.fdiv(eps, 2.0)",
    ],
)
def test_arguments_that_it_takes_are_left_alone(said, compiled, body):
    assert said(kernel(body), "TRI1") == []
    assert compiled(kernel(body)) is None


GLOBALS = [
    ("G = 3\n", "y = G + 1", "G = tl.constexpr(3)\n"),
    ("G: tl.constexpr = 3\n", "y = G + 1", "G = tl.constexpr(3)\n"),
    ("G = 2.0 * math.pi\n", "y = G * eps", "G = tl.constexpr(2.0 * math.pi)\n"),
    ("G = 'relu'\n", "if G == 'relu':\n        y = 1", "G = tl.constexpr('relu')\n"),
    ("G = (1, 2)\n", "y = G[0]", "G = tl.constexpr((1, 2))\n"),
    ("from math import pi as G\n", "y = G * eps", None),
    ("class G:\n    X = 3\n", "y = G.X", None),
    ("G = {'a': 1}\n", "y = G['a']", None),
]


@pytest.mark.parametrize(("above", "use", "cure"), GLOBALS)
def test_a_global_that_is_no_constexpr_is_found(said, compiled, above, use, cure):
    text = kernel(use, above=above)
    assert "TRI108" in {v.code for v in said(text, "TRI1")} or "pi as G" in above
    assert compiled(text) is not None
    if cure is not None:
        (found,) = said(text, "TRI108")
        assert cure.strip() in found.instead
        assert said(kernel(use, above=cure), "TRI1") == []
        assert compiled(kernel(use, above=cure)) is None


def test_plain_functions_of_the_file_are_found(said, compiled):
    above = "\n\ndef twice(v):\n    return v * 2\n\n"
    text = kernel("y = twice(eps)", above=above)
    (found,) = said(text, "TRI1")
    assert (found.code, found.instead.split("`")[1]) == ("TRI111", "@triton.jit")
    assert compiled(text) is not None
    cured = kernel("y = twice(eps)", above=above.replace("def", "@triton.jit\ndef"))
    assert said(cured, "TRI1") == []
    assert compiled(cured) is None


FINE = [
    pytest.param("", ("y = tl.math.exp(eps)",), id="tl.math"),
    pytest.param("", ("y = tl.extra.libdevice.tanh(eps)",), id="tl.extra"),
    pytest.param("", ("y = tl.extra.cuda.libdevice.tanh(eps)",), id="tl.extra.cuda"),
    pytest.param("", ("y = triton.language.exp(eps)",), id="in full"),
    pytest.param("m = tl.math\n", ("y = m.exp(eps)",), id="alias"),
    pytest.param("f = tl.exp\n", ("y = f(eps)",), id="alias of a function"),
    pytest.param("G = tl.float32\n", ("y = tl.zeros((BLOCK,), G)",), id="alias of a type"),
    pytest.param("G = None\n", ("if G is None:", "    y = 1"), id="None"),
    pytest.param("G = tl.constexpr(3) * 2\n", ("y = G + 1",), id="arithmetic on a constexpr"),
    pytest.param("G = 3\n", ("G = n", "y = G + 1"), id="hidden by a local"),
    pytest.param("", ("y = math.pi * eps + math.sqrt(BLOCK)",), id="math of constants"),
    pytest.param("", ("y = max(n, 3) + min(BLOCK, 4) + int(BLOCK / 2) + len((1, 2))",), id="python's own"),
    pytest.param("", ('y = float("inf") * eps',), id="float of text"),
    pytest.param("", (BLOCK, "y = x[:, None].T + x.sum(axis=0) + x.shape[0] + x.to(tl.float32).max()"), id="methods"),
    pytest.param("", ("c = 3", "y = c.to(tl.int64)"), id="a decayed constant"),
    pytest.param("", ("if isinstance(n, torch.Tensor):", "    y = 1"), id="isinstance"),
    pytest.param("", (BLOCK, "y = x * torch.finfo(torch.float32).eps"), id="a class of torch"),
]


@pytest.mark.parametrize(("above", "body"), FINE)
def test_known_names_are_left_alone(said, compiled, above, body):
    assert said(kernel(*body, above=above), "TRI1") == []
    assert compiled(kernel(*body, above=above)) is None


def test_what_may_be_something_else_is_left_alone(said):
    assert said("from helpers import *\n@triton.jit\ndef k(x_ptr):\n    tl.store(x_ptr, anything)\n", "TRI1") == []
    assert said("from helpers import G, f\n@triton.jit\ndef k(x_ptr):\n    tl.store(x_ptr, f(G))\n", "TRI1") == []
    assert said("@triton.jit\ndef helper(x):\n    return x.load([0, 0]) + x[0]\n", "TRI1") == []
    guarded = (
        "@triton.jit\ndef k(x_ptr, HAS_TMA: tl.constexpr):\n    if HAS_TMA:\n        tl.experimental_copy(x_ptr)\n"
    )
    assert said(guarded, "TRI1") == []


def test_a_missing_import_is_named(said):
    (found,) = said("import triton\n@triton.jit\ndef k(x_ptr):\n    tl.store(x_ptr, 1.0)\n", "TRI106")
    assert found.instead == "`import triton.language as tl` at the top of the file"


def test_the_list_of_names_is_that_of_the_installed_triton():
    triton = pytest.importorskip("triton")
    script = (ROOT / "tests" / "bench" / "language_names.py").read_text()
    child = script.split('CHILD = """')[1].split('"""')[0]
    done = subprocess.run(
        [sys.executable, "-c", child], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    version, groups = json.loads(done.stdout)
    assert version == triton.__version__
    assert version in known.versions, "run tests/bench/language_names.py with this version too"
    signatures = groups.pop("signatures")
    assert [n for n, shape in signatures.items() if tuple(shape.split()) not in known.signatures(n)] == []
    for group, names in groups.items():
        assert {n for n in names if not known(group, n)} == set()
        only = {n for n, versions in known.only(group).items() if version not in versions}
        assert {n for n in known.names(group) if n not in names} == only


def test_every_replacement_is_for_a_name_that_is_missing_and_names_only_what_exists():
    import re

    assert [n for n in REPLACED if known("tl", n)] == []
    assert [n for n in METHODS if known("tensor", n)] == []
    for text in (*REPLACED.values(), *METHODS.values()):
        assert [n for n in re.findall(r"\btl\.(\w+)", text) if not known("tl", n)] == []
        assert [n for n in re.findall(r"libdevice\.(\w+)", text) if not known("libdevice", n)] == []
