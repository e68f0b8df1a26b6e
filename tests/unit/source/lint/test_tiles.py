"""TRI103, 104, 105: tile sizes that the compiler does not know or take, and indices into tiles."""

from __future__ import annotations

import pytest

from ncukit.source.inspection import Argument, Launch

LOAD = "x = tl.load(x_ptr + tl.arange(0, BLOCK))"


def kernel(*lines: str, launch: str = "BLOCK=64", parameters: str = "BLOCK: tl.constexpr", above: str = "") -> str:
    """A kernel with this body, launched by a function of the same file."""
    body = "".join(f"    {line}\n" for line in lines)
    host = f"\n\ndef host(x, n, i):\n    k[(1,)](x, n, {launch})\n"
    return f"{above}@triton.jit\ndef k(x_ptr, n, {parameters}):\n{body}{host}"


# code, what is underlined, part of what to write, body that is refused, body that compiles
CASES = [
    pytest.param("TRI103", "n", "n: tl.constexpr", ("i = tl.arange(0, n)",), None, id="parameter"),
    pytest.param(
        "TRI103",
        "WIDE",
        "WIDE: tl.constexpr = BLOCK * 2",
        ("WIDE = BLOCK * 2", "i = tl.arange(0, WIDE)"),
        ("WIDE: tl.constexpr = BLOCK * 2", "i = tl.arange(0, WIDE)"),
        id="product",
    ),
    pytest.param(
        "TRI103",
        "WIDE",
        "WIDE: tl.constexpr = min(BLOCK * 4, 256)",
        ("WIDE = min(BLOCK * 4, 256)", "i = tl.arange(0, WIDE)"),
        ("WIDE: tl.constexpr = min(BLOCK * 4, 256)", "i = tl.arange(0, WIDE)"),
        id="min",
    ),
    pytest.param(
        "TRI103",
        "WIDE",
        "WIDE: tl.constexpr = 64",
        ("WIDE = 64", "i = tl.arange(0, WIDE)"),
        ("WIDE: tl.constexpr = 64", "i = tl.arange(0, WIDE)"),
        id="literal",
    ),
    pytest.param(
        "TRI103",
        "WIDE",
        "WIDE: tl.constexpr = triton.cdiv(BLOCK, 2)",
        ("WIDE = tl.cdiv(BLOCK, 2)", "i = tl.arange(0, WIDE)"),
        ("WIDE: tl.constexpr = triton.cdiv(BLOCK, 2)", "i = tl.arange(0, WIDE)"),
        id="cdiv",
    ),
    pytest.param(
        "TRI103",
        "WIDE",
        "`j * 2` here",
        ("for j in tl.static_range(1, 3):", "    WIDE = j * 2", "    i = tl.arange(0, WIDE)"),
        ("for j in tl.static_range(1, 3):", "    i = tl.arange(0, j * 2)"),
        id="unrolled loop",
    ),
    pytest.param(
        "TRI103",
        "BLOCK",
        "BLOCK_: tl.constexpr",
        ("BLOCK *= 2", "i = tl.arange(0, BLOCK)"),
        ("BLOCK_: tl.constexpr = BLOCK * 2", "i = tl.arange(0, BLOCK_)"),
        id="augmented",
    ),
    pytest.param(
        "TRI103",
        "BLOCK / 2",
        "BLOCK // 2",
        ("i = tl.arange(0, BLOCK / 2)",),
        ("i = tl.arange(0, BLOCK // 2)",),
        id="float",
    ),
    pytest.param(
        "TRI103",
        "j",
        "tl.static_range",
        ("for j in range(1, 3):", "    i = tl.arange(0, j)"),
        ("for j in tl.static_range(1, 3):", "    i = tl.arange(0, j)"),
        id="loop variable",
    ),
    pytest.param(
        "TRI103",
        "W",
        "W: tl.constexpr = BLOCK",
        ("W = BLOCK", "a = tl.zeros((W, 2), tl.float32)"),
        ("W: tl.constexpr = BLOCK", "a = tl.zeros((W, 2), tl.float32)"),
        id="zeros",
    ),
    pytest.param(
        "TRI103",
        "s",
        "s: tl.constexpr = (BLOCK, 2)",
        ("s = (BLOCK, 2)", "a = tl.zeros(s, tl.float32)"),
        ("s: tl.constexpr = (BLOCK, 2)", "a = tl.zeros(s, tl.float32)"),
        id="shape in a local",
    ),
    pytest.param(
        "TRI103",
        "H",
        "H: tl.constexpr = BLOCK // 2",
        (LOAD, "H = BLOCK // 2", "a = x.reshape(H, 2)"),
        (LOAD, "H: tl.constexpr = BLOCK // 2", "a = x.reshape(H, 2)"),
        id="method",
    ),
    pytest.param(
        "TRI103",
        "tl.cdiv(n, BLOCK)",
        "range",
        ("for j in tl.static_range(tl.cdiv(n, BLOCK)):", "    tl.store(x_ptr + j, 1.0)"),
        ("for j in range(tl.cdiv(n, BLOCK)):", "    tl.store(x_ptr + j, 1.0)"),
        id="static_range",
    ),
    pytest.param(
        "TRI103",
        "ax",
        "ax: tl.constexpr = 0",
        (LOAD, "ax = 0", "a = tl.sum(x, axis=ax)"),
        (LOAD, "ax: tl.constexpr = 0", "a = tl.sum(x, axis=ax)"),
        id="axis",
    ),
    pytest.param(
        "TRI104", "48", "64, with `mask=offsets < 48`", ("i = tl.arange(0, 48)",), ("i = tl.arange(0, 64)",), id="48"
    ),
    pytest.param(
        "TRI104", "BLOCK + 1", "128", ("i = tl.arange(0, BLOCK + 1)",), ("i = tl.arange(0, 128)",), id="computed"
    ),
    pytest.param(
        "TRI104", "3", "4", ("a = tl.zeros((16, 3), tl.float32)",), ("a = tl.zeros((16, 4), tl.float32)",), id="shape"
    ),
    pytest.param(
        "TRI105",
        "x[0]",
        "tl.sum(tl.where(tl.arange(0, N) == 0, x, 0), axis=0)",
        (LOAD, "y = x[0]"),
        (LOAD, "N: tl.constexpr = BLOCK", "y = tl.sum(tl.where(tl.arange(0, N) == 0, x, 0), axis=0)"),
        id="element",
    ),
    pytest.param("TRI105", "x[n]", "== n, x, 0)", (LOAD, "y = x[n]"), None, id="run-time element"),
    pytest.param("TRI105", "x[0:16]", "load only that part", (LOAD, "y = x[0:16]"), None, id="slice"),
    pytest.param("TRI105", "x[x > 0]", "tl.where", (LOAD, "y = x[x > 0]"), None, id="mask"),
    pytest.param(
        "TRI105", "x[..., None]", "x[:, None]", (LOAD, "y = x[..., None]"), (LOAD, "y = x[:, None]"), id="ellipsis"
    ),
    pytest.param(
        "TRI105",
        "a[0, :]",
        "tl.arange(0, N)[:, None] == 0",
        ("a = tl.zeros((BLOCK, 16), tl.float32)", "y = a[0, :]"),
        (
            "a = tl.zeros((BLOCK, 16), tl.float32)",
            "N: tl.constexpr = BLOCK",
            "y = tl.sum(tl.where(tl.arange(0, N)[:, None] == 0, a, 0), axis=0)",
        ),
        id="row",
    ),
    pytest.param(
        "TRI105", "x_ptr[n]", "tl.load(x_ptr + n)", ("y = x_ptr[n]",), ("y = tl.load(x_ptr + n)",), id="pointer"
    ),
    pytest.param(
        "TRI105", "x_ptr[n]", "tl.store(x_ptr + n, 1.0)", ("x_ptr[n] = 1.0",), ("tl.store(x_ptr + n, 1.0)",), id="store"
    ),
    pytest.param(
        "TRI105",
        "x[0]",
        "tl.where(tl.arange(0, N) == 0, 1.0, x)",
        (LOAD, "x[0] = 1.0"),
        (LOAD, "N: tl.constexpr = BLOCK", "x = tl.where(tl.arange(0, N) == 0, 1.0, x)"),
        id="assign an element",
    ),
    pytest.param(
        "TRI105",
        "t[i]",
        "tl.static_range",
        ("t = (1, 2)", "for i in range(2):", "    tl.store(x_ptr, t[i])"),
        ("t = (1, 2)", "for i in tl.static_range(2):", "    tl.store(x_ptr, t[i])"),
        id="tuple",
    ),
]


