"""A long row in the registers of four warps, reduced again and again: few warps fit, and they wait for each other."""

import torch
import triton
import triton.language as tl
from torch import nn

rows = 16384
columns = 16384
rounds = 24


@triton.jit
def whiten_kernel(x_ptr, y_ptr, columns, rounds, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    offsets = row * columns + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets)
    for _ in range(rounds):
        x -= tl.sum(x, axis=0) / BLOCK
        x *= tl.rsqrt(tl.sum(x * x, axis=0) / BLOCK + 1e-5)
    tl.store(y_ptr + offsets, x)


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        whiten_kernel[(rows,)](x, y, columns, rounds, BLOCK=columns, num_warps=4)
        return y


def get_inputs():
    return [torch.rand(rows, columns)]


def get_init_inputs():
    return []
