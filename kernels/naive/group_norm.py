"""GroupNorm the plain way: two launches, three passes over memory.

At 112x64x512x512 fp32 the input is 7.52 GB in 896 groups of 8 MiB: 8 channels of one sample, side by
side in memory. `compute_moments_kernel` reads it for the mean and variance of every group (7.52 GB),
`normalize_kernel` reads it again and writes the result (15.03 GB). 22.55 GB move where 15.03 GB would do:
every value in once, every value out once. No cache carries a group from one launch to the next, since
the whole input comes between.

The first launch has one program of 4 warps a group, the second one a channel of a sample, because weight
and bias belong to channels. Both walk 1024 values at a time. 896 programs are few: at 40 registers a
thread 12 such programs fit an SM, 1584 fit 132 SMs, so the first launch leaves room unused.
Forward pass only.
"""

import torch
import torch.nn as nn
import triton
import triton.language as tl

batch_size, features, num_groups, dim1, dim2 = 112, 64, 8, 512, 512


@triton.jit
def compute_moments_kernel(x_ptr, mean_ptr, var_ptr, size, BLOCK_SIZE: tl.constexpr):
    """Mean and variance of one group in one read, by Welford's method in each lane.

    The sums of x and x*x would be simpler, but their difference is noise once the mean is far from zero.
    For the same reason all work is relative to the group's first value, and so is the mean that is stored.
    """
    row = tl.program_id(0).to(tl.int64) * size  # 64 bits: offsets pass 2**31 at a batch of 128
    lane = tl.arange(0, BLOCK_SIZE)
    mean = tl.zeros((BLOCK_SIZE,), tl.float32)
    m2 = tl.zeros((BLOCK_SIZE,), tl.float32)
    first = tl.load(x_ptr + row).to(tl.float32)
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
    tl.store(mean_ptr + tl.program_id(0), total)
    tl.store(var_ptr + tl.program_id(0), var)


@triton.jit
def normalize_kernel(
    x_ptr, y_ptr, mean_ptr, var_ptr, weight_ptr, bias_ptr, channels, group_channels, size, eps,
    BLOCK_SIZE: tl.constexpr,
):  # fmt: skip
    """(x - mean) / sqrt(var + eps) * weight + bias along one channel of one sample."""
    channel = tl.program_id(0) % channels
    group = tl.program_id(0) // group_channels  # counted through all samples
    row = tl.program_id(0).to(tl.int64) * size
    first = tl.load(x_ptr + group.to(tl.int64) * group_channels * size).to(tl.float32)
    mean = tl.load(mean_ptr + group)
    scale = 1.0 / tl.sqrt_rn(tl.load(var_ptr + group) + eps)
    if weight_ptr is not None:
        scale *= tl.load(weight_ptr + channel).to(tl.float32)
    for start in range(0, size, BLOCK_SIZE):
        at = start + tl.arange(0, BLOCK_SIZE)
        x = tl.load(x_ptr + row + at, mask=at < size, other=0.0).to(tl.float32)
        y = (x - first - mean) * scale
        if bias_ptr is not None:
            y += tl.load(bias_ptr + channel).to(tl.float32)
        tl.store(y_ptr + row + at, y, mask=at < size)


def group_norm(
    x: torch.Tensor,
    num_groups: int,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    eps: float = 1e-5,
) -> torch.Tensor:
    """(N, C, ...) to the same shape, dtype and memory format; other layouts are copied first."""
    n, c, size = x.shape[0], x.shape[1], x.shape[2:].numel()
    if c % num_groups:
        raise ValueError(f"{c} channels do not divide into {num_groups} groups")
    groups, each = n * num_groups, c // num_groups
    rows = x.contiguous()
    y = torch.empty_like(rows)
    if x.numel() > 0:
        mean = torch.empty(groups, dtype=torch.float32, device=x.device)
        var = torch.empty_like(mean)
        weight, bias = (t if t is None else t.contiguous() for t in (weight, bias))
        with torch.cuda.device_of(x):
            compute_moments_kernel[(groups,)](rows, mean, var, each * size, BLOCK_SIZE=1024, num_warps=4)
            normalize_kernel[(n * c,)](
                rows, y, mean, var, weight, bias, c, each, size, eps, BLOCK_SIZE=1024, num_warps=4
            )  # fmt: skip
    return y if rows is x else torch.empty_like(x).copy_(y)


def explain(x: torch.Tensor, num_groups: int) -> str:
    groups, slices = x.shape[0] * num_groups, x.shape[0] * x.shape[1]
    return f"two launches of 4-warp programs, {groups} for the groups and {slices} for the channels: reads x 2x"


class Model(nn.Module):
    """The reference: PyTorch's own."""

    def __init__(self, num_features: int, num_groups: int) -> None:
        super().__init__()
        self.gn = nn.GroupNorm(num_groups=num_groups, num_channels=num_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.gn(x)


class ModelNew(nn.Module):
    def __init__(self, num_features: int, num_groups: int) -> None:
        super().__init__()
        self.gn = nn.GroupNorm(num_groups=num_groups, num_channels=num_features)  # holds the parameters

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gn = self.gn
        return group_norm(x, gn.num_groups, gn.weight, gn.bias, gn.eps)


def get_inputs() -> list[torch.Tensor]:
    return [torch.rand(batch_size, features, dim1, dim2)]


def get_init_inputs() -> list[int]:
    return [features, num_groups]


def main() -> None:
    """Check against float64 and time it: `python kernels/naive/group_norm.py`."""
    if not torch.cuda.is_available():
        print("naive group_norm: no CUDA device here, nothing to run")
        return
    fits = torch.cuda.mem_get_info()[0] // (features * dim1 * dim2 * 4 * 4)
    x = torch.rand(max(1, min(batch_size, fits)), features, dim1, dim2, device="cuda")
    y, some = group_norm(x, num_groups), x[:1].double().view(num_groups, -1)
    var, mean = torch.var_mean(some, 1, correction=0, keepdim=True)
    wanted = (some - mean) / torch.sqrt(var + 1e-5)
    error = (y[:1].view(num_groups, -1) - wanted).abs().max().item()
    ms = triton.testing.do_bench(lambda: group_norm(x, num_groups), return_mode="median")
    rate = 2 * x.nbytes / ms / 1e6
    print(f"{tuple(x.shape)}: error {error:.1e}, {ms:.3f} ms, {rate:.0f} GB/s of compulsory bytes")
    print(explain(x, num_groups))


if __name__ == "__main__":
    main()
