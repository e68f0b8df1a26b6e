"""What an error of an answer's means: it is wrong, it declines, it broke the GPU, or only the interpreter cannot."""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass
from typing import Literal

import torch

Means = Literal["raised", "declined", "crashed", "memory", "limit", "resources"]
_BROKEN = re.compile(
    r"illegal memory access|misaligned address|device-side assert|unspecified launch failure|illegal instruction"
    r"|invalid program counter|hardware stack error|launch timed out|ECC error|cudaErrorIllegal",
    re.IGNORECASE,
)
_NO_GPU = re.compile(
    r"not compiled with CUDA|no NVIDIA driver|No CUDA GPUs|no GPU driver here|active drivers|CUDA driver|cudaGetDevice",
    re.IGNORECASE,
)
_COMPILED_ONLY = re.compile(r"'(NoneType|InterpretedFunction|GridExecutor)' object (has no attribute|is not subscr)")
_EARLY = ("OutOfResources", "PTXASError", "CompileTimeAssertionFailure")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One error of an answer's code."""

    means: Means
    text: str
    line: int | None
    """Line of the answer."""
    deliberate: bool = False
    """Whether the answer itself says no: an ``assert`` or a ``raise`` of its own, or torch's word on a shape."""
    endless: bool = False
    """Whether it ran out of time in its host code."""


def fault(error: BaseException, role: str, *, interpreter: bool) -> Fault:
    """What an error means.

    Args:
        error: what the answer raised.
        role: how the names of its files begin.
        interpreter: whether kernels run in Triton's interpreter.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.rpartition("/")[2].startswith(role)]
    line = own[-1].lineno if own else None
    text = " ".join(f"{type(error).__name__}: {error}".split())[:600].removesuffix(": ")
    late = type(error).__name__ == "TooLongError" and not any("/triton/" in frame.filename for frame in frames)
    return Fault(
        means=_means(error, text, interpreter),
        text=text,
        line=line,
        deliberate=_deliberate(error, frames, role),
        endless=late,
    )


def _means(error: BaseException, text: str, interpreter: bool) -> Means:
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "CUDA out of memory" in text:
        return "memory"
    if type(error).__name__ in _EARLY:
        return "resources"
    if not interpreter:
        return "crashed" if _BROKEN.search(text) else "raised"
    if type(error).__name__ == "TooLongError" or _NO_GPU.search(text):
        return "limit"
    if isinstance(error, AttributeError | TypeError) and _COMPILED_ONLY.search(text):
        return "limit"  # host code asks a compiled kernel for its registers, and there is none
    if any("/triton/" in frame.filename for frame in traceback.extract_tb(error.__traceback__)):
        return "limit"  # inside a kernel or Triton itself; whether it compiles was looked at before
    return "raised"


def _deliberate(error: BaseException, frames: traceback.StackSummary, role: str) -> bool:
    last = frames[-1] if frames else None
    if last is None or isinstance(error, (NameError, AttributeError, ImportError)):
        return False
    if last.filename.rpartition("/")[2].startswith(role):
        return isinstance(error, AssertionError) or (last.line or "").lstrip().startswith(("raise", "assert"))
    return isinstance(error, RuntimeError | ValueError | IndexError)
