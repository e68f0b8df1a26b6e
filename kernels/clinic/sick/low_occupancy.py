"""Square roots by Heron's method, y = (y + x / y) / 2 again and again, 16384 values a program of 8 warps.

Each thread keeps 64 values of x and of y in registers, and so many fit an SM only once: 8 warps where 64 could be. A
correctly rounded division is a chain of dependent steps with a branch at its end, so a thread divides one value after
another and mostly waits; it takes other warps to use that time, and there are too few.
"""

import torch
import triton
import triton.language as tl
from torch import nn

length = 33554432
rounds = 24


@triton.jit
def sqrt_kernel(x_ptr, y_ptr, length, rounds, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + i, mask=i < length, other=1.0)
    y = tl.full((BLOCK,), 1.0, tl.float32)
    for _ in range(rounds):
        y = 0.5 * (y + tl.div_rn(x, y))
    tl.store(y_ptr + i, y, mask=i < length)


class Model(nn.Module):
    def forward(self, x):
        return torch.sqrt(x)


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        BLOCK = 16384
        grid = (triton.cdiv(x.numel(), BLOCK),)
        sqrt_kernel[grid](x, y, x.numel(), rounds, BLOCK=BLOCK, num_warps=8)
        return y


def get_inputs():
    return [torch.rand(length) * 1000]


def get_init_inputs():
    return []
