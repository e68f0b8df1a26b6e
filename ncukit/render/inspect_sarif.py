"""An inspection as SARIF 2.1.0: a result for each place that the lint, the compiler or a budget complains about."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from ncukit.render import inspect_text as words
from ncukit.render.gate_text import bounded
from ncukit.render.inspect_problems import BUDGET, COMPILE, HOST, problems
from ncukit.render.sarif_document import (
    MOST_LISTED,
    MOST_NAME,
    MOST_RESULTS,
    MOST_WORDS,
    camel,
    document,
    fingerprint,
    location,
    message,
    notice,
    short,
    uri,
)
from ncukit.source import lint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ncukit.gate.examined import Examined
    from ncukit.render.inspect_problems import Problem

_OWN = {
    COMPILE: (
        "The kernel does not compile or cannot run",
        "Triton's compiler refuses the kernel for this architecture, or no GPU of the architecture could launch it.",
    ),
    HOST: (
        "The host code fails",
        "The file was run on tensors without data, and its host code raised an error, so launches may be missing.",
    ),
    BUDGET: (
        "A budget is not kept",
        "What the compiler made of the kernel breaks a budget of the command line or of the configuration.",
    ),
}
"""Code of what is no lint rule's → title and description."""


def render(examined: Examined, root: Path | None = None) -> str:
    """The document that ``ncukit inspect --format sarif`` prints.

    Args:
        examined: what was found.
        root: the checkout; a place below it is written relative to it, and no other absolute place is.
    """
    inspection = examined.inspection
    found = [one for one in problems(examined) if one.judged]
    listed = found[:MOST_RESULTS]
    codes = list(dict.fromkeys(one.code for one in listed))
    home = uri(inspection.path, root)
    marks = _fingerprints(listed, root, home)
    about = " · ".join(filter(None, (words.NOT_MEASURED, words.versions(inspection), words.came_from(inspection))))
    run = {
        "automationDetails": {
            "id": f"ncukit/inspect/{home + '/' if home else ''}",
            "description": {"text": about[:MOST_WORDS]},
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(examined, len(found))],
        "results": [
            _result(one, codes.index(one.code), _location(one, root, home), mark)
            for one, mark in zip(listed, marks, strict=True)
        ],
        "properties": {
            "measured": False,
            "archs": [short(arch) for arch in inspection.archs],
            "versions": {short(name): short(version) for name, version in inspection.versions.items()},
            "source": message(inspection.source) or None,
        },
    }
    return document(run, (_rule(code, listed) for code in codes))


def _rule(code: str, found: Sequence[Problem]) -> dict[str, Any]:
    """What a viewer shows beside a result: of a lint rule its page."""
    first = next(one for one in found if one.code == code)
    level = {"defaultConfiguration": {"level": first.severity}}
    if code in _OWN:
        title, meaning = _OWN[code]
        described = {"shortDescription": {"text": title}, "fullDescription": {"text": meaning}}
        return {"id": code, "name": camel(code), **described, "help": {"text": meaning}, **level}
    title = next((title for known, _, title in lint.codes() if known == code), first.name)
    page = lint.page(code)
    described = {"shortDescription": {"text": short(title)}}
    if page is not None:
        start, end = lint.SECTIONS[:2]
        meaning = page.partition(f"\n{start}\n")[2].partition(f"\n{end}\n")[0]
        described |= {"fullDescription": {"text": " ".join(meaning.split())[:MOST_WORDS]}, "help": {"text": page}}
    return {"id": short(code), "name": camel(short(first.name)), **described, **level}


def _result(one: Problem, rule: int, place: dict[str, Any] | None, mark: str) -> dict[str, Any]:
    said = ": ".join(filter(None, (one.subject, bounded(one.message, MOST_WORDS))))
    if one.instead:
        said = f"{message(said, MOST_WORDS // 2)} Instead: {one.instead}"
    entry: dict[str, Any] = {
        "ruleId": short(one.code),
        "ruleIndex": rule,
        "level": one.severity,
        "message": {"text": message(said)},
        "partialFingerprints": {"primaryLocationLineHash": mark},
        "properties": {"kernel": short(one.kernel) or None, "counts": one.counts},
    }
    if place is not None:
        entry["locations"] = [place]
    if one.suppressed is not None:
        # "in source" is a comment, as opposed to a list kept elsewhere
        entry["suppressions"] = [{"kind": "inSource", "justification": message(one.suppressed, MOST_NAME)}]
    return entry


def _location(one: Problem, root: Path | None, home: str | None) -> dict[str, Any] | None:
    at = uri(one.path, root) if one.path else None
    if at is None:
        # a region is required: GitHub shows no result without a line (sarif-sdk, rule GH1003)
        return location(home, {"startLine": 1}) if home else None
    region = {"startLine": max(1, one.line or 1)}
    if one.line and one.column:
        region["startColumn"] = one.column
        if one.end_line == one.line and one.end_column and one.end_column > one.column:
            region["endColumn"] = one.end_column
    return location(at, region)


def _fingerprints(found: Sequence[Problem], root: Path | None, home: str | None) -> list[str]:
    """Marks that stay when lines move: no number counts, and equal ones are numbered from the top."""
    marks = []
    seen: Counter[str] = Counter()
    for one in found:
        at = (uri(one.path, root) if one.path else None) or home or ""
        mark = fingerprint(one.code, at, one.kernel, re.sub(r"\d+", "#", one.identity or one.message))
        seen[mark] += 1
        marks.append(f"{mark}:{seen[mark]}")
    return marks


def _invocation(examined: Examined, count: int) -> dict[str, Any]:
    """Whether there was anything to judge, and what a careful reader should know."""
    inspection = examined.inspection
    said = [("note", note.message) for note in inspection.notes[:MOST_LISTED]]
    left = () if examined.lint_only else words.not_launched(inspection)
    said += [("note", f"not compiled, since no launch is known: {words.listed(left)}")] if left else []
    said += [("warning", f"{one.subject}: {one.message}") for one in problems(examined) if not one.judged][:MOST_LISTED]
    if examined.nothing:
        said.append(("warning", f"nothing was compiled: {examined.nothing}: no result is no clean bill"))
    if count > MOST_RESULTS:
        said.append(("warning", f"{MOST_RESULTS:,} of {count:,} results are listed: those that fail it first"))
    notices = [notice(level, text) for level, text in said]
    successful = not (examined.nothing or examined.unjudged or examined.incomplete)
    return {"executionSuccessful": successful} | ({"toolExecutionNotifications": notices} if notices else {})
