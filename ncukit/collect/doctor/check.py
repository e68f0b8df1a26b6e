"""What a check of this machine is, and where it looks."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ncukit.collect import machine


class State(StrEnum):
    """What a check came to."""

    OK = "ok"
    WARN = "warn"
    """Worth knowing; profiling should work."""
    FAIL = "fail"
    """Profiling a kernel file cannot work before this is fixed."""
    SKIP = "skip"
    """Nothing to look at here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing looked at."""

    name: str
    state: State
    evidence: str
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where the checks look; tests hand in another one."""

    ncu: str | None = None
    """The ncu that the configuration asks for."""
    python: str | None = None
    """The Python that runs kernel files; None is this one."""
    proc: Path = Path("/proc")
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    gpus: tuple[machine.GpuSeen, ...] = ()
    """Filled in by ``examine``."""


def text_of(path: Path) -> str:
    """The first 64 KiB of a file; empty when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(1 << 16).decode("utf-8", "replace")
    except OSError:
        return ""
