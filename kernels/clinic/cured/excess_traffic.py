"""Softmax over the rows of a matrix.

The whole row stays in the registers of its program (16384 values, 64 for each of 256 threads) from the load to the
store. It is read once and written once: half the traffic, at the speed of the DRAM.
"""

import torch
import triton
import triton.language as tl
from torch import nn

rows = 4096
columns = 16384


@triton.jit
def softmax_kernel(x_ptr, y_ptr, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0) * columns
    i = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + row + i, mask=i < columns, other=float("-inf"))
    y = tl.exp(x - tl.max(x, axis=0))
    tl.store(y_ptr + row + i, y / tl.sum(y, axis=0), mask=i < columns)


class Model(nn.Module):
    def forward(self, x):
        return torch.softmax(x, dim=1)


class ModelNew(nn.Module):
    def forward(self, x):
        rows, columns = x.shape
        y = torch.empty_like(x)
        BLOCK = triton.next_power_of_2(columns)
        softmax_kernel[(rows,)](x, y, columns, BLOCK=BLOCK, num_warps=8)
        return y


def get_inputs():
    return [torch.rand(rows, columns)]


def get_init_inputs():
    return []
