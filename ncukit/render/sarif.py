"""A diagnosis as SARIF 2.1.0, the format of code scanning: one result a finding, at the kernel's own line."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ncukit.diagnose import rules
from ncukit.model import Severity
from ncukit.render import units
from ncukit.render.gate import device_line
from ncukit.render.sarif_document import (
    MOST_LISTED,
    MOST_NAME,
    MOST_RESULTS,
    MOST_WORDS,
    camel,
    document,
    fingerprint,
    location,
    notice,
    number,
    short,
    uri,
)
from ncukit.render.text import visible
from ncukit.source.syntax import read_source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ncukit.model import Diagnosis, Evidence, Finding, KernelDiagnosis, Report, Suggestion

SUGGESTED = 2
"""Suggestions that a message has room for."""

Place = tuple[str, int]
"""A relative URI and a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A finding as a result: what it is about, and where."""

    finding: Finding
    kernel: KernelDiagnosis | None
    """None for a finding across kernels."""
    spots: Sequence[Place]
    """Where to show it, best first; empty when nothing tells."""
    fingerprint: str
    urgency: tuple[bool, float]
    """Sorts what saves the most time first, and statements of the limit last."""

    @property
    def kernels(self) -> tuple[str, ...]:
        """The kernels it is about."""
        return (self.kernel.name,) if self.kernel is not None else self.finding.kernels


def render(diagnosis: Diagnosis, places: Mapping[str, str] | None = None, root: Path | None = None) -> str:
    """The document that ``ncukit diagnose --format sarif`` prints.

    Args:
        diagnosis: what to write down.
        places: ``path:line`` of each kernel, see ``places_of``.
        root: the checkout; a place below it is written relative to it, and no other absolute place is.
    """
    rest = _fallback(diagnosis, root)
    found = _found(diagnosis, {name: _place(text, root) for name, text in (places or {}).items()}, rest, root)
    listed = sorted(found, key=lambda one: one.urgency)[:MOST_RESULTS]
    known = {one.finding.code: one.finding for one in listed}
    counts = Counter(kernel.name for kernel in diagnosis.kernels)
    repeated = {name for name, count in counts.items() if count > 1}
    index = {code: number for number, code in enumerate(known)}
    recorded = diagnosis.environment.recorded
    run = {
        "automationDetails": _automation(diagnosis, rest),
        "invocations": [_invocation(diagnosis, len(found))],
        "results": [_result(one, index[one.finding.code], _message(one, repeated, recorded)) for one in listed],
        "properties": _measured(diagnosis),
    }
    return document(run, map(_rule, known.values()))


def places_of(report: Report, source: str | None = None) -> dict[str, str]:
    """Kernel → ``path:line`` of its ``def``: as the harness recorded it, or as the kernel file shows it.

    Args:
        report: what is diagnosed.
        source: the kernel file that the user named; it wins over what was recorded.
    """
    text = read_source(source or report.target) or read_source(report.target.split(" ")[0])
    shown = {name: f"{text.path}:{function.line}" for name, function in text.functions.items()} if text else {}
    launched = zip(report.frame["kernel"].astype(str), report.launches, strict=False)  # a plain report has no launches
    recorded = {name: f"{x.file}:{x.line}" for name, x in launched if x and x.file and x.line}
    return recorded | shown if source else shown | recorded


def _found(
    diagnosis: Diagnosis, there: Mapping[str, Place | None], rest: Sequence[Place], root: Path | None
) -> list[Found]:
    """Every finding in the order of the diagnosis."""
    pairs: list[tuple[Finding, KernelDiagnosis | None]] = [(f, k) for k in diagnosis.kernels for f in k.findings]
    pairs += [(finding, None) for finding in diagnosis.pipeline]
    times: dict[str, float] = {}
    for entry in diagnosis.kernels:
        times[entry.name] = times.get(entry.name, 0.0) + entry.launches * (entry.duration_us or 0.0)
    seen: Counter[str] = Counter()
    found = []
    for finding, kernel in pairs:
        names = (kernel.name,) if kernel is not None else finding.kernels
        spots = _spots(finding, names, there, root) or rest
        key = _fingerprint(finding, kernel, spots[0][0] if spots else "")
        seen[key] += 1  # equal ones are numbered as they were launched, which measuring again does not change
        time = (
            kernel.launches * (kernel.duration_us or 0.0)
            if kernel is not None
            else sum(times.get(n, 0.0) for n in names)
        )
        found.append(
            Found(
                finding=finding,
                kernel=kernel,
                spots=spots,
                fingerprint=f"{key}:{seen[key]}",
                urgency=(finding.severity == Severity.LIMIT, -_saved(finding, time)),
            )
        )
    return found


def _saved(finding: Finding, time_us: float) -> float:
    """Time that a finding saves over all launches; where times are unknown, the share."""
    return (time_us or 1.0) * (1 - 1 / finding.gain.best) if finding.gain and finding.gain.best > 0 else 0.0


def _result(found: Found, rule: int, message: str) -> dict[str, Any]:
    finding, gain = found.finding, found.finding.gain
    entry: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": _level(finding),
        "message": {"text": message},
        "partialFingerprints": {"primaryLocationLineHash": found.fingerprint},
        "properties": {
            "cause": finding.cause,
            "confidence": finding.confidence,
            "kernels": [short(name) for name in found.kernels[:MOST_LISTED]],
            "grid": found.kernel.grid if found.kernel else None,
            "estimated_speedup": {k: number(v) for k, v in asdict(gain).items()} if gain else None,
            "evidence": [_reading(evidence) for evidence in finding.evidence[:MOST_LISTED]],
        },
    }
    if found.spots:
        # GitHub shows the first location only; the others are where the suggestions would change something
        entry["locations"] = [_location(found.spots[0])]
    if found.spots[1:]:
        entry["relatedLocations"] = [{"id": i, **_location(spot)} for i, spot in enumerate(found.spots[1:], start=1)]
    return entry


def _reading(evidence: Evidence) -> dict[str, Any]:
    return {
        "metric": short(evidence.metric),
        "value": number(evidence.value),
        "unit": short(evidence.unit),
        "compared_with": short(evidence.compared_with),
    }


def _level(finding: Finding) -> str:
    return "warning" if finding.severity == Severity.TUNE else "note"


def _message(found: Found, repeated: set[str], recorded: bool) -> str:
    """Everything that a reader of the alert must know: texts at the locations are not shown."""
    finding, kernel = found.finding, found.kernel
    names = [units.kernel(name)[:MOST_NAME] for name in found.kernels[:4]]
    label = ", ".join(names[:3]) + (f" and {len(found.kernels) - 3} more" if len(names) > 3 else "")
    if kernel is not None and kernel.grid and kernel.name in repeated:
        label += f" (grid {'x'.join(map(str, kernel.grid))})"
    named = kernel is None and bool(names) and names[0] in finding.title
    words = [finding.title if named or not label else f"{label}: {finding.title}"]
    sure = f"{finding.confidence} confidence"
    tune = finding.severity == Severity.TUNE and finding.gain
    words.append(f"Estimated speedup {units.gain(finding.gain)}, {sure}" if tune else sure.capitalize())
    words += [_try(suggestion) for suggestion in finding.suggestions[:SUGGESTED]]
    text = visible(". ".join(word[:MOST_WORDS] for word in words)) + "."
    # to a viewer these are a link and a placeholder for an argument; none is to be had from a kernel's name
    text = text.replace("](", "] (").replace("{", "(").replace("}", ")")
    last = " Recorded, not measured now." if recorded else ""
    room = MOST_WORDS - len(last)
    return (text if len(text) <= room else f"{text[: room - 1]}…") + last


def _try(suggestion: Suggestion) -> str:
    start = f"{suggestion.from_value} → " if suggestion.from_value else ""
    change = f"{suggestion.knob}: {start}{suggestion.to_value}: " if suggestion.knob and suggestion.to_value else ""
    return f"To try: {change}{suggestion.action}" + (f" at {suggestion.location}" if suggestion.location else "")


def _fingerprint(finding: Finding, kernel: KernelDiagnosis | None, path: str) -> str:
    """What stays the same when the kernel is measured again: cause, kernels and file; no line and no reading."""
    names = (kernel.name,) if kernel is not None else ("", *finding.kernels)
    return fingerprint(finding.cause, path, *names)


def _rule(finding: Finding) -> dict[str, Any]:
    titles = {code: title for code, _, title in rules.codes()}
    return {
        "id": finding.code,
        "name": camel(finding.cause),
        "shortDescription": {"text": titles.get(finding.code, finding.cause)},
        **(_explained(finding.code) if finding.code in titles else {}),
        "defaultConfiguration": {"level": _level(finding)},
    }


def _explained(code: str) -> dict[str, Any]:
    """The rule's page, and its first section as the description."""
    page = rules.page(code)
    first, second = rules.SECTIONS[:2]
    meaning = page.partition(f"\n{first}\n")[2].partition(f"\n{second}\n")[0]
    return {"fullDescription": {"text": " ".join(meaning.split())[:MOST_WORDS]}, "help": {"text": page}}


