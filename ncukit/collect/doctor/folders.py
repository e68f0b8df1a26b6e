"""Checks of the folders that ncu and ncukit write to."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import tempfile
from pathlib import Path

from ncukit.collect.doctor.check import Answer, Machine, check, fail, nearest, ok, text_of, warn
from ncukit.collect.doctor.toolchain import cache_folder

OWN = "mkdir -p ~/tmp && export TMPDIR=~/tmp"
VARIABLES = ("TMPDIR", "TMP", "TEMP", "TEMPDIR")
"""Where ncu looks for its temporary folder, in its order (documented with its lock file)."""
LITTLE = 1 << 30
"""A full report takes 1.3 MB a launch (H200), Triton's cache some MB a kernel: 1 GiB is enough for hundreds (ours)."""
NOTHING = 16 << 20
"""Not enough for one compiled kernel and its metrics (ours)."""


@check("temporary-folder", "temporary folder and lock")
def temporary(here: Machine) -> Answer:
    """Whether ncu can create its lock file, which every user of the folder shares."""
    folder, variable = _temporary(here)
    fallback = "export TMPDIR=/tmp" if variable and folder != Path("/tmp") else OWN  # noqa: S108 - what it advises
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return fail(f"{folder} cannot be written: {error.strerror}", fallback)
    if not variable and not folder.name.startswith("ncukit-"):
        return ok(f"{folder} is writable; `ncukit profile` makes a folder of its own in it")
    lock = folder / "nsight-compute-lock"
    try:
        found = lock.stat()
    except OSError:
        return ok(f"{folder} is writable; no lock file yet")
    if not os.access(lock, os.W_OK):
        return fail(f"{lock} belongs to user {found.st_uid} and cannot be written", OWN)
    protected = text_of(here.proc / "sys/fs/protected_regular").strip() not in ("", "0")
    sticky = bool(folder.stat().st_mode & stat.S_ISVTX)
    if protected and sticky and found.st_uid not in (os.geteuid(), folder.stat().st_uid):
        return fail(
            f"{lock} belongs to user {found.st_uid}: in a sticky folder the kernel refuses it even to root", OWN
        )
    return ok(f"{lock} is writable")


@check("output-folder", "output folder")
def output(_: Machine) -> Answer:
    """Whether ``ncukit profile`` can write where it does by default."""
    try:
        place = nearest(Path.cwd() / "profiles")
    except FileNotFoundError:
        return warn("the working directory is gone", "cd ~")
    if place.is_dir() and os.access(place, os.W_OK | os.X_OK):
        return ok(f"{place} can be written")
    return warn(f"{place} cannot be written, and runs are kept in ./profiles", "ncukit profile … -o ~/profiles/NAME")


@check("disk-space", "disk space")
def disk(here: Machine) -> Answer:
    """Whether there is room for what a run writes."""
    places = {
        "temporary files": (_temporary(here)[0], "export TMPDIR=/folder/on/another/disk"),
        "runs": (Path("profiles"), "ncukit profile … -o /folder/on/another/disk/NAME"),
        "compiled kernels": (cache_folder(here), "export TRITON_CACHE_DIR=/folder/on/another/disk"),
    }
    free = {}
    for what, (folder, _) in places.items():
        try:
            free[what] = shutil.disk_usage(nearest(folder)).free
        except OSError:  # told by the checks of the folders themselves
            continue
    evidence = ", ".join(f"{_size(left)} free for {what}" for what, left in free.items())
    short = [what for what, left in free.items() if left < LITTLE]
    if not short:
        return ok(evidence)
    worst = min(short, key=lambda what: free[what])
    folder, other = places[worst]
    fix = f"df -h {shlex.quote(str(nearest(folder)))}   (make room there); or {other}"
    return fail(evidence, fix) if free[worst] < NOTHING else warn(evidence, fix)


def _temporary(here: Machine) -> tuple[Path, str]:
    """ncu's temporary folder under ``ncukit profile``, and the variable that names it."""
    for variable in VARIABLES:
        if here.environment.get(variable):
            return Path(here.environment[variable]), variable
    # without a variable `ncukit profile` makes a folder of the user's own (collect.command.environment)
    shared = Path(tempfile.gettempdir())
    own = shared / f"ncukit-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    return (own if own.exists() else shared), ""


def _size(left: int) -> str:
    return f"{left / (1 << 30):.1f} GiB" if left >= LITTLE else f"{left / (1 << 20):.0f} MiB"
