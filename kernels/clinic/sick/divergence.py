"""Fingerprints of 64-bit ids: the remainders by four primes, packed into one word; -1 marks padding and stays -1.

A 64-bit division has two ways: a short one where both numbers fit in 32 bits, and a subroutine four times as long.
The ids fit, but a padding lane holds -1, which does not: it drags its warp through the subroutine for a remainder that
is thrown away. One lane in eight is padding, so nearly every warp takes both ways, each with most lanes idle.
"""

import torch
import triton
import triton.language as tl
from torch import nn

length = 16777216


@triton.jit
def fingerprint_kernel(id_ptr, y_ptr, length, p, q, r, s, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    ids = tl.load(id_ptr + i, mask=i < length, other=0)
    n = ids
    y = ((n % p * 128 + n % q) * 128 + n % r) * 128 + n % s
    tl.store(y_ptr + i, tl.where(ids < 0, -1, y).to(tl.int32), mask=i < length)


class Model(nn.Module):
    def forward(self, ids):
        y = torch.zeros_like(ids)
        for prime in (127, 113, 109, 107):
            y = y * 128 + ids % prime
        return torch.where(ids < 0, -1, y).to(torch.int32)


class ModelNew(nn.Module):
    def forward(self, ids):
        y = torch.empty(ids.shape, dtype=torch.int32, device=ids.device)
        BLOCK = 512
        grid = (triton.cdiv(ids.numel(), BLOCK),)
        fingerprint_kernel[grid](ids, y, ids.numel(), 127, 113, 109, 107, BLOCK=BLOCK, num_warps=4)
        return y


def get_inputs():
    ids = torch.randint(0, 2**31, (length,))
    return [torch.where(torch.rand(length) < 0.125, -1, ids)]


def get_init_inputs():
    return []
