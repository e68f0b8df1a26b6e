"""Rotary embedding (half-split) of fp16 queries with precomputed tables: DRAM roof."""

import torch
import torch.nn as nn
import triton
import triton.language as tl

tokens, heads, dim = 16384, 32, 128


@triton.jit
def rope_kernel(x_ptr, cos_ptr, sin_ptr, y_ptr, HEADS: tl.constexpr, HALF: tl.constexpr):
    token = tl.program_id(0)
    d = tl.arange(0, HALF)
    at = token * HEADS * HALF * 2 + tl.arange(0, HEADS)[:, None] * (2 * HALF) + d[None, :]
    cos = tl.load(cos_ptr + token * HALF + d)[None, :]
    sin = tl.load(sin_ptr + token * HALF + d)[None, :]
    a = tl.load(x_ptr + at).to(tl.float32)
    b = tl.load(x_ptr + at + HALF).to(tl.float32)
    tl.store(y_ptr + at, (a * cos - b * sin).to(tl.float16))
    tl.store(y_ptr + at + HALF, (b * cos + a * sin).to(tl.float16))


class Model(nn.Module):
    def forward(self, x, cos, sin):
        a, b = x.float().chunk(2, 2)
        cos, sin = cos[:, None], sin[:, None]
        return torch.cat([a * cos - b * sin, b * cos + a * sin], 2).half()


class ModelNew(nn.Module):
    def forward(self, x, cos, sin):
        t, h, d = x.shape
        y = torch.empty_like(x)
        rope_kernel[(t,)](x, cos, sin, y, HEADS=h, HALF=d // 2, num_warps=4)
        return y


def get_inputs():
    angle = torch.arange(tokens)[:, None] * 10000.0 ** (-torch.arange(dim // 2) / (dim // 2))
    return [torch.randn(tokens, heads, dim).half(), angle.cos(), angle.sin()]


def get_init_inputs():
    return []
