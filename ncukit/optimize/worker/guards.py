"""What an answer may not do while it runs: patch what judges it, start threads, let PyTorch compute, run for ever."""

from __future__ import annotations

import builtins
import contextlib
import copy
import math
import random
import signal
import sys
import threading
import time
import types
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ncukit.optimize.worker.inputs import tensors

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGE = 4
"""An operation on at least this part (one in four) of the largest tensor's values is work of the problem's size."""
FEWEST = 128
"""With fewer values than this an operation is small, whatever the problem."""
_FREE_NAMES = """
    empty empty_like empty_strided empty_permuted new_empty new_empty_strided zeros zeros_like new_zeros ones
    ones_like new_ones full full_like new_full scalar_tensor arange linspace eye copy_ copy clone _to_copy
    contiguous fill_ fill zero_ zero lift lift_fresh lift_fresh_copy _local_scalar_dense item detach detach_ alias
    resize_ resize_as_ set_ constant_pad_nd pad cat stack _reshape_alias reshape _unsafe_view is_pinned is_same_size
    _pin_memory t_ transpose_ squeeze_ unsqueeze_ as_strided_ requires_grad_ view_copy expand_copy slice_copy
    select_copy permute_copy t_copy transpose_copy broadcast_tensors
"""
_FREE = frozenset(_FREE_NAMES.split())
"""Operations that allocate, move or rename values and compute none."""
_MODULES = (
    "torch torch.nn torch.nn.functional torch.cuda torch.random torch.testing torch.utils.deterministic triton"
    " triton.testing triton.runtime.driver"
)
_CLASSES = (
    ("torch", "Tensor"),
    ("torch.nn", "Module"),
    ("torch.cuda", "Event"),
    ("torch.cuda", "Stream"),
    ("triton.runtime.jit", "JITFunction"),
    ("triton.runtime.jit", "KernelInterface"),
    ("triton.runtime.autotuner", "Autotuner"),
    ("triton.runtime.autotuner", "Heuristics"),
    ("triton.runtime.interpreter", "InterpretedFunction"),
    ("triton.runtime.interpreter", "GridExecutor"),
)
_FUNCTIONS = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    type,
    property,
    staticmethod,
    classmethod,
)


class TooLongError(BaseException):
    """A call ran out of its time or its programs. No ``except Exception`` of an answer's catches it."""


class Identities:
    """Which functions stood where before the answer was loaded."""

    def __init__(self) -> None:
        self._before: dict[tuple[str, str], Any] = {}
        for place, members in _places():
            for name, value in members.items():
                if isinstance(value, _FUNCTIONS) and not name.startswith("__"):
                    self._before[place, name] = value

    def changed(self) -> list[str]:
        """Names that stand for something else now."""
        now = {(place, name): value for place, members in _places() for name, value in members.items()}
        return [f"{place}.{name}" for (place, name), value in self._before.items()
                if now.get((place, name)) is not value and not _wraps(now.get((place, name)), value)]  # fmt: skip


def _wraps(now: Any, before: Any) -> bool:
    """Whether torch itself has put a wrapper around a function of its own: its compiler does when it is loaded."""
    code = getattr(now, "__code__", None)
    if code is None or not code.co_filename.startswith(torch.__path__[0]):
        return False
    return before in (getattr(now, "__wrapped__", None), getattr(now, "_torchdynamo_orig_callable", None))


def _places() -> Iterator[tuple[str, dict[str, Any]]]:
    for module in (builtins, math, random, time, copy, threading):
        yield module.__name__, dict(vars(module))
    for name in (*_MODULES.split(), *(n for n in sys.modules if n.startswith("ncukit.optimize.worker."))):
        if name in sys.modules:
            yield name, dict(vars(sys.modules[name]))
    for module_name, name in _CLASSES:
        found = getattr(sys.modules.get(module_name), name, None)
        if isinstance(found, type):
            yield f"{module_name}.{name}", dict(vars(found))


