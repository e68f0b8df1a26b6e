"""Sum over the last dimension."""

import torch
import torch.nn as nn

rows, cols = 9, 150


class Model(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum(dim=-1)


def get_inputs() -> list[torch.Tensor]:
    return [torch.rand(rows, cols)]


def get_init_inputs() -> list[int]:
    return []
