"""Checks of the system around the profiler: sandbox, Windows, memory, number formats."""

from __future__ import annotations

import re

from ncukit.collect.doctor.check import Answer, Machine, ask, check, fail, ok, skip, text_of, warn

_GVISOR_KERNEL = "Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016"
"""What gVisor answers in place of a kernel version (gvisor.dev, pkg/sentry/syscalls/linux)."""
LITTLE_MEMORY = 4 << 30
"""torch with CUDA takes a few GiB before the first tensor, and inputs may be made on the host (ours)."""
_PLAIN = re.compile(r"(C|POSIX)(\..*)?")


@check("sandbox", "sandbox")
def sandbox(here: Machine) -> Answer:
    """Whether a sandbox answers in place of the kernel."""
    kernel = text_of(here.proc / "version").strip()
    said = ask("dmesg")
    log = said.text if said is not None else ""
    if kernel.startswith(_GVISOR_KERNEL) or "gVisor" in kernel + log:
        return warn(
            "gVisor: ncu is reported to end with LibraryNotLoaded here",
            "use a runtime without gVisor (runc, a virtual machine); in this one: ncukit profile … --recorded",
        )
    return ok("no gVisor")


@check("wsl", "WSL")
def wsl(here: Machine) -> Answer:
    """Whether Windows decides: WSL 2 can be profiled, WSL 1 cannot, and the permission is given in Windows."""
    kernel = text_of(here.proc / "version")
    if not kernel:
        return skip(f"{here.proc}/version does not say")
    if "microsoft" not in kernel.lower():
        return ok("not on Windows")
    if "microsoft-standard" not in kernel.lower() and "WSL2" not in kernel:
        return fail("WSL 1, which ncu does not support", "in Windows: wsl --set-version DISTRIBUTION 2")
    return warn(
        "WSL 2: whether counters may be read is decided in Windows and cannot be seen from here",
        "in Windows: NVIDIA Control Panel > Developer > Manage GPU Performance Counters > allow access to all users",
    )


@check("host-memory", "host memory")
def memory(here: Machine) -> Answer:
    """Whether the program is likely to be killed for want of memory."""
    available = re.search(r"^MemAvailable:\s*(\d+) kB", text_of(here.proc / "meminfo"), re.MULTILINE)
    limits = [
        text_of(here.sys / f"fs/cgroup/{name}").strip() for name in ("memory.max", "memory/memory.limit_in_bytes")
    ]
    amounts = [(int(available[1]) * 1024, "available")] if available else []
    amounts += [(int(limit), "allowed by the container's limit") for limit in limits if limit.isdigit()]
    if not amounts:
        return skip(f"{here.proc}/meminfo does not say")
    least, words = min(amounts)
    evidence = f"{least / (1 << 30):.1f} GiB {words}"
    if least >= LITTLE_MEMORY:
        return ok(evidence)
    return warn(
        f"{evidence}: a program that is killed ends with code 9",
        "free -h   (end other programs, or raise the container's --memory); or add --size batch_size=8",
    )


@check("number-format", "number format")
def numbers(here: Machine) -> Answer:
    """Whether an ncu that is run by hand would write decimal commas; ``ncukit profile`` sets the locale itself."""
    variable = next((name for name in ("LC_ALL", "LC_NUMERIC", "LANG") if here.environment.get(name)), "")
    if not variable:
        return ok("no locale is set: plain numbers")
    locale = here.environment[variable]
    if _PLAIN.fullmatch(locale):
        return ok(f"{variable}={locale}: plain numbers")
    # the program is asked through env, since every question is asked in a locale of our own
    said = ask("env", f"LC_ALL={locale}", "locale", "-k", "LC_NUMERIC")
    point = re.search(r'^decimal_point="(.)"', said.text, re.MULTILINE) if said else None
    if point is None:
        return skip(f"{variable}={locale}: `locale` does not tell")
    if point[1] == ".":
        return ok(f"{variable}={locale}: a decimal point")
    return warn(
        f"{variable}={locale} writes 22{point[1]}60: `ncukit profile` measures in C.UTF-8, "
        "but a CSV that ncu writes by hand can be misread",
        "export LC_ALL=C.UTF-8",
    )
