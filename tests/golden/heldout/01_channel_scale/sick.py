"""Per-channel int8 scales of a bf16 weight: max |x| over the rows of each column, divided by 127."""

import torch
import torch.nn as nn
import triton
import triton.language as tl

rows, cols = 2048, 32768


@triton.jit
def channel_scale_kernel(x_ptr, scale_ptr, rows, cols, BLOCK_ROWS: tl.constexpr):
    col = tl.program_id(0)
    row = tl.arange(0, BLOCK_ROWS)
    peak = tl.zeros((BLOCK_ROWS,), tl.float32)
    for start in range(0, rows, BLOCK_ROWS):
        at = start + row
        x = tl.load(x_ptr + at * cols + col, mask=at < rows, other=0.0)
        peak = tl.maximum(peak, tl.abs(x.to(tl.float32)))
    tl.store(scale_ptr + col, tl.max(peak, 0) / 127.0)


class Model(nn.Module):
    def forward(self, x):
        return x.abs().amax(0).float() / 127.0


class ModelNew(nn.Module):
    def forward(self, x):
        n, c = x.shape
        scale = torch.empty(c, device=x.device, dtype=torch.float32)
        channel_scale_kernel[(c,)](x, scale, n, c, BLOCK_ROWS=1024, num_warps=4)
        return scale


def get_inputs():
    return [torch.randn(rows, cols).bfloat16()]


def get_init_inputs():
    return []
