"""What the harness records: every Triton launch, at the one place that all of them pass.

Stands alone like ``harness.py`` (standard library, torch, triton): it runs in whatever Python the kernels need.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import types
    from collections.abc import Iterator
    from pathlib import Path

DEFAULTS = {"maxnreg": None, "enable_fp_fusion": True, "launch_cooperative_grid": False, "launch_pdl": False}
"""Launch options beyond warps, stages and CTAs that change the compiled code, and their values when nobody asks."""
LONGEST_IR = 2_000_000
"""Longest compiler text kept a kernel, in characters. A longer one is left out: cut, it would seem to touch less."""


class Recorder:
    """Wraps Triton's launch and autotune paths for the life of the process."""

    def __init__(self, progress: Path) -> None:
        self.kernels: dict[str, dict[str, Any]] = {}
        self.launches: list[dict[str, Any]] = []
        self.unjoinable: dict[str, str] = {}
        self.active = False
        self.expected = 0
        self._buffers: dict[tuple[int, int], tuple[weakref.ref[Any], int]] = {}
        self._numbers = 0
        self._progress = progress.open("a", encoding="utf-8", buffering=1)

    def tell(self, **event: Any) -> None:
        """Append one event to the progress log."""
        self._progress.write(json.dumps(event) + "\n")

    def install(self) -> None:
        """Patch the two classes that every ``kernel[grid](...)`` goes through."""
        from triton.compiler import CompiledKernel
        from triton.runtime.autotuner import Autotuner
        from triton.runtime.jit import JITFunction

        launch, bench = JITFunction.run, Autotuner._bench

        def run(fn: Any, *args: Any, grid: Any, warmup: bool = False, **kwargs: Any) -> Any:
            compiled = launch(fn, *args, grid=grid, warmup=warmup, **kwargs)
            if self.active and not warmup:
                self.record(fn, args, kwargs, grid, compiled)
            return compiled

        def trial(tuner: Any, *args: Any, **kwargs: Any) -> Any:
            # an autotune trial is not the kernel that runs in the end: leave the profiled range for its duration
            with self.paused():
                return bench(tuner, *args, **kwargs)

        JITFunction.run = run
        Autotuner._bench = trial
        direct = CompiledKernel.__getitem__

        def getitem(compiled: Any, grid: Any) -> Any:
            # launched past JITFunction: the name is in ncu's report, and nothing tells its arguments
            if self.active:
                self.unjoinable[str(compiled.name)] = "launched as a compiled kernel"
            return direct(compiled, grid)

        CompiledKernel.__getitem__ = getitem
        sys.meta_path.insert(0, _AfterImport("torch._inductor.runtime.triton_heuristics", self._pause_inductor))

    def _pause_inductor(self, module: Any) -> None:
        """Keep torch.compile's own trials out of the range too."""
        for name in ("benchmark_all_configs", "coordinate_descent_tuning"):
            tune = getattr(module.CachingAutotuner, name, None)
            if tune is None:
                continue

            def paused(tuner: Any, *args: Any, _tune: Any = tune, **kwargs: Any) -> Any:
                with self.paused():
                    return _tune(tuner, *args, **kwargs)

            setattr(module.CachingAutotuner, name, paused)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Outside the profiled range, if it was inside."""
        if not self.active:
            yield
            return
        self.stop()
        try:
            yield
        finally:
            self.start()

    def start(self) -> None:
        """Enter the profiled range."""
        import torch

        torch.cuda.synchronize()
        torch.cuda.cudart().cudaProfilerStart()
        self.active = True

    def stop(self) -> None:
        """Leave the profiled range, once everything launched in it has run."""
        import torch

        torch.cuda.synchronize()
        torch.cuda.cudart().cudaProfilerStop()
        self.active = False

    def record(self, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any], grid: Any, compiled: Any) -> None:
        """Keep what Triton knows about one launch."""
        import torch

        name = str(getattr(compiled, "name", None) or fn.__name__)
        if torch.cuda.is_current_stream_capturing():
            self.unjoinable[name] = "launched from a CUDA graph"
            return
        bound = {p.name: p.default for p in fn.params if p.has_default}
        bound.update(zip(fn.arg_names, args, strict=False))
        bound.update({k: v for k, v in kwargs.items() if k in fn.arg_names})
        dims = grid(bound) if callable(grid) else grid
        dims = [int(d) for d in (dims if isinstance(dims, (tuple, list)) else [dims])]
        if 0 in dims:
            return  # Triton does not launch an empty grid
        constexprs = {p.name for p in fn.params if p.is_constexpr}
        flat = dict(_flattened(bound))
        plain = {k: _scalar(v) for k, v in flat.items() if k not in constexprs and _tensor(v) is None}
        self.launches.append(
            {
                "kernel": self._kernel(fn, name, compiled, {k: _scalar(bound[k]) for k in constexprs if k in bound}),
                "grid": [*dims, 1, 1, 1][:3],
                "launch": _caller(),
                "scalars": plain,
                "tensors": [self._describe(k, t) for k, v in flat.items() if (t := _tensor(v)) is not None],
            }
        )
        self.tell(stage="launch", done=len(self.launches), total=self.expected, kernel=name)

    def _kernel(self, fn: Any, name: str, compiled: Any, constexprs: dict[str, Any]) -> str:
        meta = compiled.metadata
        key = f"{name}-{str(getattr(meta, 'hash', id(compiled)))[:16]}-{len(json.dumps(constexprs, sort_keys=True))}"
        same = next(
            (k for k, v in self.kernels.items() if v["id"] == id(compiled) and v["constexprs"] == constexprs),
            None,
        )
        if same is not None:
            return same
        while key in self.kernels:
            key += "x"
        ttir = str(getattr(compiled, "asm", {}).get("ttir", ""))
        code = getattr(fn.fn, "__code__", None)
        self.kernels[key] = {
            "id": id(compiled),
            "name": name,
            "num_warps": getattr(meta, "num_warps", None),
            "num_stages": getattr(meta, "num_stages", None),
            "num_ctas": getattr(meta, "num_ctas", 1),
            "registers": getattr(compiled, "n_regs", None),
            "spills": getattr(compiled, "n_spills", None),
            "shared_bytes": getattr(meta, "shared", 0),
            "cooperative": bool(getattr(meta, "launch_cooperative_grid", False)),
            "options": {k: _scalar(v) for k, d in DEFAULTS.items() if (v := getattr(meta, k, d)) != d},
            "constexprs": constexprs,
            "file": code.co_filename if code else None,
            "line": code.co_firstlineno if code else None,
            "ttir": ttir if len(ttir) <= LONGEST_IR else "",
        }
        return key

    def _describe(self, name: str, tensor: Any) -> dict[str, Any]:
        # broadcast dimensions (stride 0) hold no bytes of their own
        elements = 1
        for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
            elements *= int(size) if stride else min(int(size), 1)
        return {
            "name": name,
            "dtype": str(tensor.dtype).removeprefix("torch."),
            "shape": [int(n) for n in tensor.shape],
            "bytes": elements * tensor.element_size(),
            "buffer": self._buffer(tensor),
            "aligned": int(tensor.data_ptr()) % 16 == 0,
        }

    def _buffer(self, tensor: Any) -> int:
        """Number of the memory behind a tensor: an address that was freed and handed out again is another buffer."""
        storage = tensor.untyped_storage()
        place = (storage.data_ptr(), int(tensor.storage_offset()))
        known = self._buffers.get(place)
        if known is None or known[0]() is None:
            known = (weakref.ref(storage), self._numbers)
            self._numbers += 1
            self._buffers[place] = known
        return known[1]


class _AfterImport:
    """Runs ``act`` on one module right after it is imported, for what is too heavy to import on suspicion."""

    def __init__(self, name: str, act: Any) -> None:
        self._name, self._act = name, act

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """The module's ordinary spec, its execution followed by ``act``."""
        if name != self._name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def exec_module(module: types.ModuleType) -> None:
                run(module)
                with contextlib.suppress(Exception):  # another torch, another shape: its trials are then measured
                    self._act(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _tensor(value: Any) -> Any:
    """The torch tensor behind an argument (itself, or the base of a tensor descriptor), or None."""
    for candidate in (value, getattr(value, "base", None)):
        if hasattr(candidate, "untyped_storage") and hasattr(candidate, "stride"):
            return candidate
    return None


def _flattened(bound: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Arguments with tuples taken apart: Triton passes their members one by one."""
    for name, value in bound.items():
        if isinstance(value, (tuple, list)):
            yield from _flattened({f"{name}.{i}": member for i, member in enumerate(value)})
        else:
            yield name, value


def _scalar(value: Any) -> int | float | str | bool | None:
    value = getattr(value, "value", value) if type(value).__name__ == "constexpr" else value
    return value if isinstance(value, (int, float, str, bool, type(None))) else str(value)[:200]


def _caller() -> dict[str, Any]:
    """File and line of the launch: the innermost frame outside Triton and this file."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if name != __file__ and f"{os.sep}triton{os.sep}" not in name:
            return {"file": name, "line": frame.f_lineno}
        frame = frame.f_back
    return {"file": None, "line": None}
