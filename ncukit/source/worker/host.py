"""A GPU that is not there: host code sees CUDA tensors and a device's figures, and no tensor has any data.

Tensors are torch's own meta tensors; a ``TorchFunctionMode`` tells whoever asks that they lie on ``cuda:0``. Host code
that reads a value fails on them, so it can be run again on CPU tensors, whose values are not those of a GPU either:
what is launched after such a read is then only assumed.
"""

from __future__ import annotations

import contextlib
import sys
import types
from typing import TYPE_CHECKING, Any, Self

import torch
from torch.overrides import TorchFunctionMode

from ncukit.source.worker import operators
from ncukit.source.worker.reading import ValueReadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

BASE = 1 << 40
"""Address that every storage is taken to start at: allocators align to 256 bytes and more."""
READS = frozenset(
    [
        "item",
        "tolist",
        "numpy",
        "__bool__",
        "__int__",
        "__float__",
        "__index__",
        "__complex__",
        "__array__",
        "is_nonzero",
        "nonzero",
        "argwhere",
        "unique",
        "unique_consecutive",
        "masked_select",
        "bincount",
    ]
)
"""Functions whose result, or its shape, hangs on values."""
COMPARISONS = ("allclose", "equal")
"""Ask whether two results agree, which two that nobody computed never do."""
_LIKE = ("empty_like", "zeros_like", "ones_like", "full_like", "rand_like", "randn_like", "randint_like")


