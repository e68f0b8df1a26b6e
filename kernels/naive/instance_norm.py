"""InstanceNorm the plain way: two launches, three passes over memory.

At 112x64x512x512 fp32 the input is 7.52 GB in 7168 slices of 1 MiB, one for each channel of each
sample. `compute_moments_kernel` reads it for the mean and variance of every slice (7.52 GB),
`normalize_kernel` reads it again and writes the result (15.03 GB). Each is as fast as the memory
allows and together they still take 1.5 times as long as they have to: 22.55 GB move where 15.03 GB
would do. No cache carries a slice from one launch to the next, since the whole input comes between.

Both use one program of 4 warps a slice, which walks along it 1024 values at a time. Easy to write,
easy to read, and a fair picture of what a first version looks like. Forward pass only.
"""

import torch
import torch.nn as nn
import triton
import triton.language as tl

batch_size, features, dim1, dim2 = 112, 64, 512, 512


@triton.jit
def compute_moments_kernel(x_ptr, mean_ptr, var_ptr, size, BLOCK_SIZE: tl.constexpr):
    """Mean and variance of one slice in one read.

    Each lane keeps Welford's running mean and squared deviations of the values it sees. The sums of
    x and x*x would be simpler, but their difference is noise once the mean is far from zero: at a
    mean of 1000 fp32 leaves an error of 0.25 in the result.
    """
    row = tl.program_id(0).to(tl.int64) * size  # 64 bits: offsets pass 2**31 at a batch of 128
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
    var = tl.sum(m2 + seen * away * away) / size
    tl.store(mean_ptr + tl.program_id(0), first + total)
    tl.store(var_ptr + tl.program_id(0), var)


@triton.jit
def normalize_kernel(x_ptr, y_ptr, mean_ptr, var_ptr, size, eps, BLOCK_SIZE: tl.constexpr):
    """(x - mean) / sqrt(var + eps) along one slice."""
    row = tl.program_id(0).to(tl.int64) * size
    mean = tl.load(mean_ptr + tl.program_id(0))
    rstd = 1.0 / tl.sqrt_rn(tl.load(var_ptr + tl.program_id(0)) + eps)
    for start in range(0, size, BLOCK_SIZE):
        at = start + tl.arange(0, BLOCK_SIZE)
        x = tl.load(x_ptr + row + at, mask=at < size, other=0.0).to(tl.float32)
        tl.store(y_ptr + row + at, (x - mean) * rstd, mask=at < size)


def instance_norm(x: torch.Tensor, eps: float = 1e-5) -> torch.Tensor:
    """(N, C, ...) to the same shape, dtype and memory format; other layouts are copied first."""
    slices, size = x.shape[0] * x.shape[1], x.shape[2:].numel()
    rows = x.contiguous()
    y = torch.empty_like(rows)
    if x.numel() > 0:
        mean = torch.empty(slices, dtype=torch.float32, device=x.device)
        var = torch.empty_like(mean)
        with torch.cuda.device_of(x):
            compute_moments_kernel[(slices,)](rows, mean, var, size, BLOCK_SIZE=1024, num_warps=4)
            normalize_kernel[(slices,)](rows, y, mean, var, size, eps, BLOCK_SIZE=1024, num_warps=4)
    return y if rows is x else torch.empty_like(x).copy_(y)


def explain(x: torch.Tensor) -> str:
    slices = x.shape[0] * x.shape[1]
    return f"two launches, one program of 4 warps for each of {slices} slices: reads x 2x"


class Model(nn.Module):
    """The reference: PyTorch's own."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm2d(num_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x)


class ModelNew(nn.Module):
    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return instance_norm(x)


def get_inputs() -> list[torch.Tensor]:
    return [torch.rand(batch_size, features, dim1, dim2)]


def get_init_inputs() -> list[int]:
    return [features]


def main() -> None:
    """Check against float64 and time it: `python kernels/naive/instance_norm.py`."""
    if not torch.cuda.is_available():
        print("naive instance_norm: no CUDA device here, nothing to run")
        return
    fits = torch.cuda.mem_get_info()[0] // (features * dim1 * dim2 * 4 * 4)
    x = torch.rand(max(1, min(batch_size, fits)), features, dim1, dim2, device="cuda")
    y, some = instance_norm(x), x[:1].double()
    var, mean = torch.var_mean(some, (2, 3), correction=0, keepdim=True)
    error = (y[:1] - (some - mean) / torch.sqrt(var + 1e-5)).abs().max().item()
    ms = triton.testing.do_bench(lambda: instance_norm(x), return_mode="median")
    rate = 2 * x.nbytes / ms / 1e6
    print(f"{tuple(x.shape)}: error {error:.1e}, {ms:.3f} ms, {rate:.0f} GB/s of compulsory bytes")
    print(explain(x))


if __name__ == "__main__":
    main()
