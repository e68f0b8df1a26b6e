"""LayerNorm the plain way: one launch that walks its row twice.

At 16x64x256x256 fp32 the input is 0.27 GB in 16 rows of 16 MiB, and weight and bias are as long as a row.
One program of 4 warps a row goes along it 1024 values at a time for mean and variance, then again to
normalise: it reads x twice (0.54 GB) and writes the result (0.27 GB); the 16 programs share weight and
bias (0.03 GB) through the cache, as they walk side by side. 0.84 GB move where 0.57 GB would do.

The bytes are the lesser trouble. 16 rows are 16 programs: a GPU of 132 SMs leaves 116 of them idle, and
4 warps with 4 KiB under way cannot draw more than a small part of what even one SM can. A row a program
is the way to write LayerNorm for thousands of short rows; these are few and long. Forward pass only.
"""

import torch
import torch.nn as nn
import triton
import triton.language as tl

batch_size, features, dim1, dim2 = 16, 64, 256, 256


@triton.jit
def layer_norm_kernel(x_ptr, y_ptr, weight_ptr, bias_ptr, size, eps, BLOCK_SIZE: tl.constexpr):
    """(x - mean) / sqrt(var + eps) * weight + bias along one row, the moments by Welford's method.

    The sums of x and x*x would be simpler, but their difference is noise once the mean is far from zero.
    """
    row = tl.program_id(0).to(tl.int64) * size  # 64 bits: offsets pass 2**31 at 512 rows
    lane = tl.arange(0, BLOCK_SIZE)
    mean = tl.zeros((BLOCK_SIZE,), tl.float32)
    m2 = tl.zeros((BLOCK_SIZE,), tl.float32)
    first = tl.load(x_ptr + row).to(tl.float32)  # working relative to it keeps the means small
    for start in range(0, size, BLOCK_SIZE):
        mask = start + lane < size
        x = tl.load(x_ptr + row + start + lane, mask=mask, other=0.0).to(tl.float32) - first
        away = tl.where(mask, x - mean, 0.0)
        mean += away * (1.0 / (start // BLOCK_SIZE + 1))
        m2 += tl.where(mask, away * (x - mean), 0.0)

    # The lanes' results merge by Chan's formula; a lane has seen `seen` values.
    seen = ((size - lane + BLOCK_SIZE - 1) // BLOCK_SIZE).to(tl.float32)
    seen = tl.where(lane < size, seen, 0.0)
    total = tl.sum(mean * seen) / size
    away = mean - total
    rstd = 1.0 / tl.sqrt_rn(tl.sum(m2 + seen * away * away) / size + eps)

    for start in range(0, size, BLOCK_SIZE):
        at = start + lane
        mask = at < size
        x = tl.load(x_ptr + row + at, mask=mask, other=0.0).to(tl.float32)
        y = (x - first - total) * rstd
        if weight_ptr is not None:
            y *= tl.load(weight_ptr + at, mask=mask, other=0.0).to(tl.float32)
        if bias_ptr is not None:
            y += tl.load(bias_ptr + at, mask=mask, other=0.0).to(tl.float32)
        tl.store(y_ptr + row + at, y, mask=mask)


def layer_norm(
    x: torch.Tensor,
    normalized_shape: tuple[int, ...],
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    eps: float = 1e-5,
) -> torch.Tensor:
    """Over the last dimensions, to the same shape, dtype and memory format; other layouts are copied first."""
    normalized_shape = tuple(normalized_shape)
    if not normalized_shape or x.shape[-len(normalized_shape) :] != normalized_shape:
        raise ValueError(f"an input of {tuple(x.shape)} does not end in normalized_shape {normalized_shape}")
    rows = x.contiguous()
    y = torch.empty_like(rows)
    if x.numel() > 0:
        size = torch.Size(normalized_shape).numel()
        weight, bias = (t if t is None else t.contiguous() for t in (weight, bias))
        with torch.cuda.device_of(x):
            layer_norm_kernel[(x.numel() // size,)](rows, y, weight, bias, size, eps, BLOCK_SIZE=1024, num_warps=4)
    return y if rows is x else torch.empty_like(x).copy_(y)


def explain(x: torch.Tensor, normalized_shape: tuple[int, ...]) -> str:
    rows = x.numel() // max(1, torch.Size(normalized_shape).numel())
    return f"one launch, one program of 4 warps for each of {rows} rows: reads x 2x"


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
        self.ln = nn.LayerNorm(normalized_shape=normalized_shape)  # holds the parameters; never called

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        ln = self.ln
        return layer_norm(x, ln.normalized_shape, ln.weight, ln.bias, ln.eps)


def get_inputs() -> list[torch.Tensor]:
    return [torch.rand(batch_size, features, dim1, dim2)]


def get_init_inputs() -> list[tuple[int, ...]]:
    return [(features, dim1, dim2)]


def main() -> None:
    """Check against float64 and time it: `python kernels/naive/layer_norm.py`."""
    if not torch.cuda.is_available():
        print("naive layer_norm: no CUDA device here, nothing to run")
        return
    fits = torch.cuda.mem_get_info()[0] // (features * dim1 * dim2 * 4 * 4)
    x = torch.rand(max(1, min(batch_size, fits)), features, dim1, dim2, device="cuda")
    shape = (features, dim1, dim2)
    weight, bias = torch.rand(shape, device="cuda") + 0.5, torch.rand(shape, device="cuda") - 0.5
    y, some = layer_norm(x, shape, weight, bias), x[:1].double()
    var, mean = torch.var_mean(some, (1, 2, 3), correction=0, keepdim=True)
    error = (y[:1] - ((some - mean) / torch.sqrt(var + 1e-5) * weight + bias)).abs().max().item()
    ms = triton.testing.do_bench(lambda: layer_norm(x, shape, weight, bias), return_mode="median")
    rate = (2 * x.nbytes + weight.nbytes + bias.nbytes) / ms / 1e6
    print(f"{tuple(x.shape)}: error {error:.1e}, {ms:.3f} ms, {rate:.0f} GB/s of compulsory bytes")
    print(explain(x, shape))


if __name__ == "__main__":
    main()
