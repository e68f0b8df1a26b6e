"""The metric catalogue: short names for people, ncu's names for ncu, and what to ask for on which chip.

Users meet short names (``dram_pct``); ncu's names stand in ``catalogue.toml`` and nowhere else.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal

from ncukit.errors import NcukitError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One entry of the catalogue."""

    name: str
    """Short name."""
    unit: str
    """Base unit of the value in a report's frame."""
    better: Better
    about: str
    ncu: tuple[str, ...] = ()
    """ncu names that carry this reading, the one to ask for first."""
    chips: Mapping[str, str] = field(default_factory=dict)
    """Chip prefix → the name to ask for there."""
    labels: tuple[str, ...] = ()
    """``section/label`` pairs of the details page."""
    formula: str = ""
    """Arithmetic over other short names; see ``ncukit.read.derive``."""
    prefer_formula: bool = False
    """Compute it where its inputs are there, even when ncu's own figure is: ncu rounds ratios to 0.01."""
    ncu_scale: float = 1.0
    """Factor from ncu's base unit to ``unit``."""

    def ncu_name(self, chip: str = "") -> str | None:
        """The name to ask ncu for on ``chip`` (such as ``gh100``), or None for a derived metric."""
        for prefix, name in self.chips.items():
            if chip.lower().startswith(prefix):
                return name
        return self.ncu[0] if self.ncu else None


def _load(name: str) -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath(name).read_text(encoding="utf-8"))


@cache
def catalogue() -> Mapping[str, Metric]:
    """All metrics by short name, in the catalogue's order."""
    entries = {}
    for name, entry in _load("catalogue.toml").items():
        entry.update({key: tuple(entry[key]) for key in ("ncu", "labels") if key in entry})
        entries[name] = Metric(name=name, **entry)
    return entries


@cache
def presets() -> Mapping[str, tuple[str, ...]]:
    """Preset → short names; ``full`` holds the default's too."""
    raw = {name: tuple(names) for name, names in _load("presets.toml").items()}
    raw["full"] = raw["default"] + raw["full"]
    return raw


@cache
def by_ncu_name() -> Mapping[str, str]:
    """ncu name → short name."""
    return {ncu: metric.name for metric in catalogue().values() for ncu in (*metric.ncu, *metric.chips.values())}


@cache
def by_label() -> Mapping[tuple[str, str], str]:
    """(section, label) on the details page → short name."""
    pairs = {}
    for metric in catalogue().values():
        for label in metric.labels:
            section, _, text = label.partition("/")
            pairs[section, text] = metric.name
    return pairs


@cache
def _translations() -> tuple[Mapping[str, str], Mapping[str, str]]:
    raw = _load("translations.toml")
    return raw["dead"], raw["nvprof"]


def translate(name: str) -> tuple[str, str] | None:
    """A name in circulation that no chip has → (its successor, why); None for any other name.

    Args:
        name: an ncu or nvprof metric name as somebody typed it.
    """
    dead, nvprof = _translations()
    if name in nvprof and name not in catalogue():
        return nvprof[name], f"{name} is nvprof's name; ncu calls it {nvprof[name]}"
    for old, new in dead.items():
        if name == old or name.startswith(f"{old}."):
            successor = new + name[len(old) :]
            return (
                successor,
                f"{name} exists on no chip since Volta and ncu drops it in silence; asking for {successor}",
            )
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to ask ncu for."""

    names: tuple[str, ...]
    """ncu names, without repeats, in the order asked."""
    short: Mapping[str, str]
    """ncu name → the short name it was asked by (or itself)."""
    notes: tuple[str, ...]
    """Translations that were made."""
    unchecked: tuple[str, ...]
    """ncu names that the catalogue does not know: to be checked against the chip's own list."""


def request(wanted: Iterable[str], chip: str = "") -> Request:
    """Turn short names, ncu names and names in circulation into what ncu is asked for on ``chip``.

    A derived metric is replaced by the counters its formula needs.

    Raises:
        NcukitError: a name is neither in the catalogue nor shaped like an ncu metric.
    """
    short: dict[str, str] = {}
    notes: list[str] = []
    unchecked: list[str] = []

    def add(name: str, asked_as: str) -> None:
        metric = catalogue().get(name)
        if metric is not None:
            ncu = metric.ncu_name(chip)
            if ncu is not None and not (metric.prefer_formula and metric.formula):
                short.setdefault(ncu, metric.name)
            else:
                for part in formula_inputs(metric.formula):
                    add(part, asked_as)
            return
        if name in by_ncu_name():
            short.setdefault(name, by_ncu_name()[name])
            return
        successor = translate(name)
        if successor is not None:
            notes.append(successor[1])
            add(successor[0], asked_as)
            return
        if "__" not in name and ":" not in name:
            close = nearest(name, list(catalogue()))
            raise NcukitError(
                f"no metric is called '{name}'",
                causes=(f"did you mean {' or '.join(close)}?",) if close else ("neither a short name nor an ncu name",),
                next_command="ncukit metrics",
            )
        short.setdefault(name, name)
        unchecked.append(name)

    for name in wanted:
        add(name, name)
    return Request(names=tuple(short), short=short, notes=tuple(dict.fromkeys(notes)), unchecked=tuple(unchecked))


def formula_inputs(formula: str) -> list[str]:
    """Short names that a catalogue formula reads, in order, without the device constants."""
    import ast

    if not formula:
        return []
    names = [node.id for node in ast.walk(ast.parse(formula, mode="eval")) if isinstance(node, ast.Name)]
    return [name for name in dict.fromkeys(names) if name in catalogue()]


def unit(name: str) -> str:
    """Unit of a short name, or an empty string for a metric outside the catalogue."""
    metric = catalogue().get(name)
    return metric.unit if metric else ""
