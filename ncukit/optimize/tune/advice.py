"""What a diagnosis says of the knobs: where to begin, and what the change it names should be worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ncukit.model import Gain, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ncukit.model import Diagnosis, Finding, KernelDiagnosis, Suggestion
    from ncukit.optimize.tune.knobs import Group, Knobs, Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """Where a search begins."""

    suggested: tuple[Mapping[Setting, str], ...]
    """Setting → what suggests it, an entry a group; the most promising first."""
    order: tuple[int, ...]
    """Groups, those of the kernels that take the longest first."""
    predicted: Gain | None = None
    """What the findings whose knobs are among these promise for the whole file; None where they promise nothing."""
    because: str = ""
    """The findings behind it, or why there is no prediction."""


def advise(knobs: Knobs, diagnosis: Diagnosis | None, unmeasured: str = "") -> Advice:
    """Read a diagnosis for what can be turned.

    Args:
        knobs: of the file.
        diagnosis: of a measurement of this code; None without one.
        unmeasured: why there is none.
    """
    groups = knobs.groups
    listed = [dict.fromkeys(group.listed, "one of its own configurations") for group in groups]
    if diagnosis is None:
        order = tuple(range(len(groups)))
        return Advice(suggested=tuple(listed), order=order, because=unmeasured or "nothing was measured")
    suggested: list[Mapping[Setting, str]] = []
    promised: dict[int, Finding] = {}
    for group, own in zip(groups, listed, strict=True):
        found: dict[Setting, str] = {}
        for at, kernel in enumerate(diagnosis.kernels):  # one name may be there with several grids
            for finding, suggestion, setting in _settings(group, kernel):
                found.setdefault(setting, f"{finding.code} {finding.cause}: {suggestion.knob}={suggestion.to_value}")
                best = promised.get(at)
                if finding.gain and (best is None or best.gain is None or best.gain.best < finding.gain.best):
                    promised[at] = finding
        suggested.append({**found, **own})
    times = [sum(_time(kernel) for kernel in diagnosis.kernels if kernel.name in group.kernels) for group in groups]
    because = dict.fromkeys(f"{f.code} {f.cause} in {diagnosis.kernels[at].name}" for at, f in promised.items())
    return Advice(
        suggested=tuple(suggested),
        order=tuple(sorted(range(len(groups)), key=lambda i: -times[i])),
        predicted=_together(diagnosis, promised),
        because=", ".join(because) or "no finding names a number that can be turned here",
    )


def _settings(group: Group, kernel: KernelDiagnosis) -> Iterator[tuple[Finding, Suggestion, Setting]]:
    """What a kernel's findings suggest for the group's knobs, one change at a time."""
    if group.own is None:
        return
    for finding in kernel.findings:
        if finding.severity is not Severity.TUNE:
            continue
        for suggestion in finding.suggestions:
            if suggestion.to_value is None or not suggestion.to_value.isdecimal():
                continue
            for index, knob in enumerate(group.knobs):
                value = int(suggestion.to_value)
                if suggestion.knob not in knob.names.get(kernel.name, ()) or value not in knob.values:
                    continue
                setting = (*group.own[:index], value, *group.own[index + 1 :])
                if setting != group.own and setting in group.settings:
                    yield finding, suggestion, setting


def _time(kernel: KernelDiagnosis) -> float:
    return (kernel.duration_us or 0.0) * kernel.launches


def _together(diagnosis: Diagnosis, promised: Mapping[int, Finding]) -> Gain | None:
    """What gains of single kernels are for all of them; None where none is promised or a time is missing."""
    total = sum(_time(kernel) for kernel in diagnosis.kernels)
    if not promised or not total or any(kernel.duration_us is None for kernel in diagnosis.kernels):
        return None

    def factor(which: str) -> float:
        left = sum(
            _time(kernel) / (getattr(promised[at].gain, which) if at in promised else 1.0)
            for at, kernel in enumerate(diagnosis.kernels)
        )
        return total / left

    return Gain(low=factor("low"), best=factor("best"), high=factor("high"))
