"""Weight gradient of an RMS norm: sum over rows of dy * x / rms(x), bf16 in, partial rows under locks, then one small sum."""

import torch
import torch.nn as nn
import triton
import triton.language as tl

rows, cols = 4096, 4096


@triton.jit
def weight_grad_kernel(x_ptr, dy_ptr, part_ptr, lock_ptr, cols, groups, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    mask = at < cols
    x = tl.load(x_ptr + row * cols + at, mask=mask, other=0.0).to(tl.float32)
    dy = tl.load(dy_ptr + row * cols + at, mask=mask, other=0.0).to(tl.float32)
    dw = dy * x * tl.rsqrt(tl.sum(x * x, 0) / cols + eps)
    group = row % groups
    while tl.atomic_cas(lock_ptr + group, 0, 1) == 1:
        pass
    dw += tl.load(part_ptr + group * cols + at, mask=mask, other=0.0)
    tl.store(part_ptr + group * cols + at, dw, mask=mask)
    tl.debug_barrier()
    tl.atomic_xchg(lock_ptr + group, 0)


@triton.jit
def sum_rows_kernel(part_ptr, out_ptr, groups, cols, BLOCK_ROWS: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row = tl.arange(0, BLOCK_ROWS)
    total = tl.zeros((BLOCK_ROWS, BLOCK), tl.float32)
    for start in range(0, groups, BLOCK_ROWS):
        mask = (start + row < groups)[:, None] & (at < cols)[None, :]
        total += tl.load(part_ptr + (start + row)[:, None] * cols + at[None, :], mask=mask, other=0.0)
    tl.store(out_ptr + at, tl.sum(total, 0), mask=at < cols)


class Model(nn.Module):
    def forward(self, x, dy):
        x = x.float()
        return (dy.float() * x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-5)).sum(0)


class ModelNew(nn.Module):
    groups = 256

    def forward(self, x, dy):
        n, c = x.shape
        part = torch.zeros((self.groups, c), device=x.device, dtype=torch.float32)
        lock = torch.zeros(self.groups, device=x.device, dtype=torch.int32)
        out = torch.empty(c, device=x.device, dtype=torch.float32)
        block = triton.next_power_of_2(c)
        weight_grad_kernel[(n,)](x, dy, part, lock, c, self.groups, 1e-5, BLOCK=block, num_warps=8)
        sum_rows_kernel[(triton.cdiv(c, 32),)](part, out, self.groups, c, BLOCK_ROWS=32, BLOCK=32, num_warps=4)
        return out


def get_inputs():
    return [torch.randn(rows, cols).bfloat16(), torch.randn(rows, cols).bfloat16()]


def get_init_inputs():
    return []
