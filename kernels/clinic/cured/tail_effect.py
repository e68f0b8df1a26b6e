"""Many values relax towards 1, x = x * keep + gain, step after step: nothing but arithmetic, 4096 values a program.

Programs of an eighth of the size, still with 32 values a thread, can be dealt out evenly: ten for every SM, all at
once. All SMs end at the same time, and the FMA pipe is the limit until then.
"""

import torch
import triton
import triton.language as tl
from torch import nn

share = 32768  # there are 1.25 times as many values for every SM
steps = 2000


@triton.jit
def relax_kernel(x_ptr, y_ptr, length, steps, keep, gain, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + i, mask=i < length, other=0.0)
    for _ in range(steps):
        x = x * keep + gain
    tl.store(y_ptr + i, x, mask=i < length)


class Model(nn.Module):
    def forward(self, x):
        return 1 + (x - 1) * (1 - 2**-12) ** steps


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        BLOCK = 4096
        grid = (triton.cdiv(x.numel(), BLOCK),)
        relax_kernel[grid](x, y, x.numel(), steps, 1 - 2**-12, 2**-12, BLOCK=BLOCK, num_warps=4)
        return y


def get_inputs():
    sms = torch.cuda.get_device_properties(0).multi_processor_count if torch.cuda.is_available() else 132
    return [torch.rand((sms + sms // 4) * share)]


def get_init_inputs():
    return []
