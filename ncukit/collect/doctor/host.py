"""Checks of the system around the profiler: temporary folder, lock file, sandbox."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from ncukit.collect import machine
from ncukit.collect.doctor.check import Check, Machine, State, text_of

_GVISOR_KERNEL = "Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016"
"""What gVisor answers in place of a kernel version (gvisor.dev, pkg/sentry/syscalls/linux)."""


def temporary(here: Machine) -> Check:
    """Whether ncu can create its lock file, which every user of the folder shares."""
    name = "temporary folder and lock"
    private = "export TMPDIR=$(mktemp -d -p ~)"
    # the order is ncu's own (documented with its lock file)
    named = (here.environment.get(variable) for variable in ("TMPDIR", "TMP", "TEMP", "TEMPDIR"))
    folder = Path(next(filter(None, named), "/tmp"))  # noqa: S108 - where ncu falls back to, not ours to choose
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        evidence = f"{folder} cannot be written: {error.strerror}"
        return Check(name=name, state=State.FAIL, evidence=evidence, fix=private)
    lock = folder / "nsight-compute-lock"
    try:
        found = lock.stat()
    except OSError:
        return Check(name=name, state=State.OK, evidence=f"{folder} is writable; no lock file yet")
    if not os.access(lock, os.W_OK):
        evidence = f"{lock} belongs to user {found.st_uid} and cannot be written"
        return Check(name=name, state=State.FAIL, evidence=evidence, fix=private)
    protected = text_of(here.proc / "sys/fs/protected_regular").strip() not in ("", "0")
    sticky = bool(folder.stat().st_mode & stat.S_ISVTX)
    if protected and sticky and found.st_uid not in (os.geteuid(), folder.stat().st_uid):
        evidence = f"{lock} belongs to user {found.st_uid}: in a sticky folder the kernel refuses it even to root"
        return Check(name=name, state=State.FAIL, evidence=evidence, fix=private)
    return Check(name=name, state=State.OK, evidence=f"{lock} is writable")


def sandbox(here: Machine) -> Check:
    """Whether a sandbox answers in place of the kernel."""
    kernel = text_of(here.proc / "version").strip()
    said = machine.ask(["dmesg"], timeout_s=5.0)
    log = said.text if said is not None else ""
    if kernel.startswith(_GVISOR_KERNEL) or "gVisor" in kernel + log:
        return Check(
            name="sandbox",
            state=State.WARN,
            evidence="gVisor: ncu is reported to end with LibraryNotLoaded here",
            fix="use a runtime without gVisor (runc, a virtual machine)",
        )
    return Check(name="sandbox", state=State.OK, evidence="no gVisor")
