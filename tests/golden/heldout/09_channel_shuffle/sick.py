"""Channel shuffle (ShuffleNet) of fp32 features: channels (groups, width) become (width, groups)."""

import torch
import torch.nn as nn
import triton
import triton.language as tl

rows, groups, width = 16384, 128, 32


@triton.jit
def channel_shuffle_kernel(x_ptr, y_ptr, GROUPS: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    base = tl.program_id(0) * BLOCK
    x = tl.load(x_ptr + base + at)
    source = at % GROUPS * WIDTH + at // GROUPS
    tl.store(y_ptr + base + at, tl.gather(x, source, 0))


class Model(nn.Module):
    def forward(self, x):
        return x.view(x.shape[0], groups, width).transpose(1, 2).reshape(x.shape[0], -1).contiguous()


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        channel_shuffle_kernel[(x.shape[0],)](x, y, GROUPS=groups, WIDTH=width, BLOCK=x.shape[1], num_warps=4)
        return y


def get_inputs():
    return [torch.randn(rows, groups * width)]


def get_init_inputs():
    return []
