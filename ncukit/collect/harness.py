"""Runs inside the profiled process: warms up outside the profiled range, then records every Triton launch in it.

With ``recorder.py`` beside it this file stands alone (standard library, torch, triton): ncukit starts it by path with
whatever Python the kernels need. It writes two files: a progress log (one JSON object a line) and the record that
``collect.launches`` turns into ``launches.json``. An error of the user's code is written into the record, so that the
parent can say it clearly.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import os
import platform
import re
import runpy
import sys
import traceback
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __package__ or TYPE_CHECKING:
    from ncukit.collect.recorder import Recorder
else:
    from recorder import Recorder

    # out of the way of a module of that name beside the user's file
    sys.modules["_ncukit_recorder"] = sys.modules.pop("recorder")

if TYPE_CHECKING:
    from collections.abc import Iterator

FAILED = 87
"""Exit code when the record holds an error; ncu passes it through."""
MOST_ITEMS = 64
"""Inputs that are described one by one; of more, only the number is kept."""
LONGEST_ITEM = 80
"""Characters kept of a value's text."""


def load_module(path: Path, sizes: dict[str, str], name: str = "") -> types.ModuleType:
    """Execute a kernel file as a module, its constants replaced by ``sizes`` before anything uses them."""
    tree = ast.parse(path.read_bytes(), filename=str(path))
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            _resize(node.targets[0], node.value, sizes)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            _resize(node.target, node.value, sizes)
    # a name of its own: a kernel file called copy.py must not take the place of the standard library's
    module = types.ModuleType(name or f"_profiled_{path.stem}")
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


def inputs_of(module: Any, device: str = "cuda") -> tuple[Any, Any]:
    """The file's inputs and those of its model on a device, made there where its code allows."""
    import torch

    try:
        with torch.device(device):
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
    return _moved(inputs, device), _moved(init, device)


def _moved(value: Any, device: str) -> Any:
    """``value`` with every tensor in it on the device."""
    import torch

    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return {key: _moved(member, device) for key, member in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_moved(member, device) for member in value)
    return value


def described(value: Any, module: str = "") -> list[str]:
    """What ``get_inputs`` or ``get_init_inputs`` returned, an item a value: ``float32[112,64,512,512]``, ``eps=1e-05``.

    Args:
        value: what it returned; lists and dicts in it are taken apart.
        module: name of the module it came from. Two files that make the same inputs are to read the same.
    """
    items: list[str] = []
    more = 0
    for name, member in _members("", value, False):
        if len(items) < MOST_ITEMS:
            text = _bounded(_text(member, module))
            items.append(f"{_bounded(name)}={text}" if name else text)
        else:
            more += 1
    return [*items, f"… and {more} more"] if more else items


def _members(name: str, value: Any, inside: bool) -> Iterator[tuple[str, Any]]:
    """The values in nested containers; each with its path where a dict names it."""
    if isinstance(value, dict) and (value or not inside):
        for key, member in value.items():
            text = key if isinstance(key, str) else _text(key)
            yield from _members(f"{name}.{text}" if name else text, member, True)
    elif isinstance(value, (list, tuple)) and (value or not inside):
        for index, member in enumerate(value):
            yield from _members(f"{name}.{index}" if name else "", member, True)
    else:
        yield name, value


def _text(value: Any, module: str = "") -> str:
    """A value in one line that is the same in every run: dtype and shape of an array, no address of an object."""
    import torch

    try:
        shape = getattr(value, "shape", ())
        if isinstance(value, torch.Tensor) or (shape and hasattr(value, "dtype")):
            return f"{str(value.dtype).replace('torch.', '')}[{','.join(str(int(size)) for size in shape)}]"
        text = repr(value)
    except Exception:  # a class of the user's; what it is called is still known
        text = f"<{type(value).__name__}>"
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", text)
    return " ".join((text.replace(f"{module}.", "") if module else text).split())


def _bounded(text: str) -> str:
    return text if len(text) <= LONGEST_ITEM else text[: LONGEST_ITEM - 1] + "…"


def run_kernel_file(
    recorder: Recorder, path: Path, sizes: dict[str, str], repeat: int, stage: list[str]
) -> dict[str, list[str]]:
    """Import, build, warm up once outside the range, then run ``repeat`` times inside it.

    Returns:
        What the file's functions gave as inputs, for the record.
    """
    import torch

    stage[0] = "import"
    recorder.tell(stage="import")
    sys.path.insert(0, str(path.resolve().parent))
    module = load_module(path, sizes)
    stage[0] = "inputs"
    torch.manual_seed(0)
    inputs, init = inputs_of(module)
    problem = {"inputs": described(inputs, module.__name__), "init": described(init, module.__name__)}
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
    return problem


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
            record["problem"] = run_kernel_file(recorder, options.target, sizes, options.repeat, stage)
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
