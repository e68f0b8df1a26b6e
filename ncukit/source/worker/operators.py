"""Operators that a library registered with torch: what they launch lies behind torch's dispatcher.

Without data torch calls what an operator has for shapes alone, and that launches nothing. So where the operator is
Python, what it would run on the GPU is run here; of any other one there is only to say that nobody looked into it.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OWN = frozenset(
    (
        *("aten", "prims", "prim", "debugprims", "rngprims", "streamprims", "inductor", "profiler", "export", "sparse"),
        *("quantized", "quantized_decomposed", "_quantized", "mkldnn", "mkl", "onednn", "xnnpack", "cudnn"),
        *("c10d", "_c10d_functional", "_c10d_functional_autograd", "c10d_functional", "_dtensor", "symm_mem"),
        *("torchvision", "torchaudio"),
    )
)
"""Namespaces of torch's own operators, which launch no Triton kernel of the user's."""


def name_of(function: Any) -> str | None:
    """``namespace::name`` of an operator that is not torch's own; None for anything else."""
    if isinstance(function, torch._ops.OpOverload):
        name = str(function._schema.name)
    elif isinstance(function, torch._ops.OpOverloadPacket):
        name = str(function._qualified_op_name)
    else:
        return None
    return None if name.split("::")[0] in OWN else name


def call(
    name: str, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], inside: Any, tell: Callable[[str], None]
) -> Any:
    """Call an operator, through its implementation for the GPU if that is Python.

    Args:
        name: as ``name_of`` gives it.
        function: the operator.
        args: its arguments.
        kwargs: its arguments by name.
        inside: what pretends the GPU, and does so while the implementation runs as well.
        tell: takes what there is to say of an operator that was not looked into.
    """
    body = _body(name)
    if body is None:
        tell(f"{name} is a custom operator without Python code for the GPU; kernels that it launches are not seen")
        return function(*args, **kwargs)
    if not (torch.is_grad_enabled() and any(getattr(a, "requires_grad", False) for a in (*args, *kwargs.values()))):
        with inside, _plain_triton():
            return body(*args, **kwargs)
    with torch.no_grad(), inside, _plain_triton():
        body(*args, **kwargs)
    return function(*args, **kwargs)  # for the sake of its backward pass


def _body(name: str) -> Any:
    """The Python function that torch would call for tensors on the GPU."""
    try:
        from torch._library.custom_ops import OPDEFS
    except ImportError:  # before torch 2.4
        return None
    found = OPDEFS.get(name)
    bodies = getattr(found, "_backend_fns", {})
    return bodies.get("cuda") or bodies.get(None) or bodies.get("cpu") or getattr(found, "_init_fn", None)


def _plain_triton() -> contextlib.AbstractContextManager[Any]:
    """Makes ``wrap_triton(kernel)`` the kernel."""
    try:
        from torch._library.triton import set_wrap_triton_enabled
    except ImportError:
        return contextlib.nullcontext()
    switch: contextlib.AbstractContextManager[Any] = set_wrap_triton_enabled(False)
    return switch
