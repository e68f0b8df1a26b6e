"""The rows of the gate's answer: each verdict with a name that no other kernel has, and where its kernel stands."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import PureWindowsPath
from typing import TYPE_CHECKING

from ncukit.gate.answer import WORST_FIRST
from ncukit.gate.codes import Code
from ncukit.gate.match import function_name
from ncukit.model import Status
from ncukit.render.annotation import relative
from ncukit.render.gate_text import MEANINGS, MOST_NAME, because, bounded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ncukit.gate.answer import Judged, Judgement
    from ncukit.gate.readings import Entry
    from ncukit.model import Verdict

_PARTS = ("grid", "block", "constexprs", "tensors")
_LONG = 60
_SHOWN = 5
_MOST_LABEL = 1000
"""Characters of a name with all that tells it apart; bencher takes 1024."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One verdict."""

    name: str
    """The kernel's name, with as much of grid, block and constexprs as it takes to tell it from the others."""
    kernel: Judged
    verdict: Verdict


def rows(judgement: Judgement, *, short: bool = False) -> list[Row]:
    """Every verdict in the order of the kernels.

    Args:
        judgement: the gate's answer.
        short: show a long C++ signature by its function name, unless another kernel has the same; for people.
    """
    names = unique(identities(judgement.kernels, short=short))
    return [
        Row(name=name, kernel=kernel, verdict=verdict)
        for name, kernel in zip(names, judgement.kernels, strict=True)
        for verdict in kernel.verdicts
    ]


def worst_first(rows: Iterable[Row]) -> list[Row]:
    """Failures first, then what could not be judged, and so on."""
    return sorted(rows, key=lambda row: WORST_FIRST.index(row.verdict.status))


def folded(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """The rows to show, and one line for each code and reason of what is ignored. Ignored rows alone are shown."""
    shown = [row for row in rows if row.verdict.status is not Status.IGNORED]
    if not shown:
        return list(rows), []
    groups: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.verdict.status is Status.IGNORED:
            # every light kernel has its own share of the time as its reason
            light = row.verdict.code == Code.NO_WEIGHT
            of = groups.setdefault((row.verdict.code, MEANINGS[Code.NO_WEIGHT] if light else because(row.verdict)), [])
            of.append(f"{row.name} {bounded(row.verdict.metric)}".rstrip())
    return shown, [
        f"{len(of)} ignored ({bounded(code)}): {why}: {', '.join(of[:_SHOWN])}"
        + (f" and {len(of) - _SHOWN} more" if of[_SHOWN:] else "")
        for (code, why), of in groups.items()
    ]


def identities(kernels: Sequence[Judged | Entry], *, short: bool = False) -> list[dict[str, str]]:
    """Of each kernel what tells it apart: ``kernel``, and where that repeats ``grid``, ``block``, …, ``entry``."""
    names = [kernel.kernel for kernel in kernels]
    found = [{"kernel": bounded(name)} for name in (_short(names) if short else names)]
    for part in _PARTS:
        repeated = Counter(map(_key, found))
        for kernel, one in zip(kernels, found, strict=True):
            value = bounded(getattr(kernel, part, ""))
            if value and repeated[_key(one)] > 1:
                one[part] = value
    taken: Counter[tuple[str, ...]] = Counter()
    for one in found:
        key = _key(one)
        taken[key] += 1
        if taken[key] > 1:
            one["entry"] = f"#{taken[key]}"
    return found


def _key(identity: dict[str, str]) -> tuple[str, ...]:
    return (*identity, *identity.values())


def _short(names: list[str]) -> list[str]:
    short = {name: function_name(name) if len(name) > _LONG else name for name in names}
    shared = Counter(short.values())
    return [name if shared[short[name]] > 1 else short[name] for name in names]


def unique(identities: Iterable[dict[str, str]]) -> list[str]:
    """Each identity as one text, and no two alike."""
    taken: set[str] = set()
    names = []
    for identity in identities:
        name = base = bounded(" ".join(identity.values()), _MOST_LABEL)
        count = 1
        while name in taken:
            count += 1
            name = f"{base} #{count}"
        taken.add(name)
        names.append(name)
    return names


def subject(judgement: Judgement) -> str:
    """What was measured; a recording says so in its name, so that no consumer takes it for the live one."""
    name = bounded(judgement.case or judgement.target or judgement.report_path or "report")
    return f"{name} (recorded)" if judgement.environment.recorded else name


def file_of(kernel: Judged) -> str:
    """The kernel's file below the working folder, or empty: never absolute, never out of it."""
    return relative(kernel.path)


def place(kernel: Judged) -> str:
    """``kernels/naive/instance_norm.py:47``, or empty."""
    file = file_of(kernel)
    return f"{file}:{kernel.line}" if file and kernel.line else file


def any_file(judgement: Judgement) -> str:
    """A file to hang something on that belongs to no kernel: the target, else the report; always a relative path."""
    target = judgement.target if judgement.target.endswith(".py") and " " not in judgement.target else ""
    report = "" if judgement.report_path == "-" else judgement.report_path
    last = PureWindowsPath(report).name if len(report) < MOST_NAME else ""
    return relative(target) or relative(report) or relative(last) or "ncukit"
