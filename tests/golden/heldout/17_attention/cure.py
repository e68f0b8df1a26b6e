"""Attention forward (no mask), fp16, head dimension 64."""

import torch
import torch.nn as nn
import triton
import triton.language as tl

heads, seq, dim = 64, 2048, 64


@triton.jit
def attention_kernel(q_ptr, k_ptr, v_ptr, y_ptr, seq, scale, DIM: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr):
    base = tl.program_id(1) * seq * DIM
    rm = tl.program_id(0) * BM + tl.arange(0, BM)
    rn = tl.arange(0, BN)
    d = tl.arange(0, DIM)
    q = tl.load(q_ptr + base + rm[:, None] * DIM + d[None, :])
    k = k_ptr + base + rn[None, :] * DIM + d[:, None]
    v = v_ptr + base + rn[:, None] * DIM + d[None, :]
    top = tl.full((BM,), -float("inf"), tl.float32)
    total = tl.zeros((BM,), tl.float32)
    acc = tl.zeros((BM, DIM), tl.float32)
    for _ in range(0, seq, BN):
        s = tl.dot(q, tl.load(k))
        new = tl.maximum(top, tl.max(s, 1) * scale)
        p = tl.exp2(s * scale - new[:, None])
        shrink = tl.exp2(top - new)
        total = total * shrink + tl.sum(p, 1)
        acc = tl.dot(p.to(tl.float16), tl.load(v), acc * shrink[:, None])
        top = new
        k += BN * DIM
        v += BN * DIM
    tl.store(y_ptr + base + rm[:, None] * DIM + d[None, :], (acc / total[:, None]).to(tl.float16))


class Model(nn.Module):
    def forward(self, q, k, v):
        return nn.functional.scaled_dot_product_attention(q[None], k[None], v[None])[0]


class ModelNew(nn.Module):
    def forward(self, q, k, v):
        h, s, d = q.shape
        y = torch.empty_like(q)
        scale = d**-0.5 * 1.4426950408889634
        attention_kernel[(s // 64, h)](q, k, v, y, s, scale, DIM=d, BM=64, BN=64, num_warps=4, num_stages=2)
        return y


def get_inputs():
    return [torch.randn(heads, seq, dim).half() for _ in range(3)]


def get_init_inputs():
    return []
