"""For each of 16 channels of flag bytes, in each of 256 recordings: the flags raised in any of 9 successive steps.

The strides are kept out of the specialisation (people do it so that a new size needs no new compilation). The compiler
no longer knows that they are multiples of 16, a recording may start at any byte, and so it loads and stores one byte a
lane. That is coalesced, but a warp moves 32 bytes an instruction where 512 would fit. Eight of nine loads find their
byte in the L1 cache and DRAM has little to do: the limit is the load/store unit, which takes one instruction a cycle
and gets more than 9 for every 32 bytes of result.
"""

import torch
import triton
import triton.language as tl
from torch import nn

recordings = 256
steps = 65536
channels = 16
window = 9


@triton.jit(do_not_specialize=["x_stride", "y_stride"])
def recent_flags_kernel(x_ptr, y_ptr, x_stride, y_stride, CHANNELS: tl.constexpr, W: tl.constexpr, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x_at = x_ptr + tl.program_id(1) * x_stride + i
    y = tl.load(x_at)
    for k in tl.static_range(1, W):
        y |= tl.load(x_at + k * CHANNELS)
    tl.store(y_ptr + tl.program_id(1) * y_stride + i, y)


class Model(nn.Module):
    def forward(self, x):
        steps = x.shape[1] - window + 1
        y = x[:, :steps].clone()
        for k in range(1, window):
            y |= x[:, k : k + steps]
        return y


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty(len(x), x.shape[1] - window + 1, x.shape[2], device=x.device, dtype=x.dtype)
        x_data, y_data = x, y
        channels, y_stride = y_data.shape[2], y_data[0].numel()
        BLOCK = 1024  # y_stride is a multiple of it: no masks
        recent_flags_kernel[(y_stride // BLOCK, len(y))](
            x_data, y_data, x_data[0].numel(), y_stride, CHANNELS=channels, W=window, BLOCK=BLOCK, num_warps=4
        )
        return y


def get_inputs():
    return [torch.randint(0, 256, (recordings, steps + window - 1, channels), dtype=torch.uint8)]


def get_init_inputs():
    return []
