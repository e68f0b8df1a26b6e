"""Square roots by Heron's method, y = (y + x / y) / 2 again and again, 2048 values a program of 8 warps.

With 8 values a thread instead of 64 a thread needs few registers, and an SM holds 48 warps. While one waits for its
division others go on, and the units that divide are busy nearly all the time.
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
        BLOCK = 2048
        grid = (triton.cdiv(x.numel(), BLOCK),)
        sqrt_kernel[grid](x, y, x.numel(), rounds, BLOCK=BLOCK, num_warps=8)
        return y


def get_inputs():
    return [torch.rand(length) * 1000]


def get_init_inputs():
    return []
