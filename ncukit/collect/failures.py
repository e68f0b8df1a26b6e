"""ncu's and the target's own words, matched to one error each. Text decides first, the exit code second.

Texts marked "seen" were printed by ncu 2025.3.1 on an H200; the others are documented by NVIDIA or reported.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ncukit.errors import Exit, NcukitError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One failure ncu is known to print."""

    pattern: str
    message: str
    causes: tuple[str, ...]
    next_command: str
    exit_code: Exit = Exit.ENVIRONMENT


KNOWN: tuple[Known, ...] = (
    Known(
        pattern=r"ERR_NVGPUCTRPERM",
        message="no permission to read GPU performance counters",
        causes=(
            "the driver lets only root (or CAP_SYS_ADMIN) read counters: RmProfilingAdminOnly is 1",
            "in a container: it was started without --cap-add=SYS_ADMIN; many rented GPUs cannot grant it",
        ),
        next_command="sudo -E ncukit profile …, or for all users: options nvidia NVreg_RestrictProfilingToAdminUsers=0 "
        "in /etc/modprobe.d, then reboot; without either: ncukit profile … --recorded",
    ),
    Known(
        pattern=r"driver resource was unavailable|Ensure that no other tool \(like DCGM\)",
        message="the GPU's counters are in use by another tool",
        causes=(
            "DCGM (nv-hostengine, dcgm-exporter) collects them",
            "another ncu, nsys or CUPTI profiler runs",
        ),
        next_command="dcgmi profile --pause   (and --resume afterwards)",
    ),
    Known(
        pattern=r"nsight-compute-lock|InterprocessLockFailed",
        message="ncu's lock file cannot be written",
        causes=("another user's lock file lies in a shared temp folder",),
        next_command="TMPDIR=$HOME/tmp ncukit profile …   (any folder of your own)",
    ),
    Known(
        # seen: TMPDIR missing or read-only
        pattern=r"Failed to create temporary file|Unable to write to file nsight-compute",
        message="ncu cannot write its temporary file",
        causes=("TMPDIR names a folder that does not exist or is read-only",),
        next_command="TMPDIR=/tmp ncukit profile …",
    ),
    Known(
        pattern=r"failed to connect to the CUDA driver|No CUDA capable device|CUDA driver initialization failed",
        message="ncu found no NVIDIA driver",
        causes=(
            "this machine has no NVIDIA GPU, or the driver is not loaded",
            "a container was started without --gpus all",
        ),
        next_command="nvidia-smi; without a GPU: ncukit profile … --recorded",
    ),
    Known(
        pattern=r"driver is not compatible with Nsight Compute|Failed to load Nsight Compute CUDA modules",
        message="this ncu is newer than the driver",
        causes=("the driver is older than ncu's CUDA release",),
        next_command="ncukit doctor   (then an older ncu through NCUKIT_NCU, or a newer driver)",
    ),
    Known(
        pattern=r"LibraryNotLoaded|counter measurement library",
        message="ncu cannot load the driver's counter library",
        causes=(
            "a sandbox such as gVisor hides it (Modal and other hosted GPUs)",
            "driver and ncu do not fit",
        ),
        next_command="ncukit doctor; in such a sandbox: ncukit profile … --recorded",
    ),
    Known(
        pattern=r"Profiling is not supported on device",
        message="this ncu cannot profile this GPU",
        causes=("the GPU is older than Volta, newer than this ncu, or a virtual GPU",),
        next_command="ncu --list-chips",
    ),
    Known(
        pattern=r"Cannot lock GPU clock frequencies on MIG",
        message="clocks cannot be locked on a MIG instance",
        causes=("MIG shares the clocks between instances",),
        next_command="add --clock-control none",
    ),
    Known(
        pattern=r"When profiling on a MIG instance, it is not possible to collect",
        message="a MIG instance cannot read counters of units it shares",
        causes=("DRAM and L2 belong to several instances",),
        next_command="profile on a GPU without MIG",
    ),
    Known(
        # seen with a bare throughput name
        pattern=r"Failed to find metric (?P<what>\S+)",
        message="ncu knows no metric {what}",
        causes=("the name is misspelt, lacks a suffix, or belongs to another chip",),
        next_command="ncukit metrics   (or ncu --query-metrics)",
        exit_code=Exit.USAGE,
    ),
    Known(
        pattern=r"(?i)out of memory|OutOfMemoryError|ERROR_OUT_OF_MEMORY|==ERROR==.*(?:save|back ?up).*memory",
        message="the GPU ran out of memory",
        causes=(
            "the tensors need more than the GPU has free",
            "kernel replay keeps a copy of what the kernels can write",
        ),
        next_command="add --size batch_size=8 (any of the file's constants), or --preset quick: one pass keeps no copy",
    ),
    Known(
        # seen: an out-of-bounds store inside the profiled range prints LaunchFailed and leaves a row of zeros
        pattern=r"==ERROR== LaunchFailed|illegal memory access|misaligned address|unspecified launch failure",
        message="a kernel crashed on the GPU",
        causes=("it reads or writes outside its tensors: a mask is missing or an offset overflows 32 bits",),
        next_command="compute-sanitizer python …   (names the kernel and the address)",
    ),
    Known(
        pattern=r'Failed to profile "(?P<what>[^"]+)"|Failed to prepare kernel for profiling',
        message="ncu could not profile a kernel",
        causes=(
            "ncu is older than the GPU or its driver",
            "the kernel runs in a green context or waits for another kernel",
        ),
        next_command="ncukit doctor",
    ),
    Known(
        # seen
        pattern=r"'(?P<what>[^']+)' does not exist or is not an executable",
        message="there is no program '{what}'",
        causes=("the path is wrong, or the file is not executable",),
        next_command="give the program's full path after --",
        exit_code=Exit.USAGE,
    ),
)


