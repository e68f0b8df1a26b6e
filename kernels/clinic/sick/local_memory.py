"""Logistic growth: 64 steps of Euler's method for dx/dt = x (1 - x), each value by itself.

A program of 32 warps holds 131072 values: 128 a thread, and 1024 threads on an SM leave each of them 64 registers.
Two thirds of the values live in local memory, that is, in the caches (350 KB an SM, more than the L1 cache holds), and
every step loads and stores them again. Nothing is gained by so large a tile: no value needs another.
"""

import torch
import triton
import triton.language as tl
from torch import nn

length = 33554432
steps = 64


@triton.jit
def growth_kernel(x_ptr, y_ptr, length, steps, rate, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + i, mask=i < length)
    for _ in range(steps):
        x += rate * (x - x * x)
    tl.store(y_ptr + i, x, mask=i < length)


class Model(nn.Module):
    def forward(self, x):
        for _ in range(steps):
            x = x + 0.01 * (x - x * x)
        return x


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        length = x.numel()
        BLOCK = 131072
        grid = (triton.cdiv(length, BLOCK),)
        growth_kernel[grid](x, y, length, steps, 0.01, BLOCK=BLOCK, num_warps=32)
        return y


def get_inputs():
    return [torch.rand(length)]


def get_init_inputs():
    return []
