"""Explicit Euler for dx/dt = p(x), p a degree-15 polynomial, for many trajectories."""

import torch
import torch.nn as nn
import triton
import triton.language as tl

trajectories, steps = 33792, 4096


@triton.jit
def ode_kernel(x_ptr, c_ptr, y_ptr, steps, dt, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at)
    c0, c1, c2, c3 = tl.load(c_ptr), tl.load(c_ptr + 1), tl.load(c_ptr + 2), tl.load(c_ptr + 3)
    c4, c5, c6, c7 = tl.load(c_ptr + 4), tl.load(c_ptr + 5), tl.load(c_ptr + 6), tl.load(c_ptr + 7)
    c8, c9, c10, c11 = tl.load(c_ptr + 8), tl.load(c_ptr + 9), tl.load(c_ptr + 10), tl.load(c_ptr + 11)
    c12, c13, c14, c15 = tl.load(c_ptr + 12), tl.load(c_ptr + 13), tl.load(c_ptr + 14), tl.load(c_ptr + 15)
    for _ in range(steps):
        p = c15 * x + c14
        p = p * x + c13
        p = p * x + c12
        p = p * x + c11
        p = p * x + c10
        p = p * x + c9
        p = p * x + c8
        p = p * x + c7
        p = p * x + c6
        p = p * x + c5
        p = p * x + c4
        p = p * x + c3
        p = p * x + c2
        p = p * x + c1
        p = p * x + c0
        x += dt * p
    tl.store(y_ptr + at, x)


class Model(nn.Module):
    def forward(self, x, c):
        c = c.tolist()
        for _ in range(steps):
            p = torch.full_like(x, c[-1])
            for value in c[-2::-1]:
                p = p * x + value
            x = x + 1e-3 * p
        return x


class ModelNew(nn.Module):
    def forward(self, x, c):
        y = torch.empty_like(x)
        ode_kernel[(x.numel() // 128,)](x, c, y, steps, 1e-3, BLOCK=128, num_warps=4)
        return y


def get_inputs():
    c = torch.randn(16) * 0.05
    c[1] = -1.0
    return [torch.rand(trajectories) * 1.6 - 0.8, c]


def get_init_inputs():
    return []
