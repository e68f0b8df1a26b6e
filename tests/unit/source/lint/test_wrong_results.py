"""TRI204, 205, 207, 209: code that compiles and computes something else."""

from __future__ import annotations

import pytest

from ncukit.source.inspection import Argument, Launch


def launch(grid: tuple[int, int, int] = (1, 1, 1), *, warps: int = 4, kernel: str = "k", **given: object) -> Launch:
    """A launch: ``n=5`` is an integer, ``BLOCK=64`` (capitals) a constexpr, ``x_ptr=(10,)`` an fp32 tensor's shape."""
    arguments = []
    for name, value in given.items():
        if isinstance(value, tuple):
            size = 4
            for extent in value:
                size *= extent
            arguments.append(Argument(name=name, type="*fp32", shape=value, bytes=size))
        elif name.isupper():
            arguments.append(Argument(name=name, type="constexpr", value=value))
        elif isinstance(value, float):
            arguments.append(Argument(name=name, type="fp32", value=value))
        else:
            wide = isinstance(value, int) and not -(2**31) <= value < 2**31
            arguments.append(Argument(name=name, type="i64" if wide else "i32", value=value))
    return Launch(
        kernel=kernel, file="k.py", line=5, launch_line=None, grid=grid, arguments=tuple(arguments), num_warps=warps,
        num_stages=3,
    )  # fmt: skip


def body(*lines: str) -> str:
    return "\n    ".join(lines)


ROWS = """
@triton.jit
def k(x_ptr, stride, n, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    column = tl.arange(0, BLOCK)
    LINES
"""
OVERFLOWS = {
    "product": ("at = row * stride\n    x = tl.load(x_ptr + at)", "row * stride", "row.to(tl.int64) * stride"),
    "constexpr first": (
        "x = tl.load(x_ptr + BLOCK * row * stride)",
        "BLOCK * row * stride",
        "(BLOCK * row).to(tl.int64) * stride",
    ),
    "widened too late": (
        "at = (row * stride).to(tl.int64)\n    x = tl.load(x_ptr + at)", "row * stride", "row.to(tl.int64) * stride"
    ),
    "tile": (
        "x = tl.load(x_ptr + (row * BLOCK + column) * stride, mask=column < n)",
        "(row * BLOCK + column) * stride",
        "(row * BLOCK + column).to(tl.int64) * stride",
    ),
    "loop": (
        "for i in range(0, n):\n        x = tl.load(x_ptr + i * stride)", "i * stride", "i.to(tl.int64) * stride"
    ),
    "in a condition that holds": (
        "if n > 5:\n        tl.store(x_ptr + row * stride, 0.0)", "row * stride", "row.to(tl.int64) * stride"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "underlined", "instead"), OVERFLOWS.values(), ids=list(OVERFLOWS))
def test_an_offset_past_32_bits_is_told(said, lines, underlined, instead):
    code = ROWS.replace("LINES", lines)
    at = launch((64, 1, 1), x_ptr=(2**33,), stride=2**26, n=64, BLOCK=64)
    (only,) = said(code, "TRI204", launches=[at])
    assert (only.rule, only.severity, only.kernel) == ("offset-overflow", "error", "k")
    assert f"`{underlined}` reaches" in only.message
    assert only.instead == f"`{instead}`"
    assert said(code, "TRI204") == []  # nothing is said without a launch


def test_the_message_has_the_program_and_the_number(said):
    code = ROWS.replace("LINES", "x = tl.load(x_ptr + row * stride)")
    (only,) = said(code, "TRI204", launches=[launch((64, 1, 1), x_ptr=(2**33,), stride=2**26, n=1, BLOCK=64)])
    assert "reaches 4,227,858,432 in program (63, 0, 0)" in only.message
    assert "the load of `x_ptr` on line 10" in only.message


FITS = {
    "widened": "x = tl.load(x_ptr + row.to(tl.int64) * stride)",
    "cast": "x = tl.load(x_ptr + tl.cast(row, tl.int64) * stride)",
    "added to the pointer one by one": body(
        "p = x_ptr", "for i in range(0, n):", "    x = tl.load(p)", "    p += stride"
    ),
    "the lanes that would are masked off": "x = tl.load(x_ptr + column * stride, mask=column < 16)",
    "the program returns before": "if row > 20:\n        return\n    x = tl.load(x_ptr + row * stride)",
    "the condition is not known": "if tl.load(x_ptr) > 0:\n        x = tl.load(x_ptr + row * stride)",
    "the mask is not known": "x = tl.load(x_ptr + row * stride, mask=tl.load(x_ptr) > 0)",
    "used for no address": "y = row * stride\n    tl.store(x_ptr + row, y)",
    "divided": "x = tl.load(x_ptr + row // 2 * 1024)",
}


