"""BatchNorm the plain way: two launches over the input with a tiny one between, three passes over memory.

At 64x64x512x512 fp32 the input is 4.29 GB: 64 channels of 64 slices of 1 MiB, one from each sample.
`compute_moments_kernel` reads it for the moments of every slice (4.29 GB), `merge_kernel` makes those of
a channel out of its 64 slices (33 KB in all) and `normalize_kernel` reads the input again and writes the
result (8.59 GB). 12.88 GB move where 8.59 GB would do: every value in once, every value out once. No
cache carries a value from the first launch to the last, since the whole input comes between.

One program of 4 warps walks along a slice 1024 values at a time. One a channel would need no merge, but
64 programs leave half of a large GPU idle. In evaluation mode the statistics are given: then the last
launch runs alone and moves what it has to. Forward pass only.
"""

import torch
import torch.nn as nn
import triton
import triton.language as tl

batch_size, features, dim1, dim2 = 64, 64, 512, 512


@triton.jit
def compute_moments_kernel(x_ptr, mean_ptr, m2_ptr, samples, channels, size, BLOCK_SIZE: tl.constexpr):
    """Mean and sum of squared deviations of one slice in one read, by Welford's method in each lane.

    All slices of a channel work relative to the same value, its first. That keeps the means small, so
    that their differences are exact enough where the data lies far from zero.
    """
    sample = tl.program_id(0) // channels
    channel = tl.program_id(0) % channels
    row = tl.program_id(0).to(tl.int64) * size  # 64 bits: offsets pass 2**31 at a batch of 128
    lane = tl.arange(0, BLOCK_SIZE)
    mean = tl.zeros((BLOCK_SIZE,), tl.float32)
    m2 = tl.zeros((BLOCK_SIZE,), tl.float32)
    first = tl.load(x_ptr + channel.to(tl.int64) * size).to(tl.float32)
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
    slot = channel * samples + sample  # the slices of a channel side by side
    tl.store(mean_ptr + slot, total)
    tl.store(m2_ptr + slot, tl.sum(m2 + seen * away * away))


@triton.jit
def merge_kernel(x_ptr, means_ptr, m2s_ptr, mean_ptr, var_ptr, samples, size, BLOCK_SIZE: tl.constexpr):
    """Mean and variance of one channel. Its slices are equally long, so their means count alike."""
    channel = tl.program_id(0)
    slots = channel * samples
    lane = tl.arange(0, BLOCK_SIZE)
    means = tl.zeros((BLOCK_SIZE,), tl.float32)
    for start in range(0, samples, BLOCK_SIZE):
        means += tl.load(means_ptr + slots + start + lane, mask=start + lane < samples, other=0.0)
    mean = tl.sum(means) / samples

    m2 = tl.zeros((BLOCK_SIZE,), tl.float32)
    for start in range(0, samples, BLOCK_SIZE):
        mask = start + lane < samples
        away = tl.where(mask, tl.load(means_ptr + slots + start + lane, mask=mask, other=0.0) - mean, 0.0)
        m2 += tl.load(m2s_ptr + slots + start + lane, mask=mask, other=0.0) + size * away * away
    first = tl.load(x_ptr + channel.to(tl.int64) * size).to(tl.float32)
    tl.store(mean_ptr + channel, first + mean)
    tl.store(var_ptr + channel, tl.sum(m2) / samples / size)


@triton.jit
def normalize_kernel(
    x_ptr, y_ptr, mean_ptr, var_ptr, weight_ptr, bias_ptr, channels, size, eps, BLOCK_SIZE: tl.constexpr
):  # fmt: skip
    """(x - mean) / sqrt(var + eps) * weight + bias along one slice."""
    channel = tl.program_id(0) % channels
    row = tl.program_id(0).to(tl.int64) * size
    mean = tl.load(mean_ptr + channel).to(tl.float32)
    scale = 1.0 / tl.sqrt_rn(tl.load(var_ptr + channel).to(tl.float32) + eps)
    if weight_ptr is not None:
        scale *= tl.load(weight_ptr + channel).to(tl.float32)
    for start in range(0, size, BLOCK_SIZE):
        at = start + tl.arange(0, BLOCK_SIZE)
        x = tl.load(x_ptr + row + at, mask=at < size, other=0.0).to(tl.float32)
        y = (x - mean) * scale
        if bias_ptr is not None:
            y += tl.load(bias_ptr + channel).to(tl.float32)
        tl.store(y_ptr + row + at, y, mask=at < size)


