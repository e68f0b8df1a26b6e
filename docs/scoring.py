"""How the diagnosis does on kernels whose cause is known: from their recordings alone.

`accuracy.py` and `gallery.py` write pages from this, and tests/unit/test_accuracy.py holds the targets.
"""

from __future__ import annotations

import contextlib
import functools
import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cases import ROOT

from ncukit.diagnose import diagnose
from ncukit.diagnose.opinions import rank
from ncukit.model import Finding, Gain, Severity
from ncukit.read import read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cases import Case, Program

    from ncukit.model import Diagnosis, KernelDiagnosis, Report

ROOFS = ("dram-roof", "compute-roof")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A cause, and the factor by which the whole program's time would fall without it."""

    cause: str
    gain: Gain | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What was said of a case, and what was measured."""

    case: Case
    ranking: tuple[Ranked, ...]
    nvidia: tuple[Ranked, ...] | None
    """NVIDIA's ranking by the same weights; None without its results."""
    sick_us: float
    cured_us: float

    @property
    def measured(self) -> float:
        """How many times faster the cured program is: all its launches, GPU time."""
        return self.sick_us / self.cured_us

    @property
    def predicted(self) -> Gain | None:
        """What was promised for curing the planted cause, wherever it is ranked."""
        return next((r.gain for r in self.ranking if r.cause == self.case.cause), None)

    @property
    def first(self) -> bool:
        """Whether the planted cause is ranked first."""
        return bool(self.ranking) and self.ranking[0].cause == self.case.cause

    @property
    def inside(self) -> bool:
        """Whether the measured gain lies in the promised range; a cause that was not found promises nothing."""
        gain = self.predicted
        return gain is not None and gain.low <= self.measured <= gain.high

    @property
    def off(self) -> float | None:
        """Distance of the best guess from the measured gain, in powers of two; None when the cause was not found."""
        return abs(math.log2(self.predicted.best / self.measured)) if self.predicted else None


@functools.cache
def report(program: Program) -> Report:
    """The recording."""
    return read(program.recording)


@functools.cache
def diagnosed(program: Program) -> Diagnosis:
    """What ncukit says of the recording. Paths on its pages are relative to the checkout."""
    with contextlib.chdir(ROOT):
        return diagnose(report(program), source=str(program.source.relative_to(ROOT)))


@functools.cache
def score(case: Case) -> Score:
    """How the diagnosis does on a case."""
    return Score(
        case=case,
        ranking=tuple(ranking(diagnosed(case.sick))),
        nvidia=tuple(_nvidia(read(case.nvidia))) if case.nvidia.exists() else None,
        sick_us=_gpu_time(case.sick),
        cured_us=_gpu_time(case.cured),
    )


def _gpu_time(program: Program) -> float:
    return float(report(program).frame["duration_us"].sum())


def ranking(diagnosis: Diagnosis) -> list[Ranked]:
    """Our causes, by the strongest finding of each on each kernel."""
    times = [k.launches * (k.duration_us or 0.0) for k in diagnosis.kernels]
    worths: dict[str, list[tuple[float, Gain | None]]] = {}
    for kernel, time in zip(diagnosis.kernels, times, strict=True):
        across = [f for f in diagnosis.pipeline if kernel.name in f.kernels]
        own = [f for f in tuning(kernel) if f.cause not in {g.cause for g in across}]
        for cause, gain in _strongest([*across, *own]).items():
            worths.setdefault(cause, []).append((time / sum(times), gain))
    return ranking_of(worths)


def _strongest(findings: Sequence[Finding]) -> dict[str, Gain | None]:
    weakest_first = sorted(findings, key=lambda f: f.gain.best if f.gain else 0.0)
    return {f.cause: f.gain for f in weakest_first}


def tuning(kernel: KernelDiagnosis) -> list[Finding]:
    """The findings on a kernel that ask for a change."""
    return [f for f in kernel.findings if f.severity == Severity.TUNE]


def ranking_of(worths: Mapping[str, Sequence[tuple[float, Gain | None]]]) -> list[Ranked]:
    """Causes by the time that their cure saves over all kernels, most first."""
    rows = [Ranked(cause=cause, gain=_whole(parts)) for cause, parts in worths.items()]
    return sorted(rows, key=lambda r: -r.gain.best if r.gain else -1.0)


def _whole(parts: Sequence[tuple[float, Gain | None]]) -> Gain | None:
    """The gain on the whole program of gains on shares of it."""
    gains = [(share, gain) for share, gain in parts if gain is not None]
    if not gains:
        return None
    low, best, high = (
        1 / (1 - sum(share * (1 - 1 / getattr(gain, end)) for share, gain in gains)) for end in ("low", "best", "high")
    )
    return Gain(low=low, best=best, high=high)


def _nvidia(full: Report) -> list[Ranked]:
    times = full.frame["duration_us"]
    worths: dict[str, list[tuple[float, Gain | None]]] = {}
    for time, said in zip(times, full.opinions, strict=True):
        for cause, factor in rank(said):
            gain = Gain(low=factor, best=factor, high=factor) if factor else None
            worths.setdefault(cause, []).append((float(time / times.sum()), gain))
    return ranking_of(worths)


def nvidia_first(said: Sequence[Ranked]) -> list[Ranked]:
    """What NVIDIA ranks first among the causes that we have: one advice can stand for several of them."""
    known = [r for r in said if r.cause]
    if not known or known[0].gain is None:
        return known[:1]
    top = known[0].gain.best
    return [r for r in known if r.gain and math.isclose(r.gain.best, top)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Roof:
    """A kernel that runs at a limit, and the tuning advice that it gets all the same."""

    program: Program
    kernel: str
    advice: Finding | None

    @property
    def worst(self) -> float:
        """The largest gain that is promised on it."""
        return self.advice.gain.best if self.advice and self.advice.gain else 1.0


def at_roof(programs: Sequence[Program]) -> list[Roof]:
    """The kernels of which the diagnosis itself says that they run at a roof."""
    found = []
    for program in programs:
        diagnosis = diagnosed(program)
        for kernel in diagnosis.kernels:
            if any(f.cause in ROOFS for f in kernel.findings):
                advice = [*tuning(kernel), *(f for f in diagnosis.pipeline if kernel.name in f.kernels)]
                worst = max(advice, key=lambda f: f.gain.best if f.gain else 0.0, default=None)
                found.append(Roof(program=program, kernel=kernel.name, advice=worst))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """How the diagnosis does on a set."""

    cases: int
    first: int
    inside: int
    found: int
    """Cases where the planted cause was found at any rank: the medians are over these."""
    off: float
    """Median distance of the best guess from the measured gain, in powers of two."""
    width: float
    """Median of high over low: a range that holds everything would be no answer."""


def totals(scores: Sequence[Score]) -> Totals:
    """Shares and medians over a set of scores."""
    gains = [s.predicted for s in scores if s.predicted is not None]
    return Totals(
        cases=len(scores),
        first=sum(s.first for s in scores),
        inside=sum(s.inside for s in scores),
        found=len(gains),
        off=statistics.median(s.off for s in scores if s.off is not None),
        width=statistics.median(gain.high / gain.low for gain in gains),
    )
