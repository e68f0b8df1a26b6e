"""How well each value fits all of 24 bells at once: the product over c of 2^-((x - c)^2).

A product of powers is the power of the sum: the loop adds the squares, one addition and one multiply-add a bell, and a
single exponential follows. The special function unit is nearly idle; reading and writing memory is the limit.
"""

import torch
import triton
import triton.language as tl
from torch import nn

length = 33554432
bells = 24


@triton.jit
def fit_kernel(x_ptr, centre_ptr, y_ptr, length, bells, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + i, mask=i < length, other=0.0)
    squares = tl.zeros((BLOCK,), tl.float32)
    for bell in range(bells):
        d = x - tl.load(centre_ptr + bell)
        squares += d * d
    tl.store(y_ptr + i, tl.exp2(-squares), mask=i < length)


class Model(nn.Module):
    def forward(self, x, centres):
        y = torch.ones_like(x)
        for centre in centres:
            y *= torch.exp2(-((x - centre) ** 2))
        return y


class ModelNew(nn.Module):
    def forward(self, x, centres):
        y = torch.empty_like(x)
        BLOCK = 1024
        grid = (triton.cdiv(x.numel(), BLOCK),)
        fit_kernel[grid](x, centres, y, x.numel(), centres.numel(), BLOCK=BLOCK, num_warps=4)
        return y


def get_inputs():
    return [torch.rand(length), torch.rand(bells)]


def get_init_inputs():
    return []
