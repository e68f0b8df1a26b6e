"""TRI101, 106, 107, 109, 110: what Triton's compiler refuses about statements and names, and what to write for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ncukit.source.lint import lint
from ncukit.source.text import read_text

ROOT = Path(__file__).parents[4]
SEED = ROOT.parent / "shared" / "seeds" / "rms_norm_answer.txt"
PREFIX = "@triton.jit\ndef k(x_ptr, n, eps, BLOCK: tl.constexpr):\n"
LAUNCH = "\n\ndef host(x, n):\n    k[(1,)](x, n, 1e-5, BLOCK=64)\n"


def kernel(*lines: str) -> str:
    """A kernel with this body, launched by a function of the same file."""
    return PREFIX + "".join(f"    {line}\n" for line in lines) + LAUNCH


# code, line that it stands in, part of what to write, body that is refused, body that compiles
CASES = [
    pytest.param(
        "TRI101",
        "continue",
        "if i != 3:",
        ("for i in range(n):", "    if i == 3:", "        continue", "    tl.store(x_ptr + i, 1.0)"),
        ("for i in range(n):", "    if i != 3:", "        tl.store(x_ptr + i, 1.0)"),
        id="continue",
    ),
    pytest.param(
        "TRI101",
        "continue",
        "if not (i > n):",
        ("i = 0", "while i < 9:", "    i += 1", "    if i > n:", "        continue", "    tl.store(x_ptr + i, 1.0)"),
        ("i = 0", "while i < 9:", "    i += 1", "    if not (i > n):", "        tl.store(x_ptr + i, 1.0)"),
        id="continue in while",
    ),
    pytest.param(
        "TRI101",
        "continue",
        "if i != n:",
        ("for i in tl.static_range(4):", "    if i == n:", "        continue", "    tl.store(x_ptr + i, 1.0)"),
        ("for i in tl.static_range(4):", "    if i != n:", "        tl.store(x_ptr + i, 1.0)"),
        id="continue in static_range",
    ),
    pytest.param(
        "TRI101",
        "break",
        "while (i < n) and going:",
        ("for i in range(0, n):", "    if tl.load(x_ptr + i) > 0:", "        break", "    tl.store(x_ptr + i, 1.0)"),
        (
            "i = 0",
            "going = True",
            "while (i < n) and going:",
            "    going = not (tl.load(x_ptr + i) > 0)",
            "    if going:",
            "        tl.store(x_ptr + i, 1.0)",
            "    i += 1",
        ),
        id="break",
    ),
    pytest.param(
        "TRI101",
        "break",
        "if i != 2:",
        ("for i in tl.static_range(4):", "    if i == 2:", "        break", "    tl.store(x_ptr + i, 1.0)"),
        ("for i in tl.static_range(4):", "    if i != 2:", "        tl.store(x_ptr + i, 1.0)"),
        id="break in static_range",
    ),
    pytest.param(
        "TRI101",
        "return",
        "while (i < n) and going:",
        ("for i in range(n):", "    tl.store(x_ptr + i, 1.0)", "    if i == 3:", "        return"),
        (
            "i = 0",
            "going = True",
            "while (i < n) and going:",
            "    tl.store(x_ptr + i, 1.0)",
            "    going = i != 3",
            "    i += 1",
            "return",
        ),
        id="return",
    ),
    pytest.param(
        "TRI106",
        "other",
        "x_ptr",
        ("tl.store(x_ptrs, 1.0)  # other",),
        ("tl.store(x_ptr, 1.0)",),
        id="misspelt",
    ),
    pytest.param(
        "TRI106",
        "cdiv(n",
        "tl.cdiv",
        ("tl.store(x_ptr + cdiv(n, BLOCK), 1.0)",),
        ("tl.store(x_ptr + tl.cdiv(n, BLOCK), 1.0)",),
        id="without its module",
    ),
    pytest.param(
        "TRI106",
        "+ last",
        "assign `last` before line",
        ("for i in range(n):", "    last = i", "tl.store(x_ptr + last, 1.0)"),
        ("last = 0", "for i in range(n):", "    last = i", "tl.store(x_ptr + last, 1.0)"),
        id="only in a loop",
    ),
    pytest.param(
        "TRI106",
        "+ last",
        "assign `last` before line",
        ("if n > 3:", "    last = 1", "tl.store(x_ptr + last, 1.0)"),
        ("last = 0", "if n > 3:", "    last = 1", "tl.store(x_ptr + last, 1.0)"),
        id="only in one branch",
    ),
    pytest.param(
        "TRI106",
        "+ last",
        "assign `last` before line",
        ("tl.store(x_ptr + last, 1.0)", "last = 1"),
        ("last = 1", "tl.store(x_ptr + last, 1.0)"),
        id="before it is assigned",
    ),
    pytest.param(
        "TRI107",
        "acc +=",
        "acc = tl.zeros((BLOCK,), dtype=tl.float32)",
        ("acc = 0", "for i in range(n):", "    acc += tl.load(x_ptr + i + tl.arange(0, BLOCK))"),
        (
            "acc = tl.zeros((BLOCK,), dtype=tl.float32)",
            "for i in range(n):",
            "    acc += tl.load(x_ptr + i + tl.arange(0, BLOCK))",
        ),
        id="a number becomes a block",
    ),
    pytest.param(
        "TRI107",
        "acc =",
        "acc = 0.0",
        ("acc = 0", "while acc < n:", "    acc = acc / 2"),
        ("acc = 0.0", "while acc < n:", "    acc = acc / 2"),
        id="an integer becomes a float",
    ),
    pytest.param(
        "TRI107",
        "acc = tl.sum",
        "another name",
        ("acc = tl.zeros((BLOCK,), tl.float32)", "for i in range(n):", "    acc = tl.sum(acc, axis=0)"),
        (
            "acc = tl.zeros((BLOCK,), tl.float32)",
            "for i in range(n):",
            "    total = tl.sum(acc, axis=0)",
            "    tl.store(x_ptr, total)",
        ),
        id="a block becomes a number",
    ),
    pytest.param(
        "TRI107",
        "BLOCK = BLOCK",
        "BLOCK_ = BLOCK",
        ("for i in range(n):", "    BLOCK = BLOCK * 2"),
        ("BLOCK_ = BLOCK", "for i in range(n):", "    BLOCK_ = BLOCK_ * 2"),
        id="a constexpr",
    ),
    pytest.param(
        "TRI107",
        "wide = 0.5",
        "wide = 1.0",
        ("wide = 1", "if n > 3:", "    wide = 0.5", "tl.store(x_ptr, wide)"),
        ("wide = 1.0", "if n > 3:", "    wide = 0.5", "tl.store(x_ptr, wide)"),
        id="in a branch",
    ),
    pytest.param("TRI109", "lambda", "@triton.jit", ("f = lambda a: a", "tl.store(x_ptr, f(1.0))"), None, id="lambda"),
    pytest.param(
        "TRI109", "def g", "@triton.jit", ("def g(a):", "    return a", "tl.store(x_ptr, g(1.0))"), None, id="def"
    ),
    pytest.param(
        "TRI109", "try", "masks", ("try:", "    tl.store(x_ptr, 1.0)", "except ValueError:", "    pass"), None, id="try"
    ),
    pytest.param(
        "TRI109", "raise", "tl.static_assert", ('raise ValueError("n")',), ("tl.static_assert(BLOCK > 3)",), id="raise"
    ),
    pytest.param("TRI109", "class", "tuple", ("class A:", "    pass"), None, id="class"),
    pytest.param("TRI109", "del", "leave it out", ("a = 1", "del a"), ("a = 1",), id="del"),
    pytest.param("TRI109", "import math", "top of the file", ("import math",), None, id="import"),
    pytest.param(
        "TRI109",
        ":=",
        "line of its own",
        ("tl.store(x_ptr, (y := n + 1))",),
        ("y = n + 1", "tl.store(x_ptr, y)"),
        id="walrus",
    ),
    pytest.param("TRI109", "{", "tuple", ("d = {'a': 1}",), ("d = (1,)",), id="dict"),
    pytest.param(
        "TRI109", "for i in range", "tl.static_range", ("d = [i for i in range(3)]",), None, id="comprehension"
    ),
    pytest.param(
        "TRI109",
        "0 < n",
        "(0 < n) & (n < 5)",
        ("tl.store(x_ptr, 1.0, mask=0 < n < 5)",),
        ("tl.store(x_ptr, 1.0, mask=(0 < n) & (n < 5))",),
        id="chained comparison",
    ),
    pytest.param(
        "TRI109",
        " in ",
        "BLOCK == 32 or BLOCK == 64",
        ("if BLOCK in (32, 64):", "    tl.store(x_ptr, 1.0)"),
        ("if BLOCK == 32 or BLOCK == 64:", "    tl.store(x_ptr, 1.0)"),
        id="in",
    ),
    pytest.param("TRI109", "a = b", "a = 1; b = 1", ("a = b = 1",), ("a = 1; b = 1",), id="two targets"),
    pytest.param("TRI109", "*b", "one by one", ("a, *b = (1, 2, 3)",), ("a, b, c = (1, 2, 3)",), id="starred"),
    pytest.param(
        "TRI109",
        "@",
        "tl.dot(a, a)",
        ("a = tl.zeros((16, 16), tl.float16)", "tl.store(x_ptr, tl.sum(a @ a))"),
        ("a = tl.zeros((16, 16), tl.float16)", "tl.store(x_ptr, tl.sum(tl.dot(a, a)))"),
        id="matmul",
    ),
    pytest.param(
        "TRI109",
        "**",
        "a * a",
        ("a = tl.arange(0, BLOCK)", "b = a ** 2"),
        ("a = tl.arange(0, BLOCK)", "b = a * a"),
        id="power",
    ),
    pytest.param(
        "TRI109",
        "for i in (",
        "tl.static_range",
        ("for i in (1, 2):", "    tl.store(x_ptr + i, 1.0)"),
        ("for i in tl.static_range(2):", "    tl.store(x_ptr + (1, 2)[i], 1.0)"),
        id="for over a tuple",
    ),
    pytest.param(
        "TRI109",
        "for i in range",
        "after the loop",
        ("for i in range(n):", "    tl.store(x_ptr, 1.0)", "else:", "    tl.store(x_ptr, 2.0)"),
        ("for i in range(n):", "    tl.store(x_ptr, 1.0)", "tl.store(x_ptr, 2.0)"),
        id="for else",
    ),
    pytest.param(
        "TRI109", "assert", "tl.device_print", ('assert n > 0, f"{n}"',), ('assert n > 0, "n"',), id="f-string"
    ),
    pytest.param("TRI109", "s =", "s: tl.constexpr = 'a'", ("s = 'a'",), ("s: tl.constexpr = 'a'",), id="text"),
    pytest.param(
        "TRI110",
        "if",
        "tl.where",
        ("if tl.arange(0, BLOCK) > n:", "    tl.store(x_ptr, 1.0)"),
        ("if tl.sum((tl.arange(0, BLOCK) > n).to(tl.int32)) > 0:", "    tl.store(x_ptr, 1.0)"),
        id="if on a block",
    ),
    pytest.param(
        "TRI110",
        "if",
        "tl.where(m, 1.0, 2.0)",
        ("m = tl.arange(0, BLOCK) > n", "v = 1.0 if m else 2.0"),
        ("m = tl.arange(0, BLOCK) > n", "v = tl.where(m, 1.0, 2.0)"),
        id="ternary on a block",
    ),
    pytest.param(
        "TRI110",
        "while",
        "tl.sum",
        ("m = tl.arange(0, BLOCK)", "while m < n:", "    m += 1"),
        ("m = tl.arange(0, BLOCK)", "while tl.sum((m < n).to(tl.int32)) > 0:", "    m += 1"),
        id="while on a block",
    ),
]


@pytest.mark.parametrize(("code", "at", "instead", "refused", "accepted"), CASES)
def test_what_triton_refuses_is_found_and_the_replacement_compiles(
    said, compiled, code, at, instead, refused, accepted
):
    text = kernel(*refused)
    found = said(text, "TRI1")
    assert {v.code for v in found} == {code}
    lines = ["", "", "", "", *text.splitlines()]
    assert at in lines[found[0].line - 1]
    assert instead in found[0].instead
    if found[0].severity == "error":  # a warning says that newer versions take it
        assert compiled(text) is not None
    if accepted is not None:
        assert said(kernel(*accepted), "TRI1") == []
        assert compiled(kernel(*accepted)) is None


FINE = [
    pytest.param(("if n > 3:", "    return", "tl.store(x_ptr, 1.0)"), id="early return"),
    pytest.param(("for i in tl.static_range(4):", "    if i == n:", "        return"), id="return in static_range"),
    pytest.param(
        ("for i in tl.static_range(4):", "    last = i", "tl.store(x_ptr + last, 1.0)"), id="static_range keeps"
    ),
    pytest.param(("for i in range(n):", "    pass", "tl.store(x_ptr + i, 1.0)"), id="loop variable after the loop"),
    pytest.param(("if BLOCK > 3:", "    q = n", "tl.store(x_ptr + q, 1.0)"), id="constexpr branch keeps"),
    pytest.param(("if n > 3:", "    q = 1", "else:", "    q = 2", "tl.store(x_ptr + q, 1.0)"), id="both branches"),
    pytest.param(("acc = 0.0", "for i in range(n):", "    acc += tl.load(x_ptr + i)"), id="a float scalar"),
    pytest.param(
        ("x = tl.load(x_ptr + tl.arange(0, BLOCK))", "acc = 0.0", "for i in range(n):", "    acc += tl.sum(x, axis=0)"),
        id="a sum is one value",
    ),
    pytest.param(("acc = 0", "for i in tl.static_range(3):", "    acc += 0.5"), id="static_range changes types"),
    pytest.param(
        ("for i in range(n):", "    t = 0", "    t = tl.load(x_ptr + tl.arange(0, BLOCK))"), id="born in the loop"
    ),
    pytest.param(
        ("acc = 0", "if BLOCK == 64:", "    acc = 0.5", "tl.store(x_ptr, acc)"), id="constexpr branch changes"
    ),
    pytest.param(("acc = n.to(tl.int64)", "for i in range(n):", "    acc += i"), id="the wider type first"),
    pytest.param(('assert n > 0, f"{BLOCK}"',), id="f-string of a constant"),
    pytest.param(('print("n", n)',), id="print"),
    pytest.param(("a = [1, 2] + [3]", "tl.store(x_ptr + a[2], 1.0)"), id="list"),
    pytest.param(("a = [i + 1 for i in (1, 2)]", "tl.store(x_ptr + a[0], 1.0)"), id="comprehension over a tuple"),
    pytest.param(("a, b = 1, 2", "a, b = b, a", "tl.store(x_ptr + a, 1.0)"), id="swap"),
    pytest.param(("b = BLOCK ** 2", "tl.store(x_ptr + b, 1.0)"), id="power of a constant"),
    pytest.param(("if x_ptr is not None:", "    tl.store(x_ptr, 1.0)"), id="is not None"),
    pytest.param(("if False:", "    f = lambda a: a", "tl.store(x_ptr, 1.0)"), id="a branch that is never compiled"),
    pytest.param(("if BLOCK == 3:", '    raise ValueError("x")', "tl.store(x_ptr, 1.0)"), id="raise for constants"),
    pytest.param(("m = (tl.arange(0, BLOCK) > 3) and (tl.arange(0, BLOCK) < n)",), id="and on blocks"),
    pytest.param(("if tl.arange(0, 1) == 0:", "    tl.store(x_ptr, 1.0)"), id="a block of one"),
    pytest.param(("if BLOCK < 3 and tl.arange(0, BLOCK) > 3:", "    tl.store(x_ptr, 1.0)"), id="a constant ends it"),
    pytest.param(
        ("v = tl.sum(tl.arange(0, BLOCK)) if n > 3 else 0", "tl.store(x_ptr + v, 1.0)"), id="ternary of numbers"
    ),
]


@pytest.mark.parametrize("body", FINE)
def test_what_triton_accepts_is_left_alone(said, compiled, body):
    assert said(kernel(*body), "TRI1") == []
    assert compiled(kernel(*body)) is None


@pytest.mark.parametrize(
    ("body", "since", "version"),
    [
        (("tl.store(x_ptr, (y := n + 1))",), "before 3.8", (3, 8)),
        (("a, (b, c) = 1, (2, 3)",), "before 3.8", (3, 8)),
        (("m = 0 < n < 5", "tl.store(x_ptr, 1.0, mask=m)"), "before 3.9", (3, 9)),
    ],
)
def test_what_newer_versions_accept_is_a_warning(said, compiled, body, since, version):
    triton = pytest.importorskip("triton")
    (found,) = said(kernel(*body), "TRI1")
    assert (found.code, found.severity) == ("TRI109", "warning")
    assert since in found.message
    newer = tuple(int(part) for part in triton.__version__.split(".")[:2]) >= version
    assert (compiled(kernel(*body)) is None) is newer


def test_a_known_launch_shows_which_branch_is_compiled(said):
    from ncukit.source.inspection import Argument, Launch

    def launch(flag: bool) -> Launch:
        arguments = (Argument(name="BLOCK", type="constexpr", value=flag),)
        return Launch(
            kernel="k",
            file="k.py",
            line=1,
            launch_line=9,
            grid=(1, 1, 1),
            arguments=arguments,
            num_warps=4,
            num_stages=3,
        )

    text = kernel("for i in range(n):", "    if BLOCK:", "        continue", "    tl.store(x_ptr + i, 1.0)")
    assert [v.code for v in said(text, "TRI1", launches=[launch(True)])] == ["TRI101"]
    assert said(text, "TRI1", launches=[launch(False)]) == []


@pytest.mark.skipif(not SEED.exists(), reason="the seed answer lies beside the checkout")
def test_each_construct_of_the_seed_answer_is_named_with_its_line():
    found = lint(read_text(str(SEED)), select=["TRI1"])
    assert [(v.line, v.code, v.kernel) for v in found] == [
        (90, "TRI101", "rms_norm_kernel_optimized_v2"),
        (168, "TRI101", "rms_norm_kernel_optimized_v3"),
        (193, "TRI103", "rms_norm_kernel_optimized_v3"),
        (197, "TRI101", "rms_norm_kernel_optimized_v3"),
    ]
    assert "if tl.sum(combined_mask) != 0:" in found[0].instead
    assert "drop the `if`" in found[0].instead
    assert found[2].instead == "`BLOCK_FEAT_STORE: tl.constexpr = BLOCK_SIZE_FEAT * 2` in line 191"


@pytest.mark.parametrize("folder", ["kernels", "kernels/naive", "kernels/clinic/cured", "kernels/clinic/sick"])
def test_the_bundled_kernels_have_nothing_that_triton_refuses(folder):
    files = sorted((ROOT / folder).glob("*.py"))
    assert files
    assert [v for f in files for v in lint(read_text(str(f)), select=["TRI1"])] == []