def explain(log: str, stdout: str, stderr: str, exit_code: int) -> NcukitError | None:
    """The error behind a finished ncu run, or None when it succeeded.

    Args:
        log: ncu's own output (``--log-file``), CSV and all.
        stdout: the target's output, last part.
        stderr: the target's and ncu's error output, last part.
        exit_code: ncu's; the target's passes through it.
    """
    words = own_words(log)
    text = f"{words}\n{stderr}"
    if exit_code == 0 and "==ERROR==" not in words:
        silent = not log.strip() or "No kernels were profiled" in words
        return _nothing_ran(words) if silent else None
    for known in KNOWN:
        match = re.search(known.pattern, text)
        if match:
            what = (match.groupdict().get("what") or "")[:120]
            return NcukitError(
                known.message.format(what=what),
                causes=known.causes,
                next_command=known.next_command,
                exit_code=known.exit_code,
                detail=_excerpt(words, stderr),
            )
    if exit_code == 0:
        return NcukitError(
            "ncu reported an error and measured nothing that can be relied on",
            causes=("its words are below",),
            next_command="ncukit doctor",
            exit_code=Exit.ENVIRONMENT,
            detail=_excerpt(words, stderr),
        )
    return NcukitError(
        f"the program exited with {exit_code}{_SIGNALS.get(exit_code, '')}",
        causes=("it fails by itself, or only under ncu; its last words are below",),
        next_command="run the program without ncu first",
        exit_code=Exit.ENVIRONMENT,
        detail=_excerpt(words, stderr or stdout),
    )


def _nothing_ran(words: str) -> NcukitError:
    """No kernel matched, or none ran: ncu says so and exits with 0. It lists those that ran."""
    ran = re.findall(r"^\d+\. (.+)$", words, flags=re.MULTILINE)
    if ran:
        return NcukitError(
            "no kernel matched -k",
            causes=(f"these ran: {', '.join(ran[:12])}{' …' if len(ran) > 12 else ''}",),
            next_command=f"-k {ran[0]}   (or part of a name: -k regex:{ran[0][:12]})",
            exit_code=Exit.NOTHING,
        )
    return NcukitError(
        "the program launched no kernel in the profiled range",
        causes=("the model runs on the CPU, or returns before it launches anything",),
        next_command="check the file's forward(): run it without ncu and print what it launches",
        exit_code=Exit.NOTHING,
    )


