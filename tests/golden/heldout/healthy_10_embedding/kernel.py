"""Embedding lookup of whole 8 KB fp16 rows by random ids, each row of the table read once: DRAM roof."""

import torch
import torch.nn as nn
import triton
import triton.language as tl

table, dim = 24576, 4096


@triton.jit
def embedding_kernel(id_ptr, w_ptr, y_ptr, DIM: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, DIM)
    token = tl.load(id_ptr + row)
    tl.store(y_ptr + row * DIM + at, tl.load(w_ptr + token * DIM + at))


class Model(nn.Module):
    def forward(self, ids, w):
        return w[ids.long()]


class ModelNew(nn.Module):
    def forward(self, ids, w):
        y = torch.empty((ids.numel(), w.shape[1]), device=w.device, dtype=w.dtype)
        embedding_kernel[(ids.numel(),)](ids, w, y, DIM=w.shape[1], num_warps=8)
        return y


def get_inputs():
    return [torch.randperm(table).int(), torch.randn(table, dim).half()]


def get_init_inputs():
    return []
