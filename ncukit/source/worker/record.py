"""Every Triton launch of the host code, recorded where Triton would compile and run it.

Triton's own code says how arguments specialise, for whatever version is installed: its binder runs, and where it would
compile, a stand-in is given back that knows what would have been compiled.
"""

from __future__ import annotations

import functools
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    import types
    from collections.abc import Callable
    from pathlib import Path

MOST = 4000
"""Launches that are recorded; a loop of host code may make any number of equal ones."""
LONGEST = 200
"""Characters kept of a value's text."""


class Tensor:
    """A tensor argument as Triton's binder sees it: a type and an address, whatever the tensor itself is."""

    def __init__(self, tensor: Any, address: int) -> None:
        self.tensor = tensor
        self.dtype = tensor.dtype
        self.shape = tensor.shape
        self._address = address

    def data_ptr(self) -> int:
        """Address that a CUDA allocator would have given."""
        return self._address

    def stride(self, *axis: int) -> Any:
        """As torch's."""
        return self.tensor.stride(*axis)

    def ptr_range(self) -> int:
        """Bytes of its storage."""
        return int(self.tensor.untyped_storage().nbytes())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tensor, name)


@dataclass
class Build:
    """What Triton would have compiled."""

    function: Any
    signature: dict[str, Any]
    constexprs: dict[Any, Any]
    attrs: dict[Any, Any]
    options: dict[str, Any]


