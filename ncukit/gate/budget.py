"""Budgets: what a metric may be, from the command line and from ``[tool.ncukit.gate]``."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ncukit import metrics
from ncukit.config import IgnoreSettings
from ncukit.errors import NcukitError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ncukit.config import BudgetSettings, Settings
    from ncukit.model import Bound, Level

COMMAND_LINE = "command line"
# float() would also take "1_000", "infinity" and "nan"; a budget that nothing can break is a mistake
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
RELATIVE: tuple[Bound, ...] = ("max-drop", "max-rise")
"""Bounds that count from a baseline."""
_BAD_SIDE = {"min": "lower", "max": "higher", "max-drop": "lower", "max-rise": "higher"}
"""Bound → the direction that is better where the budget fails the better kernel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """One limit on one metric, or one cause that must not be found."""

    metric: str
    """Column of the report's frame: a short name, or ncu's name where there is none; for ``forbid`` a cause."""
    bound: Bound
    limit: float
    """In ``unit``; a share (0.05) where ``relative``; 0 for ``forbid``."""
    relative: bool = False
    unit: str = ""
    kernel: str = ""
    """Glob over kernel names; empty for every kernel that has weight."""
    case: str = ""
    """Glob over what the report is of: see ``ncukit.config.BudgetSettings``."""
    level: Level = "error"
    origin: str = COMMAND_LINE
    """``command line`` or the configuration file."""
    note: str = ""
    """What the user should know about how the budget was understood; empty when there is nothing."""

    @property
    def against_baseline(self) -> bool:
        """Whether it needs something to count from."""
        return self.bound in RELATIVE

    @property
    def scope(self) -> str:
        """``normalize_*@naive_*:`` as on the command line; empty when it is for every kernel."""
        case = f"@{self.case}" if self.case else ""
        return f"{self.kernel}{case}:" if self.kernel or case else ""


def parse(text: str, bound: Bound, level: Level = "error") -> Budget:
    """The budget that ``--min``, ``--max``, ``--max-drop``, ``--max-rise`` or ``--forbid`` was given.

    Args:
        text: ``dram_pct=70``, ``normalize_*:dram_pct=70`` (a glob over kernels), ``normalize_*@naive_*:dram_pct=70``
            (and one over cases), ``duration_us=3%`` for a drop or rise, ``local-memory`` for a cause.
        bound: which of them.
        level: ``warn`` for a budget that does not fail the gate.

    Raises:
        NcukitError: it is not of that form, or no metric or cause is called so.
    """
    left, equals, value = (part.strip() for part in text.rpartition("=" if bound != "forbid" else "\0"))
    scope, colon, name = (left if equals else value).rpartition(":")
    if bound == "forbid":
        budget = _forbidden(name.strip(), COMMAND_LINE)
    else:
        if not equals or not name.strip() or not value:
            form, example = ("name=number or name=number%", "5%") if bound in RELATIVE else ("name=number", "70")
            raise NcukitError(
                f"'{text}' is no budget: --{bound} takes {form}",
                causes=("there must be a metric name, an equals sign and a number; KERNEL: may stand before the name",),
                next_command=f"ncukit gate REPORT --{bound} {name.strip() or left or value or 'dram_pct'}={example}",
            )
        budget = _budget(name.strip(), bound, _number(text, name.strip(), bound, value), COMMAND_LINE)
    kernel, _, case = scope.strip().partition("@")
    if colon and not (kernel or case):
        raise NcukitError(
            f"'{text}' names no kernel before the colon",
            causes=("before the metric may stand KERNEL: or KERNEL@CASE:, both globs",),
            next_command=f"ncukit gate REPORT --{bound} {text.lstrip(':@ ')}",
        )
    return replace(budget, kernel=kernel.strip(), case=case.strip(), level=level)


