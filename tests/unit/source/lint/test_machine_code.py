"""What the rules say of the compiler's output, in the output of the installed Triton."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest

CODE = """
import triton
import triton.language as tl


@triton.jit
def k(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    lane = tl.arange(0, BLOCK)
    LINES
"""
LOOP = """total = START
    for start in RANGE:
        x = tl.load(x_ptr + start + lane, mask=start + lane < n, other=0.0)
        total += STEP
    tl.store(y_ptr, RESULT)"""
Ptx = Callable[..., str]


@pytest.fixture
def ptx(tmp_path, monkeypatch) -> Ptx:
    """PTX of ``k`` with these lines, for sm_90."""
    pytest.importorskip("triton")
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "cache"))
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource
    from triton.compiler import compile as triton_compile

    def run(lines: str, arch: int = 90, **options: Any) -> str:
        path = tmp_path / f"k{abs(hash(lines))}.py"
        path.write_text(CODE.replace("LINES", lines))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        source = ASTSource(
            fn=module.k,
            signature={"x_ptr": "*fp32", "y_ptr": "*fp32", "n": "i32", "BLOCK": "constexpr"},
            constexprs={"BLOCK": 512},
            attrs={(i,): [["tt.divisibility", 16]] for i in range(3)},
        )
        return triton_compile(source, target=GPUTarget("cuda", arch, 32), options=options).asm["ptx"]

    return run


def loop(step: str = "x", start: str = "tl.zeros((BLOCK,), tl.float32)", result: str = "tl.sum(total)") -> str:
    return LOOP.replace("STEP", step).replace("START", start).replace("RESULT", result)


@pytest.mark.parametrize("arch", [80, 90])
def test_num_stages_changes_nothing_in_a_loop_without_a_dot(ptx, arch):
    plain = loop().replace("RANGE", "range(0, n, BLOCK)")
    assert len({ptx(plain, arch, num_stages=stages) for stages in (1, 3, 5)}) == 1
    staged = loop().replace("RANGE", "tl.range(0, n, BLOCK, num_stages=3)")
    assert "cp.async" in ptx(staged, arch)
    assert "cp.async" not in ptx(plain, arch)


def test_a_carried_reduction_shuffles_in_the_loop(ptx):
    scalar = ptx(loop("tl.sum(x)", "0.0", "total").replace("RANGE", "range(0, n, BLOCK)"))
    tile = ptx(loop().replace("RANGE", "range(0, n, BLOCK)"))
    assert in_loop(scalar).count("shfl.sync") >= 5
    assert in_loop(scalar).count("bar.sync") >= 1
    assert in_loop(tile).count("shfl.sync") == in_loop(tile).count("bar.sync") == 0


def in_loop(text: str) -> str:
    """What stands between a label and the branch back to it."""
    lines = text.splitlines()
    for at, line in enumerate(lines):
        for target in (word.rstrip(";") for word in line.split() if "bra" in line and word.startswith("$L__BB")):
            if f"{target}:" in [x.split("//")[0].strip() for x in lines[:at]]:
                begin = next(i for i, x in enumerate(lines) if x.startswith(f"{target}:"))
                return "\n".join(lines[begin:at])
    raise AssertionError("no loop")


def test_masked_lanes_of_a_load_without_other_are_zero(ptx):
    text = ptx("x = tl.load(x_ptr + lane, mask=lane < n)\n    tl.store(y_ptr, tl.sum(x))")
    before = text[: text.index("ld.global")].splitlines()
    assert any("0x0" in line for line in before[-6:])


def test_an_epsilon_at_run_time_is_one_parameter_and_no_instruction_more(ptx):
    def count(lines: str) -> int:
        return sum(";" in line and not line.lstrip().startswith((".", "//")) for line in ptx(lines).splitlines())

    body = "tl.store(y_ptr + lane, tl.load(x_ptr + lane) + EPS)"
    constant = count(body.replace("EPS", "1e-5"))
    given = count(body.replace("EPS", "n.to(tl.float32, bitcast=True)"))
    assert given - constant <= 1  # the load of the parameter
