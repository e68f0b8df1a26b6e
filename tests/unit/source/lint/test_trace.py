"""Following a kernel without running it: loops, branches, calls, masks, and what is left unknown."""

from __future__ import annotations

import pytest

from ncukit.source.lint.masks import limits
from ncukit.source.lint.module import Module
from ncukit.source.lint.tiles import Line, Value, constant, number
from ncukit.source.lint.trace import Access, Trace
from ncukit.source.lint.ways import corners, read
from ncukit.source.text import parse

HEAD = "import triton\nimport triton.language as tl\n"
KERNEL = "@triton.jit\ndef k(x_ptr, n, stride, BLOCK: tl.constexpr):\n    LINES\n"
VALUES = {
    "x_ptr": Value(line=Line(0), bits=64, pointer="x_ptr"),
    "n": number(100, 32),
    "stride": number(7, 32),
    "BLOCK": constant(16),
}


def trace(*lines: str, program: tuple[int, int, int] = (3, 0, 0), above: str = "") -> Trace:
    module = Module(parse((HEAD + above + KERNEL.replace("LINES", "\n    ".join(lines))).encode(), "k.py"))
    return Trace(module, module.kernels["k"], VALUES, program, (10, 1, 1))


def where(*lines: str, **options) -> list[tuple[int, tuple[int, ...]] | None]:
    """(base, steps) of every access's address; None for what is not known."""
    accesses = trace(*lines, **options).accesses
    return [a.pointer.line and (a.pointer.line.base, a.pointer.line.steps) for a in accesses]


def only(*lines: str, **options) -> Access:
    (access,) = trace(*lines, **options).accesses
    return access


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("x_ptr + tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)", (48, (1,))),
        ("x_ptr + (tl.program_id(0) + tl.arange(0, BLOCK)) * stride", (21, (7,))),
        ("x_ptr + tl.arange(0, BLOCK)[:, None] * stride + tl.arange(0, 4)[None, :]", (0, (7, 1))),
        ("x_ptr + tl.arange(0, BLOCK) - 5", (-5, (1,))),
        ("x_ptr + tl.cdiv(n, BLOCK) * 2 + n // BLOCK + n % BLOCK", (14 + 6 + 4, ())),
        ("x_ptr + tl.minimum(n, 40) + min(n, BLOCK) + max(1, 2)", (58, ())),
        ("x_ptr + tl.num_programs(0) + (n << 2)", (410, ())),
        ("x_ptr + tl.expand_dims(tl.arange(0, 4), 1) + tl.zeros((4, 2), tl.int32)", (0, (1, 0))),
        ("x_ptr + tl.multiple_of(n, 4) + tl.full((4,), 3, tl.int32)", (103, (0,))),
        ("x_ptr + tl.trans(tl.arange(0, 4)[:, None] * 10 + tl.arange(0, 8)[None, :])", (0, (1, 10))),
        ("x_ptr + tl.arange(0, BLOCK) % 5", None),
        ("x_ptr + tl.load(x_ptr).to(tl.int32)", None),
        ("x_ptr + tl.where(n > 3, 1, 2)", None),
        ("x_ptr + tl.sum(tl.arange(0, 4))", None),
    ],
)
def test_addresses(address, line):
    assert where(f"tl.store({address}, 0.0)")[-1] == line


def test_a_loop_is_followed_at_its_ends():
    starts = where("for i in range(0, n, 10):", "    tl.store(x_ptr + i, 0.0)")
    assert [base for base, _ in starts] == [0, 10, 90]
    pointers = where("p = x_ptr", "for i in range(50):", "    tl.store(p, 0.0)", "    p += stride", "tl.store(p, 1.0)")
    assert [base for base, _ in pointers] == [0, 7, 49 * 7, 50 * 7]
    squares = where("p = 1", "for i in range(50):", "    tl.store(x_ptr + p, 0.0)", "    p = p * 2")
    assert squares[-1] is None  # grows by another amount each trip
    assert where("for i in range(5, 5):", "    tl.store(x_ptr + i, 0.0)") == []
    assert [b for b, _ in where("for i in tl.static_range(2):", "    tl.store(x_ptr + i, 0.0)")] == [0, 1]


def test_nested_loops_and_what_they_leave_behind():
    found = where("s = 0", "for i in range(3):", "    for j in range(4):", "        s += 1", "tl.store(x_ptr + s, 0.0)")
    assert found == [(12, ())]


def test_a_known_branch_is_taken_and_an_unknown_one_is_not_certain():
    assert where("if n > 50:", "    tl.store(x_ptr + 1, 0.0)", "else:", "    tl.store(x_ptr + 2, 0.0)") == [(1, ())]
    both = trace("if tl.load(x_ptr) > 0:", "    tl.store(x_ptr + 1, 0.0)", "else:", "    tl.store(x_ptr + 2, 0.0)")
    assert [(a.pointer.line.base, a.certain) for a in both.accesses] == [(0, True), (1, False), (2, False)]
    merged = trace("at = 1", "if tl.load(x_ptr) > 0:", "    at = 2", "tl.store(x_ptr + at, 0.0)").accesses[-1]
    assert (merged.pointer.line, merged.certain) == (None, True)
    after = trace("if tl.load(x_ptr) > 0:", "    return", "tl.store(x_ptr + 1, 0.0)").accesses[-1]
    assert not after.certain
    assert where("if n > 50:", "    return", "tl.store(x_ptr, 0.0)") == []
    assert where("if BLOCK == 16 and not n == 3 or n > 1000:", "    tl.store(x_ptr, 0.0)") == [(0, ())]