def _automation(diagnosis: Diagnosis, rest: Sequence[Place]) -> dict[str, Any]:
    """What tells this run from another: GitHub takes alerts of the same category for the same ones."""
    about = device_line(diagnosis.environment, False)[:MOST_WORDS]
    return {"id": f"ncukit/{rest[0][0] + '/' if rest else ''}", "description": {"text": about}}


def _measured(diagnosis: Diagnosis) -> dict[str, Any]:
    environment = diagnosis.environment
    return {
        "recorded": environment.recorded,
        "gpu": short(environment.gpu) or None,
        "ncu_version": short(environment.ncu_version) or None,
        "clock_control": short(environment.clock_control) or None,
        "report_kind": diagnosis.report_kind,
    }


def _invocation(diagnosis: Diagnosis, count: int) -> dict[str, Any]:
    """Whether there was anything to judge, and what a careful reader should know."""
    silent = all(k.bound == "unknown" and not k.findings for k in diagnosis.kernels) and not diagnosis.pipeline
    timed = any(k.duration_us is not None for k in diagnosis.kernels)
    said = [("note", note) for note in diagnosis.notes[:MOST_LISTED]]
    if silent:
        said.append(("warning", "the metrics in this report do not reach for any rule: no result is no clean bill"))
    if count > MOST_RESULTS:
        said.append(("warning", f"{MOST_RESULTS:,} of {count:,} results are listed: those that save the most time"))
    notices = [notice(level, text) for level, text in said]
    # the exit code says the same: without any reading there is nothing to judge
    return {"executionSuccessful": timed or not silent} | ({"toolExecutionNotifications": notices} if notices else {})


