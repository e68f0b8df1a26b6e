"""Budgets held against an inspection, without a measurement: one verdict a budget and compiled launch.

An autotuned kernel is compiled in every configuration; which one the autotuner takes is not known without a GPU. A
budget that every configuration breaks is broken, whichever wins. One that some keep and some break is ambiguous: the
winner may be among either, so it is told, and fails only under ``strict``. (To fail on any would forbid
configurations that exist to be tried and lose; to pass on the best would promise that it wins.) A configuration that
cannot run, which the autotuner drops in silence while others are left, counts as neither.

What was not compiled is never a pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from ncukit.collect.target import kernel_name
from ncukit.gate.budget import COMMAND_LINE
from ncukit.gate.static_budget import FROM_GATE, STATIC
from ncukit.gate.static_verdict import MEANING, StaticCode, StaticVerdict, about
from ncukit.model import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ncukit.config import IgnoreSettings
    from ncukit.gate.budget import Budget
    from ncukit.source.inspection import Compiled, Inspection, Launch

__all__ = ["MEANING", "StaticCode", "StaticVerdict", "judge_static", "overall"]

CUT_SHORT = ("host-read", "many-launches", "custom-op", "left-out")
"""Codes of an inspection's notes after which launches may be missing."""
_OF_LAUNCH = re.compile(r"=|^\d+x\d+x\d+$")
"""A case that is a constexpr or a grid, not a file's or a run's name."""
_SHOWN_NAMES = 5
_WORDS = {"%": "point", "inst": "instruction"}


def judge_static(
    inspection: Inspection,
    budgets: Sequence[Budget],
    *,
    strict: bool = False,
    ignore: Iterable[IgnoreSettings] = (),
) -> tuple[StaticVerdict, ...]:
    """Hold every budget against every compiled launch that it is for.

    Args:
        inspection: what was compiled, and what was not.
        budgets: see ``ncukit.gate.static_budget.collect``.
        strict: whether a budget fails that only some autotune configurations break.
        ignore: the configuration's ignore entries.

    Returns:
        Verdicts: what was compiled, by launch, then what is not there. Empty only without a budget, or where all are
        configured for other cases.
    """
    desk = _Desk(inspection=inspection, strict=strict, ignore=tuple(ignore))
    mine = [budget for budget in budgets if desk.is_for_this_file(budget)]
    found = [verdict for group in _groups(inspection.compiled) for b in mine for verdict in desk.judged(group, b)]
    found += [verdict for b in mine for verdict in (*desk.failed(b), *desk.unknown(b), *desk.not_launched(b))]
    found += [verdict for b in budgets for verdict in desk.absent(b)]
    if mine and all(verdict.status is Status.IGNORED for verdict in found):
        found += [about(budget, "(all kernels)", StaticCode.NOTHING_JUDGED) for budget in mine]
    return tuple(found)


