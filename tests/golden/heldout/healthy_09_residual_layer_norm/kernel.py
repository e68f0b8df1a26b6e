"""LayerNorm of (x + residual) on 4096-wide bf16 rows, sum and result both written: DRAM roof."""

import torch
import torch.nn as nn
import triton
import triton.language as tl

rows, cols = 16384, 4096


@triton.jit
def add_norm_kernel(x_ptr, r_ptr, w_ptr, b_ptr, s_ptr, y_ptr, cols, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    mask = at < cols
    x = tl.load(x_ptr + row * cols + at, mask=mask, other=0.0).to(tl.float32)
    r = tl.load(r_ptr + row * cols + at, mask=mask, other=0.0).to(tl.float32)
    s = x + r
    tl.store(s_ptr + row * cols + at, s.to(tl.bfloat16), mask=mask)
    d = tl.where(mask, s - tl.sum(s, 0) / cols, 0.0)
    scale = tl.rsqrt(tl.sum(d * d, 0) / cols + eps)
    w = tl.load(w_ptr + at, mask=mask).to(tl.float32)
    b = tl.load(b_ptr + at, mask=mask).to(tl.float32)
    tl.store(y_ptr + row * cols + at, (d * scale * w + b).to(tl.bfloat16), mask=mask)


class Model(nn.Module):
    def forward(self, x, r, w, b):
        s = x.float() + r.float()
        y = nn.functional.layer_norm(s, (s.shape[1],), w.float(), b.float(), 1e-5)
        return s.bfloat16(), y.bfloat16()


class ModelNew(nn.Module):
    def forward(self, x, r, w, b):
        s, y = torch.empty_like(x), torch.empty_like(x)
        n, c = x.shape
        add_norm_kernel[(n,)](x, r, w, b, s, y, c, 1e-5, BLOCK=triton.next_power_of_2(c), num_warps=4)
        return s, y


def get_inputs():
    x, r = torch.randn(rows, cols).bfloat16(), torch.randn(rows, cols).bfloat16()
    return [x, r, (torch.rand(cols) + 0.5).bfloat16(), torch.randn(cols).bfloat16()]


def get_init_inputs():
    return []
