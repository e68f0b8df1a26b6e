"""One side of a comparison: what was measured, of what, and under which conditions."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ncukit.collect.session import gpu_slug
from ncukit.collect.target import kernel_name, slug
from ncukit.diagnose import rules
from ncukit.diagnose.facts import dim3
from ncukit.gate.answer import Difference
from ncukit.gate.codes import Code
from ncukit.gate.readings import Entry, Reading, entries
from ncukit.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ncukit.model import Diagnosis, Finding, KernelDiagnosis, Report

GAIN = "gain_left"
"""The metric that the diagnosis supplies."""
IDENTITY: Mapping[str, tuple[Code | None, str]] = {
    "gpu": (Code.OTHER_GPU, "gpu"),
    "ncu_version": (Code.OTHER_NCU, "ncu"),
    "clock_control": (Code.OTHER_CLOCKS, "clocks"),
    "cache_control": (Code.OTHER_CACHES, "caches"),
    "sizes": (Code.OTHER_SIZE, "size"),
    "inputs": (Code.OTHER_SIZE, "size"),
    "init": (Code.OTHER_SIZE, "size"),
    "reference": (Code.OTHER_PROBLEM, "problem"),
    "driver_version": (None, ""),
    "triton_version": (None, ""),
    "torch_version": (None, ""),
}
"""Field → why two runs that differ in it cannot be compared, and the word that allows it. Driver, Triton and torch are
often what a change is about: they are named, and compared all the same."""


CONDITIONS = ("ncu_version", "clock_control", "cache_control")
"""Fields that are named when one side does not say them."""
UNTOLD = "(not told)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """The kernels of one run."""

    path: str
    case: str
    """What it is of, as baselines key it: ``naive_instance_norm``, ``copy[n=4096]``."""
    target: str = ""
    identity: Mapping[str, str]
    """Field of ``IDENTITY`` → value; a field that the report does not say is absent."""
    recorded: bool = False
    broken: str = ""
    """Why the figures are not those of whole runs, or empty: the report ends too early, or launches were left out."""
    entries: tuple[Entry, ...]

    @property
    def total_us(self) -> float:
        """GPU time of one run of the work; 0 when nothing was timed."""
        return sum(entry.time_us or 0.0 for entry in self.entries)


def side(report: Report, metrics: Iterable[str], diagnosis: Diagnosis | None = None) -> Side:
    """A report as one side, with the readings of ``metrics`` and, where it was diagnosed, what was found."""
    found = entries(report, metrics)
    environment = report.environment
    said = {name: str(getattr(environment, name)) for name in IDENTITY if hasattr(environment, name)}
    said |= {name: report.problem[name] for name in IDENTITY if name in report.problem}
    return Side(
        path=report.path,
        case=case_of(report),
        target=report.target,
        identity={name: value for name, value in said.items() if value},
        recorded=environment.recorded,
        broken=_broken(report, found),
        entries=found if diagnosis is None else tuple(_diagnosed(entry, diagnosis) for entry in found),
    )


def _broken(report: Report, found: Iterable[Entry]) -> str:
    if report.incomplete:
        return "the report ends too early, or a launch failed"
    if any(entry.per_run != int(entry.per_run) for entry in found):
        return f"its launches are no multiple of its {report.repeat} repetitions: some were left out"
    return ""


def case_of(report: Report) -> str:
    """The name under which a report's kernels stand in a baseline: the target, and what was set for this run."""
    try:
        words = shlex.split(report.target)
    except ValueError:
        words = report.target.split()
    if not words:
        name, settings = slug(Path(report.path).stem) if report.path != "-" else "stdin", ""
    else:
        first = Path(words[0])
        name = kernel_name(first) if first.suffix == ".py" else slug(first.name)
        settings = report.problem.get("sizes", "") or " ".join(words[1:])
    return f"{name}[{settings.replace(', ', ',')}]" if settings else name


