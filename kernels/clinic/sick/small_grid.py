"""Sums of 16 very long rows, one program a row.

The grid is 16 programs and the GPU has more than a hundred SMs: the others idle for the whole launch. The 16 that
work can ask for only so many bytes at once, so DRAM idles as well.
"""

import torch
import triton
import triton.language as tl
from torch import nn

rows = 16
columns = 4194304


@triton.jit
def row_sum_kernel(x_ptr, y_ptr, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    total = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, columns, BLOCK):
        i = start + tl.arange(0, BLOCK)
        total += tl.load(x_ptr + row * columns + i, mask=i < columns, other=0.0)
    tl.store(y_ptr + row, tl.sum(total))


class Model(nn.Module):
    def forward(self, x):
        return x.sum(dim=1)


class ModelNew(nn.Module):
    def forward(self, x):
        rows, columns = x.shape
        y = torch.empty(rows, device=x.device)
        row_sum_kernel[(rows,)](x, y, columns, BLOCK=8192, num_warps=8)
        return y


def get_inputs():
    return [torch.rand(rows, columns)]


def get_init_inputs():
    return []
