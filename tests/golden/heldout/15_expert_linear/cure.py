"""Grouped linear layer of a mixture of experts: tokens sorted by expert, each expert's token count a multiple of 128."""

import torch
import torch.nn as nn
import triton
import triton.language as tl

experts, hot, cold, k_size, n_size = 32, 8192, 768, 1024, 2048


@triton.jit
def tile(x_ptr, w_ptr, y_ptr, row, expert, col, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    rm = row + tl.arange(0, BM)
    rn = col + tl.arange(0, BN)
    rk = tl.arange(0, BK)
    x = x_ptr + rm[:, None] * K + rk[None, :]
    w = w_ptr + expert * K * N + rk[:, None] * N + rn[None, :]
    acc = tl.zeros((BM, BN), tl.float32)
    for _ in range(0, K, BK):
        acc = tl.dot(tl.load(x), tl.load(w), acc)
        x += BK
        w += BK * N
    tl.store(y_ptr + rm[:, None] * N + rn[None, :], acc.to(tl.float16))


@triton.jit
def expert_linear_kernel(x_ptr, w_ptr, y_ptr, offset_ptr, N, K, EXPERTS: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    col = tl.program_id(0) * BN
    row = tl.program_id(1) * BM
    ends = tl.load(offset_ptr + 1 + tl.arange(0, EXPERTS))
    expert = tl.sum((ends <= row).to(tl.int32), 0)
    tile(x_ptr, w_ptr, y_ptr, row, expert, col, N, K, BM, BN, BK)


class Model(nn.Module):
    def forward(self, x, w, offsets):
        at = offsets.tolist()
        return torch.cat([x[at[e] : at[e + 1]] @ w[e] for e in range(w.shape[0])])


class ModelNew(nn.Module):
    def forward(self, x, w, offsets):
        e, k, n = w.shape
        y = torch.empty((x.shape[0], n), device=x.device, dtype=x.dtype)
        grid = (n // 128, x.shape[0] // 128)
        expert_linear_kernel[grid](x, w, y, offsets, n, k, EXPERTS=e, BM=128, BN=128, BK=64, num_warps=8, num_stages=4)
        return y


def get_inputs():
    sizes = torch.full((experts,), cold, dtype=torch.int32)
    sizes[experts // 3] = hot
    offsets = torch.cat([torch.zeros(1, dtype=torch.int32), sizes.cumsum(0).int()])
    x = torch.randn(hot + (experts - 1) * cold, k_size).half()
    return [x, (torch.randn(experts, k_size, n_size) * 0.05).half(), offsets]


def get_init_inputs():
    return []
