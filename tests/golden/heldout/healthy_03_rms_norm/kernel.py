"""RMS norm of 4096-wide fp16 rows with a weight, one read and one write: DRAM roof."""

import torch
import torch.nn as nn
import triton
import triton.language as tl

rows, cols = 24576, 4096


@triton.jit
def rms_norm_kernel(x_ptr, w_ptr, y_ptr, cols, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    mask = at < cols
    x = tl.load(x_ptr + row * cols + at, mask=mask, other=0.0).to(tl.float32)
    w = tl.load(w_ptr + at, mask=mask).to(tl.float32)
    scale = tl.rsqrt(tl.sum(x * x, 0) / cols + eps)
    tl.store(y_ptr + row * cols + at, (x * scale * w).to(tl.float16), mask=mask)


class Model(nn.Module):
    def forward(self, x, w):
        y = x.float()
        return (y * torch.rsqrt(y.square().mean(1, keepdim=True) + 1e-6) * w.float()).half()


class ModelNew(nn.Module):
    def forward(self, x, w):
        y = torch.empty_like(x)
        n, c = x.shape
        rms_norm_kernel[(n,)](x, w, y, c, 1e-6, BLOCK=triton.next_power_of_2(c), num_warps=4)
        return y


def get_inputs():
    return [torch.randn(rows, cols).half(), torch.rand(cols).half() + 0.5]


def get_init_inputs():
    return []
