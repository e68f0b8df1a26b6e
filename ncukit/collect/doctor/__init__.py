"""What stands in the way of profiling on this machine, with evidence and the exact fix for each.

Every check looks and changes nothing: no kernel is run, no lock is taken, no service is touched. Programs are asked
side by side, each for a few seconds at most, and a program that does not answer is not asked again.

What is known to go wrong, and cannot be seen before a run:

===========================================  =========================================================================
trouble                                      why it is not a check
===========================================  =========================================================================
clocks left locked by a killed ncu           nvidia-smi does not show ncu's lock; ncu reverts it, or
                                             ``ncu --clock-control reset``
ERR_NVGPUCTRPERM where the driver's file     only profiling a kernel tells (WSL, some containers)
is hidden
DCGM or a profiler outside the container     its processes are not in sight
ncu older than the driver                    reported, but for no known pair of versions
SLI, green contexts                          nvidia-smi and the environment do not tell
NaN counters of one ncu on one GPU           seen only in the values
kernel replay that hangs or runs out of      depends on the kernel: ``gpu-in-use`` and ``host-memory`` tell what is left
memory
a torch without code for this GPU            known only after importing torch, which takes seconds
ptrace and seccomp limits                    nothing documents that ncu needs ptrace
``config.ncu-cfg``, renamed kernels,         ``ncukit profile`` sets each of them itself
default clocks, ncu's number format
===========================================  =========================================================================
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from ncukit.collect.doctor import access, folders, gpu, host, profiler, software, toolchain, use, versions
from ncukit.collect.doctor.check import Check, Machine, Severity, State
from ncukit.collect.doctor.facts import gather

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CHECKS", "WORKS_ANYWAY", "Check", "Severity", "State", "examine", "ready"]

WORKS_ANYWAY = (
    "ncukit profile KERNEL.py --recorded     the bundled recording in place of a measurement",
    "ncukit diagnose REPORT                  any .csv, .ncu-rep, metrics .json or run directory",
    "ncukit gate REPORT --min dram_pct=70    the same, as pass or fail",
)
"""What needs neither ncu nor a GPU."""
CHECKS: tuple[Callable[[Machine], Check], ...] = (
    software.python,
    profiler.nsight_compute,
    profiler.choice,
    profiler.files,
    gpu.driver,
    gpu.visible,
    gpu.order,
    access.devices,
    versions.stub,
    versions.ncu_driver,
    profiler.supported,
    access.virtual,
    access.confidential,
    access.mig,
    access.permission,
    use.dcgm,
    use.profilers,
    gpu.compute_mode,
    use.in_use,
    use.throttling,
    gpu.persistence,
    folders.temporary,
    folders.output,
    folders.disk,
    host.memory,
    host.sandbox,
    host.wsl,
    profiler.connection,
    host.numbers,
    software.torch,
    versions.torch_driver,
    software.triton,
    toolchain.interpret,
    toolchain.cache,
    toolchain.compiler,
    toolchain.ptxas,
    toolchain.libcuda,
    software.report_reader,
)
"""In the order in which they should be fixed."""


def examine(ncu: str | None = None, python: str | None = None, proc: Path = Path("/proc")) -> tuple[Check, ...]:
    """Run every check."""
    here = gather(ncu, python, proc)
    with ThreadPoolExecutor(max_workers=len(CHECKS)) as pool:
        return tuple(pool.map(lambda check: check(here), CHECKS))


def ready(checks: tuple[Check, ...]) -> bool:
    """Whether live profiling should work."""
    return not any(check.state is State.FAIL for check in checks)
