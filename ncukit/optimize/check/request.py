"""What ``ncukit check`` is asked to look at, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ncukit.optimize.problem import Problem

Scope = Literal["own", "wide"]
Run = Literal["auto", "gpu", "interpreter", "no"]
LEAST_S = 8.0
"""Seconds below which nothing is said of an answer that came to no end: loading torch takes several."""
TIMEOUT_S = 300.0
MEMORY_GB = 16.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One answer to be checked."""

    path: str
    """Where it is, or what it is called when ``text`` is given; ``-`` for standard input."""
    problem: Problem
    """What it is an answer to."""
    scope: Scope = "wide"
    """``own``: the problem's own sizes, dtypes and layouts; ``wide``: others too, and other values."""
    archs: tuple[str, ...] = ()
    """What to compile for; empty for the GPU in sight, or a few where there is none."""
    run: Run = "auto"
    """Where to run it. ``auto``: on the GPU if there is one, else in Triton's interpreter."""
    allow_torch: bool = False
    """Whether PyTorch's and vendors' kernels may do work of the answer's."""
    select: tuple[str, ...] = ()
    """Lint rules that are looked at; empty for all."""
    ignore: tuple[str, ...] = ()
    """Lint rules that are not."""
    timeout_s: float = TIMEOUT_S
    memory_gb: float = MEMORY_GB
    python: str | None = None
    """Interpreter with torch and triton; None for this one."""
    text: str | None = None
    """The answer, where it does not lie in a file."""