def overall(verdicts: Iterable[StaticVerdict]) -> Status | None:
    """A failure wins over what could not be judged. What is ambiguous is told, and passes. None without a verdict."""
    statuses = {verdict.status for verdict in verdicts}
    for status in (Status.FAIL, Status.UNJUDGED):
        if status in statuses:
            return status
    return Status.PASS if statuses else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Desk:
    """What lies before the judge."""

    inspection: Inspection
    strict: bool
    ignore: tuple[IgnoreSettings, ...]

    @property
    def launched(self) -> dict[str, None]:
        """Kernels of which a launch is known, in their order."""
        launches = (*self.inspection.launches, *(compiled.launch for compiled in self.inspection.compiled))
        return dict.fromkeys(launch.kernel for launch in launches)

    @property
    def answered(self) -> set[str]:
        """Kernels that were compiled, or of which it is said why not."""
        return {c.launch.kernel for c in self.inspection.compiled} | {error.kernel for error in self.inspection.errors}

    @property
    def names(self) -> dict[str, None]:
        """Every kernel of the file, launched or not."""
        found = (*self.launched, *(error.kernel for error in self.inspection.errors), *self.inspection.kernels)
        return dict.fromkeys(filter(None, found))

    # What was compiled

    def judged(self, group: Sequence[Compiled], budget: Budget) -> list[StaticVerdict]:
        """The verdicts on the configurations of one launch."""
        found = [self._held(compiled, budget) for compiled in group if self._is_for(budget, compiled.launch)]
        kept = sum(verdict.status is Status.PASS for verdict in found)
        broken = sum(verdict.status is Status.FAIL for verdict in found)
        if kept and broken:
            among = f"{kept} of {kept + broken} configurations keep it"
            found = [self._unsure(verdict, among) if verdict.status is Status.FAIL else verdict for verdict in found]
        return [_warned(verdict) for verdict in found]

    def _held(self, compiled: Compiled, budget: Budget) -> StaticVerdict:
        launch = compiled.launch
        value = STATIC[budget.metric].read(compiled)
        code, reason = _compared(budget, value, compiled)
        if self._dropped(compiled):
            code, reason = StaticCode.CONFIG_DROPPED, ""
        if (why := self._ignored(budget, launch)) is not None:
            code, reason = StaticCode.IGNORED, why
        if launch.origin == "assumed":
            reason = "; ".join(filter(None, (reason, "values that only a GPU computes were assumed")))
        return about(budget, launch.kernel, code, reason, arch=compiled.arch, launch=launch, value=value)

    def _unsure(self, verdict: StaticVerdict, among: str) -> StaticVerdict:
        if self.strict:
            return replace(verdict, reason=f"{verdict.reason}; {among}; strict")
        reason = f"{verdict.reason}; {among}, and only a GPU tells which one runs"
        code = StaticCode.CONFIG_UNSURE
        return replace(verdict, status=MEANING[code][0], code=code.value, reason=reason)

    def _dropped(self, compiled: Compiled) -> bool:
        """Whether it compiles, and no GPU of the architecture would launch it."""
        mine = (compiled.launch.kernel, compiled.arch, compiled.launch.config)
        return any(e.tolerated and (e.kernel, e.arch, e.config) == mine for e in self.inspection.errors)

    def _ignored(self, budget: Budget, launch: Launch) -> str | None:
        """The reason of the first ignore entry that is for this kernel and metric."""
        for one in self.ignore:
            mine = fnmatchcase(launch.kernel, one.kernel) and self._of_case(one.case, launch)
            if mine and budget.metric in (one.metric or budget.metric, FROM_GATE.get(one.metric)):
                return one.reason
        return None

    # What was not

    def failed(self, budget: Budget) -> list[StaticVerdict]:
        """Launches that do not compile; of an autotuned kernel the configurations that its autotuner drops."""
        there = {(c.launch.kernel, c.arch, c.launch.config) for c in self.inspection.compiled}
        rows: dict[tuple[object, ...], StaticVerdict] = {}
        for error in self.inspection.errors:
            key = (error.kernel, error.arch, error.config)
            if not error.kernel or not _named(budget, error.kernel) or (error.tolerated and key in there):
                continue
            code = StaticCode.CONFIG_DROPPED if error.tolerated else StaticCode.NOT_COMPILED
            verdict = about(budget, error.kernel, code, error.message, arch=error.arch)
            rows.setdefault(key, replace(verdict, config=error.config, path=error.path, line=error.line))
        return list(rows.values())

    def unknown(self, budget: Budget) -> list[StaticVerdict]:
        """Launches that nobody knows: all of them, or those after the host code could not go on."""
        inspection = self.inspection
        code = StaticCode.LAUNCHES_UNKNOWN
        cut = [note for note in inspection.notes if note.code in CUT_SHORT]
        found = [replace(about(budget, "(other launches)", code, note.message), line=note.line) for note in cut]
        if not (self.launched or inspection.errors or found):
            why = "; ".join(note.message for note in inspection.notes)
            found.append(about(budget, "(no launch)", StaticCode.NOTHING_LAUNCHED, why))
        return found

    def not_launched(self, budget: Budget) -> list[StaticVerdict]:
        """Kernels of the file that were not compiled, though nothing is wrong with them."""
        found = []
        for name in self.names:
            if name in self.answered or not _named(budget, name):
                continue
            code = StaticCode.NOT_COMPILED if name in self.launched else StaticCode.NOT_LAUNCHED
            if code is StaticCode.NOT_LAUNCHED and not budget.kernel:
                code = StaticCode.UNNAMED
            found.append(about(budget, name, code))
        return found

    def absent(self, budget: Budget) -> list[StaticVerdict]:
        """A budget for a kernel or a case that is not here, unless it may well be for another file."""
        names = [name for name in self.names if _named(budget, name)]
        if budget.kernel and not names and self.is_for_this_file(budget):
            shown = ", ".join([*self.names][:_SHOWN_NAMES]) or "none"
            reason = f"no kernel of the file matches; it has {shown}"
            return [about(budget, budget.kernel, StaticCode.KERNEL_ABSENT, reason)]
        launches = [c.launch for c in self.inspection.compiled if _named(budget, c.launch.kernel)]
        if not budget.case or any(self._of_case(budget.case, launch) for launch in launches):
            return []
        meant = bool(budget.kernel and launches and _OF_LAUNCH.search(budget.case))
        if not meant and (budget.origin != COMMAND_LINE or self.is_for_this_file(budget)):
            return []
        reason = f"no launch here is of the case '{budget.case}'"
        return [about(budget, budget.kernel or "(case)", StaticCode.CASE_ABSENT, reason)]

    # Whom a budget is for

    def is_for_this_file(self, budget: Budget) -> bool:
        """Whether its case is this file, or one of its launches."""
        launches = [compiled.launch for compiled in self.inspection.compiled]
        return any(self._of_case(budget.case, launch) for launch in (None, *launches))

    def _is_for(self, budget: Budget, launch: Launch) -> bool:
        return _named(budget, launch.kernel) and self._of_case(budget.case, launch)

    def _of_case(self, glob: str, launch: Launch | None) -> bool:
        """Whether a glob names the file, by its path or as a run of it is called, or a launch's grid or constexpr."""
        words = [self.inspection.path, kernel_name(Path(self.inspection.path))]
        if launch is not None:
            words += ["x".join(map(str, launch.grid))] if launch.grid is not None else []
            words += [f"{name}={value}" for name, value in launch.constexprs.items()]
        return not glob or any(fnmatchcase(word, glob) for word in words)


