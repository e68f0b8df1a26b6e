"""Linear interpolation in a table of 65 values, as the sum over k of value[k] * max(1 - |x - k|, 0), x in 0..64.

Of the 65 terms at most two are not zero, but every x goes through all of them: two additions, a maximum and a
multiply-add each. Three go to the FMA pipe and one to the ALU, so no pipe is full, but a scheduler starts only one
instruction a clock, and some 300 of them for one value of four bytes fill every slot.
"""

import torch
import triton
import triton.language as tl
from torch import nn

length = 33554432
entries = 65


@triton.jit
def interpolate_kernel(x_ptr, table_ptr, y_ptr, length, entries, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + i, mask=i < length, other=0.0)
    y = tl.zeros((BLOCK,), tl.float32)
    for k in range(entries):
        y += tl.load(table_ptr + k) * tl.maximum(1.0 - tl.abs(x - k), 0.0)
    tl.store(y_ptr + i, y, mask=i < length)


class Model(nn.Module):
    def forward(self, x, table):
        k = x.floor().clamp(max=table.numel() - 2).long()
        return torch.lerp(table[k], table[k + 1], x - k)


class ModelNew(nn.Module):
    def forward(self, x, table):
        y = torch.empty_like(x)
        BLOCK = 1024
        grid = (triton.cdiv(x.numel(), BLOCK),)
        interpolate_kernel[grid](x, table, y, x.numel(), table.numel(), BLOCK=BLOCK, num_warps=4)
        return y


def get_inputs():
    return [torch.rand(length) * (entries - 1), torch.rand(entries)]


def get_init_inputs():
    return []
