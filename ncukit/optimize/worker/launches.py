"""What an answer launches: its own kernels, the tensors that they were given, and programs of the interpreter's."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import _disable_current_modes

from ncukit.optimize.worker.guards import TooLongError
from ncukit.optimize.worker.pretend import without_claims

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ncukit.optimize.worker.guards import Work

MOST_PROGRAMS = 2560
"""Programs of one call in the interpreter, which takes about a millisecond for each."""


class Launches:
    """Kernels that were launched since ``begin``.

    Args:
        role: how the names of the answer's files begin.
    """

    def __init__(self, role: str) -> None:
        self._role = role
        self._work: Work | None = None
        self.kernels: list[str] = []
        self.programs = 0

    def begin(self, work: Work | None = None) -> None:
        """Forget what was, and tell ``work`` what kernels are given."""
        self._work = work
        self.kernels = []
        self.programs = 0

    def note(self, function: Any, arguments: Any) -> None:
        """A kernel is launched."""
        code = getattr(function, "__code__", None)
        if code is None or not code.co_filename.rpartition("/")[2].startswith(self._role):
            return
        self.kernels.append(function.__name__)
        if self._work is not None:
            self._work.touch(list(_all(arguments)))

    def count(self, programs: int) -> None:
        """Programs are about to run in the interpreter.

        Raises:
            TooLongError: there are too many of them.
        """
        self.programs += programs
        if self.programs > MOST_PROGRAMS:
            raise TooLongError(f"{self.programs} programs are too many for the interpreter")


def _all(value: Any) -> Iterator[torch.Tensor]:
    """Tensors that a launch was given: bare, in tuples, under descriptors and wrappers."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from _all(member)
    elif isinstance(value, (list, tuple)):
        for member in value:
            yield from _all(member)
    elif hasattr(value, "base"):
        yield from _all(value.base)


@contextlib.contextmanager
def recorded(role: str, *, interpreter: bool) -> Iterator[Launches]:
    """Note every launch inside.

    Args:
        role: how the names of the answer's files begin.
        interpreter: whether kernels run in Triton's interpreter.
    """
    launches = Launches(role)
    with contextlib.ExitStack() as stack:
        if interpreter:
            _interpreted(launches, stack)
        from triton.runtime.jit import JITFunction

        launch = JITFunction.run

        def run(kernel: Any, *args: Any, **kwargs: Any) -> Any:
            if not kwargs.get("warmup"):
                launches.note(kernel.fn, (args, kwargs))
            return launch(kernel, *args, **kwargs)

        _put(stack, JITFunction, "run", run)
        yield launches


def _interpreted(launches: Launches, stack: contextlib.ExitStack) -> None:
    import triton.runtime.interpreter as triton_interpreter
    from triton.runtime.interpreter import GridExecutor, InterpreterBuilder

    execute, grid = GridExecutor.__call__, InterpreterBuilder.set_grid_dim
    patch = triton_interpreter._patch_lang
    done: set[frozenset[int]] = set()

    def run(executor: Any, *args: Any, **kwargs: Any) -> Any:
        launches.note(executor.fn, (args, kwargs))
        done.clear()
        # the interpreter moves storages about, which is no work of the answer's
        with without_claims(), _disable_current_modes():
            return execute(executor, *args, **kwargs)

    def patch_once(function: Any) -> Any:
        """Triton puts its language in place again for every call of a device function, a millisecond each."""
        languages = _languages(function)
        if any(languages <= before for before in done):
            return None
        done.add(languages)
        scope = patch(function)
        # Triton 3.6 gives numpy an array of one value to count to, which numpy no longer takes
        triton_interpreter.tl.core.tensor.__index__ = lambda self: int(self.handle.data.squeeze())
        return scope

    def set_grid(builder: Any, *sizes: int) -> Any:
        programs = 1
        for size in sizes:
            programs *= int(size)
        launches.count(programs)
        return grid(builder, *sizes)

    _put(stack, GridExecutor, "__call__", run)
    _put(stack, InterpreterBuilder, "set_grid_dim", set_grid)
    _put(stack, triton_interpreter, "_patch_lang", patch_once)
    for name, place in _computing():
        _put(stack, place, name, _refusing(getattr(place, name)))
    for name, place in _casting():
        _put(stack, place, name, _casts(getattr(place, name)))


def _languages(function: Any) -> frozenset[int]:
    """Triton's language under the names by which a function may see it."""
    import triton.language as tl

    return frozenset(id(value) for value in function.__globals__.values() if value is tl or value is tl.core)


def _computing() -> list[tuple[str, Any]]:
    """Where the interpreter computes on the bits of types that numpy does not have."""
    from triton.runtime.interpreter import InterpreterBuilder, ReduceOps, ScanOps

    builder = ["binary_op", "unary_op", "create_fma", "create_dot", "create_clampf", "create_atomic_rmw"]
    places = [(name, InterpreterBuilder) for name in builder]
    places += [(name, ReduceOps) for name in ("sum", "min_max")]
    places += [(name, ScanOps) for name in ("cumsum", "cumprod")]
    return [(name, place) for name, place in places if hasattr(place, name)]


def _casting() -> list[tuple[str, Any]]:
    from triton.runtime.interpreter import InterpreterBuilder

    return [
        (name, InterpreterBuilder) for name in ("cast_impl", "create_fp_to_fp") if hasattr(InterpreterBuilder, name)
    ]


def _refusing(operation: Callable[..., Any]) -> Callable[..., Any]:
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        for one in (*args, *kwargs.values()):
            kind = getattr(getattr(one, "handle", one), "dtype", None)
            if _is_bits(kind):
                raise NotImplementedError(
                    f"arithmetic in {getattr(kind, 'scalar', kind)} is not computed in the interpreter"
                )
        return operation(self, *args, **kwargs)

    return run


def _casts(operation: Callable[..., Any]) -> Callable[..., Any]:
    def run(self: Any, src: Any, dst_type: Any, *args: Any) -> Any:
        before, after = str(src.dtype.scalar), str(dst_type.scalar)
        odd = [kind for kind in (src.dtype, dst_type) if _is_bits(kind)]
        if odd and before != after and {before, after} != {"fp32", "bf16"}:
            raise NotImplementedError(f"{before} to {after} is not converted in the interpreter")
        if odd and args and args[0] is not None and before == "fp32":
            raise NotImplementedError(f"{before} to {after} is not rounded in the interpreter")
        return operation(self, src, dst_type, *args)

    return run


def _is_bits(kind: Any) -> bool:
    """Whether the interpreter keeps values of this type as whole numbers: bfloat16 and all of 8 bits."""
    scalar = getattr(kind, "scalar", None)
    name = getattr(scalar, "name", "")
    return name == "bf16" or str(name).startswith("fp8")


def _put(stack: contextlib.ExitStack, place: Any, name: str, value: Any) -> None:
    before = getattr(place, name)
    setattr(place, name, value)
    stack.callback(setattr, place, name, before)
