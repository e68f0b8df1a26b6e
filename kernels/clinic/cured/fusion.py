"""y = relu(x + bias) * scale, with a bias and a scale for every column.

One kernel does all of it: what lies between the two steps stays in a register and never sees memory. One read and one
write, half the traffic, at the speed of the DRAM.
"""

import torch
import triton
import triton.language as tl
from torch import nn

rows = 8192
columns = 8192


@triton.jit
def bias_relu_scale_kernel(x_ptr, bias_ptr, scale_ptr, y_ptr, columns, BLOCK: tl.constexpr):
    row = tl.program_id(1) * columns
    column = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = column < columns
    x = tl.load(x_ptr + row + column, mask=mask)
    y = tl.maximum(x + tl.load(bias_ptr + column, mask=mask), 0.0)
    y = y * tl.load(scale_ptr + column, mask=mask)
    tl.store(y_ptr + row + column, y, mask=mask)


class Model(nn.Module):
    def forward(self, x, bias, scale):
        return torch.relu(x + bias) * scale


class ModelNew(nn.Module):
    def forward(self, x, bias, scale):
        rows, columns = x.shape
        y = torch.empty_like(x)
        BLOCK = 1024
        grid = (triton.cdiv(columns, BLOCK), rows)
        bias_relu_scale_kernel[grid](x, bias, scale, y, columns, BLOCK=BLOCK, num_warps=4)
        return y


def get_inputs():
    return [torch.rand(rows, columns) - 0.5, torch.rand(columns) - 0.5, torch.rand(columns)]


def get_init_inputs():
    return []
