"""Linear interpolation in a table of 65 values: the two entries around x, weighted; x in 0..64.

The only terms of the sum that are not zero are those of x's two neighbours, so the kernel reads these two from the
table, which the L1 cache holds: about 20 instructions a value instead of 300. The limit is memory.
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
    k = tl.minimum(x.to(tl.int32), entries - 2)
    left, right = tl.load(table_ptr + k), tl.load(table_ptr + k + 1)
    tl.store(y_ptr + i, left + (x - k) * (right - left), mask=i < length)


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
