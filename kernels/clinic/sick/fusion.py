"""y = relu(x + bias) * scale, with a bias and a scale for every column.

One kernel adds the bias and cuts off what is negative, the next one scales. Between them the whole matrix (268 MB, more
than the L2 cache holds) is written to DRAM and read back: two reads and two writes where one of each would do.
"""

import torch
import triton
import triton.language as tl
from torch import nn

rows = 8192
columns = 8192


@triton.jit
def bias_relu_kernel(x_ptr, bias_ptr, y_ptr, columns, BLOCK: tl.constexpr):
    row = tl.program_id(1) * columns
    column = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = column < columns
    x = tl.load(x_ptr + row + column, mask=mask)
    y = tl.maximum(x + tl.load(bias_ptr + column, mask=mask), 0.0)
    tl.store(y_ptr + row + column, y, mask=mask)


@triton.jit
def scale_kernel(x_ptr, scale_ptr, y_ptr, columns, BLOCK: tl.constexpr):
    row = tl.program_id(1) * columns
    column = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = column < columns
    x = tl.load(x_ptr + row + column, mask=mask)
    y = x * tl.load(scale_ptr + column, mask=mask)
    tl.store(y_ptr + row + column, y, mask=mask)


class Model(nn.Module):
    def forward(self, x, bias, scale):
        return torch.relu(x + bias) * scale


class ModelNew(nn.Module):
    def forward(self, x, bias, scale):
        rows, columns = x.shape
        between, y = torch.empty_like(x), torch.empty_like(x)
        BLOCK = 1024
        grid = (triton.cdiv(columns, BLOCK), rows)
        bias_relu_kernel[grid](x, bias, between, columns, BLOCK=BLOCK, num_warps=4)
        scale_kernel[grid](between, scale, y, columns, BLOCK=BLOCK, num_warps=4)
        return y


def get_inputs():
    return [torch.rand(rows, columns) - 0.5, torch.rand(columns) - 0.5, torch.rand(columns)]


def get_init_inputs():
    return []
