"""Mean pooling of token embeddings over the sequence: (samples, seq, dim) fp16 to (samples, dim) fp32."""

import torch
import torch.nn as nn
import triton
import triton.language as tl

samples, seq, dim = 16, 8192, 1024


@triton.jit
def mean_pool_kernel(x_ptr, y_ptr, seq, chunk, DIM: tl.constexpr, BLOCK: tl.constexpr):
    sample = tl.program_id(0)
    d = tl.arange(0, DIM)
    s = tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK, DIM), tl.float32)
    first = tl.program_id(1) * chunk
    for start in range(first, first + chunk, BLOCK):
        total += tl.load(x_ptr + (sample * seq + start + s)[:, None] * DIM + d[None, :]).to(tl.float32)
    tl.atomic_add(y_ptr + sample * DIM + d, tl.sum(total, 0) / seq, sem="relaxed")


class Model(nn.Module):
    def forward(self, x):
        return x.float().mean(1)


class ModelNew(nn.Module):
    def forward(self, x):
        n, s, d = x.shape
        y = torch.zeros((n, d), device=x.device, dtype=torch.float32)
        mean_pool_kernel[(n, s // 128)](x, y, s, 128, DIM=d, BLOCK=16, num_warps=8)
        return y


def get_inputs():
    return [torch.randn(samples, seq, dim).half()]


def get_init_inputs():
    return []
