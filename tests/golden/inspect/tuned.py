"""An autotuned matrix product that spills in one configuration, and a scaling that is launched twice."""

import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.autotune(
    configs=[
        triton.Config({"BLOCK_M": m, "BLOCK_N": n, "BLOCK_K": 32}, num_warps=warps, num_stages=stages)
        for m, n, warps, stages in [(64, 64, 4, 3), (128, 128, 8, 3), (128, 256, 4, 3), (256, 256, 8, 6)]
    ],
    key=["size_m", "size_n", "size_k"],
)
@triton.jit
def linear_kernel(
    x_ptr, w_ptr, y_ptr, size_m, size_n, size_k, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr
):
    m = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    n = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    k = tl.arange(0, BLOCK_K)
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for start in range(0, size_k, BLOCK_K):
        x = tl.load(x_ptr + m[:, None] * size_k + start + k[None, :])
        w = tl.load(w_ptr + (start + k)[:, None] * size_n + n[None, :])
        total += tl.dot(x, w)
    tl.store(y_ptr + m[:, None] * size_n + n[None, :], total)


@triton.jit
def scale_kernel(x_ptr, y_ptr, factor, size, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + at, tl.load(x_ptr + at, mask=at < size) * factor, mask=at < size)


class Model(nn.Module):
    def forward(self, x, w):
        y = torch.empty(x.shape[0], w.shape[1], dtype=torch.float32, device=x.device)
        scale_kernel[(triton.cdiv(x.numel(), 1024),)](x, x, 0.5, x.numel(), BLOCK=1024)
        linear_kernel[
            lambda meta: (triton.cdiv(x.shape[0], meta["BLOCK_M"]), triton.cdiv(w.shape[1], meta["BLOCK_N"]))
        ](x, w, y, x.shape[0], w.shape[1], x.shape[1])
        scale_kernel[(triton.cdiv(y.numel(), 256),)](y, y, 2.0, y.numel(), BLOCK=256, num_warps=2)
        return y


def get_inputs():
    return [torch.rand(4096, 4096, dtype=torch.float16), torch.rand(4096, 4096, dtype=torch.float16)]


def get_init_inputs():
    return []
