"""Cuts images (batch, height, width, channels) into square windows, each stored in one piece (as Swin does).

The sizes are compile-time constants: a division by 8 is a shift, one by 120 a multiplication. The compiler now also
sees that eight neighbours of the output are neighbours in the input, so a lane decodes once for eight values and moves
them with one 16-byte access (hence the larger BLOCK). Memory is the limit. New sizes cost one compilation each.
"""

import torch
import triton
import triton.language as tl
from torch import nn

batch = 128
side = 64
window = 8
channels = 120


@triton.jit
def windows_kernel(
    x_ptr, y_ptr, length, side: tl.constexpr, window: tl.constexpr, channels: tl.constexpr, BLOCK: tl.constexpr
):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tiles = side // window
    c = i % channels
    rest = i // channels
    column = rest % window
    rest = rest // window
    row = rest % window
    rest = rest // window
    across = rest % tiles
    rest = rest // tiles
    down = rest % tiles
    image = rest // tiles
    at = ((image * side + down * window + row) * side + across * window + column) * channels + c
    tl.store(y_ptr + i, tl.load(x_ptr + at, mask=i < length), mask=i < length)


class Model(nn.Module):
    def forward(self, x):
        b, h, w, c = x.shape
        x = x.reshape(b, h // window, window, w // window, window, c)
        return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, window, window, c)


class ModelNew(nn.Module):
    def forward(self, x):
        _, side, _, c = x.shape
        y = torch.empty(x.numel() // (window * window * c), window, window, c, dtype=x.dtype, device=x.device)
        BLOCK = 2048
        grid = (triton.cdiv(x.numel(), BLOCK),)
        windows_kernel[grid](x, y, x.numel(), side, window, c, BLOCK=BLOCK, num_warps=8)
        return y


def get_inputs():
    return [torch.rand(batch, side, side, channels, dtype=torch.float16)]


def get_init_inputs():
    return []
