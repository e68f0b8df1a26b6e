"""LayerNorm over rows too long for one program: the second sweep goes by position, not by row.

At 16x(64x256x256) fp32 there are 16 rows of 4,194,304 values = 16 MiB, 268 MB in all. Weight and bias
have a value for each position, so they are as long as a row, 16 MiB each. That decides the shape:
  x read once: a row stays on the chip until its mean is known and is then written, which takes all of
    weight and bias, and takes them again for the next row: 16 + 16 + 32 = 64 MiB a row.
  x read twice: the second sweep goes by position, so that a program loads its tile of weight and bias
    once and walks over the rows with it: 16 + 16 + 16 MiB a row and 32 MiB in all, 50 MiB a row.
So reading x twice moves less: 839 MB, 0.20 ms at the speed of a copy (4.26 TB/s on an H200). One
program a row would be slower still: 16 of 132 SMs would work. Three launches:
  moments    mean and squared deviations of spans of the rows        reads x
  finish     merges the spans of each row                            12 bytes a span
  normalize  ((x - mean) / std) * weight + bias, by position         reads x, weight, bias, writes y
Both sweeps go by position, all rows side by side, the second one backwards: it starts with what the
L2 still holds of the first. About 20 MiB were seen to survive on an H200, 1 MiB of each row.

Rows of up to 16384 values (32768 if a power of two, which needs no masks) are held by a program,
several if they are short: one launch, one read.
The forward pass only, no gradients.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn as nn
import triton
import triton.language as tl

batch_size, features, dim1, dim2 = 16, 64, 256, 256

WARPS = 4
VALUES = 32  # values of a tile for each thread, in both sweeps
TRIPS = 2  # tiles a program of the first sweep works through; more where rows are very long
BYTES = 16  # of a row for each thread of the second sweep: one load of 128 bits
SAMPLES = 16  # rows that a program of the second sweep walks over with the same weight and bias


@triton.jit
def centred(x, live, size):
    """The mean of each row of a tile, in two parts, and x without it. A sum over x is rounded at the
    size of x; a second one over what the first has left is not."""
    mean = tl.sum(x, axis=1)[:, None] / size
    d = tl.where(live, x - mean, 0.0)
    rest = tl.sum(d, axis=1)[:, None] / size
    return mean, rest, tl.where(live, d - rest, 0.0)


@triton.jit
def along_row(ptr, i, live, missing: tl.constexpr):
    """Weight or bias of positions i, for any row; where there is none, what changes nothing."""
    if ptr is None:
        return tl.full((1, 1), missing, tl.float32)
    else:  # noqa: RET505 - the compiler takes one branch; without `else` it would take both
        return tl.load(ptr + i, mask=live, other=0.0).to(tl.float32)


@triton.jit
def one_tile_kernel(
    x_ptr, y_ptr, weight_ptr, bias_ptr, eps, rows, size, x_row, y_row,
    ROWS: tl.constexpr, BLOCK: tl.constexpr, EVEN: tl.constexpr,
):  # fmt: skip
    """One program holds ROWS whole rows."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    i = tl.arange(0, BLOCK)[None, :]
    there = tl.full((ROWS, 1), True, tl.int1) if EVEN else row < rows
    inside = tl.full((1, BLOCK), True, tl.int1) if EVEN else i < size
    live = there & inside
    x = tl.load(x_ptr + row.to(tl.int64) * x_row + i, mask=live, other=0.0).to(tl.float32)
    _, _, d = centred(x, live, size)
    rstd = 1.0 / tl.sqrt_rn(tl.sum(d * d, axis=1)[:, None] / size + eps)
    y = d * rstd * along_row(weight_ptr, i, inside, 1.0) + along_row(bias_ptr, i, inside, 0.0)
    tl.store(y_ptr + row.to(tl.int64) * y_row + i, y, mask=live)


