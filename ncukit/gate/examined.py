"""An inspection with everything that decides its exit code: errors, lint, budgets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ncukit.errors import Exit
from ncukit.gate.static import CUT_SHORT
from ncukit.model import Status
from ncukit.source.inspect import nothing_compiled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ncukit.gate.static import StaticVerdict
    from ncukit.source.inspection import CompileError, Inspection, Violation
    from ncukit.source.whatif import Variant

FailOn = Literal["error", "warning", "never"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What ``ncukit inspect`` shows and exits by."""

    inspection: Inspection
    verdicts: tuple[StaticVerdict, ...] = ()
    tables: Mapping[int, tuple[Variant, ...]] = field(default_factory=dict)
    """Index in ``inspection.compiled`` → the what-if table, the launch as it is first; empty when not asked for."""
    fail_on: FailOn = "error"
    """From which severity of the lint it fails."""
    lint_only: bool = False

    @property
    def failed_errors(self) -> tuple[CompileError, ...]:
        """Errors that count: not those of an autotune configuration that Triton drops."""
        return tuple(e for e in self.inspection.errors if not e.tolerated)

    @property
    def failed_lint(self) -> tuple[Violation, ...]:
        """Violations that count, by ``fail_on`` and without those that a comment accepts."""
        counted = {"error": ("error",), "warning": ("error", "warning"), "never": ()}[self.fail_on]
        return tuple(v for v in self.inspection.lint if v.suppressed is None and v.severity in counted)

    @property
    def failed_verdicts(self) -> tuple[StaticVerdict, ...]:
        """Budgets that were broken."""
        return tuple(v for v in self.verdicts if v.status == Status.FAIL and v.level == "error")

    @property
    def unjudged(self) -> tuple[StaticVerdict, ...]:
        """Budgets that could not be held against anything: never a pass."""
        return tuple(v for v in self.verdicts if v.status == Status.UNJUDGED and v.level == "error")

    @property
    def nothing(self) -> str:
        """Why nothing was compiled, in words; empty when something was, or only the text was to be looked at."""
        return "" if self.lint_only else nothing_compiled(self.inspection)

    @property
    def incomplete(self) -> str:
        """Why launches may be missing, in words; empty when the host code was followed to its end."""
        notes = [note.message for note in self.inspection.notes if note.code in CUT_SHORT]
        return "" if self.lint_only else "; ".join(notes)

    @property
    def exit_code(self) -> Exit:
        """0 clean, 1 when something counts, 4 when there was nothing to judge."""
        if self.failed_errors or self.failed_lint or self.failed_verdicts:
            return Exit.FAILED
        return Exit.NOTHING if self.nothing or self.unjudged or self.incomplete else Exit.OK
