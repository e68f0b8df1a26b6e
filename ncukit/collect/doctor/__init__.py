"""What stands in the way of profiling on this machine, with evidence and the exact fix for each.

Every check looks and changes nothing: no kernel is run, no lock is taken, no service is touched.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ncukit.collect import machine
from ncukit.collect.doctor import gpu, host, software
from ncukit.collect.doctor.check import Check, Machine, State

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CHECKS", "WORKS_ANYWAY", "Check", "State", "examine", "ready"]

WORKS_ANYWAY = (
    "ncukit profile KERNEL.py --recorded     the bundled recording in place of a measurement",
    "ncukit diagnose REPORT                  any .csv, .ncu-rep, metrics .json or run directory",
    "ncukit gate REPORT --min dram_pct=70    the same, as pass or fail",
)
"""What needs neither ncu nor a GPU."""
CHECKS: tuple[Callable[[Machine], Check], ...] = (
    software.python,
    software.ncu,
    gpu.driver,
    gpu.supported,
    gpu.mig,
    gpu.permission,
    gpu.dcgm,
    host.temporary,
    host.sandbox,
    software.package("torch"),
    software.package("triton"),
    software.report_reader,
)
"""In the order in which they should be fixed."""


def examine(ncu: str | None = None, python: str | None = None, proc: Path = Path("/proc")) -> tuple[Check, ...]:
    """Run every check."""
    here = Machine(ncu=ncu, python=python, proc=proc, gpus=machine.query_gpus())
    return tuple(check(here) for check in CHECKS)


def ready(checks: tuple[Check, ...]) -> bool:
    """Whether live profiling should work."""
    return not any(check.state is State.FAIL for check in checks)
