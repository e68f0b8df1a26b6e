"""What will be measured and how: the value that becomes the ncu command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ncukit.collect.target import Target
    from ncukit.metrics import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One profiling run, complete before anything is started."""

    target: Target
    request: Request
    preset: str
    kernel: str | None = None
    """ncu's ``-k`` word, passed on as it is: an exact name or ``regex:EXPR``."""
    launches: int | None = None
    """Stop after this many measured launches; None for all."""
    repeat: int = 1
    """How often the model (or the whole program) runs in the profiled range."""
    clock_control: str = "base"
    cache_control: str = "all"
    timeout_s: float = 600.0
    python: str = "python3"
    """Interpreter that runs the harness: one that has torch and triton."""
    ncu: str = "ncu"
    ncu_version: tuple[int, ...] = ()

    @property
    def harnessed(self) -> bool:
        """Whether Triton launches are recorded beside ncu's rows."""
        return self.target.kind != "command"
