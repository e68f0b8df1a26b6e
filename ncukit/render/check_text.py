"""A checked answer for people: the verdict, what stands against it, what was tried, and what is open."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from ncukit.render.gate_text import MOST_NAME, MOST_WORDS, bounded
from ncukit.render.text import columns, paint

if TYPE_CHECKING:
    from ncukit.optimize.verdict import Case, Checked, Reason

STYLES = {"accepted": "green", "unproven": "yellow", "refused": "red"}
MEANING = {
    "accepted": "nothing stands against it",
    "unproven": "nothing stands against it, but not everything could be looked at",
    "refused": "do not believe it",
}
SHOWN = 12
"""Reasons, open points and cases that are shown; --format json has all."""
OUTCOMES = ("right", "wrong", "declined", "dropped")
_VERSIONS = {"triton": "Triton", "torch": "torch"}


def render(checked: Checked, problem: str, *, color: bool = False, width: int = 100) -> str:
    """The answer of ``ncukit check`` as text.

    Args:
        checked: see ``ncukit.optimize.check``.
        problem: file that it was held to.
        color: with ANSI colours.
        width: columns to write for.
    """
    verdict = paint(checked.verdict, STYLES[checked.verdict], color)
    held = f" against {bounded(problem, MOST_NAME)}" if problem != checked.path else ""
    lines = [f"{verdict}  {bounded(checked.path)}{held}: {MEANING[checked.verdict]}"]
    lines += [paint(where(checked), "dim", color)]
    for reason in checked.reasons[:SHOWN]:
        lines += ["", *_reason(reason, checked, color, width)]
    lines += _more(len(checked.reasons), "reasons")
    lines += _cases(checked, color, width)
    if checked.unproven:
        lines += ["", "not proven"]
        lines += [
            part for text in checked.unproven[:SHOWN] for part in _wrapped(f"- {bounded(text, MOST_WORDS)}", width)
        ]
        lines += _more(len(checked.unproven), "open points")
    return "\n".join(lines) + "\n"


def where(checked: Checked) -> str:
    """Where it ran, with which versions."""
    used = [
        f"{name} {bounded(checked.versions[key], 40)}" for key, name in _VERSIONS.items() if key in checked.versions
    ]
    place = f"ran on {bounded(checked.where)}" if checked.where else "no kernel of it was run"
    return " · ".join([place, *used]) if checked.where else place


def _reason(reason: Reason, checked: Checked, color: bool, width: int) -> list[str]:
    place = f"  {bounded(checked.path)}:{reason.line}" if reason.line else ""
    lines = [f"{paint(bounded(reason.code, 40), 'bold', color)}{place}"]
    source = checked.code.split("\n")[reason.line - 1].strip() if reason.line and checked.code else ""
    lines += [paint(f"    {bounded(source, max(20, width - 4))}", "dim", color)] if source else []
    lines += _wrapped(f"  {bounded(reason.message, MOST_WORDS)}", width)
    return lines + (_wrapped(f"  → {bounded(reason.instead, MOST_WORDS)}", width) if reason.instead else [])


def _cases(checked: Checked, color: bool, width: int) -> list[str]:
    if not checked.cases:
        return []
    counts = [(sum(case.outcome == outcome for case in checked.cases), outcome) for outcome in OUTCOMES]
    counted = ", ".join(f"{count} {word}" for count, word in counts if count)
    lines = ["", f"{len(checked.cases)} case{'s' if len(checked.cases) != 1 else ''}: {counted}"]
    told = [case for case in checked.cases if case.outcome != "right"]
    rows = [[f"  {case.outcome}", bounded(case.name, max(20, width - 50)), said(case)] for case in told[:SHOWN]]
    lines += columns(rows, "<<<") if rows else []
    worst = max(
        (case.error for case in checked.cases if case.outcome == "right" and case.error is not None), default=None
    )
    if worst is not None:
        lines.append(paint(f"  largest error of a right one: {worst:.2g} of what is allowed", "dim", color))
    return lines + _more(len(told), "cases")


def said(case: Case) -> str:
    """What there is to say of a case that is not simply right."""
    error = f"{case.error:.3g} times what is allowed" if case.error is not None else ""
    return ": ".join(filter(None, (error, bounded(case.note, 120))))


def _wrapped(text: str, width: int) -> list[str]:
    indent = " " * (len(text) - len(text.lstrip(" →-")))
    return textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _more(count: int, what: str) -> list[str]:
    return [f"  … and {count - SHOWN} more {what}: --format json"] if count > SHOWN else []