def parse_ignore(text: str) -> IgnoreSettings:
    """What ``--ignore`` was given: ``KERNEL=reason``, ``KERNEL:METRIC=reason`` or ``KERNEL@CASE:METRIC=reason``.

    Raises:
        NcukitError: there is no reason, or nothing that is ignored.
    """
    what, _, reason = (part.strip() for part in text.partition("="))
    scope, colon, metric = what.rpartition(":")
    if not colon or scope.endswith(":"):  # no metric, or the end of a C++ name: ns::k
        scope, metric = what, ""
    kernel, _, case = scope.partition("@")
    if not reason or not (kernel or case or metric):
        raise NcukitError(
            f"--ignore takes KERNEL=REASON or KERNEL:METRIC=REASON, not '{text}'",
            causes=("what is left out without a reason cannot be reviewed",),
            next_command=f"ncukit gate REPORT --ignore '{what or 'fill_*'}=torch fills, not our kernel'",
        )
    return IgnoreSettings(kernel=kernel.strip() or "*", case=case.strip(), metric=metric.strip(), reason=reason)


def _number(text: str, name: str, bound: Bound, value: str) -> tuple[float, bool]:
    """The limit, and whether it is a share."""
    relative = bound in RELATIVE and value.endswith("%")
    digits = value.removesuffix("%").strip() if relative else value
    if not _NUMBER.fullmatch(digits) or float(digits) in (float("inf"), float("-inf")):
        raise NcukitError(
            f"'{value}' is no finite number in --{bound} {text}",
            causes=(_unit_hint(name), "separators, units, nan and inf are not accepted"),
            next_command="ncukit metrics " + name,
        )
    if bound in RELATIVE and float(digits) < 0:
        raise NcukitError(
            f"'{value}' is below 0 in --{bound} {text}",
            causes=("a drop and a rise are counted in their own direction: how far it may go at most",),
            next_command=f"ncukit gate REPORT --{bound} {name}={digits.lstrip('-')}{'%' if relative else ''}",
        )
    return float(digits) / (100 if relative else 1), relative


def _unit_hint(name: str) -> str:
    unit = metrics.unit(name)
    return f"{name} is in {unit}; write the number alone" if unit else "write the number alone"


def _budget(name: str, bound: Bound, limit: tuple[float, bool], origin: str) -> Budget:
    column, scale, notes = _resolve(name)
    number, relative = limit
    if scale != 1 and not relative:
        notes.append(f"{number:g} is taken as {name}'s unit: {number * scale:g} {metrics.unit(column)}")
        number *= scale
    metric = metrics.catalogue().get(column)
    if metric is not None and metric.better == _BAD_SIDE[bound]:
        what = "can never fail: better passes" if bound in RELATIVE else "fails the better kernel"
        notes.append(f"--{bound} {column}: {metric.better} is better for this metric, so this {what}")
    return Budget(
        metric=column,
        bound=bound,
        limit=number,
        relative=relative,
        unit=metrics.unit(column),
        origin=origin,
        note="; ".join(notes),
    )


def _forbidden(cause: str, origin: str) -> Budget:
    from ncukit.diagnose import rules  # loads pandas, which most budgets do not need to be understood

    causes = list(dict.fromkeys(cause for _, cause, _ in rules.codes()))
    by_code = {code: cause for code, cause, _ in rules.codes()}
    cause = by_code.get(cause, cause)
    if cause not in causes:
        close = nearest(cause, causes)
        raise NcukitError(
            f"no cause is called '{cause}'",
            causes=(f"did you mean {' or '.join(close)}?",) if close else (f"known are {', '.join(causes)}",),
            next_command="ncukit explain",
        )
    return Budget(metric=cause, bound="forbid", limit=0.0, origin=origin)


def _resolve(name: str) -> tuple[str, float, list[str]]:
    """A name as somebody typed it → (column of the frame, factor to its unit, notes)."""
    catalogue, by_ncu = metrics.catalogue(), metrics.by_ncu_name()
    if name in catalogue:
        return name, 1.0, []
    notes: list[str] = []
    successor = metrics.translate(name)
    if successor is not None:
        name = successor[0]
        notes.append(successor[1])
    if name in catalogue:
        return name, 1.0, notes
    if name in by_ncu:
        short = by_ncu[name]
        return short, catalogue[short].ncu_scale, [*notes, f"{name} is called {short} here"]
    if "__" in name:
        # a metric outside the catalogue stands in the frame under ncu's own name
        return name, 1.0, notes
    close = nearest(name, list(catalogue))
    raise NcukitError(
        f"no metric is called '{name}'",
        causes=(f"did you mean {' or '.join(close)}?",) if close else ("neither a short name nor an ncu name",),
        next_command="ncukit metrics",
    )


