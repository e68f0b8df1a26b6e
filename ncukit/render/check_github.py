"""A checked answer as GitHub annotations: an error a reason, a warning for what is open, a notice when accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.render.annotation import MOST, command, relative
from ncukit.render.check_text import MEANING
from ncukit.render.gate_text import MOST_WORDS, bounded

if TYPE_CHECKING:
    from ncukit.optimize.verdict import Checked, Reason


def render(checked: Checked, problem: str) -> str:
    """The answer of ``ncukit check`` as workflow commands, no more than GitHub shows of a step."""
    path = bounded(checked.path)
    if checked.verdict == "accepted":
        said = f"{path}: {MEANING['accepted']}, held against {bounded(problem)}"
        return command("notice", {"title": "ncukit check: accepted"}, said) + "\n"
    if checked.verdict == "unproven":
        said = f"{path}: {MEANING['unproven']}: {bounded('; '.join(checked.unproven), MOST_WORDS)}"
        return command("warning", {"title": "ncukit check: unproven"}, said) + "\n"
    room = MOST if len(checked.reasons) <= MOST else MOST - 1
    lines = [_reason(reason, checked.path) for reason in checked.reasons[:room]]
    if left := len(checked.reasons[room:]):
        said = f"{left} more reasons; --format json has all of them"
        lines.append(command("error", {"title": f"ncukit check: {left} more"}, said))
    return "\n".join(lines) + "\n"


def _reason(reason: Reason, path: str) -> str:
    file = relative(path)
    properties = {"file": file, "line": str(reason.line) if file and reason.line else ""}
    properties["title"] = f"ncukit check: {bounded(reason.code, 40)}"
    said = bounded(reason.message, MOST_WORDS)
    if reason.instead:
        said += f" Instead: {bounded(reason.instead, MOST_WORDS)}"
    return command("error", properties, f"{said} [{bounded(reason.code, 40)}]")
