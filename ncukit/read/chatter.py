"""What ncu says beside its table: errors, warnings, the kernels that ran when none matched."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ncukit.errors import Exit, NcukitError

_KEPT_LINES = 60
_KEPT_CHARACTERS = 400
_UNMODIFIED_CLOCKS = "==WARNING== Note: Running with unmodified GPU clocks"
_NUMBERED = re.compile(r"\d+\. \S")
# 9 is ncu's own: it ended the program after an error of its own.
_PROGRAM_FAILED = re.compile(r"The application returned an error code \((?!9\))")
_REFUSED = re.compile(r"==WARNING== Unable to access the following \d+ metrics?: (.*)")


@dataclass(slots=True)
class Chatter:
    """ncu's lines around the table; the profiled program's own output is not kept."""

    lines: list[str] = field(default_factory=list)
    """``==ERROR==`` and ``==WARNING==`` lines and the list of available kernels, shortened and bounded."""
    spoke: bool = False
    """Whether any line was ncu's: tells a log without a table from a file that has nothing to do with ncu."""
    clock_control: str = ""
    refused: list[str] = field(default_factory=list)
    """Metrics that ncu says it could not access."""
    _listing: bool = False

    def hear(self, line: str) -> None:
        """Take in one line that is not part of the table."""
        line = line.strip()
        if self._listing and _NUMBERED.match(line):
            self._keep(line)
            return
        self._listing = line == "Available Kernels:"
        if self._listing:
            self._keep(line)
        elif line.startswith(("==ERROR==", "==WARNING==", "==PROF==")):
            self.spoke = True
            self._understand(line)

    def absorb(self, later: Chatter) -> None:
        """Add what was heard by another."""
        for line in later.lines:
            self._keep(line)
        self.spoke = self.spoke or later.spoke
        self.clock_control = self.clock_control or later.clock_control
        self.refused += later.refused

    def _understand(self, line: str) -> None:
        refused = _REFUSED.match(line)
        if refused is not None:
            self.refused += [name for name in refused[1].rstrip(".").split(", ") if "__" in name]
        if line.startswith(_UNMODIFIED_CLOCKS):
            # ncu prints this with --clock-control none, and only then.
            self.clock_control = "none"
        elif not line.startswith("==PROF=="):
            self._keep(line)

    def _keep(self, line: str) -> None:
        if len(self.lines) < _KEPT_LINES:
            self.lines.append(line[:_KEPT_CHARACTERS])

    def errors(self) -> list[str]:
        """The error lines, without their mark."""
        return [line.removeprefix("==ERROR==").strip() for line in self.lines if line.startswith("==ERROR==")]

    def nothing_measured(self, path: str, *, why: str = "") -> NcukitError:
        """The error for a report without a single measured launch, in ncu's own words.

        Args:
            path: the report, as the user named it.
            why: what is known beyond ncu's words.
        """
        text = "\n".join(self.lines)
        if "No kernels were profiled" in text:
            message = f"{path}: ncu profiled no kernel"
            causes: tuple[str, ...] = (
                ("the kernel filter matches none of the kernels that ran (listed below)",)
                if "Available Kernels:" in text
                else ("the program launched no kernel inside the profiled range",)
            )
            command = "ncukit profile KERNEL.py -k regex:NAME"
        else:
            errors = self.errors()
            message = f"{path}: no launch was measured" + (f" ({errors[0].rstrip('.')})" if errors else "")
            own_failure = errors and _PROGRAM_FAILED.match(errors[0])
            reason = (
                "the profiled program failed by itself" if own_failure else "ncu stopped before a kernel was measured"
            )
            causes = (why, reason) if why else (reason,)
            command = "run the program without ncu first" if own_failure else "ncukit doctor"
        return NcukitError(message, causes=causes, next_command=command, exit_code=Exit.NOTHING, detail=text)
