"""A million springs swing for a thousand steps: v -= dt * x, then x += dt * v, each for itself.

The same programs and warps, but eight springs a thread at a time. The eight do not depend on each other, so while one
waits the other seven start their multiply-adds, and the FMA pipe is the limit. No more warps are needed for that.
"""

import torch
import triton
import triton.language as tl
from torch import nn

length = 1081344  # a multiple of 1024 * 132: the SMs of an H200 get equal shares
steps = 1000


@triton.jit
def swing_kernel(x_ptr, y_ptr, length, steps, dt, BLOCK: tl.constexpr):
    for start in range(tl.program_id(0) * BLOCK, length, tl.num_programs(0) * BLOCK):
        i = start + tl.arange(0, BLOCK)
        x = tl.load(x_ptr + i, mask=i < length, other=0.0)
        v = tl.zeros((BLOCK,), tl.float32)
        for _ in range(steps):
            v -= dt * x
            x += dt * v
        tl.store(y_ptr + i, x, mask=i < length)


class Model(nn.Module):
    def forward(self, x):
        dt = 0.01
        step = torch.tensor([[1 - dt * dt, dt], [-dt, 1]], dtype=torch.float64)
        return x * torch.linalg.matrix_power(step, steps)[0, 0].item()


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        sms = torch.cuda.get_device_properties(x.device).multi_processor_count if x.is_cuda else 132
        swing_kernel[(sms,)](x, y, x.numel(), steps, 0.01, BLOCK=1024, num_warps=4)
        return y


def get_inputs():
    return [torch.rand(length)]


def get_init_inputs():
    return []