@triton.jit
def moments_kernel(
    x_ptr, piece_ptr, span, spans, rows, size, x_row,
    BLOCK: tl.constexpr, EVEN: tl.constexpr,
):  # fmt: skip
    """First sweep: the moments of one span of a row. Deviations are taken from the mean:
    mean(x * x) - mean(x)**2 would cancel."""
    row = tl.program_id(0) % rows
    part = tl.program_id(0) // rows
    start = part.to(tl.int64) * span
    one = tl.zeros((1, 1), tl.float32)
    near, mean, m2 = one, one, one  # the mean is near + mean: near from the first tile, and so close
    for i0 in range(start, tl.minimum(start + span, size), BLOCK):
        i = tl.arange(0, BLOCK)[None, :]
        left = tl.minimum(size - i0, BLOCK).to(tl.int32)
        live = tl.full((1, BLOCK), True, tl.int1) if EVEN else i < left
        x = tl.load(x_ptr + row.to(tl.int64) * x_row + i0 + i, mask=live, other=0.0).to(tl.float32)
        tile_mean, rest, d = centred(x, live, left)
        near = tl.where(i0 > start, near, tile_mean)
        # Chan's formula makes one of two means and of two sums of squared deviations.
        seen = (i0 - start).to(tl.float32)
        gap = tile_mean - near + rest - mean
        share = left / (seen + left)
        mean += gap * share
        m2 += tl.sum(d * d, axis=1)[:, None] + gap * share * seen * gap
    mine = piece_ptr + (row.to(tl.int64) * spans + part) * 3 + tl.zeros((1, 1), tl.int32)
    tl.store(mine, near)
    tl.store(mine + 1, mean)
    tl.store(mine + 2, m2)


@triton.jit
def finish_kernel(piece_ptr, stats_ptr, eps, span, spans, size, BLOCK: tl.constexpr):
    """One row: the moments of its spans become mean, scale and offset of (x - mean) * scale + offset.
    x - mean is exact far from zero, so the offset can make up for what the mean lost in rounding."""
    row = tl.program_id(0)
    at = piece_ptr + row.to(tl.int64) * spans * 3
    near = tl.load(at) + tl.load(at + 1)  # one span's mean: relative to it the sum over all stays small
    sums = tl.zeros((BLOCK,), tl.float32)
    for s0 in range(0, spans, BLOCK):
        s = s0 + tl.arange(0, BLOCK)
        count = tl.minimum(tl.maximum(size - s.to(tl.int64) * span, 0), span).to(tl.float32)
        gap = tl.load(at + s * 3, mask=s < spans, other=0.0) - near
        sums += count * (gap + tl.load(at + s * 3 + 1, mask=s < spans, other=0.0))
    rest = tl.sum(sums) / size
    sums = tl.zeros((BLOCK,), tl.float32)
    for s0 in range(0, spans, BLOCK):
        s = s0 + tl.arange(0, BLOCK)
        count = tl.minimum(tl.maximum(size - s.to(tl.int64) * span, 0), span).to(tl.float32)
        gap = tl.load(at + s * 3, mask=s < spans, other=0.0) - near
        gap += tl.load(at + s * 3 + 1, mask=s < spans, other=0.0) - rest
        sums += count * gap * gap + tl.load(at + s * 3 + 2, mask=s < spans, other=0.0)
    mean = near + rest
    scale = 1.0 / tl.sqrt_rn(tl.sum(sums) / size + eps)
    stats = stats_ptr + row * 3
    tl.store(stats, mean)
    tl.store(stats + 1, scale)
    tl.store(stats + 2, (mean - near - rest) * scale)


