"""Triton's interpreter as if there were a GPU: host code sees CUDA tensors, and all is computed on the CPU.

Answers assert ``x.is_cuda`` and ask the device for its multiprocessors; refusing them for want of a GPU would say
nothing about them.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

from ncukit.source.worker import host

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Pretended(TorchFunctionMode):  # type: ignore[misc]
    """Tells that every tensor lies on ``cuda:0`` and puts what is made for a GPU on the CPU."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Answer for the device, and move what would go to one."""
        name = getattr(func, "__name__", "")
        if name == "__get__":
            fact = getattr(getattr(func, "__self__", None), "__name__", "")
            if fact == "is_cuda":
                return True
            if fact == "device":
                return torch.device("cuda", 0)
            if fact == "is_cpu":
                return False
        if name in ("cuda", "cpu", "pin_memory") and args and isinstance(args[0], torch.Tensor):
            return args[0]
        if name == "get_device":
            return 0
        if name == "is_pinned":
            return True
        kwargs = {key: value for key, value in (kwargs or {}).items() if key != "pin_memory"}
        if "device" in kwargs:
            kwargs["device"] = _here(kwargs["device"])
        if name == "to":
            args = (args[0], *(_here(a) for a in args[1:]))
        return func(*args, **kwargs)


def _here(value: Any) -> Any:
    """``value``, or the CPU in place of a device."""
    if isinstance(value, torch.device) or (isinstance(value, str) and value.split(":")[0] in ("cuda", "cpu")):
        return torch.device("cpu")
    return torch.device("cpu") if isinstance(value, int) and not isinstance(value, bool) else value


@contextlib.contextmanager
def pretended(gpu: Mapping[str, Any]) -> Iterator[None]:
    """A GPU of these figures (``ncukit.gpus.Gpu``, as a mapping) stands in its place inside.

    Tensors claim to lie on it only under ``Pretended``.
    """
    import triton.testing
    from triton.runtime.driver import driver

    places = (torch.cuda, triton.testing, torch.testing, torch, torch.nn.Module, torch.backends.cudnn, torch.version)
    before = [dict(vars(place)) for place in places]
    active = getattr(driver, "_active", None)
    host.pretend(host.Device(gpu))
    try:
        yield
    finally:
        driver._active = active
        for place, members in zip(places, before, strict=True):
            for name, value in dict(vars(place)).items():
                if name not in members:
                    delattr(place, name)
                elif members[name] is not value:
                    setattr(place, name, members[name])


def without_claims() -> Any:
    """Tensors are what they are inside, for the interpreter's own sake."""
    return torch._C.DisableTorchFunction()
