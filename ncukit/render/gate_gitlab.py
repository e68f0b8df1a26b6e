"""The gate's answer as a GitLab code quality report: a JSON array of what did not pass, ``[]`` when all did.

GitLab compares two branches by fingerprint, so none holds a measured number: the same broken budget measured again is
the same entry. It hides ``check_name``, so the description repeats the code.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from ncukit.model import Status
from ncukit.render.gate_rows import any_file, file_of, rows, worst_first
from ncukit.render.gate_text import RECORDED, blocks, bounded, nothing_judged, statement

if TYPE_CHECKING:
    from ncukit.gate.answer import Judgement
    from ncukit.render.gate_rows import Row

_SEVERITY = {Status.FAIL: "critical", Status.UNJUDGED: "major", Status.AMBIGUOUS: "minor", Status.WARN: "minor"}
"""Of what is no finding there is none; what is ambiguous is critical where the gate is strict."""


def render(*judgements: Judgement) -> str:
    """The judgements as one code quality report. Passed and ignored verdicts are no findings."""
    document = [entry for judgement in judgements for entry in _entries(judgement)]
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _entries(judgement: Judgement) -> list[dict[str, Any]]:
    entries = []
    taken: Counter[str] = Counter()
    for row in rows(judgement):
        if row.verdict.status in _SEVERITY:
            identity = _identity(judgement, row)
            taken[identity] += 1
            entries.append((row, _fingerprint(f"{identity}\0{taken[identity]}")))
    order = {id(row): place for place, row in enumerate(worst_first(row for row, _ in entries))}
    entries.sort(key=lambda entry: order[id(entry[0])])
    document = [_entry(judgement, row, fingerprint) for row, fingerprint in entries]
    nothing = nothing_judged(judgement)
    if nothing:
        document.append(_nothing(judgement, nothing))
    return document


def _identity(judgement: Judgement, row: Row) -> str:
    """What makes a finding the same one after the next measurement."""
    kernel, verdict = row.kernel, row.verdict
    parts = (judgement.case, kernel.kernel, kernel.grid, kernel.block, kernel.constexprs)
    return "\0".join((*parts, verdict.metric, verdict.bound, verdict.code))


def _fingerprint(identity: str) -> str:
    return hashlib.sha256(identity.encode("utf-8", "backslashreplace")).hexdigest()


def _entry(judgement: Judgement, row: Row, fingerprint: str) -> dict[str, Any]:
    verdict = row.verdict
    file = file_of(row.kernel)
    fails = verdict.status is not Status.UNJUDGED and blocks(judgement, verdict)
    return {
        "description": _labelled(judgement, f"{statement(row.name, verdict)} ({bounded(verdict.code)})"),
        "check_name": f"ncukit/{bounded(verdict.code)}",
        "fingerprint": fingerprint,
        "severity": "critical" if fails else _SEVERITY[verdict.status],
        "location": {
            "path": file or any_file(judgement),
            "lines": {"begin": max(1, row.kernel.line or 1) if file else 1},
        },
    }


def _nothing(judgement: Judgement, why: str) -> dict[str, Any]:
    return {
        "description": _labelled(judgement, f"{why} (nothing-judged)"),
        "check_name": "ncukit/nothing-judged",
        "fingerprint": _fingerprint(f"{judgement.case}\0nothing-judged"),
        "severity": "major",
        "location": {"path": any_file(judgement), "lines": {"begin": 1}},
    }


def _labelled(judgement: Judgement, said: str) -> str:
    return f"{RECORDED}: {said}" if judgement.environment.recorded else said
