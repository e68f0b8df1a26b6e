"""Variance of each long bf16 row (logit statistics over a 131072-word vocabulary)."""

import torch
import torch.nn as nn
import triton
import triton.language as tl

rows, cols = 1024, 131072


@triton.jit
def logit_variance_kernel(x_ptr, var_ptr, cols, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    x_ptr += row.to(tl.int64) * cols
    total = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, cols, BLOCK):
        total += tl.load(x_ptr + start + at).to(tl.float32)
    mean = tl.sum(total, 0) / cols
    squares = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, cols, BLOCK):
        d = tl.load(x_ptr + start + at).to(tl.float32) - mean
        squares += d * d
    tl.store(var_ptr + row, tl.sum(squares, 0) / (cols - 1))


class Model(nn.Module):
    def forward(self, x):
        return x.float().var(dim=1)


class ModelNew(nn.Module):
    def forward(self, x):
        var = torch.empty(x.shape[0], device=x.device, dtype=torch.float32)
        logit_variance_kernel[(x.shape[0],)](x, var, x.shape[1], BLOCK=2048, num_warps=4)
        return var


def get_inputs():
    return [(torch.randn(rows, cols) + 1.0).bfloat16()]


def get_init_inputs():
    return []
