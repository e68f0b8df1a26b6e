"""Division by the Frobenius norm the plain way: two launches over the input with a tiny one between.

x / sqrt(sum(x*x)), one sum over the whole tensor. At 112x64x512x512 fp32 the input is 7.52 GB.
`sum_squares_kernel` reads it, a program of 4 warps for every 262144 values, and leaves one sum a program
(7168 sums, 29 KB); `norm_kernel` is a single program that adds those up; `divide_kernel` reads the input
again and writes the result (15.03 GB). 22.55 GB move.

Every value in once and out once would be 15.03 GB, but here nothing gets near: the last value must have
been read before the first can be written, and no chip holds 7.52 GB. What stays in a cache of some 50 MB
is 0.7 % of it. So the plain way is close to all there is, as long as each launch keeps the memory busy.

No atomics: floats added in whatever order programs finish would give another norm at every call.
Forward pass only.
"""

import torch
import torch.nn as nn
import triton
import triton.language as tl

batch_size, features, dim1, dim2 = 112, 64, 512, 512

SPAN = 262144  # values that one program goes along


@triton.jit
def sum_squares_kernel(x_ptr, partial_ptr, size, SPAN: tl.constexpr, BLOCK_SIZE: tl.constexpr):
    """Sum of the squares of one span: 256 values at most in each lane, then across the lanes."""
    begin = tl.program_id(0).to(tl.int64) * SPAN  # 64 bits: offsets pass 2**31 at a batch of 128
    left = tl.minimum(size - begin, SPAN).to(tl.int32)
    lane = tl.arange(0, BLOCK_SIZE)
    squares = tl.zeros((BLOCK_SIZE,), tl.float32)
    for start in range(0, left, BLOCK_SIZE):
        x = tl.load(x_ptr + begin + start + lane, mask=start + lane < left, other=0.0).to(tl.float32)
        squares += x * x
    tl.store(partial_ptr + tl.program_id(0), tl.sum(squares))


@triton.jit
def norm_kernel(partial_ptr, norm_ptr, parts, BLOCK_SIZE: tl.constexpr):
    """One program, the same order at every call."""
    lane = tl.arange(0, BLOCK_SIZE)
    squares = tl.zeros((BLOCK_SIZE,), tl.float32)
    for start in range(0, parts, BLOCK_SIZE):
        squares += tl.load(partial_ptr + start + lane, mask=start + lane < parts, other=0.0)
    tl.store(norm_ptr, tl.sqrt_rn(tl.sum(squares)))


@triton.jit
def divide_kernel(x_ptr, y_ptr, norm_ptr, size, SPAN: tl.constexpr, BLOCK_SIZE: tl.constexpr):
    begin = tl.program_id(0).to(tl.int64) * SPAN
    left = tl.minimum(size - begin, SPAN).to(tl.int32)
    norm = tl.load(norm_ptr)
    for start in range(0, left, BLOCK_SIZE):
        at = start + tl.arange(0, BLOCK_SIZE)
        x = tl.load(x_ptr + begin + at, mask=at < left, other=0.0).to(tl.float32)
        tl.store(y_ptr + begin + at, x / norm, mask=at < left)


def frobenius_norm(x: torch.Tensor) -> torch.Tensor:
    """Any shape to the same shape, dtype and memory format; other layouts are copied first."""
    size, parts = x.numel(), triton.cdiv(x.numel(), SPAN)
    values = x.contiguous()
    y = torch.empty_like(values)
    if size > 0:
        partial = torch.empty(parts, dtype=torch.float32, device=x.device)
        norm = torch.empty(1, dtype=torch.float32, device=x.device)
        with torch.cuda.device_of(x):
            sum_squares_kernel[(parts,)](values, partial, size, SPAN, BLOCK_SIZE=1024, num_warps=4)
            norm_kernel[(1,)](partial, norm, parts, BLOCK_SIZE=1024, num_warps=4)
            divide_kernel[(parts,)](values, y, norm, size, SPAN, BLOCK_SIZE=1024, num_warps=4)
    return y if values is x else torch.empty_like(x).copy_(y)


def explain(x: torch.Tensor) -> str:
    parts = triton.cdiv(x.numel(), SPAN)
    return f"two launches and a tiny one, {parts} programs of 4 warps, {SPAN} values each: reads x 2x"


class Model(nn.Module):
    """The reference: PyTorch's own operators."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / torch.norm(x, p="fro")


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return frobenius_norm(x)


def get_inputs() -> list[torch.Tensor]:
    return [torch.rand(batch_size, features, dim1, dim2)]


def get_init_inputs() -> list[int]:
    return []


def main() -> None:
    """Check against float64 and time it: `python kernels/naive/frobenius_norm.py`."""
    if not torch.cuda.is_available():
        print("naive frobenius_norm: no CUDA device here, nothing to run")
        return
    fits = torch.cuda.mem_get_info()[0] // (features * dim1 * dim2 * 4 * 4)
    x = torch.rand(max(1, min(batch_size, fits)), features, dim1, dim2, device="cuda")
    norm = sum(sample.double().square().sum() for sample in x).sqrt()
    largest = (x.max().double() / norm).item()  # the results are tiny: an error counts next to the largest
    error = (frobenius_norm(x)[:1] - x[:1].double() / norm).abs().max().item() / largest
    ms = triton.testing.do_bench(lambda: frobenius_norm(x), return_mode="median")
    rate = 2 * x.nbytes / ms / 1e6
    print(f"{tuple(x.shape)}: relative error {error:.1e}, {ms:.3f} ms, {rate:.0f} GB/s of compulsory bytes")
    print(explain(x))


if __name__ == "__main__":
    main()
