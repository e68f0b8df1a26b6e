"""For each of 16 channels of flag bytes, in each of 256 recordings: the flags raised in any of 9 successive steps.

The strides are specialised, as Triton does by itself: they are known to be multiples of 16, and a lane loads and stores
16 bytes at once. The bytes are looked at as 32-bit words, so that a lane need not take them apart either (OR does not
care). A sixteenth of the instructions do the same work, and the limit is the DRAM.
"""

import torch
import triton
import triton.language as tl
from torch import nn

recordings = 256
steps = 65536
channels = 16
window = 9


@triton.jit
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
        x_data, y_data = x.view(torch.int32), y.view(torch.int32)
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