class Device:
    """The figures of one GPU, and whether host code asked for them."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.facts = dict(facts)
        major, minor = (int(part) for part in str(facts["compute_capability"]).split("."))
        self.capability = (major, minor)
        self.asked = False

    def properties(self, *_: Any, **__: Any) -> Any:
        """What ``torch.cuda.get_device_properties`` gives."""
        self.asked = True
        facts, (major, minor) = self.facts, self.capability
        return types.SimpleNamespace(
            name=facts["name"],
            major=major,
            minor=minor,
            multi_processor_count=facts["sm_count"],
            max_threads_per_multi_processor=facts["max_threads_per_sm"],
            regs_per_multiprocessor=facts["registers_per_sm"],
            shared_memory_per_block=48 * 1024,
            shared_memory_per_block_optin=facts["shared_per_block"],
            shared_memory_per_multiprocessor=facts["shared_per_sm"],
            max_threads_per_block=facts["max_threads_per_block"],
            total_memory=int(facts["memory_gb"] * 1e9),
            L2_cache_size=facts["l2_bytes"],
            warp_size=32,
            is_integrated=False,
            gcnArchName="",
        )

    def triton_properties(self, *_: Any) -> dict[str, int]:
        """What ``driver.active.utils.get_device_properties`` gives."""
        self.asked = True
        facts = self.facts
        return {
            "max_shared_mem": facts["shared_per_block"],
            "max_num_regs": facts["registers_per_sm"],
            "multiprocessor_count": facts["sm_count"],
            "warpSize": 32,
            "sm_clock_rate": 0,
            "mem_clock_rate": 0,
            "mem_bus_width": 0,
        }

    def compute_capability(self, *_: Any, **__: Any) -> tuple[int, int]:
        """What ``torch.cuda.get_device_capability`` gives."""
        self.asked = True
        return self.capability


class Host(TorchFunctionMode):  # type: ignore[misc]
    """Tells that every tensor lies on a GPU, and counts reads of values.

    Args:
        backing: ``meta`` for tensors without data, ``cpu`` for real ones.
        line: gives the line of the user's file that runs, for notes.
    """

    def __init__(self, backing: str, line: Callable[[], int | None]) -> None:
        super().__init__()
        self.backing = backing
        self.reads = 0
        self.notes: list[dict[str, Any]] = []
        self._line = line

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
            if fact in ("is_meta", "is_cpu"):
                return False
        if name in ("cuda", "pin_memory") and args and isinstance(args[0], torch.Tensor):
            return self._placed(args[0])
        if name == "get_device":
            return 0
        if name == "is_pinned":
            return True
        if name == "data_ptr":
            return BASE + args[0].storage_offset() * args[0].element_size()
        if name in READS:
            self.reads += 1
        if name in COMPARISONS:
            self.reads += 1
            if self.backing == "meta":
                raise ValueReadError(f"{name}: no tensor has values here")
            return True  # as the host code expects of a GPU
        kwargs = {key: value for key, value in (kwargs or {}).items() if key not in ("pin_memory", "generator")}
        if "device" in kwargs:
            kwargs["device"] = self._device(kwargs["device"])
        if name in ("to", "cpu", "type_as", "_to_copy"):
            if name == "cpu":
                return args[0]
            args = (args[0], *(self._device(a) for a in args[1:]))
        if self.backing == "meta":
            quick = _without_values(name, args, kwargs)
            if quick is not None:
                return quick
        operator = operators.name_of(func)
        if operator is not None:
            return operators.call(operator, func, args, kwargs, self, self._tell)
        return func(*args, **kwargs)

    def _tell(self, message: str) -> None:
        note = {"code": "custom-op", "message": message, "line": self._line()}
        if note not in self.notes:
            self.notes.append(note)

    def _device(self, value: Any) -> Any:
        """``value``, or the backing device in place of one."""
        if isinstance(value, torch.device) or (isinstance(value, str) and value.split(":")[0] in ("cuda", "cpu")):
            return torch.device(self.backing)
        return torch.device(self.backing) if isinstance(value, int) and not isinstance(value, bool) else value

    def _placed(self, tensor: Any) -> Any:
        with torch._C.DisableTorchFunction():
            return tensor if tensor.device.type == self.backing else tensor.to(self.backing)


def _without_values(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """A meta tensor of the same shape, strides and type, for functions that differ in values alone; else None.

    torch computes these shapes in Python, for which it first loads half a second of symbolic algebra.
    """
    if name in _LIKE and args and isinstance(args[0], torch.Tensor):
        format_ = kwargs.get("memory_format") or torch.preserve_format
        made = args[0].detach().clone(memory_format=format_)
        return made if kwargs.get("dtype") is None else made.to(kwargs["dtype"])
    if name == "randn" and not {"out", "names"} & kwargs.keys():
        return torch.rand(*args, **kwargs)
    return None


class _Stream:
    """A stream, an event, a context: whatever host code does with it has no effect."""

    cuda_stream = 0
    device = torch.device("cuda", 0)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def elapsed_time(self, *_: Any) -> float:
        """Milliseconds; nobody measured any."""
        return 1.0

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_, **__: None


class _Properties:
    """``driver.active.utils``."""

    def __init__(self, device: Device) -> None:
        self.get_device_properties = device.triton_properties

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{name}: there is no GPU driver here")


class Driver:
    """What Triton asks its driver before it launches."""

    def __init__(self, device: Device, once: Callable[..., Any]) -> None:
        from triton.backends.compiler import GPUTarget

        major, minor = device.capability
        self._target = GPUTarget("cuda", major * 10 + minor, 32)

        class Told(GPUTarget):  # type: ignore[misc]
            """The same for host code: reading its architecture is asking the device."""

            def __getattribute__(self, name: str) -> Any:
                if name == "arch":
                    device.asked = True
                return super().__getattribute__(name)

        self._told = Told("cuda", major * 10 + minor, 32)
        self._device = device
        self._once = once
        self.utils = _Properties(device)

    def get_current_target(self) -> Any:
        """The architecture. Triton itself always asks; host code that does may go other ways by it."""
        name = str(sys._getframe(1).f_globals.get("__name__", ""))
        return self._target if name.split(".")[0] in ("triton", "ncukit") else self._told

    def get_current_device(self) -> int:
        """The only one."""
        return 0

    def set_current_device(self, _: int) -> None:
        """There is but one."""

    def get_current_stream(self, _: Any = None) -> int:
        """The default stream."""
        return 0

    def get_device_capability(self, *_: Any) -> tuple[int, int]:
        """Compute capability."""
        return self._device.compute_capability()

    def get_active_torch_device(self) -> torch.device:
        """As host code has it in ``device=``."""
        return torch.device("cuda", 0)

    def get_device_interface(self) -> Any:
        """torch's module of the device."""
        return torch.cuda

    def get_benchmarker(self) -> Any:
        """Calls once and times nothing."""
        return self._once

    def get_empty_cache_for_benchmark(self) -> Any:
        """A tensor that nobody writes."""
        return torch.empty(1, device="meta")

    def clear_cache(self, _: Any) -> None:
        """There is no cache."""


