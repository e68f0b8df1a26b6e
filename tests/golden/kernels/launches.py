"""Twenty additions of a thousand numbers, a launch each."""

import torch
import triton
import triton.language as tl
from torch import nn

length = 1024
count = 20


@triton.jit
def add_one_kernel(x_ptr, y_ptr, length, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    tl.store(y_ptr + i, tl.load(x_ptr + i) + 1)


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        for _ in range(count):
            add_one_kernel[(1,)](x, y, length, BLOCK=length)
            x, y = y, x
        return x


def get_inputs():
    return [torch.rand(length)]


def get_init_inputs():
    return []
