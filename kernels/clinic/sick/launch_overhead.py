"""The exponential of 65536 values by its series, 1 + x/1 * (1 + x/2 * (1 + x/3 * ...)), from the inside out.

Every term is a launch of its own. The GPU needs a microsecond or two to start and end a kernel, Python several to
launch it, and the arithmetic of a term takes next to nothing: twenty times nothing but overhead is paid.
"""

import torch
import triton
import triton.language as tl
from torch import nn

length = 65536
terms = 20


@triton.jit
def exp_kernel(x_ptr, y_ptr, length, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + i, mask=i < length, other=0.0)
    y = tl.load(y_ptr + i, mask=i < length, other=0.0)
    y = 1 + x / n * y
    tl.store(y_ptr + i, y, mask=i < length)


class Model(nn.Module):
    def forward(self, x):
        return torch.exp(x)


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.ones_like(x)
        BLOCK = 1024
        grid = (triton.cdiv(x.numel(), BLOCK),)
        for n in range(terms, 0, -1):
            exp_kernel[grid](x, y, x.numel(), float(n), BLOCK=BLOCK, num_warps=4)
        return y


def get_inputs():
    return [torch.rand(length)]


def get_init_inputs():
    return []