class Work(TorchDispatchMode):  # type: ignore[misc]
    """Sees every operation of PyTorch's that computes something, and what the answer's own kernels touched.

    Args:
        role: how the names of the answer's files begin, for lines.
    """

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role
        self._touched: set[int] = set()
        self.operations: list[tuple[str, int, int | None]] = []
        """Name, number of values, line."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Not asked for: it would load torch's compiler, which takes seconds."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Let it happen, and write it down."""
        result = func(*args, **(kwargs or {}))
        there = tensors([args, kwargs or {}])
        made = tensors(result)
        if any(_storage(t) in self._touched for t in there):
            self._touched.update(_storage(t) for t in made)
        if not _is_free(func):
            size = max((t.numel() for t in (*there, *made)), default=0)
            self.operations.append((func._schema.name.removeprefix("aten::"), size, _line(self._role)))
        return result

    def touch(self, arguments: Any) -> None:
        """A kernel of the answer's was given these."""
        self._touched.update(_storage(t) for t in tensors(arguments))

    def has_touched(self, results: list[Any]) -> bool:
        """Whether any of these went through one of the answer's kernels."""
        return any(isinstance(t, torch.Tensor) and _storage(t) in self._touched for t in results)

    def large(self, largest: int, *, exact: bool) -> tuple[str, int, int | None] | None:
        """An operation on a good part of the problem's values; None when there is none.

        Args:
            largest: number of values of the largest input or output.
            exact: whether these are the problem's own sizes; at smaller ones its small tensors are not as small.
        """
        least = max(FEWEST, largest // (LARGE if exact and largest >= 1 << 14 else 2))
        single = max(self.operations, key=lambda one: one[1], default=None)
        if single is not None and single[1] >= least:
            return single
        if single is not None and largest >= 1 << 14 and sum(size for _, size, _ in self.operations) >= largest:
            return single
        return None


def _is_free(func: Any) -> bool:
    name = func._schema.name.removeprefix("aten::")
    views = [r.alias_info for r in func._schema.returns]
    return name in _FREE or (bool(views) and all(alias is not None and not alias.is_write for alias in views))


def _storage(tensor: torch.Tensor) -> int:
    try:
        return int(tensor.untyped_storage().data_ptr())
    except (RuntimeError, NotImplementedError):
        return 0


def _line(role: str) -> int | None:
    frame: types.FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_filename.rpartition("/")[2].startswith(role):
            return int(frame.f_lineno)
        frame = frame.f_back
    return None


@contextlib.contextmanager
def poisoned() -> Iterator[list[str]]:
    """Memory that is allocated inside holds NaN or the largest number; yields what was switched off meanwhile."""
    settings = torch.utils.deterministic
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        settings.fill_uninitialized_memory,
        torch.get_default_dtype(),
    )
    torch._C._set_deterministic_algorithms(True, warn_only=True)  # without loading torch's compiler
    settings.fill_uninitialized_memory = True
    found: list[str] = []
    try:
        yield found
        if not torch.are_deterministic_algorithms_enabled() or not settings.fill_uninitialized_memory:
            found.append("torch.use_deterministic_algorithms")
        if torch.get_default_dtype() != before[3]:
            found.append("torch.set_default_dtype")
    finally:
        torch._C._set_deterministic_algorithms(before[0], warn_only=before[1])
        settings.fill_uninitialized_memory = before[2]
        torch.set_default_dtype(before[3])


@contextlib.contextmanager
def watched_threads() -> Iterator[list[str]]:
    """Yields the names of threads of Python's that are started inside."""
    started: list[str] = []
    start = threading.Thread.start

    def note(thread: threading.Thread) -> None:
        started.append(thread.name)
        start(thread)

    before = set(sys._current_frames())
    threading.Thread.start = note  # type: ignore[method-assign,assignment]
    try:
        yield started
        for number in set(sys._current_frames()) - before:
            if not started:
                started.append(str(number))
    finally:
        threading.Thread.start = start  # type: ignore[method-assign]


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise ``TooLongError`` in code of Python's that takes longer. Of no use against a GPU that hangs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def late(*_: Any) -> None:
        raise TooLongError(f"no result after {seconds:g} s")

    handler = signal.signal(signal.SIGALRM, late)
    rest, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    started = time.monotonic()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if rest:
            signal.setitimer(signal.ITIMER_REAL, max(0.001, rest - (time.monotonic() - started)), interval)
