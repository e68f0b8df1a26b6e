"""The effective configuration as values: what may be set, with its default."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileSettings:
    """``[tool.ncukit.profile]``: how kernels are measured."""

    preset: str = "default"
    """Which metrics to collect: ``quick``, ``default`` or ``full``."""
    clock_control: str = "base"
    """ncu's ``--clock-control``: ``base`` locks the clocks, so that two runs can be compared; ``none``
    measures at the clocks the kernel really gets; ``reset`` undoes a lock that a killed run left behind."""
    cache_control: str = "all"
    """ncu's ``--cache-control``: ``all`` flushes caches before every pass, ``none`` leaves them warm."""
    timeout_s: float = 600.0
    """Seconds after which a measurement is ended."""
    launches: int | None = None
    """Most launches to measure; None measures every launch of the profiled range."""
    ncu: str | None = None
    """The ncu to run; None looks it up. A relative path counts from the configuration file."""
    python: str | None = None
    """The Python that runs kernel files; None is the one that runs ncukit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSettings:
    """One ``[[tool.ncukit.gate.budget]]``; the same keys in ``[tool.ncukit.gate]`` hold for every kernel."""

    kernel: str = ""
    """Glob over kernel names; empty for every kernel that has weight."""
    case: str = ""
    """Glob over the run's name or target, the grid (``7168x1x1``) or a constexpr (``BLOCK=1024``); empty for all."""
    minimum: Mapping[str, float] = field(default_factory=dict)
    """``min = {dram_pct = 70}``: the measured value must not be below."""
    maximum: Mapping[str, float] = field(default_factory=dict)
    """``max = {duration_us = 6000}``: the measured value must not be above."""
    max_drop: Mapping[str, str] = field(default_factory=dict)
    """``max-drop = {dram_pct = "5%"}``: at most so far below the baseline; a plain number is in the metric's unit."""
    max_rise: Mapping[str, str] = field(default_factory=dict)
    """``max-rise = {duration_us = "3%"}``: at most so far above the baseline."""
    forbid: tuple[str, ...] = ()
    """``forbid = ["local-memory"]``: causes that the diagnosis must not find."""
    level: str = "error"
    """``error`` fails the gate, ``warn`` only says so."""

    @property
    def empty(self) -> bool:
        """Whether it asks for nothing."""
        return not (self.minimum or self.maximum or self.max_drop or self.max_rise or self.forbid)


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoreSettings:
    """One ``[[tool.ncukit.gate.ignore]]``: what is not judged, and why not."""

    reason: str
    kernel: str = "*"
    case: str = ""
    metric: str = ""
    """Metric or forbidden cause; empty for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings(BudgetSettings):
    """``[tool.ncukit.gate]``: budgets as written in the file, and how they are judged."""

    budgets: tuple[BudgetSettings, ...] = ()
    """``[[tool.ncukit.gate.budget]]``."""
    ignore: tuple[IgnoreSettings, ...] = ()
    """``[[tool.ncukit.gate.ignore]]``."""
    baseline: str = "main"
    """Name of the baseline that drops and rises count from."""
    all_cases: bool = False
    """Whether every case that a budget or the baseline names has to be among the reports."""
    strict: bool = False
    """Whether what is ambiguous fails."""
    allow: tuple[str, ...] = ()
    """What may differ from the baseline, or be missing: see ``ncukit gate --allow``."""

    @property
    def all_budgets(self) -> tuple[BudgetSettings, ...]:
        """The table's own keys first, then each ``budget`` entry, without empty ones."""
        return tuple(one for one in (self, *self.budgets) if not one.empty)


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectSettings:
    """``[tool.ncukit.inspect]``: what is looked at without a GPU, and what must hold there.

    Budgets of ``[tool.ncukit.gate]`` hold too, as far as their metric needs no measurement.
    """

    arch: tuple[str, ...] = ()
    """Architectures to compile for, such as ``sm_90``; empty for the usual ones."""
    minimum: Mapping[str, float] = field(default_factory=dict)
    """``min = {occupancy = 50}``; before the name may stand a glob, ``"softmax_*:occupancy"``."""
    maximum: Mapping[str, float] = field(default_factory=dict)
    """``max = {registers = 128, spills = 0}``."""
    select: tuple[str, ...] = ()
    """Lint rules to apply, by code, start of a code or name; empty for all."""
    ignore: tuple[str, ...] = ()
    """Lint rules to leave out."""
    strict: bool = False
    """Whether a budget fails that some autotune configurations keep and others break."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The effective configuration and where each value came from."""

    profile: ProfileSettings = field(default_factory=ProfileSettings)
    gate: GateSettings = field(default_factory=GateSettings)
    inspect: InspectSettings = field(default_factory=InspectSettings)
    origins: Mapping[str, str] = field(default_factory=dict)
    """Key such as ``profile.preset`` or ``gate.min.dram_pct`` → the file that set it, or ``default``."""
    path: Path | None = None
    """The configuration file, or None when there is none."""
