"""Relaxation of many particles, y += dt * (x - y^3) step after step, computed in double precision.

The values come and go as float32 and the equation forgets its rounding errors, so float64 buys nothing here.
It costs: an H200 has half as many FP64 units as FP32 units, a consumer card 1/64. The FP64 pipe is the limit
while memory and everything else wait.
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
    x = tl.load(x_ptr + i, mask=i < length, other=0.0).to(tl.float64)
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
