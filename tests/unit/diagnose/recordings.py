"""Real recordings with a planted cause, and what the tests of diagnose/ hold about every finding."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ncukit import metrics
from ncukit.diagnose import diagnose, rules
from ncukit.diagnose.facts import IDENTITY, Kernel, gather
from ncukit.diagnose.ladder import climb
from ncukit.diagnose.limits import find_limits
from ncukit.diagnose.rules import Case
from ncukit.model import Diagnosis, Finding, Report, Severity, Silence
from ncukit.read import read
from ncukit.source.syntax import read_source

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[3]
CASES = ROOT / "tests" / "golden" / "cases"
HELDOUT = ROOT / "tests" / "golden" / "heldout"
PROFILES = ROOT / "profiles" / "h200"

FROM_ARGUMENTS = ("compulsory_bytes", "useful_dram_pct", "traffic_ratio")
"""Columns that only the recorded arguments give."""


@dataclass(frozen=True)
class Recording:
    """One run directory."""

    name: str
    cause: str
    """The planted cause; empty for a healthy kernel."""
    run: Path
    source: Path

    def __str__(self) -> str:
        return self.name


def _found(recordings: Iterable[Recording]) -> tuple[Recording, ...]:
    return tuple(r for r in recordings if (r.run / "metrics.csv").is_file())


def _clinic(state: str) -> tuple[Recording, ...]:
    folder = ROOT / "kernels" / "clinic" / state
    return _found(
        Recording(
            name=f"{state}-{source.stem}",
            cause=source.stem.replace("_", "-"),
            run=PROFILES / f"clinic_{state}_{source.stem}",
            source=source,
        )
        for source in sorted(folder.glob("*.py"))
    )


def _heldout(state: str) -> tuple[Recording, ...]:
    return _found(
        Recording(
            name=f"{folder.name}-{state}" if state != "kernel" else folder.name,
            cause=(folder / "cause.txt").read_text().split("\n")[0] if state != "kernel" else "",
            run=folder / state,
            source=folder / f"{state}.py",
        )
        for folder in sorted(HELDOUT.glob("healthy_*" if state == "kernel" else "[0-9]*"))
    )


SICK = (*_clinic("sick"), *_heldout("sick"))
CURED = (*_clinic("cured"), *_heldout("cure"))
HEALTHY = _heldout("kernel")
BY_NAME = {r.name: r for r in SICK}


@cache
def report(recording: Recording) -> Report:
    """Its report with the columns that have a short name: no rule reads others, and three quarters are others."""
    full = read(recording.run)
    known = metrics.catalogue()
    return replace(full, frame=full.frame[[c for c in full.frame if c in known or c in IDENTITY]])


@cache
def diagnosed(recording: Recording) -> Diagnosis:
    return diagnose(report(recording), source=str(recording.source))


@cache
def kernels(recording: Recording) -> tuple[Kernel, ...]:
    """Its kernels, the first four of them: what the rules see."""
    run = report(recording)
    return tuple(gather(run, find_limits(run.environment), read_source(str(recording.source)))[:4])


def keep(run: Report, names: Iterable[str]) -> Report:
    """The report with these metrics alone."""
    wanted = {*names, *IDENTITY}
    return replace(run, frame=run.frame[[c for c in run.frame if c in wanted]])


def drop(run: Report, names: Iterable[str]) -> Report:
    gone = set(names)
    return replace(run, frame=run.frame[[c for c in run.frame if c not in gone]])


def bare(run: Report) -> Report:
    """What an ncu file alone gives: no recorded launches, no source."""
    return replace(drop(run, FROM_ARGUMENTS), launches=(), target="")


def findings(diagnosis: Diagnosis) -> list[Finding]:
    return [*(f for k in diagnosis.kernels for f in k.findings), *diagnosis.pipeline]


def advice(diagnosis: Diagnosis) -> list[Finding]:
    """What to change, by best gain; without a gain last."""
    tune = [f for f in findings(diagnosis) if f.severity == Severity.TUNE]
    return sorted(tune, key=lambda f: -(f.gain.best if f.gain else 0.0))


def judged(kernel: Kernel) -> list[Finding | Silence]:
    """Every rule's answer on one kernel."""
    case = Case(kernel=kernel, ladder=climb(kernel))
    return [rules.judge(rule, case) for rule in rules.kernel_rules()]


def faults(answers: Iterable[Finding | Silence], there: Iterable[str]) -> list[str]:
    """What is wrong with these answers about a kernel of which the metrics ``there`` are known."""
    known = set(there)
    wrong = []
    for answer in answers:
        if isinstance(answer, Silence):
            wrong += [] if answer.reason.strip() else [f"{answer.cause}: a silence without a reason"]
            continue
        wrong += [f"{answer.cause}: {words}" for words in _faults(answer, known)]
    return wrong


def _faults(finding: Finding, known: set[str]) -> list[str]:
    wrong = [f"evidence of {e.metric}, which is not there" for e in finding.evidence if e.metric not in known]
    wrong += [f"evidence of {e.metric} is {e.value}" for e in finding.evidence if not math.isfinite(e.value)]
    gain = finding.gain
    if gain is not None:
        ordered = 1.0 <= gain.low <= gain.best <= gain.high < math.inf  # false for NaN
        wrong += [] if ordered else [f"the gain is {gain}"]
    words = [finding.title, *finding.unhelpful, *(s.why for s in finding.suggestions)]
    wrong += [f"it says '{w}'" for w in words if {"nan", "inf", "nan%", "inf%", "None"} & set(w.split())]
    if finding.severity == Severity.TUNE:
        wrong += [] if finding.suggestions and all(s.action and s.why for s in finding.suggestions) else ["no advice"]
    return wrong
