"""Softmax over the rows of a matrix.

A program walks its row three times: for the largest value, for the sum of exponentials, for the result. A row is 64 KiB
and 16 programs share an SM, so 138 MB are open at a time: more than the caches hold. Each walk fetches the row from
DRAM again: three reads and a write, where one read and one write would do.
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

    largest = tl.full((BLOCK,), float("-inf"), tl.float32)
    for start in range(0, columns, BLOCK):
        i = start + tl.arange(0, BLOCK)
        largest = tl.maximum(largest, tl.load(x_ptr + row + i, mask=i < columns, other=float("-inf")))
    top = tl.max(largest, axis=0)

    sums = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, columns, BLOCK):
        i = start + tl.arange(0, BLOCK)
        sums += tl.exp(tl.load(x_ptr + row + i, mask=i < columns, other=float("-inf")) - top)
    total = tl.sum(sums, axis=0)

    for start in range(0, columns, BLOCK):
        i = start + tl.arange(0, BLOCK)
        x = tl.load(x_ptr + row + i, mask=i < columns)
        tl.store(y_ptr + row + i, tl.exp(x - top) / total, mask=i < columns)


class Model(nn.Module):
    def forward(self, x):
        return torch.softmax(x, dim=1)


class ModelNew(nn.Module):
    def forward(self, x):
        rows, columns = x.shape
        y = torch.empty_like(x)
        BLOCK = 1024
        softmax_kernel[(rows,)](x, y, columns, BLOCK=BLOCK, num_warps=4)
        return y


def get_inputs():
    return [torch.rand(rows, columns)]


def get_init_inputs():
    return []