@pytest.mark.parametrize(("code", "what", "instead", "refused", "accepted"), CASES)
def test_what_triton_refuses_is_found_and_the_replacement_compiles(
    said, compiled, code, what, instead, refused, accepted
):
    text = kernel(*refused)
    (found,) = said(text, "TRI1")
    line = ["", "", "", "", *text.splitlines()][found.line - 1]
    assert (found.code, line[found.column - 1 : found.end_column - 1]) == (code, what)
    assert instead in found.instead
    assert compiled(text) is not None
    if accepted is not None:
        assert said(kernel(*accepted), "TRI1") == []
        assert compiled(kernel(*accepted)) is None


CONSTANTS = [
    (("BLOCK: tl.constexpr = BLOCK * 2",), "a parameter", ("BLOCK_: tl.constexpr = BLOCK * 2",)),
    (
        ("C: tl.constexpr = 2", "C: tl.constexpr = 4"),
        "line 7 defines it",
        ("C: tl.constexpr = 2", "C_: tl.constexpr = 4"),
    ),
    (
        ("for j in tl.static_range(3):", "    C: tl.constexpr = j * 2", "    tl.store(x_ptr + C, 1.0)"),
        "unrolled loop in line 7",
        ("for j in tl.static_range(3):", "    tl.store(x_ptr + j * 2, 1.0)"),
    ),
]


