"""One warp a program and one 4-byte load a trip, each awaited by the next: too few bytes in flight."""

import torch
import triton
import triton.language as tl
from torch import nn

programs = 16896
length = 16384


@triton.jit
def row_sum_kernel(x_ptr, y_ptr, length, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    total = 0.0
    for start in range(0, length, BLOCK):
        total += tl.sum(tl.load(x_ptr + row * length + start + tl.arange(0, BLOCK)))
    tl.store(y_ptr + row, total)


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty(programs, device=x.device)
        BLOCK = 32
        row_sum_kernel[(programs,)](x, y, length, BLOCK=BLOCK, num_warps=1)
        return y


def get_inputs():
    return [torch.rand(programs, length)]


def get_init_inputs():
    return []
