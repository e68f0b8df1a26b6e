"""Loads and stores of each argument, read off the TTIR of kernels compiled here without a GPU."""

from __future__ import annotations

import pytest

from ncukit.collect.ttir import read_ttir

triton = pytest.importorskip("triton")
tl = pytest.importorskip("triton.language")


@triton.jit
def copy(x, y, n, B: tl.constexpr):
    i = tl.program_id(0) * B + tl.arange(0, B)
    tl.store(y + i, tl.load(x + i, mask=i < n), mask=i < n)


@triton.jit
def matmul(a, b, c, k, B: tl.constexpr):
    i = tl.arange(0, B)
    at = a + i[:, None] * k + i[None, :]
    bt = b + i[:, None] * k + i[None, :]
    acc = tl.zeros((B, B), tl.float32)
    for _ in range(0, k, B):
        acc += tl.dot(tl.load(at), tl.load(bt))
        at += B
        bt += B * k
    tl.store(c + i[:, None] * k + i[None, :], acc)


@triton.jit
def twice(x, y, n, B: tl.constexpr):
    total = tl.zeros((B,), tl.float32)
    for start in range(0, n, B):
        total += tl.load(x + start + tl.arange(0, B))
    for start in range(0, n, B):
        tl.store(y + start + tl.arange(0, B), tl.load(x + start + tl.arange(0, B)) - tl.sum(total))


@triton.jit
def again(x, y, n, B: tl.constexpr):
    """Two loops of unlike bodies: MLIR prints the same names in both, for a mask here and a pointer there."""
    lane = tl.arange(0, B)
    total = tl.zeros((B,), tl.float32)
    for start in range(0, n, B):
        value = tl.load(x + start + lane, mask=start + lane < n, other=0.0)
        total += tl.abs(value)
    mean = tl.sum(total) / n
    for start in range(0, n, B):
        mask = start + lane < n
        value = tl.load(x + start + lane, mask=mask, other=0.0)
        tl.store(y + start + lane, value / mean, mask=mask)


@triton.jit
def handed_on(x, slots, y, n, B: tl.constexpr):
    """A loop that carries a pointer round a reduction: what the condition passes on is no operand of the sum."""
    kept = slots
    i = tl.program_id(0)
    while i < n:
        value = tl.load(x + i * B + tl.arange(0, B))
        tl.store(slots + i, tl.sum(value))
        tl.store(y + i, tl.load(kept))
        kept = slots + i
        i += tl.num_programs(0)


@triton.jit
def count(x, histogram, n, B: tl.constexpr):
    i = tl.arange(0, B)
    tl.atomic_add(histogram + tl.load(x + i).to(tl.int32), 1.0)


@triton.jit
def chosen(x, y, out, flag, B: tl.constexpr):
    i = tl.arange(0, B)
    source = x
    if flag > 0:
        source = y
    tl.store(out + i, tl.load(source + i))


@triton.jit
def wait(flag, x, B: tl.constexpr):
    value = tl.load(flag)
    while value < 10.0:
        value = tl.load(flag)
    tl.store(x + tl.arange(0, B), value)


@triton.jit
def helper(p, B: tl.constexpr):
    return tl.load(p + tl.arange(0, B))


@triton.jit
def inlined(x, y, unused, B: tl.constexpr):
    tl.store(y + tl.arange(0, B), helper(x, B))


@triton.jit
def in_place(x, B: tl.constexpr):
    i = tl.arange(0, B)
    tl.store(x + i, tl.load(x + i) * 2)


@triton.jit
def indirect(table, out, B: tl.constexpr):
    pointer = tl.load(table).to(tl.pointer_type(tl.float32))
    tl.store(out + tl.arange(0, B), tl.load(pointer + tl.arange(0, B)))