@dataclass
class Recorder:
    """The launches of one run of the host code."""

    target: Path
    real: Callable[[Build, Any], Any]
    """Compiles one ``Build`` for a Triton target, for host code that looks at the result."""
    reads: Callable[[], int]
    """How many values the host has read so far."""
    read: Callable[[], None]
    """Counts one more: an answer that only a GPU could have given."""
    builds: list[Build] = field(default_factory=list)
    launches: list[dict[str, Any]] = field(default_factory=list)
    config: list[Any] = field(default_factory=list)
    """The autotune configuration that is being tried."""
    left_out: int = 0
    seen: dict[int, Any] = field(default_factory=dict)
    """Every Triton function that was called."""

    def install(self) -> None:
        """Put the recorder in the way of ``kernel[grid](...)`` and of autotuners."""
        from triton.runtime.autotuner import Autotuner
        from triton.runtime.jit import JITFunction

        original = JITFunction.run

        @functools.wraps(original)
        def run(fn: Any, *args: Any, grid: Any = None, warmup: bool = False, **kwargs: Any) -> Any:
            self.seen[id(fn)] = fn
            args, kwargs = tuple(self._seen(a) for a in args), {k: self._seen(v) for k, v in kwargs.items()}
            with torch._C.DisableTorchFunction():
                compiled = original(fn, *args, grid=grid, warmup=True, **kwargs)
            if not warmup and isinstance(compiled, Stub):
                self.record(fn, args, kwargs, grid, compiled)
            return compiled

        def compile_(
            fn: Any, key: Any, signature: Any, device: Any, constexprs: Any, options: Any, attrs: Any, *_: Any
        ) -> Stub:
            cache, _keys, target, *_rest = fn.device_caches[device]
            build = Build(fn, signature, constexprs, attrs, dict(options.__dict__))
            self.builds.append(build)
            cache[key] = stub = Stub(self, build, len(self.builds) - 1, target)
            return stub

        JITFunction.run = run
        JITFunction._do_compile = compile_
        Autotuner.run = _tuner(self)
        Autotuner.best_config = _best(self)
        _refuse_interpreter()

    def restart(self) -> None:
        """Forget the launches before the host code runs again.

        The builds stay where they are: functions of installed modules, which are not imported again, may still hold
        stand-ins that know their build by its number.
        """
        self.launches = []
        self.config.clear()
        self.left_out = 0
        for fn in self.seen.values():
            fn.device_caches.clear()

    def tidy(self, since: int) -> None:
        """Drop the builds before number ``since`` that no launch needs."""
        used = {row["build"] for row in self.launches}
        kept = [n for n in range(len(self.builds)) if n >= since or n in used]
        place = {n: at for at, n in enumerate(kept)}
        self.builds = [self.builds[n] for n in kept]
        for row in self.launches:
            row["build"] = place[row["build"]]

    def _seen(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return Tensor(value, value.data_ptr())
        return value

    def record(self, fn: Any, args: Any, kwargs: Any, grid: Any, stub: Stub) -> None:
        """Keep one launch."""
        if len(self.launches) >= MOST:
            self.left_out += 1
            return
        bound = fn.device_caches[0][-1](*args, **kwargs)[0]
        shape, problem = _grid(grid, bound)
        config = self.config[-1] if self.config else None
        self.launches.append(
            {
                "build": stub.number,
                "kernel": fn.__name__,
                "grid": shape,
                "grid_problem": problem,
                "values": {name: described(value) for name, value in bound.items()},
                "config": None if config is None else _bounded(str(config)),
                "line": self.line(),
                "certain": self.reads() == 0,
            }
        )

    def line(self) -> int | None:
        """Line of the file that the user named, from which this launch came."""
        frame: types.FrameType | None = sys._getframe(1)
        while frame is not None and os.path.realpath(frame.f_code.co_filename) != str(self.target):
            frame = frame.f_back
        return None if frame is None else frame.f_lineno


class Stub:
    """Stands in for a compiled kernel. Host code that looks into it has it compiled."""

    def __init__(self, recorder: Recorder, build: Build, number: int, target: Any) -> None:
        self.number = number
        self._recorder, self._build, self._target = recorder, build, target
        self._real: Any = None

    def __getitem__(self, grid: Any) -> Any:
        build = self._build

        def launch(*args: Any, **_: Any) -> None:
            names = list(build.signature)
            seen = [self._recorder._seen(a) for a in args]
            if len(seen) < len(names):
                fixed = {names[path[0]]: value for path, value in build.constexprs.items() if len(path) == 1}
                rest = iter(seen)
                bound = {n: fixed[n] if n in fixed else next(rest, None) for n in names}
            else:
                bound = dict(zip(names, seen, strict=False))
            function = _Bound(build.function, bound)
            self._recorder.record(function, (), {}, grid, self)

        return launch

    def _init_handles(self) -> None:
        """A driver would load the kernel here."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("result", "launch_metadata", "run", "function"):
            raise AttributeError(name)
        if self._real is None:
            self._real = self._recorder.real(self._build, self._target)
        return getattr(self._real, name)


class _Bound:
    """A function whose arguments are known already, as ``Recorder.record`` asks for them."""

    def __init__(self, function: Any, bound: dict[str, Any]) -> None:
        self.__name__ = function.__name__
        self.device_caches = {0: (lambda *_, **__: (bound,),)}


def _tuner(recorder: Recorder) -> Any:
    """``Autotuner.run`` that goes through every configuration that it would try."""

    def run(tuner: Any, *args: Any, **kwargs: Any) -> Any:
        tuner.nargs = dict(zip(tuner.arg_names, args, strict=False))
        configs = list(tuner.configs)
        if len(configs) > 1:
            try:
                configs = list(tuner.prune_configs(kwargs)) or configs
            except Exception:  # a performance model of the user's may ask the GPU
                configs = list(tuner.configs)
        result = None
        for config in configs:
            clash = set(kwargs) & set(config.kwargs)
            if clash:
                raise ValueError(
                    f"Conflicting meta-parameters: {', '.join(sorted(clash))}."
                    " Make sure that you don't re-define auto-tuned symbols."
                )
            if config.pre_hook is not None:
                config.pre_hook({**tuner.nargs, **kwargs, **config.all_kwargs()})
            recorder.config.append(config if len(tuner.configs) > 1 else None)
            try:
                result = tuner.fn.run(*args, **{**kwargs, **config.all_kwargs()})
            finally:
                recorder.config.pop()
        tuner.best_config = configs[0]
        tuner.nargs = None
        return result

    return run


def _best(recorder: Recorder) -> Any:
    """``Autotuner.best_config``, which of several is measured: what host code does by it is assumed."""

    def read(tuner: Any) -> Any:
        if "best_config" not in tuner.__dict__:
            raise AttributeError("best_config")
        if len(tuner.configs) > 1:
            recorder.read()
        return tuner.__dict__["best_config"]

    return property(read, lambda tuner, config: tuner.__dict__.__setitem__("best_config", config))


def _refuse_interpreter() -> None:
    """Say so where a file has its kernels interpreted, which would run them on tensors without data."""
    try:
        from triton.runtime.interpreter import InterpretedFunction
    except ImportError:
        return

    def run(*_: Any, **__: Any) -> Any:
        raise RuntimeError("the file turns Triton's interpreter on (TRITON_INTERPRET), which compiles no kernel")

    InterpretedFunction.run = run


def _grid(grid: Any, bound: dict[str, Any]) -> tuple[list[int] | None, str]:
    try:
        shape = grid(bound) if callable(grid) else grid
        shape = [int(n) for n in (shape if isinstance(shape, (tuple, list)) else (shape,))]
    except Exception as error:  # the user's code; that it failed is what there is to say
        return None, _bounded(f"{type(error).__name__}: {error}")
    return [*shape, 1, 1][:3], ""


def described(value: Any) -> dict[str, Any]:
    """A JSON description of an argument."""
    if isinstance(value, Tensor):
        tensor = value.tensor
        shape, stride = [int(n) for n in tensor.shape], [int(n) for n in tensor.stride()]
        extent = 1 + sum((n - 1) * abs(s) for n, s in zip(shape, stride, strict=True)) if all(shape) else 0
        return {"shape": shape, "stride": stride, "bytes": extent * tensor.element_size(), "dtype": str(tensor.dtype)}
    if value is None or isinstance(value, (bool, int, str)):
        return {"value": _bounded(value) if isinstance(value, str) else value}
    if isinstance(value, float):
        return {"value": value if value == value and abs(value) != float("inf") else str(value)}
    return {"value": _bounded(getattr(value, "__name__", None) or str(value))}


def _bounded(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
