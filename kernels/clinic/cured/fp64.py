"""Relaxation of many particles, y += dt * (x - y^3) step after step, computed in single precision.

The one change: the values stay float32 as they were loaded. The equation forgets its rounding errors, so the results
agree to 1e-5, and the FP32 units of an H200 do twice as much a clock as its FP64 units (a consumer card's 64 times as
much). The limit is now the FMA pipe, which is what this arithmetic is for.
"""

import torch
import triton
import triton.language as tl
from torch import nn

length = 16777216
steps = 128


@triton.jit
def relax_kernel(x_ptr, y_ptr, length, steps, dt, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + i, mask=i < length, other=0.0)
    y = x
    for _ in range(steps):
        y += dt * (x - y * y * y)
    tl.store(y_ptr + i, y, mask=i < length)


class Model(nn.Module):
    def forward(self, x):
        y = x
        for _ in range(steps):
            y = y + 0.05 * (x - y * y * y)
        return y


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        BLOCK = 1024
        grid = (triton.cdiv(x.numel(), BLOCK),)
        relax_kernel[grid](x, y, x.numel(), steps, 0.05, BLOCK=BLOCK, num_warps=4)
        return y


def get_inputs():
    return [torch.rand(length)]


def get_init_inputs():
    return []
