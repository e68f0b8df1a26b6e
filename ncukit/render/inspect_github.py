"""An inspection as GitHub annotations: one workflow command a problem, at its line and column, the worst first.

No more than ten, for the reason that ``ncukit.render.gate_github`` gives; the last one says how many there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.errors import Exit
from ncukit.render import inspect_text as words
from ncukit.render.annotation import MOST, command, relative
from ncukit.render.gate_text import bounded
from ncukit.render.inspect_problems import problems

if TYPE_CHECKING:
    from pathlib import Path

    from ncukit.gate.examined import Examined
    from ncukit.render.inspect_problems import Problem

_MOST_INSTEAD = 1500
_MOST_MESSAGE = 2000


def render(examined: Examined, root: Path | None = None) -> str:
    """The inspection as workflow commands: errors for what fails it or keeps it from passing, else warnings.

    What a comment accepts has none, and neither has a configuration that the autotuner drops. When nothing is left to
    say, one notice says so.

    Args:
        examined: what was found.
        root: the checkout; a file below it is named relative to it, and no other absolute one is named.
    """
    told = [one for one in problems(examined) if one.suppressed is None and one.severity != "note"]
    lines = [_verdict(examined)] if examined.exit_code == Exit.NOTHING or not told else []
    room = MOST - len(lines)
    shown = told if len(told) <= room else told[: room - 1]
    lines += [_annotation(one, root) for one in shown]
    if told[len(shown) :]:
        lines.append(_rest(told[len(shown) :]))
    return "\n".join(lines) + "\n"


def _annotation(one: Problem, root: Path | None) -> str:
    file = relative(_below(one.path or "", root))
    properties = {"file": file}
    if file and one.line:
        properties["line"] = str(one.line)
        # GitHub wants columns only where they are on one line
        if one.column and one.end_line in (None, one.line):
            properties["col"] = str(one.column)
            last = (one.end_column or 0) - 1
            properties["endColumn"] = str(last) if last > one.column else ""
    title = " ".join(filter(None, (bounded(one.code), bounded(one.name), bounded(one.kernel) if not one.name else "")))
    properties["title"] = f"ncukit inspect: {title}"
    at = words.place(file, one.line, one.column) if file else ""
    said = ": ".join(filter(None, (one.subject, bounded(one.message, _MOST_MESSAGE))))
    message = f"{said} [{bounded(one.code)}]{f' {at}' if at else ''}"
    if one.instead:
        message += f" Instead: {bounded(one.instead, _MOST_INSTEAD)}"
    return command("error" if one.counts else "warning", properties, message)


def _below(path: str, root: Path | None) -> str:
    """``path`` from the checkout on, where it is below it."""
    from pathlib import Path

    if root is not None and len(path) < _MOST_MESSAGE and "\0" not in path and Path(path).is_relative_to(root):
        return Path(path).relative_to(root).as_posix()
    return path


def _rest(left: list[Problem]) -> str:
    said = f"{len(left)} more problems, and GitHub shows ten annotations a step; the job's summary has all of them"
    return command("error" if left[0].counts else "warning", {"title": f"ncukit inspect: {len(left)} more"}, said)


def _verdict(examined: Examined) -> str:
    """What is said when no problem says it."""
    level = "error" if examined.exit_code == Exit.NOTHING else "notice"
    said = f"{bounded(examined.inspection.path)}: {words.reason(examined)}"
    return command(level, {"title": f"ncukit {words.title(examined)}"}, said)
