"""TRI206: the variance as a mean of squares less a squared mean."""

from __future__ import annotations

import pytest


def body(*lines: str) -> str:
    return "\n    ".join(lines)


VARIANCE = """
@triton.jit
def k(x_ptr, y_ptr, sum_ptr, sum_sq_ptr, n, BLOCK: tl.constexpr):
    lane = tl.arange(0, BLOCK)
    LINES
    tl.store(y_ptr, var)
"""
LOAD = "x = tl.load(x_ptr + lane, mask=lane < n, other=0.0).to(tl.float32)\n    "
LOOP = """s = 0.0
    q = 0.0
    for start in range(0, n, BLOCK):
        x = tl.load(x_ptr + start + lane, mask=start + lane < n, other=0.0)
        s += tl.sum(x)
        q += tl.sum(x * x)
    """
TILES = """s = tl.zeros((BLOCK,), tl.float32)
    q = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, n, BLOCK):
        x = tl.load(x_ptr + start + lane, mask=start + lane < n, other=0.0)
        s = s + x
        q = q + x * x
    """
CANCELS = {
    "at once": LOAD + "mean = tl.sum(x) / n\n    var = tl.sum(x * x) / n - mean * mean",
    "power": LOAD + "mean = tl.sum(x) / n\n    var = tl.sum(x ** 2) / n - mean ** 2",
    "through names": LOAD
    + body("sq = x * x", "mean = tl.sum(x, 0) / n", "ex2 = tl.sum(sq, 0) / n", "m2 = mean * mean", "var = ex2 - m2"),
    "cut off at zero": LOAD + "mean = tl.sum(x) / n\n    var = tl.maximum(tl.sum(x * x) / n - mean * mean, 0.0)",
    "sums": LOOP + "mean = s / n\n    var = q / n - mean * mean",
    "reciprocal": LOOP + "inv = 1.0 / n\n    mean = s * inv\n    var = q * inv - mean * mean",
    "sums, not means": LOOP + "var = (q - s * s / n) / n",
    "tiles": TILES + "mean = tl.sum(s) / n\n    var = tl.sum(q) / n - mean * mean",
    "where": LOAD
    + body("x = tl.where(lane < n, x, 0.0)", "mean = tl.sum(x) / n", "var = tl.sum(x * x) / n - mean * mean"),
    "sums of another kernel": "mean = tl.load(sum_ptr) / n\n    var = tl.load(sum_sq_ptr) / n - mean * mean",
}  # fmt: skip


@pytest.mark.parametrize("lines", CANCELS.values(), ids=list(CANCELS))
def test_a_mean_of_squares_less_a_squared_mean_is_told(said, lines):
    (only,) = said(VARIANCE.replace("LINES", lines), "TRI206")
    assert (only.rule, only.severity, only.kernel) == ("cancelling-variance", "warning", "k")
    assert "0.25 off" in only.message
    assert "x - first" in only.instead


STABLE = {
    "less the mean": LOAD + "mean = tl.sum(x) / n\n    d = x - mean\n    var = tl.sum(d * d) / n",
    "shifted": LOAD
    + "d = x - tl.load(x_ptr)\n    s = tl.sum(d) / n\n    var = tl.sum(d * d) / n - s * s",
    "shifted in place": LOAD + "x -= tl.load(x_ptr)\n    s = tl.sum(x) / n\n    var = tl.sum(x * x) / n - s * s",
    "another difference": LOAD + "y = tl.load(y_ptr)\n    var = tl.sum(x * x) / n - y * y",
    "chan": LOOP + "away = s - q\n    var = q + away * away * n",
    "a product of two": LOAD
    + body("mean = tl.sum(x) / n", "w = tl.load(y_ptr + lane)", "var = tl.sum(x * w) / n - mean * mean"),
}  # fmt: skip


@pytest.mark.parametrize("lines", STABLE.values(), ids=list(STABLE))
def test_shifted_sums_and_other_differences_are_left_alone(said, lines):
    assert said(VARIANCE.replace("LINES", lines), "TRI206") == []


def test_torch_code_that_finishes_the_sums_is_read_too(said):
    code = """
@triton.jit
def k(x_ptr, sum_ptr, sum_sq_ptr):
    tl.store(sum_ptr, tl.load(x_ptr))
def launch(x, count, sum_tensor, sum_sq_tensor):
    k[(1,)](x, sum_tensor, sum_sq_tensor)
    mean = sum_tensor / count
    return HOW
"""
    for how in ("(sum_sq_tensor / count) - (mean * mean)", "sum_sq_tensor / count - mean.pow(2)"):
        (only,) = said(code.replace("HOW", how), "TRI206")
        assert only.line == 12
    for how in ("sum_sq_tensor - count * x", "x / count - mean * mean", "sum_sq_tensor / count - x * x"):
        assert said(code.replace("HOW", how), "TRI206") == []