_SIGNALS = {9: " (killed, often for the host's memory)", 11: " (a crash: signal SEGV)"}


def own_words(log: str) -> str:
    """ncu's messages without the table: lines that do not start with a quote, at most 200 of them."""
    lines = [line for line in log.splitlines() if line.strip() and not line.startswith('"')]
    return "\n".join(lines[:200])


def _excerpt(words: str, stderr: str) -> str:
    errors = [line for line in words.splitlines() if line.startswith("==ERROR==")]
    errors = [line for line in errors if "The application returned an error code" not in line]
    last = [line for line in stderr.strip().splitlines() if line.strip()][-6:]
    return "\n".join(line[:300] for line in (*errors[:4], *last))


_STAGES = {
    "import": ("does not import", Exit.USAGE),
    "inputs": ("fails in get_inputs() or get_init_inputs()", Exit.USAGE),
    "build": ("fails to build its model", Exit.USAGE),
    "warm-up": ("fails when it runs", Exit.ENVIRONMENT),
    "run": ("fails when it runs a second time", Exit.ENVIRONMENT),
    "script": ("stops with an error", Exit.ENVIRONMENT),
}


def from_record(error: Mapping[str, Any], target: str) -> NcukitError:
    """The error that the harness wrote down: which stage of the user's file failed, and where."""
    kind, message = str(error.get("type", "")), str(error.get("message", "")).strip()
    lines = [line for line in message.splitlines() if line.strip()]
    where = error.get("where") or [None, None]
    place = f"{target}:{where[1]}" if where[1] else target
    if error.get("stage") == "set-up":
        return NcukitError(
            f"the harness cannot start: {lines[-1] if lines else kind}",
            causes=("the Python that runs the kernels lacks torch or triton, or torch sees no GPU",),
            next_command="give the right interpreter: --python /path/to/python   (checks: ncukit doctor)",
            exit_code=Exit.ENVIRONMENT,
            detail=message[-600:],
        )
    if re.search(r"OutOfMemory|out of memory", f"{kind} {message}"):
        memory = next(known for known in KNOWN if "out of memory" in known.message)
        return NcukitError(
            f"{place}: {memory.message}",
            causes=memory.causes,
            next_command=memory.next_command,
            exit_code=Exit.ENVIRONMENT,
            detail=lines[-1][:300] if lines else "",
        )
    if kind in ("CompilationError", "OutOfResources", "PTXASError", "UnsupportedLanguageConstruct"):
        return NcukitError(
            f"{place}: Triton cannot compile the kernel",
            causes=("Triton's front end rejects the code below, or it asks for more than the GPU has",),
            next_command=f"python {target}   (the same error, without ncu)",
            exit_code=Exit.USAGE,
            detail="\n".join(lines[-8:])[-1200:],
        )
    crash = next(known for known in KNOWN if known.message.startswith("a kernel crashed"))
    if re.search(crash.pattern, message):
        return NcukitError(
            f"{place}: {crash.message}",
            causes=crash.causes,
            next_command=crash.next_command,
            exit_code=crash.exit_code,
            detail=lines[0][:300],
        )
    what, exit_code = _STAGES.get(str(error.get("stage")), ("fails", Exit.ENVIRONMENT))
    return NcukitError(
        f"{place} {what}: {(lines[0] if lines else kind)[:300]}",
        causes=("the error is in the file or in what it imports",),
        next_command=f"python {target}   (the same error, without ncu)",
        exit_code=exit_code,
        detail="\n".join(lines[1:6])[:600],
    )
