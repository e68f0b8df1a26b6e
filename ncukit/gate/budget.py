"""Budgets: what a metric may be, from the command line and from ``[tool.ncukit.gate]``."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ncukit import metrics
from ncukit.errors import NcukitError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ncukit.config import Settings

Bound = Literal["min", "max"]
COMMAND_LINE = "command line"
# float() would also take "1_000", "infinity" and "nan"; a budget that nothing can break is a mistake
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """One limit on one metric."""

    metric: str
    """Column of the report's frame: a short name, or ncu's name where the catalogue has none."""
    bound: Bound
    limit: float
    unit: str
    origin: str
    """``command line`` or the configuration file."""
    note: str = ""
    """What the user should know about how the budget was understood; empty when there is nothing."""


def parse(text: str, bound: Bound) -> Budget:
    """The budget that ``--min`` or ``--max`` was given, such as ``dram_pct=70``.

    Raises:
        NcukitError: it is not ``name=number``, or no metric is called so.
    """
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not name or not value:
        raise NcukitError(
            f"'{text}' is no budget: --{bound} takes name=number",
            causes=("there must be a metric name, an equals sign and a number",),
            next_command=f"ncukit gate REPORT --{bound} {name or 'dram_pct'}=70",
        )
    if not _NUMBER.fullmatch(value) or float(value) in (float("inf"), float("-inf")):
        raise NcukitError(
            f"'{value}' is no finite number in --{bound} {text}",
            causes=(_unit_hint(name), "separators, units, nan and inf are not accepted"),
            next_command="ncukit metrics " + name,
        )
    return _budget(name, bound, float(value), COMMAND_LINE)


def _unit_hint(name: str) -> str:
    unit = metrics.unit(name)
    return f"{name} is in {unit}; write the number alone" if unit else "write the number alone"


def _budget(name: str, bound: Bound, limit: float, origin: str) -> Budget:
    column, scale, notes = _resolve(name)
    if scale != 1:
        notes.append(f"{limit:g} is taken as {name}'s unit: {limit * scale:g} {metrics.unit(column)}")
    metric = metrics.catalogue().get(column)
    against = {"min": "lower", "max": "higher"}[bound]
    if metric is not None and metric.better == against:
        word = "lower" if against == "lower" else "higher"
        notes.append(f"--{bound} {column}: {word} is better for this metric, so this fails the better kernel")
    return Budget(
        metric=column,
        bound=bound,
        limit=limit * scale,
        unit=metrics.unit(column),
        origin=origin,
        note="; ".join(notes),
    )


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


def collect(
    minimum: Iterable[str], maximum: Iterable[str], settings: Settings, report: str = "REPORT"
) -> tuple[Budget, ...]:
    """The budgets that hold: the configured ones, overridden and extended by the command line's.

    Args:
        minimum: what ``--min`` was given.
        maximum: what ``--max`` was given.
        settings: the configuration.
        report: the report as the user named it, for the command that an error suggests.

    Raises:
        NcukitError: a budget is malformed, given twice, or asks for more than it allows; or there is none.
    """
    configured = [
        *(_configured(name, "min", limit, settings) for name, limit in settings.gate.minimum.items()),
        *(_configured(name, "max", limit, settings) for name, limit in settings.gate.maximum.items()),
    ]
    given = [parse(text, "min") for text in minimum] + [parse(text, "max") for text in maximum]
    budgets = {**_unique(configured), **_unique(given)}
    for (metric, bound), budget in budgets.items():
        other = budgets.get((metric, "max"))
        if bound == "min" and other is not None and budget.limit > other.limit:
            raise NcukitError(
                f"nothing can pass: {metric} must be at least {budget.limit:g} and at most {other.limit:g}",
                causes=(f"the minimum is from the {_where(budget)}, the maximum from the {_where(other)}",),
                next_command="ncukit config",
            )
    if not budgets:
        raise NcukitError(
            "no budget given: a gate without one would pass everything",
            causes=("neither --min nor --max was used, and [tool.ncukit.gate] holds no budget",),
            next_command=f"ncukit gate {shlex.quote(report)} --min dram_pct=70 --max duration_us=6000",
        )
    return tuple(budgets.values())


def _configured(name: str, bound: Bound, limit: float, settings: Settings) -> Budget:
    origin = settings.origins.get(f"gate.{bound}.{name}", "configuration")
    try:
        return _budget(name, bound, limit, origin)
    except NcukitError as error:
        raise NcukitError(
            f"{origin}: gate.{bound}: {error.message}", causes=error.causes, next_command=error.next_command
        ) from error


def _unique(budgets: list[Budget]) -> dict[tuple[str, str], Budget]:
    """By metric and bound; two different limits from one place contradict each other."""
    unique: dict[tuple[str, str], Budget] = {}
    for budget in budgets:
        before = unique.setdefault((budget.metric, budget.bound), budget)
        if before.limit != budget.limit:
            raise NcukitError(
                f"{budget.metric} has two {budget.bound} budgets: {before.limit:g} and {budget.limit:g}",
                causes=(f"both are from the {_where(budget)}; two names may mean the same metric",),
                next_command="ncukit metrics " + budget.metric,
            )
    return unique


def _where(budget: Budget) -> str:
    return budget.origin if budget.origin == COMMAND_LINE else f"file {budget.origin}"