@pytest.mark.parametrize(("refused", "why", "accepted"), CONSTANTS)
def test_a_constant_cannot_be_defined_twice(said, compiled, refused, why, accepted):
    (found,) = said(kernel(*refused), "TRI1")
    assert found.code == "TRI113"
    assert why in found.message
    assert found.instead.split("`")[1].split(" =")[0] in "\n".join(accepted)
    assert compiled(kernel(*refused)) is not None
    assert said(kernel(*accepted), "TRI1") == []
    assert compiled(kernel(*accepted)) is None


FINE = [
    pytest.param(("for j in range(n):", "    C: tl.constexpr = BLOCK * 2", "    i = tl.arange(0, C)"), id="in a loop"),
    pytest.param(("for j in tl.static_range(1):", "    C: tl.constexpr = j * 2"), id="in a loop of one trip"),
    pytest.param(
        ("if BLOCK > 3:", "    C: tl.constexpr = 2", "else:", "    C: tl.constexpr = 4"), id="in two branches"
    ),
    pytest.param(("i = tl.arange(0, BLOCK * 2)", "j = tl.arange(0, min(BLOCK * 4, 256))"), id="expressions in place"),
    pytest.param(("i = tl.arange(0, triton.next_power_of_2(BLOCK))",), id="next_power_of_2"),
    pytest.param(("i = tl.arange(0, BLOCK if BLOCK > 3 else 16)",), id="conditional"),
    pytest.param((LOAD, "i = tl.arange(0, x.shape[0])"), id="shape"),
    pytest.param(("for j in tl.static_range(1, 3):", "    i = tl.arange(0, j * 2)"), id="unrolled loop"),
    pytest.param(
        ("i = tl.arange(32, 64)", "j = tl.arange(2, 66)", "h = tl.arange(0, 1)"), id="odd bounds of a good length"
    ),
    pytest.param(
        ("if BLOCK == 64:", "    C: tl.constexpr = 32", "else:", "    C: tl.constexpr = 3", "i = tl.arange(0, C)"),
        id="constexpr branch",
    ),
    pytest.param((LOAD, "y = x[:, None] + x[None, :]", "z = x[:]", "w = n[None]"), id="new dimensions"),
    pytest.param(("t = (1, 2, 3)", "y = t[0] + t[-1]"), id="tuple"),
    pytest.param((LOAD, "y = x.shape[0]"), id="shape indexed"),
    pytest.param(("a = tl.zeros((BLOCK, 2), tl.float32)", "y = tl.split(a)[0]"), id="split"),
    pytest.param(
        ("C = BLOCK * 2", "for j in range(0, n, C):", "    tl.store(x_ptr + j + C, 1.0)"), id="a plain local elsewhere"
    ),
]