@triton.jit
def normalize_kernel(
    x_ptr, y_ptr, weight_ptr, bias_ptr, stats_ptr, walk, walks, rows, size, x_row, y_row,
    ROWS: tl.constexpr, BLOCK: tl.constexpr, EVEN: tl.constexpr,
):  # fmt: skip
    """Second sweep: BLOCK positions of `walk` rows, ROWS at a time, with one load of weight and bias.
    Neighbours in the launch are neighbours in memory, from the end of the rows to their start."""
    program = tl.num_programs(0) - 1 - tl.program_id(0)
    r0 = program % walks * walk
    i0 = (program // walks).to(tl.int64) * BLOCK
    i = i0 + tl.arange(0, BLOCK)[None, :]
    inside = tl.full((1, BLOCK), True, tl.int1) if EVEN else i < size
    weight = along_row(weight_ptr, i, inside, 1.0)
    bias = along_row(bias_ptr, i, inside, 0.0)
    for r in range(r0, tl.minimum(r0 + walk, rows), ROWS):
        row = r + tl.arange(0, ROWS)[:, None]
        there = tl.full((ROWS, 1), True, tl.int1) if EVEN else row < rows
        x_at = x_ptr + row.to(tl.int64) * x_row + i
        x = tl.load(x_at, mask=there & inside, other=0.0).to(tl.float32)
        mean = tl.load(stats_ptr + row * 3, mask=there)
        scale = tl.load(stats_ptr + row * 3 + 1, mask=there)
        offset = tl.load(stats_ptr + row * 3 + 2, mask=there)
        y_at = y_ptr + row.to(tl.int64) * y_row + i
        tl.store(y_at, ((x - mean) * scale + offset) * weight + bias, mask=there & inside)


class Plan(NamedTuple):
    way: str  # "one tile" or "two sweeps"
    rows: int  # of a tile of the sweep that writes
    block: int  # its positions
    even: bool  # such tiles cover the tensor exactly: no masks
    walk: int  # rows a program of that sweep works through
    first: int  # positions of a tile of the first sweep
    span: int  # positions a program of the first sweep is in charge of
    warps: int

    def __str__(self) -> str:
        tile = f"tile {self.rows} row(s) x {self.block} positions"
        if self.way == "one tile":
            return f"one tile: reads x 1x, as one program holds a row; {tile}, {self.warps} warps"
        return (
            f"two sweeps: reads x 2x, so that {self.walk} row(s) share one read of weight and bias; spans of "
            f"{self.span} for the moments, {tile}, {self.warps} warps"
        )


def plan(
    rows: int, size: int, bytes_each: int,
    values: int = VALUES, trips: int = TRIPS, tile: int = BYTES, samples: int = SAMPLES, warps: int = WARPS,
) -> Plan:  # fmt: skip
    """The way for `rows` rows of `size` values. `trips` shapes the first sweep, `tile` and `samples` the second."""
    rows2, size2 = triton.next_power_of_2(rows), triton.next_power_of_2(size)
    if size2 <= 32 * 16 * (64 if size2 == size else 32):  # what 16 warps hold without spilling
        together = min(rows2, max(1, 2048 // size2))
        warps = min(16, max(1, together * size2 // 512))
        even = size2 == size and rows % together == 0
        return Plan("one tile", together, size2, even, together, size2, size, warps)
    block = tile // bytes_each * 32 * warps
    together = min(rows2, max(1, values * 32 * warps // block))
    even = size % block == 0 and rows % together == 0
    if not even:  # masks take the registers of half the values
        together = max(1, together // 2)
    first = values * 32 * warps // (1 if size % (values * 32 * warps) == 0 else 2)
    walk = together * max(1, min(samples, rows2) // together)
    # One program merges the spans of a row: 4096 of them are enough.
    span = first * max(trips, triton.cdiv(size, first * 4096))
    return Plan("two sweeps", together, block, even, walk, first, span, warps)


def as_rows(x: torch.Tensor, size: int) -> torch.Tensor | None:
    """As (rows, size) without a copy, or None where strides do not allow it."""
    try:
        rows = x.view(-1, size)
    except RuntimeError:
        return None
    return rows if rows.stride(1) == 1 else None


def layer_norm(
    x: torch.Tensor, normalized_shape: Sequence[int],
    weight: torch.Tensor | None = None, bias: torch.Tensor | None = None, eps: float = 1e-5, **tunables: int,
) -> torch.Tensor:  # fmt: skip
    """Over the last dimensions, which are `normalized_shape`; to the same shape, dtype and memory format.
    `tunables` go to `plan`."""
    shape = tuple(normalized_shape)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ValueError(f"Expected the last dimensions to be {shape}, got input size {x.shape}")
    if x.dtype not in (torch.float32, torch.float16, torch.bfloat16):
        raise TypeError(f"layer_norm takes float32, float16 or bfloat16, not {x.dtype}")
    for given in (weight, bias):
        if given is not None and given.shape != shape:
            raise ValueError(f"weight and bias have the normalized shape {shape}, not {tuple(given.shape)}")
    y = torch.empty_like(x)
    if x.numel() == 0:
        return y
    size = math.prod(shape)
    xv, yv = as_rows(x, size), as_rows(y, size)
    if xv is None or yv is None:  # strides of no use: work on a contiguous copy
        return y.copy_(layer_norm(x.clone(memory_format=torch.contiguous_format), shape, weight, bias, eps, **tunables))
    rows = xv.shape[0]
    weight, bias = (t if t is None else t.contiguous() for t in (weight, bias))
    way, together, block, even, walk, first, span, warps = plan(rows, size, x.element_size(), **tunables)
    at = (rows, size, xv.stride(0), yv.stride(0), together, block, even)
    with torch.cuda.device_of(x):
        if way == "one tile":
            grid = (triton.cdiv(rows, together),)
            one_tile_kernel[grid](xv, yv, weight, bias, eps, *at, num_warps=warps)
            return y
        spans, walks = triton.cdiv(size, span), triton.cdiv(rows, walk)
        pieces, stats = (x.new_empty(rows, n, 3, dtype=torch.float32) for n in (spans, 1))
        even = size % first == 0
        moments_kernel[(rows * spans,)](xv, pieces, span, spans, rows, size, xv.stride(0), first, even, num_warps=warps)
        finish_kernel[(rows,)](pieces, stats, eps, span, spans, size, min(1024, triton.next_power_of_2(spans)))
        grid = (triton.cdiv(size, block) * walks,)
        normalize_kernel[grid](xv, yv, weight, bias, stats, walk, walks, *at, num_warps=warps)
    return y


def explain(x: torch.Tensor, normalized_shape: Sequence[int], **tunables: int) -> str:
    """The way `layer_norm` takes for this input, in one line."""
    if x.numel() == 0:
        return "empty: nothing to do"
    size = math.prod(normalized_shape)
    copied = "" if as_rows(x, size) is not None else "a contiguous copy first, then "
    return copied + str(plan(x.numel() // size, size, x.element_size(), **tunables))


class Model(nn.Module):
    """The reference: PyTorch's own."""

    def __init__(self, normalized_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.ln = nn.LayerNorm(normalized_shape=normalized_shape)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.ln(x)


class ModelNew(nn.Module):
    def __init__(self, normalized_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.ln = nn.LayerNorm(normalized_shape=normalized_shape)  # holds weight and bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return layer_norm(x, self.ln.normalized_shape, self.ln.weight, self.ln.bias, self.ln.eps)


def get_inputs() -> list[torch.Tensor]:
    return [torch.rand(batch_size, features, dim1, dim2)]


def get_init_inputs() -> list[tuple[int, ...]]:
    return [(features, dim1, dim2)]


def main() -> None:
    """Check against float64 and time it: `python kernels/layer_norm.py`."""
    if not torch.cuda.is_available():
        print("layer_norm: no CUDA device here, nothing to run")
        return
    shape = (features, dim1, dim2)
    fits = torch.cuda.mem_get_info()[0] // (features * dim1 * dim2 * 4 * 4)
    x = torch.rand(max(1, min(batch_size, fits)), *shape, device="cuda")
    weight, bias = (torch.rand(shape, device="cuda") for _ in range(2))
    y, some = layer_norm(x, shape, weight, bias), x[:1].double()
    var, mean = torch.var_mean(some, correction=0)
    error = (y[:1] - ((some - mean) / torch.sqrt(var + 1e-5) * weight + bias)).abs().max().item()
    ms = triton.testing.do_bench(lambda: layer_norm(x, shape, weight, bias), return_mode="median")
    rate = (3 * x.nbytes + weight.nbytes + bias.nbytes) / ms / 1e6
    print(f"{tuple(x.shape)}: error {error:.1e}, {ms:.3f} ms, {rate:.0f} GB/s for two reads and a write")
    print(explain(x, shape))


if __name__ == "__main__":
    main()
