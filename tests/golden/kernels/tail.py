"""Long arithmetic blocks, 1.25 waves of them on 132 SMs: the last quarter wave leaves most SMs idle."""

import torch
import triton
import triton.language as tl
from torch import nn

programs = 330
steps = 20000


@triton.jit
def iterate_kernel(x_ptr, y_ptr, steps, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets)
    for _ in range(steps):
        x = x * 0.999 + 0.001
    tl.store(y_ptr + offsets, x)


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        BLOCK = 4096
        iterate_kernel[(programs,)](x, y, steps, BLOCK=BLOCK, num_warps=32)
        return y


def get_inputs():
    return [torch.rand(programs * 4096)]


def get_init_inputs():
    return []
