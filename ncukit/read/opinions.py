"""What NVIDIA's rules say of a launch: on the details page and from NVIDIA's reader; made safe to show.

The text comes from outside, so it is cut to one printable line. The raw page prints no rule results.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from ncukit.model import Opinion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MOST_A_LAUNCH = 100
"""ncu 2025.3.1 has 22 rules, of which a few say several things."""
_MESSAGE, _NAME = 2000, 80
_SECTION = re.compile(r"@section:[^:@]*:([^@]*)@")
_LINK = re.compile(r"@url:([^:@]*):[^@]*@")
KINDS = {"OK": "INF", "OPTIMIZATION": "OPT", "WARNING": "WRN", "ERROR": "ERR", "ERR": "ERR"}
"""Message type by NVIDIA's name → what ncu prints on the details page."""
SCOPES = {1: "local", 2: "global"}
"""Speedup type in the file and in NVIDIA's reader → what ncu prints."""


def opinion(
    *, rule: str, section: str, kind: str, message: str, title: str = "", speedup: float | None = None, scope: str = ""
) -> Opinion:
    """An opinion with its text stripped of control characters and markup, and shortened."""
    usable = speedup is not None and math.isfinite(speedup) and speedup >= 0
    return Opinion(
        rule=_line(rule, _NAME),
        section=_line(section, _NAME),
        kind=_line(kind, 8),
        title=_line(title, _NAME),
        message=_line(message, _MESSAGE),
        speedup_pct=speedup if usable else None,
        scope=scope if usable and scope in SCOPES.values() else "",
    )


def bounded(said: Sequence[Opinion]) -> tuple[Opinion, ...]:
    """The opinions on one launch, as many as a launch can have."""
    return tuple(said[:_MOST_A_LAUNCH])


def of_row(row: Sequence[str], where: Mapping[str, int]) -> Opinion | None:
    """The opinion in a row of the details page; None when the row holds none.

    Args:
        row: its cells; metric rows are shorter than the header.
        where: column name → position. ncu 2022.3 has no columns for the speedup.
    """

    def cell(name: str) -> str:
        index = where.get(name, len(row))
        return row[index] if index < len(row) else ""

    rule = cell("Rule Name")
    if not rule:
        return None
    return opinion(
        rule=rule,
        section=cell("Section Name"),
        kind=cell("Rule Type"),
        message=cell("Rule Description"),
        speedup=_percent(cell("Estimated Speedup")),
        scope=cell("Estimated Speedup Type"),
    )


def of_action(ncu_report: Any, action: Any) -> tuple[Opinion, ...]:
    """The opinions on a launch as NVIDIA's reader returns them.

    Args:
        ncu_report: the reader's module, whose numbers for message types differ from those in the file.
        action: the launch.
    """
    results = getattr(action, "rule_results_as_dicts", None)
    if results is None:
        return ()
    kinds = {getattr(ncu_report, f"MsgType_{name}", None): kind for name, kind in KINDS.items()}
    said = []
    for result in results()[:_MOST_A_LAUNCH]:
        message, speedup = result.get("rule_message") or {}, result.get("speedup_estimation") or {}
        one = opinion(
            rule=str(result.get("rule_identifier", "")),
            section=str(result.get("section_identifier", "")),
            kind=kinds.get(message.get("type"), ""),
            title=str(message.get("title", "")),
            message=str(message.get("message", "")),
            speedup=speedup.get("speedup"),
            scope=SCOPES.get(speedup.get("type", 0), ""),
        )
        if one.kind:
            said.append(one)
    return tuple(said)


def _percent(cell: str) -> float | None:
    """ncu prints four significant digits, so a comma can only be a locale's decimal point."""
    try:
        return float(cell.replace(",", "."))
    except ValueError:
        return None


def _line(text: str, limit: int) -> str:
    text = _LINK.sub(r"\1", _SECTION.sub(r"\1", text[: 4 * limit]))
    words = "".join(c if c.isprintable() else " " for c in text).split()
    line = " ".join(words)
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
