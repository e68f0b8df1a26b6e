"""InstanceNorm of images, without weights."""

import torch
import torch.nn as nn

batch, features, height, width = 2, 3, 12, 12


class Model(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm2d(features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x)


def get_inputs() -> list[torch.Tensor]:
    return [torch.rand(batch, features, height, width)]


def get_init_inputs() -> list[int]:
    return [features]
