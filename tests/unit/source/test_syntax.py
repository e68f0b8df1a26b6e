"""The syntax tree of a kernel file, without importing it."""

from __future__ import annotations

from pathlib import Path

from ncukit.source.syntax import read_source

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