def collect(typed: Iterable[Budget], settings: Settings, report: str = "REPORT") -> tuple[Budget, ...]:
    """The budgets that hold: the configured ones, overridden and extended by the command line's.

    Args:
        typed: the command line's, see ``parse``.
        settings: the configuration.
        report: the report as the user named it, for the command that an error suggests.

    Raises:
        NcukitError: a configured budget is malformed, two contradict each other, or there is none.
    """
    budgets = {**_unique(configured(settings)), **_unique(typed)}
    for key, budget in budgets.items():
        other = budgets.get((*key[:-1], "max"))
        if budget.bound == "min" and other is not None and budget.limit > other.limit:
            raise NcukitError(
                f"nothing can pass: {budget.metric} must be at least {budget.limit:g} and at most {other.limit:g}",
                causes=(f"the minimum is from the {_where(budget)}, the maximum from the {_where(other)}",),
                next_command="ncukit config",
            )
    if not budgets:
        raise NcukitError(
            "no budget given: a gate without one would pass everything",
            causes=("no --min, --max, --max-drop, --max-rise or --forbid, and [tool.ncukit.gate] holds no budget",),
            next_command=f"ncukit gate {shlex.quote(report)} --min dram_pct=70 --max duration_us=6000",
        )
    return tuple(budgets.values())


def configured(settings: Settings) -> list[Budget]:
    """The budgets of ``[tool.ncukit.gate]``.

    Raises:
        NcukitError: no metric or cause is called so; names the file and the key.
    """
    return [
        replace(budget, kernel=table.kernel, case=table.case, level="warn" if table.level == "warn" else "error")
        for table in settings.gate.all_budgets
        for budget in _of_table(table, settings)
    ]


def _of_table(table: BudgetSettings, settings: Settings) -> list[Budget]:
    limits: Mapping[Bound, Mapping[str, object]] = {
        "min": table.minimum,
        "max": table.maximum,
        "max-drop": table.max_drop,
        "max-rise": table.max_rise,
        "forbid": dict.fromkeys(table.forbid, ""),
    }
    return [_from_file(bound, name, value, settings) for bound, one in limits.items() for name, value in one.items()]


def _from_file(bound: Bound, name: str, value: object, settings: Settings) -> Budget:
    key = f"gate.{bound}" if bound == "forbid" else f"gate.{bound}.{name}"
    origin = settings.origins.get(key) or str(settings.path or "configuration")
    if origin == "default":
        origin = str(settings.path or "configuration")
    try:
        if bound == "forbid":
            return _forbidden(name, origin)
        return _budget(name, bound, _number(f"{name}={value}", name, bound, str(value)), origin)
    except NcukitError as error:
        raise NcukitError(
            f"{origin}: gate.{bound}: {error.message}", causes=error.causes, next_command=error.next_command
        ) from error


def _unique(budgets: Iterable[Budget]) -> dict[tuple[str, ...], Budget]:
    """By kernels, case, metric and bound; two different limits from one place contradict each other."""
    unique: dict[tuple[str, ...], Budget] = {}
    for budget in budgets:
        key = (budget.kernel, budget.case, budget.metric, budget.bound)
        before = unique.setdefault(key, budget)
        if budget.level == "error":
            unique[key] = budget  # of two alike, the one that fails holds
        if (before.limit, before.relative) != (budget.limit, budget.relative):
            raise NcukitError(
                f"{budget.scope}{budget.metric} has two {budget.bound} budgets: {before.limit:g} and {budget.limit:g}",
                causes=(f"both are from the {_where(budget)}; two names may mean the same metric",),
                next_command="ncukit metrics " + budget.metric,
            )
    return unique


def _where(budget: Budget) -> str:
    return budget.origin if budget.origin == COMMAND_LINE else f"file {budget.origin}"