def differences(before: Side, after: Side, allow: Iterable[str] = ()) -> tuple[Difference, ...]:
    """The fields in which two sides differ, those that forbid a comparison first.

    A field that one side does not say is unknown, which forbids nothing, but for the GPU.
    """
    accepted = set(allow)
    found = []
    if before.broken or after.broken:
        first, second = before.broken or "whole", after.broken or "whole"
        found.append(Difference(field="launches", before=first, after=second, code=Code.INCOMPLETE))
    for name, (code, word) in IDENTITY.items():
        first, second = (side.identity.get(name, "") for side in (before, after))
        if not first and not second:
            continue
        # of what one side does not say, only another GPU forbids the comparison: the rest is unknown, and named
        strict = code if (first and second) or name == "gpu" else None
        if _differ(name, first, second) and (strict is not None or name in CONDITIONS or (first and second)):
            one, other = first or UNTOLD, second or UNTOLD
            accept = word in accepted
            found.append(Difference(field=name, before=one, after=other, code=strict, allow=word, allowed=accept))
    told = "reference" in before.identity and "reference" in after.identity
    if not told and before.target and after.target and before.target != after.target:
        # nothing says whether two files solve the same problem
        found.append(Difference(field="target", before=before.target, after=after.target, code=None))
    return tuple(sorted(found, key=lambda one: one.code is None or one.allowed))


def _differ(name: str, first: str, second: str) -> bool:
    """``H200`` and ``NVIDIA H200`` are one GPU."""
    return gpu_slug(first) != gpu_slug(second) if name == "gpu" and first and second else first != second


def sizes_told(before: Side, after: Side) -> bool:
    """Whether both sides say what their inputs were: then the sizes of single tensors need not be compared."""
    return "inputs" in before.identity and "inputs" in after.identity


def blocking(found: Iterable[Difference]) -> Difference | None:
    """The first difference that forbids to compare."""
    return next((one for one in found if one.code is not None and not one.allowed), None)


def _diagnosed(entry: Entry, diagnosis: Diagnosis) -> Entry:
    """The entry with the causes found, those that could not be looked for, and the gain that is left."""
    mine = [kernel for kernel in diagnosis.kernels if _same(entry, kernel)]
    across = [finding for finding in diagnosis.pipeline if entry.kernel in finding.kernels]
    findings = [finding for kernel in mine for finding in kernel.findings] + across
    unlooked = {silence.cause for kernel in mine for silence in kernel.silences if silence.missing}
    if len(diagnosis.kernels) > 1 and not entry.tensors:
        unlooked |= _only_across()  # without the launch's arguments nobody knows what kernels hand to one another
    causes = dict.fromkeys(finding.cause for finding in findings if finding.severity == Severity.TUNE)
    limits = dict.fromkeys(finding.cause for finding in findings if finding.severity == Severity.LIMIT)
    readings = dict(entry.readings)
    if mine and all(kernel.duration_us is not None for kernel in mine):
        gain = _gain(findings)
        readings[GAIN] = Reading(count=entry.launches, low=gain, q1=gain, median=gain, q3=gain, high=gain)
    return replace(
        entry,
        readings=readings,
        causes=tuple(causes),
        limits=tuple(limits),
        unlooked=tuple(sorted(unlooked - causes.keys() - limits.keys())),
    )


@cache
def _only_across() -> frozenset[str]:
    """Causes that only rules across kernels find."""
    alone = {rule.CAUSE for rule in rules.kernel_rules()}
    return frozenset(rule.CAUSE for rule in rules.pipeline_rules() if rule.CAUSE not in alone)


def _gain(findings: Iterable[Finding]) -> float:
    """The best-founded factor that is still to be won: 1 when nothing is."""
    gains = (finding.gain.best for finding in findings if finding.gain and finding.severity == Severity.TUNE)
    return max(gains, default=1.0)


def _same(entry: Entry, kernel: KernelDiagnosis) -> bool:
    return kernel.name == entry.kernel and kernel.grid == dim3(entry.grid) and kernel.block == dim3(entry.block)