@pytest.mark.parametrize("lines", FITS.values(), ids=list(FITS))
def test_what_stays_within_32_bits_or_is_not_known_is_left_alone(said, lines):
    at = launch((64, 1, 1), x_ptr=(2**33,), stride=2**26, n=64, BLOCK=64)
    assert said(ROWS.replace("LINES", lines), "TRI204", launches=[at]) == []


def test_a_64_bit_argument_widens_the_product(said):
    code = ROWS.replace("LINES", "x = tl.load(x_ptr + row * stride)")
    assert said(code, "TRI204", launches=[launch((64, 1, 1), x_ptr=(2**40,), stride=2**32, n=1, BLOCK=64)]) == []
    assert said(code, "TRI204", launches=[launch((16, 1, 1), x_ptr=(2**33,), stride=2**26, n=1, BLOCK=64)]) == []


def test_an_overflow_in_a_called_function_is_told_where_it_stands(said):
    code = """
@triton.jit
def at(x_ptr, row, stride, BLOCK: tl.constexpr):
    return x_ptr + row * stride + tl.arange(0, BLOCK)
@triton.jit
def k(x_ptr, stride, n, BLOCK: tl.constexpr):
    tl.store(at(x_ptr, tl.program_id(0), stride, BLOCK), 0.0, mask=tl.arange(0, BLOCK) < n)
"""
    (only,) = said(code, "TRI204", launches=[launch((64, 1, 1), x_ptr=(2**33,), stride=2**26, n=8, BLOCK=64)])
    assert (only.line, only.instead) == (8, "`row.to(tl.int64) * stride`")


MASKS = """
import torch
import triton
import triton.language as tl
@triton.jit
def k(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = at < n
    LOAD
    STORE
def launch(x, other):
    y = torch.empty_like(x)
    k[(triton.cdiv(x.numel(), 128),)](x, y, x.numel(), BLOCK=128)
    return y
"""


def masks(load: str, store: str) -> str:
    return MASKS.replace("LOAD", load).replace("STORE", store)


def test_a_launch_shows_how_far_an_unmasked_access_reaches(said):
    code = masks("x = tl.load(x_ptr + at)", "tl.store(y_ptr + at, x)")
    load, store = said(code, "TRI205", launches=[launch((8, 1, 1), x_ptr=(1000,), y_ptr=(1000,), n=1000, BLOCK=128)])
    assert (load.severity, store.severity) == ("warning", "error")
    assert "reaches element 1,023 of `x_ptr` in program (7, 0, 0); the tensor that was passed has 1,000" in load.message
    assert store.instead == "`tl.store(y_ptr + at, x, mask=at < n)`"
    bare = code.replace(", n,", ",").replace("    mask = at < n\n", "")
    load, store = said(bare, "TRI205", launches=[launch((8, 1, 1), x_ptr=(1000,), y_ptr=(1000,), BLOCK=128)])
    assert store.instead == "`tl.store(y_ptr + at, x, mask=at < n)`, with `n` passed to `k`: 1,000 here"
    even = launch((8, 1, 1), x_ptr=(1024,), y_ptr=(1024,), n=1024, BLOCK=128)
    assert said(code, "TRI205", launches=[even]) == []


def test_an_access_that_may_not_happen_or_is_not_known_is_not_judged(said):
    short = launch((8, 1, 1), x_ptr=(1000,), y_ptr=(1000,), n=1000, BLOCK=128)
    for load in (
        "x = tl.load(x_ptr + at, mask=mask)",
        "x = tl.load(x_ptr + at % n)",
        "x = tl.load(x_ptr + tl.load(x_ptr).to(tl.int32) + tl.arange(0, BLOCK))",
        "x = 0.0\n    if tl.load(x_ptr) > 0:\n        x = tl.load(x_ptr + at)",
        "x = 0.0\n    if n % BLOCK == 0:\n        x = tl.load(x_ptr + at)",
    ):
        assert said(masks(load, "tl.store(y_ptr + at, x, mask=mask)"), "TRI205", launches=[short]) == []


