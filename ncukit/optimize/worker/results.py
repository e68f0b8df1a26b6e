"""What an answer gave, as values: whether they are plain tensors of the right form, and the worst of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ncukit.optimize.worker import words

if TYPE_CHECKING:
    from ncukit.optimize.worker.compare import Difference
    from ncukit.optimize.worker.reference import Wanted


def worst(differences: list[tuple[str, Difference]]) -> tuple[str, Difference] | None:
    """The output that is wrong, and how; one that was not written before one that is."""
    wrong = [one for one in differences if one[1].ratio > 1]
    return max(wrong, key=lambda one: (one[1].poisoned > 0, one[1].ratio), default=None)


def described(wrong: tuple[str, Difference]) -> str:
    """A wrong value in a few words."""
    name, d = wrong
    return (
        f"{name} at {list(d.index)}: expected {words.number(d.expected)}, found {words.number(d.found)}; "
        f"{d.wrong} of {d.total} values are wrong"
    )


def address(value: Any) -> int:
    """Where a tensor's memory begins; 0 for an empty one and for anything else."""
    if not isinstance(value, torch.Tensor) or value.numel() == 0:
        return 0
    return int(value.untyped_storage().data_ptr())


def misformed(name: str, results: list[Any], wanted: Wanted) -> dict[str, Any] | None:
    """What is wrong with results before their values are looked at: their number, types, shapes and places."""
    if len(results) != len(wanted.outputs):
        told = f"{name}: forward gives {len(results)} values, the reference {len(wanted.outputs)}"
        return words.reason("wrong-shape", told, "return what the reference returns, in its order")
    for n, (got, one) in enumerate(zip(results, wanted.outputs, strict=True)):
        which = f"output {n + 1}" if len(results) > 1 else "the output"
        if one.dtype is None:
            if type(got) is type(one.values) and got == one.values:
                continue
            told = f"{name}: {which} is {str(got)[:80]!r}, the reference's {str(one.values)[:80]!r}"
            return words.reason("wrong-values", told, "return what the reference returns")
        if type(got) not in (torch.Tensor, torch.nn.Parameter):
            told = f"{name}: {which} is a {type(got).__name__}, not a plain torch.Tensor"
            return words.reason("not-a-tensor", told, "return the tensor that the kernel wrote")
        if tuple(got.shape) != one.shape:
            told = f"{name}: {which} has shape {list(got.shape)}, the reference's {list(one.shape)}"
            return words.reason("wrong-shape", told, "give the output the reference's shape")
        if got.dtype != one.dtype:
            told = f"{name}: {which} is {_type(got.dtype)}, the reference's {_type(one.dtype)}"
            return words.reason(
                "wrong-dtype", told, "allocate the output with the reference's dtype; or assert the dtype that is taken"
            )
        if got.device.type != one.device:
            told = f"{name}: {which} lies on {got.device.type}, the reference's on {one.device}"
            return words.reason("wrong-device", told, "allocate the output on the input's device")
        if got.layout != torch.strided or (got.numel() and not _has_memory(got)):
            told = f"{name}: {which} has no memory of its own"
            return words.reason("not-a-tensor", told, "return the tensor that the kernel wrote")
    return None


def _type(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _has_memory(tensor: torch.Tensor) -> bool:
    try:
        span = 1 + sum((n - 1) * stride for n, stride in zip(tensor.shape, tensor.stride(), strict=True))
        storage = tensor.untyped_storage()
        need = (tensor.storage_offset() + span) * tensor.element_size()
        return bool(storage.data_ptr() != 0 and storage.nbytes() >= need)
    except (RuntimeError, NotImplementedError):
        return False
