"""Two kernels as a language model might write them: the first does not compile, and nobody launches the second."""

import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def rms_kernel(x_ptr, y_ptr, size, eps, BLOCK: tl.constexpr, NUM_STAGES: tl.constexpr = 3):
    row = tl.program_id(0) * size
    total = 0.0
    for start in range(0, size, BLOCK):
        at = start + tl.arange(0, BLOCK)
        if start >= size:
            continue
        x = tl.load(x_ptr + row + at, mask=at < size, other=0.0)
        total += tl.sum(x * x)
    scale = 1.0 / tl.sqrt(total / size + eps)
    for start in range(0, size, BLOCK):
        at = start + tl.arange(0, BLOCK)
        tl.store(y_ptr + row + at, tl.load(x_ptr + row + at, mask=at < size) * scale, mask=at < size)


@triton.jit
def tanh_kernel(x_ptr, y_ptr, size, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + at, tl.tanh(tl.load(x_ptr + at, mask=at < size)), mask=at < size)


class Model(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        rms_kernel[(x.shape[0],)](x, y, x.shape[1], 1e-5, BLOCK=1024)
        return y


def get_inputs():
    return [torch.rand(4096, 8192)]


def get_init_inputs():
    return []
