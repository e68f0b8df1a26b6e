"""RMSNorm over the channels the plain way: one launch that walks the channels twice.

x / sqrt(mean(x*x over channels) + eps). At 112x64x512x512 fp32 the input is 7.52 GB. Neighbours in
the sum lie 1 MiB apart (a channel plane), so a program takes 1024 neighbouring positions, adds up
their squares channel by channel, then walks the channels again to scale what it finds.

The second walk asks for the 7.52 GB anew. A program's 64 rows of 1024 values are 256 KiB, and an
SM runs up to 16 such programs: half a gigabyte is open at a time, so the cache has dropped a row
long before it is wanted again. 22.55 GB move where 15.03 GB would do. Forward pass only.
"""

import torch
import torch.nn as nn
import triton
import triton.language as tl

batch_size, features, dim1, dim2 = 112, 64, 512, 512


@triton.jit
def rms_norm_kernel(x_ptr, y_ptr, channels, size, eps, BLOCK_SIZE: tl.constexpr):
    """BLOCK_SIZE positions of one sample; `size` positions make a channel plane."""
    blocks = tl.cdiv(size, BLOCK_SIZE)
    sample = (tl.program_id(0) // blocks).to(tl.int64) * channels * size
    at = (tl.program_id(0) % blocks).to(tl.int64) * BLOCK_SIZE + tl.arange(0, BLOCK_SIZE)
    mask = at < size

    squares = tl.zeros((BLOCK_SIZE,), tl.float32)
    x_at = x_ptr + sample + at
    for _ in range(channels):
        x = tl.load(x_at, mask=mask, other=0.0).to(tl.float32)
        squares += x * x
        x_at += size
    scale = 1.0 / tl.sqrt_rn(squares / channels + eps)

    x_at = x_ptr + sample + at
    y_at = y_ptr + sample + at
    for _ in range(channels):
        x = tl.load(x_at, mask=mask, other=0.0).to(tl.float32)
        tl.store(y_at, x * scale, mask=mask)
        x_at += size
        y_at += size


def rms_norm(x: torch.Tensor, eps: float = 1e-5) -> torch.Tensor:
    """(N, C, ...) to the same shape, dtype and memory format; other layouts are copied first."""
    n, c, size = x.shape[0], x.shape[1], x.shape[2:].numel()
    planes = x.contiguous()
    y = torch.empty_like(planes)
    if x.numel() > 0:
        grid = (n * triton.cdiv(size, 1024),)
        with torch.cuda.device_of(x):
            rms_norm_kernel[grid](planes, y, c, size, eps, BLOCK_SIZE=1024, num_warps=4)
    return y if planes is x else torch.empty_like(x).copy_(y)


def explain(x: torch.Tensor) -> str:
    return f"one launch, 1024 positions a program, {x.shape[1]} channels one by one: reads x 2x"


class Model(nn.Module):
    """The reference: PyTorch's own operators."""

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.num_features, self.eps = num_features, eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / torch.sqrt(torch.mean(x**2, dim=1, keepdim=True) + self.eps)


class ModelNew(nn.Module):
    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.num_features, self.eps = num_features, eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return rms_norm(x, self.eps)


def get_inputs() -> list[torch.Tensor]:
    return [torch.rand(batch_size, features, dim1, dim2)]


def get_init_inputs() -> list[int]:
    return [features]


def main() -> None:
    """Check against float64 and time it: `python kernels/naive/rms_norm.py`."""
    if not torch.cuda.is_available():
        print("naive rms_norm: no CUDA device here, nothing to run")
        return
    fits = torch.cuda.mem_get_info()[0] // (features * dim1 * dim2 * 4 * 4)
    x = torch.rand(max(1, min(batch_size, fits)), features, dim1, dim2, device="cuda")
    y, some = rms_norm(x), x[:1].double()
    wanted = some / torch.sqrt(some.square().mean(1, keepdim=True) + 1e-5)
    error = (y[:1] - wanted).abs().max().item()
    ms = triton.testing.do_bench(lambda: rms_norm(x), return_mode="median")
    rate = 2 * x.nbytes / ms / 1e6
    print(f"{tuple(x.shape)}: error {error:.1e}, {ms:.3f} ms, {rate:.0f} GB/s of compulsory bytes")
    print(explain(x))


if __name__ == "__main__":
    main()
