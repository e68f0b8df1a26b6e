"""The exponential of 65536 values by its series, 1 + x/1 * (1 + x/2 * (1 + x/3 * ...)), from the inside out.

The loop over the terms has moved into the kernel: one launch is paid instead of twenty, and y stays in registers.
"""

import torch
import triton
import triton.language as tl
from torch import nn

length = 65536
terms = 20


@triton.jit
def exp_kernel(x_ptr, y_ptr, length, terms, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + i, mask=i < length, other=0.0)
    y = tl.full((BLOCK,), 1.0, tl.float32)
    for n in range(terms, 0, -1):
        y = 1 + x / n * y
    tl.store(y_ptr + i, y, mask=i < length)


class Model(nn.Module):
    def forward(self, x):
        return torch.exp(x)


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        BLOCK = 1024
        grid = (triton.cdiv(x.numel(), BLOCK),)
        exp_kernel[grid](x, y, x.numel(), terms, BLOCK=BLOCK, num_warps=4)
        return y


def get_inputs():
    return [torch.rand(length)]


def get_init_inputs():
    return []
