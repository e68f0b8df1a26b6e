"""The mean of 32768 relaxing values, x = x * keep + gain, at 4096 moments: `steps` says for each moment how many steps.

The programs take the moments from the last to the first. The 32 long ones start at once, the other SMs work off the
short ones beside them, and all end at about the same time: longest first is the oldest rule of scheduling.
"""

import torch
import triton
import triton.language as tl
from torch import nn

moments = 4096
size = 32768  # a power of two
short, long, long_moments = 100, 5000, 32


@triton.jit
def mean_kernel(x_ptr, steps_ptr, y_ptr, keep, gain, SIZE: tl.constexpr):
    moment = tl.num_programs(0) - 1 - tl.program_id(0)
    steps = tl.load(steps_ptr + moment)
    x = tl.load(x_ptr + tl.arange(0, SIZE))
    for _ in range(steps):
        x = x * keep + gain
    tl.store(y_ptr + moment, tl.sum(x) / SIZE)


class Model(nn.Module):
    def forward(self, x, steps):
        return 1 + (x.mean() - 1) * (1 - 2**-12) ** steps


class ModelNew(nn.Module):
    def forward(self, x, steps):
        y = torch.empty(steps.numel(), device=x.device)
        mean_kernel[(steps.numel(),)](x, steps, y, 1 - 2**-12, 2**-12, SIZE=x.numel(), num_warps=32)
        return y


def get_inputs():
    steps = torch.full((moments,), short, dtype=torch.int32)
    steps[-long_moments:] = long
    return [torch.rand(size), steps]


def get_init_inputs():
    return []
