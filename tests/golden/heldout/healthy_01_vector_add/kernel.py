"""c = a + b, fp32, 33.5M values (402 MB): DRAM roof."""

import torch
import torch.nn as nn
import triton
import triton.language as tl

size = 33554432


@triton.jit
def vector_add_kernel(a_ptr, b_ptr, c_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = at < n
    tl.store(c_ptr + at, tl.load(a_ptr + at, mask=mask) + tl.load(b_ptr + at, mask=mask), mask=mask)


class Model(nn.Module):
    def forward(self, a, b):
        return a + b


class ModelNew(nn.Module):
    def forward(self, a, b):
        c = torch.empty_like(a)
        vector_add_kernel[(triton.cdiv(a.numel(), 1024),)](a, b, c, a.numel(), BLOCK=1024, num_warps=4)
        return c


def get_inputs():
    return [torch.randn(size), torch.randn(size)]


def get_init_inputs():
    return []