def once(function: Callable[[], Any], *_: Any, quantiles: Any = None, **__: Any) -> Any:
    """Stand in for ``triton.testing.do_bench``: call, and give a time that means nothing."""
    function()
    return [1.0 for _ in quantiles] if quantiles else 1.0


def _as_it_is(model: Any = None, *_: Any, **__: Any) -> Any:
    """Stand in for ``torch.compile``: its own compiler would leave no launch of the file's as it stands there."""
    return model if model is not None else lambda function: function


def pretend(device: Device) -> None:
    """Put the device in place, for the life of this process."""
    import triton
    import triton.testing
    from triton.runtime.driver import driver

    driver.set_active(Driver(device, once))
    triton.testing.do_bench = once
    triton.testing.do_bench_cudagraph = once
    torch.testing.assert_close = lambda *_, **__: None  # it compares results, and there are none
    if hasattr(triton.testing, "assert_close"):
        triton.testing.assert_close = torch.testing.assert_close
    torch.compile = _as_it_is
    torch.nn.Module.compile = lambda *_, **__: None
    torch.backends.cudnn.is_available = lambda: True
    version = getattr(torch, "version", None)
    if version is not None and getattr(version, "cuda", None) is None:
        version.cuda = "13.0"
    nothing = _Stream()
    answers: dict[str, Any] = {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "init": lambda: None,
        "_lazy_init": lambda: None,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "set_device": lambda *_: None,
        "get_device_name": lambda *_: device.properties().name,
        "get_device_properties": device.properties,
        "get_device_capability": device.compute_capability,
        "get_arch_list": lambda: ["sm_{}{}".format(*device.capability)],
        "is_bf16_supported": lambda *_, **__: True,
        "synchronize": lambda *_: None,
        "empty_cache": lambda: None,
        "manual_seed": lambda *_: None,
        "manual_seed_all": lambda *_: None,
        "mem_get_info": lambda *_: (int(device.facts["memory_gb"] * 1e9),) * 2,
        "current_stream": lambda *_: nothing,
        "default_stream": lambda *_: nothing,
        "Stream": _Stream,
        "Event": _Stream,
        "stream": _Stream,
        "device": _Stream,
        "device_of": _Stream,
        "graph": _Stream,
        "CUDAGraph": _Stream,
        "memory_allocated": lambda *_: 0,
        "max_memory_allocated": lambda *_: 0,
        "reset_peak_memory_stats": lambda *_: None,
    }
    for name, answer in answers.items():
        setattr(torch.cuda, name, answer)


@contextlib.contextmanager
def tensors(backing: str, *, gradients: bool, line: Callable[[], int | None]) -> Iterator[Host]:
    """Host code inside works on tensors of this backing that claim to lie on the GPU.

    Args:
        backing: ``meta`` or ``cpu``.
        gradients: whether autograd records; a model is profiled without, a script does as it likes.
        line: gives the line of the user's file that runs.
    """
    with contextlib.ExitStack() as stack:
        if backing == "meta":
            stack.enter_context(torch.device("meta"))
        stack.enter_context(torch.set_grad_enabled(gradients))
        yield stack.enter_context(Host(backing, line))