def facts(kernel, **scalars):
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    signature = {p.name: "constexpr" if p.is_constexpr else scalars.get(p.name, "*fp32") for p in kernel.params}
    source = ASTSource(fn=kernel, signature=signature, constexprs={"B": 64})
    return read_ttir(triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm["ttir"])


def touched(found) -> dict[str, str | None]:
    """Argument → "r", "w", "rw", "" or None."""
    names = found.arguments.items()
    return {n: None if a is None else ("r" if a.loads else "") + ("w" if a.stores else "") for n, a in names}


@pytest.mark.parametrize(
    ("kernel", "scalars", "expected"),
    [
        (copy, {"n": "i32"}, {"x": "r", "y": "w"}),
        (matmul, {"k": "i32"}, {"a": "r", "b": "r", "c": "w"}),
        (twice, {"n": "i32"}, {"x": "r", "y": "w"}),
        (again, {"n": "i32"}, {"x": "r", "y": "w"}),
        (handed_on, {"n": "i32"}, {"x": "r", "slots": "rw", "y": "w"}),
        (count, {"n": "i32"}, {"x": "r", "histogram": "rw"}),
        (chosen, {"flag": "i32"}, {"x": "r", "y": "r", "out": "w"}),
        (wait, {}, {"flag": "r", "x": "w"}),
        (inlined, {}, {"x": "r", "y": "w", "unused": ""}),
        (in_place, {}, {"x": "rw"}),
    ],
    ids=lambda v: getattr(v, "__name__", None),
)
def test_each_argument_is_read_or_written_as_the_source_says(kernel, scalars, expected):
    assert touched(facts(kernel, **scalars)) == expected


def test_a_pointer_that_came_out_of_memory_makes_the_answer_unknown_not_no():
    assert set(touched(facts(indirect, table="*i64")).values()) == {None}


def test_text_that_is_cut_off_tells_nothing_rather_than_less():
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    signature = {"x": "*fp32", "y": "*fp32", "n": "i32", "B": "constexpr"}
    source = ASTSource(fn=copy, signature=signature, constexprs={"B": 64})
    text = triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm["ttir"]
    assert read_ttir(text[: text.index("tt.store")]).arguments == {}


def test_lines_are_those_of_the_source():
    import inspect

    lines, start = inspect.getsourcelines(twice.fn)
    loads = {start + i for i, line in enumerate(lines) if "tl.load" in line}
    assert facts(twice, n="i32").arguments["x"].loads == loads


def test_only_a_matrix_product_has_a_dot():
    assert facts(matmul, k="i32").has_dot
    assert not facts(copy, n="i32").has_dot


def test_text_that_is_no_ttir_tells_nothing():
    for text in ("", "nonsense", "tt.func public @k(", "\n".join(["}"] * 50)):
        assert read_ttir(text).arguments == {}


@triton.jit
def rotate(a, b, c, d, out, n, B: tl.constexpr):
    i = tl.arange(0, B)
    p, q, r, s = a, b, c, d
    for _ in range(n):
        tl.store(out + i, tl.load(p + i))
        p, q, r, s = q, r, s, p


@triton.jit
def walk(x, y, n, B: tl.constexpr):
    i = tl.arange(0, B)
    p, q, k = x, y, 0
    while k < n:
        tl.store(q + i, tl.load(p + i))
        p += B
        q += B
        k += 1


@triton.jit
def hidden(x, y, B: tl.constexpr):
    address = (x + tl.arange(0, B)).to(tl.int64)
    tl.store(y + tl.arange(0, B), address)


def test_pointers_that_a_loop_hands_round_are_all_found():
    found = touched(facts(rotate, n="i32"))
    assert found == {"a": "r", "b": "r", "c": "r", "d": "r", "out": "w"}


def test_pointers_carried_by_a_while_loop_are_followed():
    assert touched(facts(walk, n="i32")) == {"x": "r", "y": "w"}


def test_a_pointer_that_becomes_a_number_is_unknown():
    assert touched(facts(hidden, y="*i64"))["x"] is None
