"""Sums of 16 very long rows: every row is cut into 128 pieces, a program a piece; a second launch adds them up.

A long row is nothing but 128 shorter rows one after another, so the same kernel does both launches. The first has 2048
programs, enough for every SM several times over, and DRAM is the limit. The second reads 8 KB.
"""

import math

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
        pieces = math.gcd(columns, 128)
        sums = torch.empty(rows * pieces, device=x.device)
        row_sum_kernel[(rows * pieces,)](x, sums, columns // pieces, BLOCK=8192, num_warps=8)
        row_sum_kernel[(rows,)](sums, y, pieces, BLOCK=128, num_warps=1)
        return y


def get_inputs():
    return [torch.rand(rows, columns)]


def get_init_inputs():
    return []