def _spots(finding: Finding, names: Sequence[str], there: Mapping[str, Place | None], root: Path | None) -> list[Place]:
    """The kernel's own line first, then the other kernels', then where the suggestions point; each once."""
    places = [there.get(name) for name in names[:MOST_LISTED]]
    places += [_place(s.location, root) for s in finding.suggestions[:MOST_LISTED] if s.location]
    return list(dict.fromkeys(place for place in places if place is not None))


def _fallback(diagnosis: Diagnosis, root: Path | None) -> list[Place]:
    """Where a finding without any source line belongs: the file that was profiled, else the report."""
    target = diagnosis.target.split(" ")[0]
    uris = [uri(target, root) if target.endswith(".py") or "/" in target else None]
    uris.append(uri(diagnosis.report_path, root) if diagnosis.report_path != "-" else None)
    # a region is required: GitHub shows no result without a line (sarif-sdk, rule GH1003)
    return [(uri, 1) for uri in uris if uri][:1]


def _place(text: str, root: Path | None) -> Place | None:
    """``path:line``, and whatever follows it, as a relative URI and a line; None when it is no such place."""
    found = re.match(r"([^:]+):(\d{1,9})(?!\d)", text)
    at = uri(found[1], root) if found else None
    return (at, max(1, int(found[2]))) if found and at else None


def _location(place: Place) -> dict[str, Any]:
    at, line = place
    return location(at, {"startLine": line})