@pytest.mark.parametrize("body", FINE)
def test_what_triton_accepts_is_left_alone(said, compiled, body):
    assert said(kernel(*body), "TRI1") == []
    assert compiled(kernel(*body)) is None


def test_a_helper_may_be_handed_constants_in_plain_parameters(said, compiled):
    text = (
        "@triton.jit\ndef tile(C):\n    return tl.arange(0, C)\n\n\n"
        "@triton.jit\ndef k(x_ptr, n, BLOCK: tl.constexpr):\n    tl.store(x_ptr + tile(BLOCK), 1.0)\n"
        "\n\ndef host(x, n):\n    k[(1,)](x, n, BLOCK=64)\n"
    )
    assert said(text, "TRI1") == []
    assert compiled(text) is None


def test_a_helper_may_be_handed_tensors_in_constexpr_parameters(said, compiled):
    text = (
        "@triton.jit\ndef inner(acc, offs: tl.constexpr):\n    return acc + offs[:, None].to(tl.float32)\n\n\n"
        "@triton.jit\ndef k(x_ptr, n, BLOCK: tl.constexpr):\n    offs = tl.arange(0, BLOCK)\n"
        "    acc = inner(tl.zeros((BLOCK, 16), tl.float32), offs)\n    tl.store(x_ptr, tl.sum(acc))\n"
        "\n\ndef host(x, n):\n    k[(1,)](x, n, BLOCK=64)\n"
    )
    assert said(text.replace("offs[:, None].to", "offs.to(tl.int64)[:, None].to"), "TRI1") == []
    assert said(text, "TRI1") == []
    assert compiled(text) is None


SIZES = "i = tl.arange(0, BLOCK)"
CONFIGS = "@triton.autotune([triton.Config({'BLOCK': 64}), triton.Config({'BLOCK': 96})], key=['n'])\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (kernel(SIZES, launch="BLOCK=96"), "`BLOCK` is 96 (passed in line 11)"),
        (kernel(SIZES, launch="", parameters="BLOCK: tl.constexpr = 96"), "`BLOCK` is 96 (passed in line 11)"),
        (kernel(SIZES, launch="", above=CONFIGS), "`BLOCK` is 96 (configuration in line 5)"),
        (kernel("i = tl.arange(0, G)", above="G = tl.constexpr(96)\n"), "`G` is 96"),
        (kernel(SIZES, launch="BLOCK=SIZE", above="SIZE = 96\n"), "`BLOCK` is 96 (passed in line 12)"),
    ],
)
def test_sizes_come_from_launches_configurations_defaults_and_constants(said, text, why):
    (found,) = said(text, "TRI104")
    assert why in found.message
    assert "128" in found.instead
    assert "mask=offsets < 96" in found.instead


@pytest.mark.parametrize(
    "text",
    [
        kernel(SIZES, launch="BLOCK=128"),
        kernel(SIZES, launch="BLOCK=i"),
        kernel(SIZES, launch="BLOCK=128", parameters="BLOCK: tl.constexpr = 96"),
        kernel(SIZES, launch="", above=CONFIGS.replace("key", "prune_configs_by={}, key")),
        kernel(
            SIZES,
            launch="",
            above="@triton.heuristics({'BLOCK': lambda a: 128})\n",
            parameters="BLOCK: tl.constexpr = 96",
        ),
        kernel("if BLOCK == 96:", "    i = tl.arange(0, BLOCK)"),
    ],
)
def test_sizes_that_may_be_right_are_left_alone(said, text):
    assert said(text, "TRI104") == []


def test_recorded_launches_tell_sizes_and_types(said):
    def launch(block: int) -> Launch:
        arguments = (
            Argument(name="x_ptr", type="*fp32"),
            Argument(name="n", type="i32", value=7),
            Argument(name="BLOCK", type="constexpr", value=block),
        )
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

    alone = "@triton.jit\ndef k(x_ptr, n, BLOCK: tl.constexpr):\n    y = x_ptr[0]\n    i = tl.arange(0, BLOCK)\n"
    assert said(alone, "TRI1") == []
    assert [v.code for v in said(alone, "TRI1", launches=[launch(64)])] == ["TRI105"]
    found = said(alone, "TRI104", launches=[launch(64), launch(96)])
    assert [v.message.split(":")[0] for v in found] == ["`BLOCK` is 96 (launched in line 9)"]