@pytest.mark.parametrize(
    ("load", "store", "message"),
    [
        (
            "x = tl.load(x_ptr + at, mask=mask)",
            "tl.store(y_ptr + at, x)",
            "this store of `y_ptr` has no mask, and the load",
        ),
        ("x = tl.load(x_ptr + at)", "tl.store(y_ptr + at, x, mask=mask)", "this load of `x_ptr` has no mask"),
        ("x = tl.load(x_ptr + at, at < n)", "p = y_ptr + at\n    tl.store(p, x)", "this store of `y_ptr`"),
        ("x = tl.load(x_ptr + at)", "tl.store(x_ptr + at, x, mask=mask)", "this load of `x_ptr`"),
    ],
)
def test_without_a_launch_the_masked_access_at_the_same_offsets_tells(said, load, store, message):
    (only,) = said(masks(load, store), "TRI205")
    assert (only.rule, only.severity) == ("missing-mask", "warning")
    assert message in only.message
    assert "mask=" in only.instead


@pytest.mark.parametrize(
    ("load", "store"),
    [
        ("x = tl.load(x_ptr + at, mask=mask)", "tl.store(y_ptr + tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), x)"),
        ("x = tl.load(x_ptr + at, mask=mask)", "if n % BLOCK == 0:\n        tl.store(y_ptr + at, x)"),
        ("x = tl.load(x_ptr + at % n)", "tl.store(y_ptr + at, x, mask=mask)"),
        ("x = tl.load(x_ptr)", "tl.store(y_ptr + at, x, mask=mask)"),
        ("x = tl.load(x_ptr + at, mask=mask & (at > 5))", "tl.store(y_ptr + at, x)"),
    ],
)
def test_other_offsets_and_conditions_are_left_alone(said, load, store):
    assert said(masks(load, store), "TRI205") == []


def test_a_tensor_of_another_size_may_be_longer(said):
    code = masks("x = tl.load(x_ptr + at, mask=mask)", "tl.store(y_ptr + at, x)")
    for made in ("torch.empty(triton.cdiv(len(x), 128) * 128)", "other", "torch.empty_like(other)"):
        assert said(code.replace("torch.empty_like(x)", made), "TRI205") == []


INPUT = """
import torch
import triton
import triton.language as tl
@triton.jit
def k(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at, mask=at < n)
    tl.store(y_ptr + at, x * 2, mask=at < n)
def NAME(PARAMETERS):
    BODY
"""


def wrapper(body: str, name: str = "double", parameters: str = "x, y") -> str:
    return INPUT.replace("NAME", name).replace("PARAMETERS", parameters).replace("BODY", body.replace("; ", "\n    "))


@pytest.mark.parametrize(
    "body",
    [
        "k[(4,)](x, x, 4, BLOCK=1); return x",
        "x = x.contiguous(); k[(4,)](x, x, 4, BLOCK=1); return x",
        "flat = x.view(-1); k[(4,)](flat, flat, 4, BLOCK=1); return flat.view(x.shape)",
        "k[(4,)](x_ptr=x, y_ptr=x, n=4, BLOCK=1); return x",
    ],
)
def test_an_input_that_is_stored_to_is_told(said, body):
    (only,) = said(wrapper(body), "TRI207")
    assert (only.rule, only.severity) == ("input-overwritten", "warning")
    assert "`x` is an input of `double`, and `k` stores to it (`y_ptr`, line 9)" in only.message
    assert "torch.empty_like(x)" in only.instead


@pytest.mark.parametrize(
    ("body", "name", "parameters"),
    [
        ("y = torch.empty_like(x); k[(4,)](x, y, 4, BLOCK=1); return y", "double", "x"),
        ("x = x.clone(); k[(4,)](x, x, 4, BLOCK=1); return x", "double", "x"),
        ("k[(4,)](x, y, 4, BLOCK=1); return y", "double", "x, y"),
        ("k[(4,)](x, x, 4, BLOCK=1); return x", "double_", "x"),
        ("k[(4,)](x, x, 4, BLOCK=1)", "double", "x"),  # returns nothing: what else could it be for
        ("'''Doubles x in place.'''; k[(4,)](x, x, 4, BLOCK=1); return x", "double", "x"),
        ("k[(4,)](x, x, 4, BLOCK=1)  # overwrites x; return x", "double", "x"),
        ("k[(4,)](x, x, 4, BLOCK=1); return x", "double", "x, inplace=False"),
        ("k[(4,)](x, x, 4, BLOCK=1); return x", "double_backward", "x"),
        ("k[(4,)](cache, cache, 4, BLOCK=1); return cache", "double", "cache"),
        ("k[(4,)](*x, 4, BLOCK=1); return x", "double", "x"),
        ("ctx.mark_dirty(x); k[(4,)](x, x, 4, BLOCK=1); return x", "forward", "ctx, x"),
    ],
)
def test_copies_outputs_and_what_says_that_it_writes_are_left_alone(said, body, name, parameters):
    assert said(wrapper(body, name, parameters), "TRI207") == []