def channel_moments(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and biased variance of every channel of a contiguous tensor, in fp32."""
    n, c, size = x.shape[0], x.shape[1], x.shape[2:].numel()
    means = torch.empty(c * n, dtype=torch.float32, device=x.device)
    mean = torch.empty(c, dtype=torch.float32, device=x.device)
    m2s, var = torch.empty_like(means), torch.empty_like(mean)
    compute_moments_kernel[(n * c,)](x, means, m2s, n, c, size, BLOCK_SIZE=1024, num_warps=4)
    merge_kernel[(c,)](x, means, m2s, mean, var, n, size, BLOCK_SIZE=1024, num_warps=4)
    return mean, var


def batch_norm(
    x: torch.Tensor,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    running_mean: torch.Tensor | None = None,
    running_var: torch.Tensor | None = None,
    training: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> torch.Tensor:
    """(N, C, ...) to the same shape, dtype and memory format; other layouts are copied first.

    Training updates the running statistics in place, as `torch.nn.functional.batch_norm` does.
    """
    n, c, size = x.shape[0], x.shape[1], x.shape[2:].numel()
    if training and n * size == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {x.shape}")
    if (running_mean is None) != (running_var is None) or (running_mean is None and not training):
        raise ValueError("running_mean and running_var are needed together, and always in evaluation mode")
    slices = x.contiguous()
    y = torch.empty_like(slices)
    if x.numel() > 0:
        with torch.cuda.device_of(x):
            if training:
                mean, var = channel_moments(slices)
                if running_mean is not None:  # the running variance is the unbiased one
                    unbiased = var * (n * size / (n * size - 1))
                    running_mean.lerp_(mean.to(running_mean.dtype), momentum)
                    running_var.lerp_(unbiased.to(running_var.dtype), momentum)
            else:
                mean, var = running_mean.contiguous(), running_var.contiguous()
            weight, bias = (t if t is None else t.contiguous() for t in (weight, bias))
            normalize_kernel[(n * c,)](
                slices, y, mean, var, weight, bias, c, size, eps, BLOCK_SIZE=1024, num_warps=4
            )  # fmt: skip
    return y if slices is x else torch.empty_like(x).copy_(y)


def explain(x: torch.Tensor, training: bool = True) -> str:
    slices = x.shape[0] * x.shape[1]
    launches, reads = ("two launches and a tiny one", 2) if training else ("one launch", 1)
    return f"{launches}, one program of 4 warps for each of {slices} slices: reads x {reads}x"


class Model(nn.Module):
    """The reference: PyTorch's own."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(num_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.bn(x)


class ModelNew(nn.Module):
    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(num_features)  # holds parameters and statistics; never called

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bn, momentum = self.bn, self.bn.momentum
        if bn.training:
            bn.num_batches_tracked.add_(1)
            if momentum is None:  # PyTorch's word for the plain average of all batches
                momentum = 1.0 / bn.num_batches_tracked.item()
        return batch_norm(x, bn.weight, bn.bias, bn.running_mean, bn.running_var, bn.training, momentum, bn.eps)


def get_inputs() -> list[torch.Tensor]:
    return [torch.rand(batch_size, features, dim1, dim2)]


def get_init_inputs() -> list[int]:
    return [features]


def main() -> None:
    """Check against float64 and time it: `python kernels/naive/batch_norm.py`."""
    if not torch.cuda.is_available():
        print("naive batch_norm: no CUDA device here, nothing to run")
        return
    fits = torch.cuda.mem_get_info()[0] // (features * dim1 * dim2 * 4 * 4)
    x = torch.rand(max(1, min(batch_size, fits)), features, dim1, dim2, device="cuda")
    y, some = batch_norm(x), x[:, :1].double()
    var, mean = torch.var_mean(some, (0, 2, 3), correction=0, keepdim=True)
    error = (y[:, :1] - (some - mean) / torch.sqrt(var + 1e-5)).abs().max().item()
    ms = triton.testing.do_bench(lambda: batch_norm(x), return_mode="median")
    rate = 2 * x.nbytes / ms / 1e6
    print(f"{tuple(x.shape)}: error {error:.1e}, {ms:.3f} ms, {rate:.0f} GB/s of compulsory bytes")
    print(explain(x))


if __name__ == "__main__":
    main()
