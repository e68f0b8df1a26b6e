"""Inputs of a case: other values, another type, another layout; and equal ones at another address, fenced by NaN."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, Any

import torch

from ncukit.optimize.worker.load import inputs_of

if TYPE_CHECKING:
    from collections.abc import Callable

FENCE_BYTES = 4096
"""Before and after every input: who reads or writes there is outside of it."""
LAYOUTS = {
    "channels_last": "channels_last",
    "transposed": "transposed (the last two strides exchanged)",
    "strided": "every other value of a wider tensor",
    "shifted": "starting one value behind an aligned address",
    "expanded": "expanded along the first dimension (stride 0)",
}
VALUES = {
    "mean 1000": "1000 added to every value",
    "tiny": "values times 1e-4",
    "large": "values times 1e4",
    "constant": "all values equal",
    "around zero": "normally distributed values",
}


def made(module: Any, seed: int, device: str) -> tuple[Any, Any]:
    """What ``get_inputs`` and ``get_init_inputs`` give under a seed, on the device."""
    torch.manual_seed(seed)
    random.seed(seed)
    with contextlib.suppress(ImportError):
        import numpy as np

        np.random.seed(seed)
    return inputs_of(module, device)


def mapped(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """``value`` with every tensor in it changed."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, dict):
        return {key: mapped(member, change) for key, member in value.items()}
    if type(value) in (list, tuple):
        return type(value)(mapped(member, change) for member in value)
    return value


def tensors(value: Any) -> list[torch.Tensor]:
    """The tensors in nested containers, in order."""
    found: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        found.append(tensor)
        return tensor

    mapped(value, keep)
    return found


def converted(value: Any, dtype: torch.dtype) -> Any:
    """Floating tensors in another type."""
    return mapped(value, lambda t: t.to(dtype) if t.is_floating_point() else t)


def valued(value: Any, kind: str) -> Any:
    """Floating tensors with other values: a key of ``VALUES``."""

    def change(tensor: torch.Tensor) -> torch.Tensor:
        if not tensor.is_floating_point() or tensor.numel() == 0 or _is_mask(tensor):
            return tensor
        if kind == "mean 1000":
            return tensor + 1000
        if kind == "tiny":
            return tensor * 1e-4
        if kind == "large":
            return tensor * 1e4
        if kind == "constant":
            return torch.full_like(tensor, 0.75)
        return torch.randn_like(tensor)

    return mapped(value, change)


def _is_mask(tensor: torch.Tensor) -> bool:
    """Whether a tensor holds two values and no more: which one, and not how much, is then what counts."""
    return tensor.numel() > 2 and int(torch.unique(tensor.flatten()[:4096]).numel()) == 2


def rolled(value: Any) -> Any:
    """Floating tensors with their values one place further: other inputs, where a file always makes the same."""
    return mapped(value, lambda t: t.flatten().roll(1).view(t.shape) if t.is_floating_point() else t)


def laid_out(value: Any, layout: str) -> Any:
    """Tensors of the same values in another layout, a key of ``LAYOUTS``; those that cannot have it stay."""
    return mapped(value, lambda t: _laid_out(t, layout) if can_have(t.shape, layout) else t)


def can_have(shape: tuple[int, ...], layout: str) -> bool:
    """Whether a tensor of this shape can be laid out so, and differs from a contiguous one then."""
    if layout == "channels_last":
        return len(shape) in (4, 5) and shape[1] > 1 and any(n > 1 for n in shape[2:])
    if layout == "transposed":
        return len(shape) >= 2 and min(shape[-2:]) > 1
    if layout == "expanded":
        return len(shape) >= 2 and shape[0] > 1 and all(shape)
    return len(shape) >= 1 and all(shape)


def _laid_out(tensor: torch.Tensor, layout: str) -> torch.Tensor:
    if layout == "channels_last":
        return tensor.contiguous(memory_format=torch.channels_last if tensor.dim() == 4 else torch.channels_last_3d)
    if layout == "transposed":
        return tensor.transpose(-1, -2).contiguous().transpose(-1, -2)
    if layout == "expanded":
        return tensor[:1].expand_as(tensor)
    if layout == "strided":
        wide = tensor.new_empty((*tensor.shape[:-1], 2 * tensor.shape[-1]))
        _poison(wide)
        wide[..., ::2] = tensor
        return wide[..., ::2]
    wide = tensor.new_empty(tensor.numel() + 1)
    _poison(wide)
    wide[1:] = tensor.flatten()
    return wide[1:].view(tensor.shape)


class Fenced:
    """Equal inputs at another address, of the same strides and alignment, with NaN before and after each."""

    def __init__(self, value: Any) -> None:
        self._fences: list[tuple[torch.Tensor, torch.Tensor, int]] = []
        self.value = mapped(value, self._twin)
        self._before = [print_of(t) for t in tensors(self.value)]

    def _twin(self, tensor: torch.Tensor) -> torch.Tensor:
        if tensor.numel() == 0:
            return tensor.clone()
        size = tensor.element_size()
        span = 1 + sum((n - 1) * stride for n, stride in zip(tensor.shape, tensor.stride(), strict=True))
        source = tensor.as_strided((span,), (1,), tensor.storage_offset())
        fence = FENCE_BYTES // size
        first = fence + tensor.data_ptr() % 256 // size
        room = torch.empty(first + span + fence, dtype=tensor.dtype, device=tensor.device)
        _poison(room[:first])
        _poison(room[first + span :])
        room[first : first + span] = source
        before, after = room[:first], room[first + span :]
        self._fences.append((before, after, print_of(before) ^ print_of(after)))
        return room.as_strided(tensor.shape, tensor.stride(), first)

    def changed(self) -> list[int]:
        """Numbers of the tensors whose bits are not those that they were made with."""
        return [n for n, (t, before) in enumerate(zip(tensors(self.value), self._before, strict=True))
                if print_of(t) != before]  # fmt: skip

    def trespassed(self) -> bool:
        """Whether somebody wrote beside an input."""
        return any(print_of(before) ^ print_of(after) != was for before, after, was in self._fences)


def _poison(tensor: torch.Tensor) -> None:
    if tensor.is_floating_point() or tensor.is_complex():
        tensor.fill_(float("nan"))
    elif tensor.dtype == torch.bool:
        tensor.fill_(True)
    else:
        tensor.fill_(torch.iinfo(tensor.dtype).max)


def print_of(tensor: torch.Tensor) -> int:
    """A number that changes when a bit of the tensor does: each value counts with its place."""
    flat = tensor.detach().reshape(-1)
    total = 0
    piece = 1 << 24
    if flat.numel() == 0:
        return 0
    words = flat.contiguous().view(torch.uint8)
    width = next(n for n in (8, 4, 2, 1) if words.numel() % n == 0 and words.data_ptr() % n == 0)
    words = words.view({8: torch.int64, 4: torch.int32, 2: torch.int16, 1: torch.uint8}[width])
    for at in range(0, words.numel(), piece):
        part = words[at : at + piece].to(torch.int64)
        # the sum wraps, on every device in the same way; an odd factor for each place keeps exchanged values apart
        place = torch.arange(at, at + part.numel(), device=part.device, dtype=torch.int64) * 2654435761 * 2 + 1
        total ^= int(((part ^ (part >> 29)) * place).sum().item()) + at
    return total
