"""A tile of 1024 x 64 values in 512 threads: more values than registers."""

import torch
import triton
import triton.language as tl
from torch import nn

batch = 16
channels = 64
positions = 262144


@triton.jit
def wide_tile_kernel(x_ptr, y_ptr, positions, C: tl.constexpr, BLOCK: tl.constexpr):
    batch = tl.program_id(1).to(tl.int64)
    position = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    offsets = batch * C * positions + tl.arange(0, C)[:, None] * positions + position[None, :]
    x = tl.load(x_ptr + offsets)
    scale = tl.rsqrt(tl.sum(x * x, axis=0) / C + 1e-5)
    tl.store(y_ptr + offsets, x * scale[None, :])


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        BLOCK = 1024
        wide_tile_kernel[(positions // BLOCK, batch)](x, y, positions, C=channels, BLOCK=BLOCK, num_warps=16)
        return y


def get_inputs():
    return [torch.rand(batch, channels, positions)]


def get_init_inputs():
    return []
