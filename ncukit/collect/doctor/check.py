"""What a check of this machine is, what it answers, and where it looks."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from ncukit.collect import machine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ncukit.collect.doctor.facts import Condition
    from ncukit.collect.doctor.interpreter import Interpreter
    from ncukit.errors import NcukitError

ANSWER_S = 5.0
"""How long a program may take to answer one question of one check."""
_MOST_EVIDENCE = 600


class State(StrEnum):
    """What a check came to."""

    OK = "ok"
    WARN = "warn"
    """Worth knowing; profiling should work."""
    FAIL = "fail"
    """Profiling a kernel file cannot work before this is fixed."""
    SKIP = "skip"
    """Nothing to look at here."""


class Severity(StrEnum):
    """What a check's outcome means for a live measurement."""

    BLOCKING = "blocking"
    """It fails."""
    DEGRADING = "degrading"
    """It may fail in part, take longer, or measure something else than an undisturbed kernel."""
    NONE = "none"


_SEVERITY = {State.FAIL: Severity.BLOCKING, State.WARN: Severity.DEGRADING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing looked at."""

    id: str
    """The name that programs go by, such as ``counter-permission``; it does not change."""
    name: str
    """The name that people read."""
    state: State
    evidence: str
    """What was looked at and found."""
    fix: str = ""
    """The command or action that ends the trouble."""

    @property
    def severity(self) -> Severity:
        """What the outcome means for a live measurement."""
        return _SEVERITY.get(self.state, Severity.NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where the checks look, and what was asked once for all of them; tests hand in another one."""

    asked: str = ""
    """The ncu that the configuration or ``NCUKIT_NCU`` asks for."""
    python: str | None = None
    """The Python that runs kernel files; None is this one."""
    proc: Path = Path("/proc")
    dev: Path = Path("/dev")
    sys: Path = Path("/sys")
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    processes: Mapping[str, str] = field(default_factory=dict)
    """Number → name of the processes in sight, before the doctor started any of its own."""
    gpus: tuple[machine.GpuSeen, ...] = ()
    smi: machine.Output | None = None
    """nvidia-smi's answer when it was asked for the GPUs; None when it could not be started."""
    condition: Condition | None = None
    """The present state of the GPU that CUDA would use; None when nvidia-smi does not tell."""
    profiler: machine.Ncu | NcukitError | None = None
    """The ncu that would be used, or why there is none; None when nobody looked."""
    interpreter: Interpreter | None = None
    """What the Python that runs kernel files has; None when it does not run."""

    @property
    def gpu(self) -> machine.GpuSeen | None:
        """The GPU that CUDA calls device 0."""
        return machine.visible_gpu(self.gpus)

    @property
    def ncu(self) -> machine.Ncu | None:
        """The ncu that would be used; None when there is none."""
        return self.profiler if isinstance(self.profiler, machine.Ncu) else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a look at the machine found; ``check`` puts the name to it."""

    state: State
    evidence: str
    fix: str = ""


def ok(evidence: str) -> Answer:
    """Nothing is wrong here."""
    return Answer(State.OK, evidence)


def warn(evidence: str, fix: str) -> Answer:
    """Profiling should work, but not as well as it could."""
    return Answer(State.WARN, evidence, fix)


def fail(evidence: str, fix: str) -> Answer:
    """Profiling a kernel file cannot work."""
    return Answer(State.FAIL, evidence, fix)


def skip(evidence: str, fix: str = "") -> Answer:
    """Nothing to look at, with the reason."""
    return Answer(State.SKIP, evidence, fix)


def check(slug: str, name: str) -> Callable[[Callable[[Machine], Answer]], Callable[[Machine], Check]]:
    """Make a look at the machine a check of that id and name."""

    def named(look: Callable[[Machine], Answer]) -> Callable[[Machine], Check]:
        @functools.wraps(look)
        def run(here: Machine) -> Check:
            try:
                answer = look(here)
            except (OSError, ValueError) as error:
                # a file that vanishes or a folder that may not be read must not hide what the others found
                answer = skip(f"cannot look: {error}")
            evidence = answer.evidence
            if len(evidence) > _MOST_EVIDENCE:
                evidence = evidence[:_MOST_EVIDENCE] + "…"
            return Check(id=slug, name=name, state=answer.state, evidence=evidence, fix=answer.fix)

        return run

    return named


def ask(*argv: str) -> machine.Output | None:
    """What a short program answers in time; None when it cannot be started."""
    return machine.ask(argv, timeout_s=ANSWER_S)


def text_of(path: Path) -> str:
    """The first 64 KiB of a file; empty when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(1 << 16).decode("utf-8", "replace")
    except OSError:
        return ""


def nearest(folder: Path) -> Path:
    """The folder itself, or the nearest folder above it that exists."""
    folder = folder.absolute()
    return next((place for place in (folder, *folder.parents) if place.exists()), folder)