def _named(budget: Budget, kernel: str) -> bool:
    return not budget.kernel or fnmatchcase(kernel, budget.kernel)


def _warned(verdict: StaticVerdict) -> StaticVerdict:
    broken = verdict.status is Status.FAIL and verdict.level == "warn"
    return replace(verdict, status=Status.WARN) if broken else verdict


def _compared(budget: Budget, value: float | None, compiled: Compiled) -> tuple[StaticCode, str]:
    if value is None:
        return StaticCode.METRIC_MISSING, f"not known for {compiled.arch}"
    below = budget.bound == "min"
    if (value < budget.limit) if below else (value > budget.limit):
        miss = abs(value - budget.limit)
        unit = _WORDS.get(budget.unit, budget.unit.partition("/")[0]) + ("s" if miss != 1 else "")
        words = f"{miss:,.10g} {unit} {'below' if below else 'above'} the limit"
        return (StaticCode.BELOW_MIN if below else StaticCode.ABOVE_MAX), words
    return StaticCode.WITHIN_LIMIT, ""


def _groups(compiled: Iterable[Compiled]) -> list[list[Compiled]]:
    """Launches one by one, and the configurations of one autotuned launch together.

    They are told by what is not tuned: the place of the launch, and its arguments but for constants. Where a
    configuration stands there twice, the launches differ in constants, which then count too.
    """
    groups: dict[tuple[object, ...], list[Compiled]] = {}
    for number, one in enumerate(compiled):
        launch = one.launch
        passed = tuple((a.name, a.type, a.value, a.shape, a.stride) for a in launch.arguments if a.type != "constexpr")
        key: tuple[object, ...] = (one.arch, launch.file, launch.kernel, launch.launch_line, passed)
        groups.setdefault(key if launch.config is not None else (number,), []).append(one)
    return [part for group in groups.values() for part in _parts(group)]


def _parts(group: list[Compiled]) -> list[list[Compiled]]:
    if len({one.launch.config for one in group}) == len(group):
        return [group]
    parts: dict[tuple[object, ...], list[Compiled]] = {}
    for one in group:
        tuned = (one.launch.config or "").split()
        fixed = tuple((n, repr(v)) for n, v in one.launch.constexprs.items() if f"{n}:" not in tuned)
        parts.setdefault(fixed, []).append(one)
    return list(parts.values())
