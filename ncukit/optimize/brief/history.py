"""What was tried before: earlier rounds, and the answer that was refused, with the exact reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ncukit.errors import Exit, NcukitError
from ncukit.optimize.brief.budget import Part, Section, Value
from ncukit.optimize.brief.words import Listing, fenced, line
from ncukit.optimize.verdict import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ncukit.optimize.verdict import Round

LAST = 2
"""Rounds that count as the last ones."""
MOST_ROUNDS = 20
MOST_REASONS = 20
MOST_MESSAGE = 1500
MOST_CODE = 60_000
"""Characters of a refused answer that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """An answer that was refused, to be given once more."""

    code: str
    """Its text on the lines that the reasons name; what is not code may be blank."""
    reasons: tuple[Reason, ...]


def rounds(past: Sequence[Round]) -> Section:
    """The section ``[EARLIER ROUNDS]``, the oldest first."""
    parts = []
    shown = past[-MOST_ROUNDS:]
    for index, one in enumerate(shown):
        late = index >= len(shown) - LAST
        parts.append(Part(text=_round(one), value=Value.ROUNDS if late else Value.OLDER, name=f"round {one.number}"))
    if parts:
        text = "What was no faster stays no faster: do something else."
        parts.append(Part(text=text, value=Value.ROUNDS, name="advice on earlier rounds"))
    return Section(title="[EARLIER ROUNDS]", parts=tuple(parts))


def _round(one: Round) -> str:
    ratio = f", {one.ratio:.3f}x the speed of the best before" if one.ratio is not None else ""
    said = f". It said: {line(one.summary, 300)}" if one.summary else ""
    why = "".join(f". {line(r.code, 60)}: {line(r.message, 200)}" for r in one.reasons[:3])
    return f"- round {one.number}, stage {line(one.stage, 40)}: {one.outcome}{ratio}{why}{said}"


def repair(refused: Repair | None, current: str) -> Section:
    """The section ``[REPAIR]``.

    Args:
        refused: the answer and why; None when there is nothing to repair.
        current: the code under ``[CURRENT CODE]``, which is not shown twice.
    """
    if refused is None:
        return Section(title="[REPAIR]", parts=())
    text = "Your last answer was refused. The code was:"
    shown = fenced(refused.code[:MOST_CODE], "python")
    if len(refused.code) > MOST_CODE:
        shown += f"\n({len(refused.code) - MOST_CODE:,} more characters are not shown)"
    if refused.code.strip() == current.strip():
        text, shown = "The current code above was refused.", ""
    said = "\n".join(_reason(number, reason, refused.code) for number, reason in enumerate(refused.reasons, start=1))
    parts = [Part(text="\n".join(filter(None, (text, shown, "It was refused because:", said))), value=Value.MUST,
                  name="refused answer")]  # fmt: skip
    return Section(title="[REPAIR]", parts=tuple(parts))


def _reason(number: int, reason: Reason, code: str) -> str:
    place = f" in {Listing(code=code).line(reason.line)}" if reason.line is not None else ""
    instead = f" Instead: {line(reason.instead, MOST_MESSAGE)}" if reason.instead else ""
    message = line(reason.message, MOST_MESSAGE).rstrip(".")
    return f"{number}. {line(reason.code, 60)}{place}: {message}.{instead}"


def reasons_of(document: Any, name: str) -> tuple[Reason, ...]:
    """The reasons in what ``ncukit check --format json`` wrote.

    Raises:
        NcukitError: it is something else, or nothing stands against that answer.
    """
    entries = document.get("reasons") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise no_reasons(name, f"{name}: it has no list of reasons")
    found = []
    for entry in entries[:MOST_REASONS]:
        where, words = entry.get("line"), [entry.get(key) or "" for key in ("code", "message", "instead")]
        if not all(isinstance(w, str) for w in words) or not (words[0] or words[1]):
            raise no_reasons(name, f"{name}: a reason has no code and no message")
        number = where if isinstance(where, int) and not isinstance(where, bool) else None
        found.append(Reason(code=words[0], line=number, message=words[1], instead=words[2]))
    if not found:
        why = "nothing stands against the answer, so there is nothing to repair"
        raise no_reasons(name, f"{name}: {why}", Exit.NOTHING)
    return tuple(found)


def no_reasons(name: str, message: str, code: Exit = Exit.USAGE) -> NcukitError:
    """The error for a file that should hold the reasons against an answer and does not."""
    return NcukitError(
        message,
        causes=("--repair takes what `ncukit check ANSWER --problem FILE --format json` wrote of a refused answer",),
        next_command=f"ncukit check ANSWER --problem FILE --format json -o {name}",
        exit_code=code,
    )
