"""Runs inside the profiled process: warms up outside the profiled range, then records every Triton launch in it.

This file stands alone (standard library, torch, triton): ncukit starts it by path with whatever Python the kernels
need. It writes two files: a progress log (one JSON object a line) and the record that ``collect.launches`` turns into
``launches.json``. An error of the user's code is written into the record, so that the parent can say it clearly.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib.util
import json
import os
import platform
import runpy
import sys
import traceback
import types
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

FAILED = 87
"""Exit code when the record holds an error; ncu passes it through."""
LONGEST_IR = 2_000_000
"""Longest compiler text kept a kernel, in characters."""


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
        asm = getattr(compiled, "asm", {})
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
            "constexprs": constexprs,
            "file": code.co_filename if code else None,
            "line": code.co_firstlineno if code else None,
            "ttir": str(asm.get("ttir", ""))[:LONGEST_IR],
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


def load_module(path: Path, sizes: dict[str, str]) -> types.ModuleType:
    """Execute a kernel file as a module, its constants replaced by ``sizes`` before anything uses them."""
    tree = ast.parse(path.read_bytes(), filename=str(path))
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            _resize(node.targets[0], node.value, sizes)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            _resize(node.target, node.value, sizes)
    # a name of its own: a kernel file called copy.py must not take the place of the standard library's
    module = types.ModuleType(f"_profiled_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    exec(compile(tree, str(path), "exec"), module.__dict__)  # noqa: S102 - running the user's file is the job
    return module


def _resize(target: ast.expr, value: ast.expr, sizes: dict[str, str]) -> None:
    """Set the constants that ``target = value`` assigns: one name, or a tuple of names."""
    pairs = [(target, value)]
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        pairs = list(zip(target.elts, value.elts))  # noqa: B905 - runs in the user's Python, of any version
    for name, constant in pairs:
        if isinstance(name, ast.Name) and isinstance(constant, ast.Constant) and name.id in sizes:
            constant.value = ast.literal_eval(sizes[name.id])


def _inputs(module: Any) -> tuple[Any, Any]:
    """The file's inputs on the GPU, made there where its code allows."""
    import torch

    try:
        with torch.device("cuda"):
            # filling gigabytes on the CPU takes longer than profiling them
            inputs, init = module.get_inputs(), module.get_init_inputs()
    except torch.OutOfMemoryError:
        raise
    except Exception:
        # a CPU generator, numpy or pinned memory does not go with a default device
        torch.manual_seed(0)
        inputs, init = module.get_inputs(), module.get_init_inputs()
    if isinstance(inputs, torch.Tensor):
        inputs = [inputs]
    return _moved(inputs), _moved(init)


def _moved(value: Any) -> Any:
    """``value`` with every tensor in it on the GPU."""
    import torch

    if isinstance(value, torch.Tensor):
        return value.cuda()
    if isinstance(value, dict):
        return {key: _moved(member) for key, member in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_moved(member) for member in value)
    return value


def run_kernel_file(recorder: Recorder, path: Path, sizes: dict[str, str], repeat: int, stage: list[str]) -> None:
    """Import, build, warm up once outside the range, then run ``repeat`` times inside it."""
    import torch

    stage[0] = "import"
    recorder.tell(stage="import")
    sys.path.insert(0, str(path.resolve().parent))
    module = load_module(path, sizes)
    stage[0] = "inputs"
    torch.manual_seed(0)
    inputs, init = _inputs(module)
    stage[0] = "build"
    chosen = getattr(module, "ModelNew", None) or module.Model
    model = chosen(**init) if isinstance(init, dict) else chosen(*init)
    if hasattr(model, "cuda"):
        model = model.cuda()
    stage[0] = "warm-up"
    recorder.tell(stage="warm-up")

    def call(model: Any) -> None:
        """One forward pass."""
        model(**inputs) if isinstance(inputs, dict) else model(*inputs)

    with torch.no_grad():
        recorder.active = True  # count the launches of one call, to know how far the profiled ones are
        with _no_range(recorder):
            call(model)
            torch.cuda.synchronize()
        recorder.active = False
        recorder.expected = len(recorder.launches) * repeat
        recorder.launches.clear()
        recorder.kernels.clear()
        recorder.unjoinable.clear()
        stage[0] = "run"
        recorder.start()
        for _ in range(repeat):
            call(model)
        recorder.stop()


@contextlib.contextmanager
def _no_range(recorder: Recorder) -> Iterator[None]:
    """Let ``paused`` only toggle recording, not ncu's range, while warming up."""
    start, stop = recorder.start, recorder.stop
    recorder.start = lambda: setattr(recorder, "active", True)  # type: ignore[method-assign]
    recorder.stop = lambda: setattr(recorder, "active", False)  # type: ignore[method-assign]
    try:
        yield
    finally:
        recorder.start, recorder.stop = start, stop  # type: ignore[method-assign]


def run_script(recorder: Recorder, path: Path, arguments: list[str], stage: list[str]) -> None:
    """Run a script as ``python script args`` would; only autotune trials are kept out of the range."""
    stage[0] = "script"
    recorder.tell(stage="script")
    sys.argv = [str(path), *arguments]
    sys.path.insert(0, str(path.resolve().parent))
    recorder.active = True
    try:
        runpy.run_path(str(path), run_name="__main__")
    finally:
        recorder.active = False


def failure(stage: str, error: BaseException, target: Path) -> dict[str, Any]:
    """What the parent needs to explain an error of the user's code."""
    where = None
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename).name == target.name:
            where = [frame.filename, frame.lineno]
    text = traceback.format_exception_only(type(error), error)
    return {"stage": stage, "type": type(error).__name__, "message": "".join(text)[-4000:], "where": where}


def main() -> int:
    """Parse the arguments that ``collect.command`` wrote, run, and leave the record behind."""
    parser = argparse.ArgumentParser(prog="harness")
    parser.add_argument("--record", type=Path, required=True)
    parser.add_argument("--progress", type=Path, required=True)
    parser.add_argument("--mode", choices=["kernel", "script"], required=True)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--size", action="append", default=[])
    parser.add_argument("target", type=Path)
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != Path(__file__).resolve().parent]

    stage = ["set-up"]
    record: dict[str, Any] = {"versions": {"python": platform.python_version()}, "process": os.getpid()}
    recorder = Recorder(options.progress)
    code = 0
    try:
        import torch
        import triton

        record["versions"].update(torch=str(torch.__version__), triton=str(triton.__version__))
        if options.mode == "kernel" and not torch.cuda.is_available():
            raise RuntimeError("torch sees no CUDA device")
        recorder.install()
        if options.mode == "kernel":
            sizes = dict(s.split("=", 1) for s in options.size)
            run_kernel_file(recorder, options.target, sizes, options.repeat, stage)
        else:
            arguments = options.arguments[1:] if options.arguments[:1] == ["--"] else options.arguments
            run_script(recorder, options.target, arguments, stage)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
    except SystemExit as error:
        # a script's own exit status is its word to ncu, and through ncu to the user
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)  # noqa: T201 - what Python itself would do
        if options.mode == "kernel":
            record["error"] = failure(stage[0], error, options.target)
            code = FAILED
    except BaseException as error:
        record["error"] = failure(stage[0], error, options.target)
        traceback.print_exc()
        code = FAILED
    for kernel in recorder.kernels.values():
        del kernel["id"]
    record.update(kernels=recorder.kernels, launches=recorder.launches, unjoinable=recorder.unjoinable)
    options.record.write_text(json.dumps(record), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
