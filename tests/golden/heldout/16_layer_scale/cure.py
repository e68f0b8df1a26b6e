"""Scale every layer's weights by that layer's factor: y[l] = x[l] * s[l]."""

import torch
import torch.nn as nn
import triton
import triton.language as tl

layers, size = 128, 131072


@triton.jit
def layer_scale_kernel(x_ptr, s_ptr, y_ptr, size, BLOCK: tl.constexpr):
    layer = tl.program_id(1)
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + layer * size + at, mask=at < size)
    tl.store(y_ptr + layer * size + at, x * tl.load(s_ptr + layer), mask=at < size)


class Model(nn.Module):
    def forward(self, x, s):
        return x * s[:, None]


class ModelNew(nn.Module):
    def forward(self, x, s):
        n, size = x.shape
        y = torch.empty_like(x)
        layer_scale_kernel[(triton.cdiv(size, 1024), n)](x, s, y, size, BLOCK=1024, num_warps=4)
        return y


def get_inputs():
    return [torch.randn(layers, size), torch.rand(layers) + 0.5]


def get_init_inputs():
    return []
