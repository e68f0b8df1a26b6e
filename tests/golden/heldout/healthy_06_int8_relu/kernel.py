"""ReLU on int8 activations, 16 bytes a thread and access: DRAM roof."""

import torch
import torch.nn as nn
import triton
import triton.language as tl

rows, cols = 24576, 8192


@triton.jit
def relu_kernel(x_ptr, y_ptr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at)
    tl.store(y_ptr + at, tl.maximum(x, tl.zeros_like(x)))


class Model(nn.Module):
    def forward(self, x):
        return x.clamp(min=0)


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        relu_kernel[(x.numel() // 2048,)](x, y, BLOCK=2048, num_warps=4)
        return y


def get_inputs():
    return [torch.randint(-128, 128, (rows, cols), dtype=torch.int8)]


def get_init_inputs():
    return []
