"""What the diagnosis found: each cause with the readings behind it, limits that were reached, causes ruled out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.model import Severity
from ncukit.optimize.brief.budget import Part, Section, Value
from ncukit.optimize.brief.focus import advice
from ncukit.optimize.brief.found import about, findings, whole
from ncukit.optimize.brief.readings import keys
from ncukit.optimize.brief.stages import stage_of
from ncukit.optimize.brief.words import line, listed, name, reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.model import Diagnosis, Finding
    from ncukit.optimize.brief.table import Stage
    from ncukit.optimize.brief.words import Listing

MOST = 12
"""Findings shown."""


def evidence(diagnosis: Diagnosis, stage: Stage, listing: Listing) -> Section:
    """The section ``[FINDINGS]``: those of the stage first, each group by what it is worth to the whole run."""
    tune = [(f, k) for f, k in findings(diagnosis) if f.severity == Severity.TUNE]
    tune.sort(key=lambda one: (one[0].cause not in stage.causes, -whole(one[0], one[1], diagnosis)))
    parts = []
    for finding, _ in tune[:MOST]:
        mine = finding.cause in stage.causes
        parts.append(
            Part(
                text=_finding(
                    finding, "" if mine else advice(finding.suggestions[0], listing) if finding.suggestions else ""
                ),
                value=Value.EVIDENCE if mine else Value.OTHERS,
                name=f"finding {finding.code} {finding.cause}",
            )
        )
    if len(tune) > MOST:
        text = f"and {len(tune) - MOST} more that are worth less"
        parts.append(Part(text=text, value=Value.OTHERS, name="number of other findings"))
    parts += _limits(diagnosis)
    parts += _ruled_out(diagnosis)
    return Section(title="[FINDINGS]", parts=tuple(parts))


def _finding(finding: Finding, change: str) -> str:
    """A finding in a few lines; ``change`` is what to do about it, for one that this stage is not about."""
    rows = [f"{line(about(finding))}: {line(finding.title)}"]
    rows += [
        f"  {line(e.metric, 80)} {reading(e.value, e.unit)}, compared with {line(e.compared_with)}"
        for e in finding.evidence
    ]
    if change:
        rows.append(f"  stage {stage_of(finding.cause).slug}: {change}")
    rows += [f"  follows from it: {line(title)}" for title in finding.mirrored]
    if finding.next_command:
        rows.append(f"  not certain: {line(finding.next_command)} would settle it")
    return "\n".join(rows)


def _limits(diagnosis: Diagnosis) -> Iterator[Part]:
    names = keys(diagnosis)
    for finding, kernel in findings(diagnosis):
        if finding.severity == Severity.LIMIT:
            where = names[id(kernel)] if kernel is not None else listed(map(name, finding.kernels), 3)
            text = f"{finding.cause} ({finding.code}) on {where}: {line(finding.title)}"
            yield Part(text=text, value=Value.OTHERS, name=f"limit {finding.code}")


def _ruled_out(diagnosis: Diagnosis) -> Iterator[Part]:
    """Causes that were looked for in some kernel and found in none, and those that nobody could look for."""
    found = {finding.cause for finding, _ in findings(diagnosis)}
    looked: dict[str, None] = {}
    missing: dict[str, None] = {}
    for kernel in diagnosis.kernels:
        for silence in kernel.silences:
            (missing if silence.missing else looked)[silence.cause] = None
    absent = [cause for cause in looked if cause not in found]
    unknown = [cause for cause in missing if cause not in found and cause not in looked]
    if absent:
        text = f"Looked for and not found: {', '.join(absent)}."
        yield Part(text=text, value=Value.SILENT, name="causes that were not found")
    if unknown:
        text = f"Not looked for, since metrics are missing: {', '.join(unknown)}."
        yield Part(text=text, value=Value.SILENT, name="causes that were not looked for")
