"""y = residual + scale * gelu(x + bias) on fp16 activations."""

import torch
import torch.nn as nn
import triton
import triton.language as tl

rows, cols = 16384, 4096


@triton.jit
def residual_block_kernel(x_ptr, r_ptr, b_ptr, s_ptr, y_ptr, cols, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at).to(tl.float32) + tl.load(b_ptr + at % cols).to(tl.float32)
    u = 0.7978845608 * (x + 0.044715 * x * x * x)
    h = x / (1.0 + tl.exp(-2.0 * u)) * tl.load(s_ptr + at % cols).to(tl.float32)
    tl.store(y_ptr + at, (tl.load(r_ptr + at).to(tl.float32) + h).to(tl.float16))


class Model(nn.Module):
    def forward(self, x, r, b, s):
        return r + s * nn.functional.gelu(x + b, approximate="tanh")


class ModelNew(nn.Module):
    def forward(self, x, r, b, s):
        y = torch.empty_like(x)
        grid = (x.numel() // 1024,)
        residual_block_kernel[grid](x, r, b, s, y, x.shape[1], BLOCK=1024, num_warps=4)
        return y


def get_inputs():
    x, r = torch.randn(rows, cols).half(), torch.randn(rows, cols).half()
    return [x, r, torch.randn(cols).half(), torch.rand(cols).half()]


def get_init_inputs():
    return []