LANES = """
@triton.jit
def k(x_ptr, w_ptr, y_ptr, n, rows, BLOCK: tl.constexpr):
    lane = tl.arange(0, BLOCK)
    row = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    LINES
    tl.store(y_ptr, s)
"""
ROW = "x = tl.load(x_ptr + lane, mask=lane < n)\n    "
UNDEFINED = {
    "sum": (ROW + "s = tl.sum(x)", "tl.load(x_ptr + lane, mask=lane < n, other=0.0)"),
    "positional mask": (
        body("x = tl.load(x_ptr + lane, lane < n)", "s = tl.sum(x)"),
        "tl.load(x_ptr + lane, lane < n, other=0.0)",
    ),
    "max": (ROW + "s = tl.max(x)", 'tl.max(tl.where(lane < n, x, float("-inf")), …)'),
    "min of a square": (ROW + "s = tl.min(x * x)", 'tl.min(tl.where(lane < n, x * x, float("inf")), …)'),
    "carried": (
        body(
            "acc = tl.zeros((BLOCK,), tl.float32)",
            "for i in range(n):",
            "    acc += tl.load(x_ptr + i + lane, mask=i + lane < n)",
            "s = tl.sum(acc)",
        ),
        "tl.load(x_ptr + i + lane, mask=i + lane < n, other=0.0)",
    ),
    "both of two": (
        body("x = tl.load(x_ptr + lane, mask=lane < n)", "s, t = tl.reduce((x, x * x), 0, add_both)"),
        "tl.load(x_ptr + lane, mask=lane < n, other=0.0)",
    ),
    "columns": (
        "x = tl.load(x_ptr + row[:, None] * n + lane[None, :], mask=lane[None, :] < n)\n    s = tl.sum(x, axis=1)",
        "tl.load(x_ptr + row[:, None] * n + lane[None, :], mask=lane[None, :] < n, other=0.0)",
    ),
    "dot": (
        "a = tl.load(x_ptr + row[:, None] * n + lane[None, :], mask=lane[None, :] < n)\n    s = tl.dot(a, a)",
        "tl.load(x_ptr + row[:, None] * n + lane[None, :], mask=lane[None, :] < n, other=0.0)",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "instead"), UNDEFINED.values(), ids=list(UNDEFINED))
def test_undefined_lanes_that_are_reduced_are_told(said, lines, instead):
    (only,) = said(LANES.replace("LINES", lines), "TRI209")
    assert (only.rule, only.severity) == ("undefined-lanes", "warning")
    assert only.instead == f"`{instead}`"


DEFINED = {
    "other": "x = tl.load(x_ptr + lane, mask=lane < n, other=0.0)\n    s = tl.sum(x)",
    "where": ROW + "s = tl.sum(tl.where(lane < n, x, 0.0))",
    "times the mask": ROW + "s = tl.sum(x * (lane < n))",
    "times zeros": ROW + "w = tl.load(w_ptr + lane, mask=lane < n, other=0.0)\n    s = tl.sum(x * w)",
    "no mask": "x = tl.load(x_ptr + lane)\n    s = tl.sum(x)",
    "not reduced": ROW + "tl.store(y_ptr + lane, x, mask=lane < n)\n    s = 0.0",
    "rows masked, columns reduced": body(
        "x = tl.load(x_ptr + row[:, None] * n + lane[None, :], mask=row[:, None] < rows)", "s = tl.sum(x, axis=1)"
    ),
    "rows masked, dot along columns": body(
        "a = tl.load(x_ptr + row[:, None] * n + lane[None, :], mask=row[:, None] < rows)",
        "b = tl.load(w_ptr + row[:, None] * n + lane[None, :])",
        "s = tl.dot(a, b)",
    ),
    "the index of a value that is not chosen": body(
        "x = tl.load(x_ptr + lane, mask=lane < n, other=0.0)",
        "i = tl.load(w_ptr + lane, mask=lane < n)",
        "s, best = tl.reduce((x, i), 0, larger)",
    ),
    "one number": "x = tl.load(x_ptr, mask=n > 0)\n    s = tl.sum(tl.full((BLOCK,), 0.0, tl.float32) + x)",
}  # fmt: skip


@pytest.mark.parametrize("lines", DEFINED.values(), ids=list(DEFINED))
def test_lanes_that_are_defined_or_not_reduced_are_left_alone(said, lines):
    assert said(LANES.replace("LINES", lines), "TRI209") == []
