"""libdevice in Triton's interpreter, which has none of it: the functions that kernels use, computed by numpy."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SAME = """sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh arcsinh arccosh arctanh exp exp2 expm1 log log2 log10
    log1p sqrt cbrt hypot fmod floor ceil trunc rint fabs copysign nextafter signbit ldexp"""
_OTHER_NAMES = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "asinh": "arcsinh", "acosh": "arccosh",
    "atanh": "arctanh", "nearbyint": "rint", "pow": "power", "powi": "power", "fmin": "fmin", "fmax": "fmax",
    "abs": "abs", "llabs": "abs", "isnan": "isnan", "isinf": "isinf", "isfinite": "isfinite", "finite": "isfinite",
    "remainder": "remainder", "fsqrt_rn": "sqrt", "dsqrt_rn": "sqrt", "fdiv_rn": "divide", "ddiv_rn": "divide",
    "fdividef": "divide", "fdivide": "divide", "fadd_rn": "add", "dadd_rn": "add", "fmul_rn": "multiply",
    "dmul_rn": "multiply", "fsub_rn": "subtract", "dsub_rn": "subtract",
}  # fmt: skip


def _functions() -> dict[str, Callable[..., Any]]:
    """Name in libdevice, without prefix and type → function of arrays."""
    import numpy as np

    found: dict[str, Callable[..., Any]] = {name: getattr(np, name) for name in _SAME.split()}
    found |= {name: getattr(np, theirs) for name, theirs in _OTHER_NAMES.items()}
    for name in ("erf", "erfc", "lgamma", "gamma"):
        found["tgamma" if name == "gamma" else name] = np.vectorize(getattr(math, name), otypes=[np.float64])
    cdf = found["erfc"]
    found |= {
        "exp10": lambda x: np.power(np.asarray(10, x.dtype), x),
        "rsqrt": lambda x: 1 / np.sqrt(x),
        "frsqrt_rn": lambda x: 1 / np.sqrt(x),
        "frcp_rn": lambda x: 1 / x,
        "drcp_rn": lambda x: 1 / x,
        "rcbrt": lambda x: 1 / np.cbrt(x),
        "round": lambda x: np.trunc(x + np.copysign(np.asarray(0.5, x.dtype), x)),
        "saturate": lambda x: np.clip(x, 0, 1),
        "fma": lambda x, y, z: x.astype(np.float64) * y + z,
        "fma_rn": lambda x, y, z: x.astype(np.float64) * y + z,
        "normcdf": lambda x: cdf(-x.astype(np.float64) / math.sqrt(2)) / 2,
        "fdim": lambda x, y: np.maximum(x - y, 0),
    }
    return found


def _plain(symbol: str) -> list[str]:
    """What a symbol may be called in the table: ``__nv_fast_expf`` is ``exp``."""
    name = symbol.removeprefix("__nv_").removeprefix("fast_")
    return [name, name.removesuffix("f"), name.removesuffix("d")]


@contextlib.contextmanager
def computed() -> Iterator[None]:
    """Kernels in the interpreter inside may call libdevice; what is not known here stays an error."""
    import triton.runtime.interpreter as interpreter
    from triton.language.extra import libdevice as general
    from triton.language.extra.cuda import libdevice as cuda

    functions = _functions()
    builder = interpreter.InterpreterBuilder
    refuse = builder.create_extern_elementwise

    def run(self: Any, library: Any, path: Any, symbol: str, args: Any, kind: Any, pure: Any) -> Any:
        function = next((functions[name] for name in _plain(symbol) if name in functions), None)
        if function is None:
            return refuse(self, library, path, symbol, args, kind, pure)
        values = function(*(one.data for one in args))
        return interpreter.TensorHandle(values.astype(interpreter._get_np_dtype(kind)), kind.scalar)

    def within(function: Any) -> Any:
        return lambda *args, **kwargs: function(*args, **{**kwargs, "_semantic": interpreter.interpreter_semantic})

    with contextlib.ExitStack() as stack:
        _put(stack, builder, "create_extern_elementwise", run)
        for name in [n for n, value in vars(cuda).items() if callable(value) and not n.startswith("_")]:
            function = within(getattr(cuda, name))
            for place in (cuda, general):
                if hasattr(place, name):
                    _put(stack, place, name, function)
        yield


def _put(stack: contextlib.ExitStack, place: Any, name: str, value: Any) -> None:
    stack.callback(setattr, place, name, getattr(place, name))
    setattr(place, name, value)