def test_while_loops_and_unknown_ranges_are_not_certain_after_their_first_trip():
    first, second, *_ = trace("i = 0", "while i < n:", "    tl.store(x_ptr + i, 0.0)", "    i += 8").accesses
    assert (first.pointer.line, first.certain) == (Line(0), True)
    assert not second.certain
    accesses = trace("for i in range(tl.load(x_ptr).to(tl.int32)):", "    tl.store(x_ptr + i, 0.0)").accesses
    assert [a.certain for a in accesses] == [True, False, False]
    assert where("while n < 5:", "    tl.store(x_ptr, 0.0)") == []


CALLED = """
@triton.jit
def corner(ptr, row, BLOCK: tl.constexpr, far=2):
    if BLOCK == 16:
        return ptr + row * 100 + far, row
    return ptr, row
"""


def test_functions_of_the_file_are_followed():
    found = where("p, r = corner(x_ptr, tl.program_id(0), BLOCK)", "tl.store(p + r, 0.0)", above=CALLED)
    assert found == [(305, ())]
    access = only("tl.store(corner(x_ptr, 1, BLOCK=16, far=5)[0], 0.0)", above=CALLED)
    assert (access.pointer.pointer, access.pointer.line, access.kernel.name) == ("x_ptr", Line(105), "k")
    forever = "@triton.jit\ndef corner(x):\n    return corner(x)\n"
    assert where("tl.store(corner(x_ptr), 0.0)", above=forever) == [None]


def test_masks_bound_lanes():
    lane = "lane = tl.arange(0, BLOCK)"

    def live(mask: str) -> tuple[tuple[int, int], ...] | None:
        access = only(lane, f"tl.store(x_ptr + lane[:, None] + lane[None, :] * 100, 0.0, mask={mask})")
        return limits(access.pointer, access.mask)

    assert live("(lane < 5)[:, None] & (lane[None, :] >= 3)") == ((0, 4), (3, 15))
    assert live("lane[:, None] * 4 <= n - 90") == ((0, 2), (0, 15))
    assert live("n > lane[:, None]") == ((0, 15), (0, 15))
    assert live("n < 5") is None  # no lane at all
    assert live("lane[:, None] < lane[None, :]") is None  # both axes at once
    assert live("(lane < 5)[:, None] | (lane < 3)[None, :]") is None
    assert live("lane[:, None] < unheard_of") is None
    assert live("True") == ((0, 15), (0, 15))


def test_without_a_launch_shapes_are_known_by_rank():
    code = HEAD + KERNEL.replace(
        "LINES", "x = tl.load(x_ptr + tl.arange(0, BLOCK)[:, None])\n    y = tl.sum(x + tl.program_id(0))"
    )
    module = Module(parse(code.encode(), "k.py"))
    (reduced,) = read(module, module.kernels["k"]).reductions
    assert (reduced.name, reduced.value.shape, reduced.axes) == ("sum", (None, 1), {0, 1})


def test_corners_are_each_program_once():
    assert corners((5, 1, 2)) == [(0, 0, 0), (0, 0, 1), (4, 0, 0), (4, 0, 1)]
    assert corners((1, 1, 1)) == [(0, 0, 0)]
    assert corners((0, 1, 1)) == []


def test_a_kernel_with_no_end_is_given_up():
    deep = "".join(f"{'    ' * i}for i{i} in range(n):\n    " for i in range(11)) + "    " * 11 + "tl.store(x_ptr, 0.0)"
    assert not trace(deep).complete
    assert trace("tl.store(x_ptr, 0.0)").complete


ODD = """
x = 1 << 4000
x = 2 ** 999999999
x = n // 0
x = 5 % 0
x = 1 < 'a'
x = -'a'
x = (1, 2)[9]
x, y = n
x = n[n, None]
x = lambda: 0
x = [y for y in x]
x = max()
x = not_there.sum()
x = tl.arange()
x = tl.arange(0, 1 << 70)
x = tl.zeros((1 << 40,), tl.int32) + 1
x = tl.cdiv(1.5, 2)
x = tl.trans(tl.arange(0, 4), 5, 6)
x = tl.expand_dims(tl.arange(0, 4), 99)
x = tl.broadcast_to(n, n)
x = tl.sum()
x = tl.sum(tl.arange(0, 4), axis=99)
x = tl.where(n)
x = tl.load()
x = tl.store()
x = tl.dot(n)
x = tl.program_id()
x = tl.program_id(7)
for i in tl.range(): pass
for i in range(0, n, 0): tl.store(x_ptr, 0.0)
"""


@pytest.mark.parametrize("line", ODD.strip().splitlines())
def test_odd_code_is_followed_without_a_fall(line):
    assert trace(line, "tl.store(x_ptr, 0.0)").accesses
