"""What the lint takes an expression for, held against what Triton's compiler makes of it."""

from __future__ import annotations

import ast

import pytest

from ncukit.source.lint.kinds import Value, conflict, join, kinds
from ncukit.source.lint.module import Module
from ncukit.source.text import parse

HEAD = "import triton\nimport triton.language as tl\n\n\n"
SETUP = (
    "i = tl.arange(0, BLOCK)",
    "x = tl.load(x_ptr + i)",
    "a = tl.zeros((BLOCK, 16), tl.float16)",
    "c = 3",
    "f = 0.5",
)


def kernel(*body: str) -> str:
    """A kernel that its file launches."""
    lines = "".join(f"    {line}\n" for line in (*SETUP, *body))
    return f"{HEAD}@triton.jit\ndef k(x_ptr, n, eps, BLOCK: tl.constexpr):\n{lines}\n\nk[(1,)](x, m, e, BLOCK=64)\n"


def value(expression: str) -> Value:
    """What ``expression`` is at the end of the setup."""
    module = Module(parse(kernel(f"v = {expression}").encode(), "k.py"))
    found = kinds(module, module.kernels["k"])
    statement = module.kernels["k"].node.body[-1]
    assert isinstance(statement, ast.Assign)
    return found.of(statement.value)


# expression, form, type, number of dimensions
CASES = [
    ("BLOCK * 2", "constexpr", None, None),
    ("7 // 2", "constexpr", "int32", None),
    ("tl.float16", "dtype", None, None),
    ("(1, 2)", "tuple", None, None),
    ("None", "none", None, None),
    ("c", "scalar", "int32", 0),
    ("f", "scalar", "fp32", 0),
    ("c / 2", "scalar", "fp32", 0),
    ("c * 0.5", "scalar", "fp32", 0),
    ("c // 2", "scalar", "int32", 0),
    ("c > 2", "scalar", "int1", 0),
    ("c + c.to(tl.int64)", "scalar", "int64", 0),
    ("tl.program_id(0)", "scalar", "int32", 0),
    ("i", "block", "int32", 1),
    ("i > c", "block", "int1", 1),
    ("i[:, None] + i[None, :]", "block", "int32", 2),
    ("a", "block", "fp16", 2),
    ("a * 2", "block", "fp16", 2),
    ("a * f", "block", "fp32", 2),
    ("a / 2", "block", "fp32", 2),
    ("a.to(tl.float32)", "block", "fp32", 2),
    ("tl.sum(a.to(tl.float32), axis=0)", "block", "fp32", 1),
    ("tl.sum(i, axis=0)", "scalar", "int32", 0),
    ("tl.max(i)", "scalar", "int32", 0),
    ("tl.argmax(i, axis=0)", "scalar", "int32", 0),
    ("tl.exp(a.to(tl.float32))", "block", "fp32", 2),
    ("tl.where(i > c, 1.0, i)", "block", "fp32", 1),
    ("tl.maximum(i, 0)", "block", "int32", 1),
    ("tl.trans(a)", "block", "fp16", 2),
    ("tl.reshape(a, (16, BLOCK))", "block", "fp16", 2),
    ("tl.expand_dims(i, 1)", "block", "int32", 2),
    ("tl.broadcast_to(i[:, None], (BLOCK, 4))", "block", "int32", 2),
    ("tl.cumsum(i, axis=0)", "block", "int32", 1),
    ("tl.rand(3, i)", "block", "fp32", 1),
    ("max(c, 4)", "scalar", "int32", 0),
    ("-f", "scalar", "fp32", 0),
    ("1.0 if n > 3 else f", "scalar", "fp32", 0),
    ("a.T", "block", "fp16", 2),
]


@pytest.mark.parametrize(("expression", "form", "dtype", "rank"), CASES)
def test_what_is_certain_is_what_the_compiler_makes_of_it(compiled, expression, form, dtype, rank):
    found = value(expression)
    assert found.form == form
    assert found.rank == rank
    if form in ("scalar", "block"):
        assert found.dtype == dtype
        names = {"fp32": "float32", "fp16": "float16"}
        checks = [f"v = {expression}", f"tl.static_assert(v.dtype == tl.{names.get(dtype, dtype)})"]
        checks.append(f"tl.static_assert(len(v.shape) == {rank})")
        assert compiled(kernel(*checks).split("\n\nk[")[0]) is None


@pytest.mark.parametrize(
    "expression",
    [
        "helper(c)",
        "n.load([0])",
        "x_ptr.anything",
        "(lambda: 1)()",
        "tl.inline_asm_elementwise(c)",
    ],
)
def test_what_the_text_leaves_open_is_unknown(expression):
    assert value(expression).form == "unknown"


def test_what_is_loaded_through_a_parameter_has_no_known_type():
    assert (value("x").form, value("x").dtype, value("x").rank) == ("block", None, 1)


def test_two_values_have_in_common_what_both_have():
    block, scalar = Value(form="block", dtype="fp32", dims=("B",)), Value(form="scalar", dtype="fp32")
    assert join((block, scalar)) == Value(dtype="fp32")
    assert join((block, Value(form="block", dtype="fp16", dims=(4,)))) == Value(form="block", dims=(None,))


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        (Value(form="scalar", dtype="int32"), Value(form="scalar", dtype="float"), True),
        (Value(form="scalar", dtype="int32"), Value(form="scalar", dtype="int"), False),
        (Value(form="scalar", dtype="int32"), Value(), False),
        (Value(form="scalar", dtype="int32"), Value(dtype="fp32"), True),
        (Value(form="scalar"), Value(form="block"), True),
        (Value(form="block", dims=("A",)), Value(form="block", dims=("B",)), False),
        (Value(form="block", dims=(4,)), Value(form="block", dims=(8,)), True),
        (Value(form="block", dims=("A",)), Value(form="block", dims=("A", "B")), True),
        (Value(form="none", literal=None), Value(form="scalar"), True),
        (Value(), Value(form="block"), False),
    ],
)
def test_only_a_certain_difference_is_a_conflict(before, after, refused):
    assert conflict(before, after) is refused
