"""A plain copy: nothing to find, it runs at the roof and moves what it must."""

import torch
import triton
import triton.language as tl
from torch import nn

length = 1073741824


@triton.jit
def copy_kernel(x_ptr, y_ptr, length, BLOCK: tl.constexpr):
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + i, tl.load(x_ptr + i, mask=i < length), mask=i < length)


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        BLOCK = 1024
        copy_kernel[(triton.cdiv(length, BLOCK),)](x, y, length, BLOCK=BLOCK)
        return y


def get_inputs():
    return [torch.rand(length)]


def get_init_inputs():
    return []
