"""The syntax tree of a kernel file, without importing it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ncukit.source.syntax import JitFunction, read_source

ROOT = Path(__file__).parents[3]
TEXT = """
import triton, triton.language as tl
@triton.autotune([], key=[])
@triton.jit
def mm(a_ptr, c_ptr, n, BLOCK: tl.constexpr):
    row = a_ptr + tl.program_id(0) * n
    for i in range(0, n, BLOCK):
        x = tl.load(row + i + tl.arange(0, BLOCK))
        x = tl.dot(x, x)
    tl.store(c_ptr + tl.arange(0, BLOCK), x)
def not_a_kernel(x): return x
def launch(a, c):
    BLOCK = 128
    mm[(1,)](a, c, 4,
             BLOCK=BLOCK, num_warps=8)
"""


def test_functions_accesses_and_knobs_have_their_lines(tmp_path):
    path = tmp_path / "k.py"
    path.write_text(TEXT)
    source = read_source(str(path))
    assert source is not None
    function = source.functions["mm"]
    assert set(source.functions) == {"mm"}
    assert (function.line, function.has_dot, function.autotune_line, function.plain_loops) == (5, True, 3, (7,))
    assert [(a.line, a.pointer) for a in function.loads] == [(8, "a_ptr")]
    assert [(a.line, a.pointer) for a in function.stores] == [(10, "c_ptr")]
    assert source.knob("mm", "BLOCK") == f"{path}:13"
    assert source.knob("mm", "num_warps") == f"{path}:15"
    assert source.knob("mm", "num_stages") == f"{path}:3"  # not at the launch: in the autotuner's configs
    assert source.knob("other", "BLOCK") is None
    assert source.launch("mm") == f"{path}:14"


def test_the_bundled_kernels_are_understood():
    source = read_source(str(ROOT / "kernels/naive/instance_norm.py"))
    assert source is not None
    assert set(source.functions) == {"compute_moments_kernel", "normalize_kernel"}
    assert not any(f.has_dot for f in source.functions.values())
    assert [a.pointer for a in source.functions["normalize_kernel"].stores] == ["y_ptr"]


def test_what_is_no_python_file_tells_nothing(tmp_path):
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "binary.py").write_bytes(bytes(range(256)))
    (tmp_path / "a.out").write_text("x = 1")
    for name in ("broken.py", "binary.py", "a.out", "missing.py"):
        assert read_source(str(tmp_path / name)) is None


def function(tmp_path: Path, body: str) -> JitFunction:
    """A kernel whose body starts in line 4."""
    path = tmp_path / "body.py"
    lines = [f"    {line}" for line in body.strip("\n").splitlines()]
    path.write_text(
        "\n".join(
            ["import triton, triton.language as tl", "@triton.jit", "def k(x, y, n, B: tl.constexpr):", *lines, ""]
        )
    )
    source = read_source(str(path))
    assert source is not None
    return source.functions["k"]


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("for i in range(n):\n    total += tl.sum(x)", (5,)),
        ("for i in range(n):\n    total = total + tl.sum(x)", (5,)),
        ("for i in tl.range(n):\n    top = tl.maximum(top, tl.max(x, axis=0))", (5,)),
        ("while n > 0:\n    total += tl.reduce(x, 0, add)", (5,)),
        ("for i in range(n):\n    for j in range(n):\n        total += tl.sum(x)", (6,)),  # once, though in two loops
        ("for i in range(n):\n    a += tl.sum(x)\n    b += tl.max(y)", (5, 6)),
        ("for i in range(n):\n    vector += tl.load(x + i)\ntotal = tl.sum(vector)", ()),  # reduced once, behind it
        ("for i in range(n):\n    mean = tl.sum(x) / n", ()),  # the next trip does not read it
        ("total += tl.sum(x)", ()),  # no loop
        ("for i in range(n):\n    total += x", ()),
    ],
)
def test_reductions_that_a_loop_carries(tmp_path, body, lines):
    assert function(tmp_path, body).carried_reductions == lines


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("a = tl.load(x).to(tl.float64)", (4,)),
        ("a = tl.zeros((B,), dtype=tl.float64)\nb = a\nc = b.to(tl.float64)", (4, 6)),
        ("a = tl.load(x).to(tl.float32)", ()),
        ("float64 = 1", ()),
    ],
)
def test_lines_that_ask_for_double_precision(tmp_path, body, lines):
    assert function(tmp_path, body).float64_lines == lines


@pytest.mark.parametrize(
    ("body", "dots", "has_dot"),
    [
        ("c = tl.dot(x, y)", (4,), True),
        ("for i in range(n):\n    c = tl.dot(x, y, c)\nd = tl.dot(c, y)", (5, 6), True),
        ("c = tl.dot_scaled(x, a, y, b)", (4,), True),
        ("c = dot", (), False),
    ],
)
def test_lines_of_dots(tmp_path, body, dots, has_dot):
    found = function(tmp_path, body)
    assert (found.dot_lines, found.has_dot) == (dots, has_dot)


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("c = tl.sum(x[:, :, None] * y[None, :, :], axis=1)", (4,)),
        ("for i in range(n):\n    c += tl.sum(x[:, None, :] * y[None, :, :], 2)", (5,)),
        ("c = tl.sum(x[:, None] * y[None, :], axis=1)", ()),  # an outer product or a row's sum: two axes
        ("c = tl.sum(x * y, axis=1)", ()),
        ("c = tl.sum(x[:, :, None] + y[None, :, :], axis=1)", ()),
        ("c = x[:, :, None] * y[None, :, :]", ()),
        ("c = tl.max(x[:, :, None] * y[None, :, :], axis=1)", ()),
        ("c = tl.sum()", ()),
        ("c = tl.sum(x[0, 1, 2] * y[0, 1, 2])", ()),
    ],
)
def test_lines_where_a_product_is_written_by_hand(tmp_path, body, lines):
    assert function(tmp_path, body).product_lines == lines


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("a = tl.exp(x)\nb = tl.math.log2(a)\nc = tl.sqrt(b)", (4, 5, 6)),
        ("a = tl.sigmoid(x) * tl.exp(-x)", (4, 4)),  # one entry a function
        ("a = tl.extra.cuda.libdevice.tanh(x)", (4,)),
        ("a = x * x + tl.abs(y)", ()),
    ],
)
def test_lines_of_special_functions(tmp_path, body, lines):
    assert function(tmp_path, body).special_lines == lines


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("a = x // n\nb = x % n", (4, 5)),
        ("a = x // n % 7", (4, 4)),
        ("a = x / n", ()),
        ("a = x * n + (x >> 2)", ()),
    ],
)
def test_lines_of_divisions(tmp_path, body, lines):
    assert function(tmp_path, body).division_lines == lines


def test_facts_are_of_the_function_they_stand_in(tmp_path):
    path = tmp_path / "two.py"
    path.write_text(
        "import triton, triton.language as tl\n"
        "@triton.jit\ndef a(x, n):\n    y = tl.exp(x) // n\n"
        "@triton.jit\ndef b(x, n):\n    y = tl.dot(x, x)\n"
        "def host(n):\n    return n // 2 % 3\n"
    )
    functions = read_source(str(path)).functions
    assert (functions["a"].special_lines, functions["a"].division_lines, functions["a"].dot_lines) == ((4,), (4,), ())
    assert (functions["b"].special_lines, functions["b"].division_lines, functions["b"].dot_lines) == ((), (), (7,))


def test_an_augmented_division_is_a_division(tmp_path):
    assert function(tmp_path, "n //= 2\nn %= 3").division_lines == (4, 5)


@pytest.mark.parametrize(
    ("kernel", "fact"),
    [
        ("fp64", "float64_lines"),
        ("integer_bound", "division_lines"),
        ("sfu_bound", "special_lines"),
    ],
)
def test_the_clinics_sick_kernels_show_their_facts(kernel, fact):
    path = ROOT / "kernels" / "clinic" / "sick" / f"{kernel}.py"
    text = path.read_text().splitlines()
    lines = [line for f in read_source(str(path)).functions.values() for line in getattr(f, fact)]
    assert lines
    words = {"float64_lines": "float64", "division_lines": "/|%", "special_lines": "exp"}
    assert all(any(word in text[line - 1] for word in words[fact].split("|")) for line in lines)


def test_the_clinics_products_are_seen():
    found = {
        state: [
            f
            for f in read_source(str(ROOT / "kernels" / "clinic" / state / "tensor_core_unused.py")).functions.values()
            if f.has_dot or f.product_lines
        ]
        for state in ("sick", "cured")
    }
    assert found["sick"]
    assert found["cured"]
    assert all(f.has_dot for f in found["cured"])


@pytest.mark.parametrize("path", sorted((ROOT / "kernels").rglob("*.py")), ids=lambda p: "-".join(p.parts[-2:]))
def test_every_fact_of_a_bundled_kernel_is_a_line_within_it(path):
    source = read_source(str(path))
    assert source is not None
    length = len(path.read_text().splitlines())
    for found in source.functions.values():
        facts = (
            found.carried_reductions, found.float64_lines, found.dot_lines, found.product_lines, found.special_lines,
            found.division_lines,
        )  # fmt: skip
        assert all(list(lines) == sorted(lines) for lines in facts)
        assert all(found.line < line <= length for lines in facts for line in lines)
