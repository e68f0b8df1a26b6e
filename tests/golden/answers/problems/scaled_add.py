"""relu(alpha * x + y), element by element."""

import torch
import torch.nn as nn

rows, cols = 16, 130


class Model(nn.Module):
    def __init__(self, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.alpha * x + y)


def get_inputs() -> list[torch.Tensor]:
    return [torch.randn(rows, cols), torch.randn(rows, cols)]


def get_init_inputs() -> list[float]:
    return [0.75]
