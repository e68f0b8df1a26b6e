"""Sums of rows that are padded at the end with negative numbers: a program reads its row until it meets one.

It reads 32 values, one a thread, looks whether the row goes on, and only then asks for the next 32. So a warp never
has more than 128 bytes on the way and waits for each of them as long as memory takes. 32 warps an SM are 4 KB on the
way, and DRAM needs about 30 KB an SM to be busy.
"""

import torch
import triton
import triton.language as tl
from torch import nn

rows = 16384
columns = 4096


@triton.jit
def row_sum_kernel(x_ptr, y_ptr, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    total = tl.zeros((BLOCK,), tl.float32)
    start = 0
    smallest = 0.0
    while (start < columns) & (smallest >= 0.0):
        i = start + tl.arange(0, BLOCK)
        x = tl.load(x_ptr + row * columns + i, mask=i < columns, other=-1.0)
        total += tl.maximum(x, 0.0)
        smallest = tl.min(x)
        start += BLOCK
    tl.store(y_ptr + row, tl.sum(total))


class Model(nn.Module):
    def forward(self, x):
        return x.clamp(min=0).sum(dim=1)


class ModelNew(nn.Module):
    def forward(self, x):
        rows, columns = x.shape
        y = torch.empty(rows, device=x.device)
        row_sum_kernel[(rows,)](x, y, columns, BLOCK=32, num_warps=1)
        return y


def get_inputs():
    x = torch.rand(rows, columns)
    x[:, -8:] = -1
    return [x]


def get_init_inputs():
    return []
