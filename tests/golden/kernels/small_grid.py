"""One program a row, and only 32 rows: most SMs idle."""

import torch
import triton
import triton.language as tl
from torch import nn

rows = 32
columns = 4194304


@triton.jit
def long_row_sum_kernel(x_ptr, y_ptr, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    total = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, columns, BLOCK):
        total += tl.load(x_ptr + row * columns + start + tl.arange(0, BLOCK))
    tl.store(y_ptr + row, tl.sum(total))


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty(rows, device=x.device)
        BLOCK = 4096
        long_row_sum_kernel[(rows,)](x, y, columns, BLOCK=BLOCK)
        return y


def get_inputs():
    return [torch.rand(rows, columns)]


def get_init_inputs():
    return []
