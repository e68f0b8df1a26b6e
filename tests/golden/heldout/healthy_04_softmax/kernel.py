"""Softmax of 2048-wide fp32 rows, the row in registers: DRAM roof."""

import torch
import torch.nn as nn
import triton
import triton.language as tl

rows, cols = 32768, 2048


@triton.jit
def softmax_kernel(x_ptr, y_ptr, cols, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    mask = at < cols
    x = tl.load(x_ptr + row * cols + at, mask=mask, other=-float("inf"))
    e = tl.exp(x - tl.max(x, 0))
    tl.store(y_ptr + row * cols + at, e / tl.sum(e, 0), mask=mask)


class Model(nn.Module):
    def forward(self, x):
        return torch.softmax(x, 1)


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        n, c = x.shape
        softmax_kernel[(n,)](x, y, c, BLOCK=triton.next_power_of_2(c), num_warps=4)
        return y


def get_inputs():
    return [torch.randn(rows, cols) * 2.0]


def get_init_inputs():
    return []
