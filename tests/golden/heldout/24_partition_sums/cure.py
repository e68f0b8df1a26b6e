"""Partition sums of each row of fp16 energies at six inverse temperatures: mean of 2^(k x), k = 1..6."""

import torch
import torch.nn as nn
import triton
import triton.language as tl

rows, cols = 4096, 32768


@triton.jit
def partition_sums_kernel(x_ptr, y_ptr, cols, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    s1 = tl.zeros((BLOCK,), tl.float32)
    s2 = tl.zeros((BLOCK,), tl.float32)
    s3 = tl.zeros((BLOCK,), tl.float32)
    s4 = tl.zeros((BLOCK,), tl.float32)
    s5 = tl.zeros((BLOCK,), tl.float32)
    s6 = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, cols, BLOCK):
        x = tl.load(x_ptr + row * cols + start + at).to(tl.float32)
        e = tl.exp2(x)
        e2 = e * e
        s1 += e
        s2 += e2
        s3 += e2 * e
        s4 += e2 * e2
        s5 += e2 * e2 * e
        s6 += e2 * e2 * e2
    tl.store(y_ptr + row * 6, tl.sum(s1, 0) / cols)
    tl.store(y_ptr + row * 6 + 1, tl.sum(s2, 0) / cols)
    tl.store(y_ptr + row * 6 + 2, tl.sum(s3, 0) / cols)
    tl.store(y_ptr + row * 6 + 3, tl.sum(s4, 0) / cols)
    tl.store(y_ptr + row * 6 + 4, tl.sum(s5, 0) / cols)
    tl.store(y_ptr + row * 6 + 5, tl.sum(s6, 0) / cols)


class Model(nn.Module):
    def forward(self, x):
        x = x.float()
        return torch.stack([torch.exp2(k * x).mean(1) for k in range(1, 7)], 1)


class ModelNew(nn.Module):
    def forward(self, x):
        n, c = x.shape
        y = torch.empty((n, 6), device=x.device, dtype=torch.float32)
        partition_sums_kernel[(n,)](x, y, c, BLOCK=1024, num_warps=4)
        return y


def get_inputs():
    return [torch.rand(rows, cols).half()]


def get_init_inputs():
    return []
