"""log Gamma(x) elementwise on fp32 (negative-binomial likelihoods of counts)."""

import torch
import torch.nn as nn
import triton
import triton.language as tl
from triton.language.extra import libdevice

size = 67108864


@triton.jit
def stirling(x):
    low = x * (x + 1.0) * (x + 2.0) * (x + 3.0)
    shifted = x < 8.0
    z = tl.where(shifted, x + 4.0, x)
    inv = 1.0 / z
    series = inv * (0.08333333333 - inv * inv * (0.00277777778 - inv * inv * 0.00079365079))
    value = (z - 0.5) * libdevice.fast_logf(z) - z + 0.91893853320 + series
    return value - tl.where(shifted, libdevice.fast_logf(low), 0.0)


@triton.jit
def log_gamma_kernel(x_ptr, y_ptr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at)
    tl.store(y_ptr + at, stirling(x))


class Model(nn.Module):
    def forward(self, x):
        return torch.lgamma(x)


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        log_gamma_kernel[(x.numel() // 512,)](x, y, BLOCK=512, num_warps=4)
        return y


def get_inputs():
    return [torch.exp(torch.rand(size) * 5.0 - 1.6)]


def get_init_inputs():
    return []
