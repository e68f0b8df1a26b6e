"""The doctor's checks as text and JSON."""

from __future__ import annotations

import json

from ncukit.collect.doctor import WORKS_ANYWAY, Check, State, ready
from ncukit.render.text import columns, paint, visible

_STYLE = {State.OK: "green", State.WARN: "yellow", State.FAIL: "red", State.SKIP: "dim"}


def render(checks: tuple[Check, ...], *, color: bool = False) -> str:
    """One line a check; below those that need something, the fix."""
    table = columns(
        [
            [
                paint(check.state.value.upper(), _STYLE[check.state], color),
                check.name,
                visible(check.evidence),
            ]
            for check in checks
        ],
        "<<<",
    )
    indent = " " * (max(len(c.state.value) for c in checks) + max(len(c.name) for c in checks) + 4)
    lines = []
    for check, line in zip(checks, table, strict=True):
        lines.append(line)
        if check.fix and check.state is not State.OK:
            lines.append(indent + paint("fix: ", "bold", color) + visible(check.fix))
    if ready(checks):
        return "\n".join([*lines, "", "Profiling should work here."]) + "\n"
    blocking = ", ".join(check.name for check in checks if check.state is State.FAIL)
    lines += ["", f"Profiling cannot work here before this is fixed: {blocking}."]
    lines += ["What works without it:", *(f"  {line}" for line in WORKS_ANYWAY)]
    return "\n".join(lines) + "\n"


def render_json(checks: tuple[Check, ...]) -> str:
    """The same for programs."""
    document = {
        "schema_version": 1,
        "ready": ready(checks),
        "checks": [
            {
                "id": c.id,
                "name": c.name,
                "status": c.state.value,
                "severity": c.severity.value,
                "evidence": c.evidence,
                "fix": c.fix or None,
            }
            for c in checks
        ],
        "works_anyway": [line.partition("   ")[0] for line in WORKS_ANYWAY],
    }
    return json.dumps(document, indent=2) + "\n"
