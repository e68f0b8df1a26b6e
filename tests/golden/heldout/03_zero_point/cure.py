"""Signed int8 activations to unsigned uint8 (zero point 128): flip the sign bit."""

import torch
import torch.nn as nn
import triton
import triton.language as tl

rows, cols = 20480, 8192


@triton.jit
def zero_point_kernel(x_ptr, y_ptr, stride, BLOCK: tl.constexpr):
    at = (tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)) * stride
    x = tl.load(x_ptr + at)
    tl.store(y_ptr + at, x.to(tl.uint8, bitcast=True) ^ 128)


class Model(nn.Module):
    def forward(self, x):
        return (x.to(torch.int16) + 128).to(torch.uint8)


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x, dtype=torch.uint8)
        zero_point_kernel[(x.numel() // 4096,)](x, y, x.stride(-1), BLOCK=4096, num_warps=8)
        return y


def get_inputs():
    return [torch.randint(-128, 128, (rows, cols), dtype=torch.int8)]


def get_init_inputs():
    return []
