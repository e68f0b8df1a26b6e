"""What a gate answers: the kernels it judged, what the report was compared with, and the verdict over all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ncukit.gate.codes import Code
from ncukit.model import Environment, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncukit.gate.readings import Entry

WORST_FIRST = (Status.FAIL, Status.UNJUDGED, Status.AMBIGUOUS, Status.WARN, Status.IGNORED, Status.PASS)
"""The order in which people want to read verdicts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One kernel: launches of equal name, grid, block and (where recorded) constexprs and tensors."""

    kernel: str
    """The kernel's name, or the pattern that no kernel matched."""
    grid: str = ""
    block: str = ""
    constexprs: str = ""
    """``BLOCK=1024, VEC=4`` when a harness recorded the launch."""
    launches: int
    """How many launches stand behind the medians; 0 when none matched."""
    share: float | None = None
    """Share of the report's GPU time; None when times are unknown."""
    path: str = ""
    """Source file of the kernel as recorded, or empty."""
    line: int | None = None
    """Line of its ``def``."""
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field in which two runs differ."""

    field: str
    """``gpu``, ``ncu_version``, ``clock_control``, ``inputs`` …"""
    before: str
    after: str
    code: Code | None
    """Why the two cannot be compared; None for a difference that is only worth knowing (driver, Triton, torch)."""
    allow: str = ""
    """The word with which ``--allow`` accepts it."""
    allowed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """What drops and rises were counted from."""

    name: str
    """The baseline's name, or the report as the user named it."""
    path: str
    found: bool
    saved: str = ""
    """When it was saved (ISO date), for a baseline."""
    reason: str = ""
    """Why it was saved or promoted, for a baseline."""
    differences: tuple[Difference, ...] = ()
    why: str = ""
    """Why nothing was found; empty when something was."""
    save_command: str = ""
    """The command that would save this report as that baseline, when there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The gate's answer."""

    report_path: str
    environment: Environment
    case: str = ""
    """What was measured, as baselines key it: ``naive_instance_norm`` or ``copy[n=4096]``."""
    target: str = ""
    """The kernel file or command that was profiled; empty when unknown."""
    kernels: tuple[Judged, ...]
    entries: tuple[Entry, ...] = ()
    """What was read of each kernel of the report, for outputs that carry numbers."""
    against: Against | None = None
    strict: bool = False
    collect_command: str = ""
    """The command that would measure what could not be judged, or empty."""
    notes: tuple[str, ...] = ()

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Every verdict, in the order of the kernels."""
        return tuple(verdict for kernel in self.kernels for verdict in kernel.verdicts)

    @property
    def worst_first(self) -> tuple[tuple[Judged, Verdict], ...]:
        """Every verdict with its kernel: failures first, then what could not be judged, and so on."""
        rows = [(kernel, verdict) for kernel in self.kernels for verdict in kernel.verdicts]
        return tuple(sorted(rows, key=lambda row: WORST_FIRST.index(row[1].status)))

    @property
    def status(self) -> Status:
        """A failure wins over what could not be judged; no verdict at all, or none that was judged, is no pass."""
        statuses = {verdict.status for verdict in self.verdicts}
        if Status.FAIL in statuses:
            return Status.FAIL
        return Status.PASS if self.looked_at and Status.UNJUDGED not in statuses else Status.UNJUDGED

    @property
    def looked_at(self) -> bool:
        """Whether anything was judged, or accepted as it is: if all was ignored, nothing was."""
        return any(v.status is not Status.IGNORED or v.code == Code.ALLOWED for v in self.verdicts)

    def count(self, status: Status) -> int:
        """How many verdicts have this status."""
        return sum(verdict.status is status for verdict in self.verdicts)


def overall(judgements: Sequence[Judgement]) -> Status:
    """The verdict over several reports: one failure fails, one that could not be judged is no pass."""
    statuses = {judgement.status for judgement in judgements}
    if Status.FAIL in statuses:
        return Status.FAIL
    return Status.PASS if statuses == {Status.PASS} else Status.UNJUDGED
