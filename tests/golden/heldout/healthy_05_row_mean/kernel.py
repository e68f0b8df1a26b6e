"""Mean of long fp32 rows (16384 values), one pass, vector accumulator, 4224 programs: DRAM read roof."""

import torch
import torch.nn as nn
import triton
import triton.language as tl

rows, cols = 4224, 16384


@triton.jit
def row_mean_kernel(x_ptr, y_ptr, cols, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, cols, BLOCK):
        total += tl.load(x_ptr + row * cols + start + at)
    tl.store(y_ptr + row, tl.sum(total, 0) / cols)


class Model(nn.Module):
    def forward(self, x):
        return x.mean(1)


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty(x.shape[0], device=x.device, dtype=x.dtype)
        row_mean_kernel[(x.shape[0],)](x, y, x.shape[1], BLOCK=2048, num_warps=4)
        return y


def get_inputs():
    return [torch.rand(rows, cols)]


def get_init_inputs():
    return []
