"""The ncu command of a plan: a pure function, so that ``--dry-run`` prints exactly what runs."""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ncukit.collect.plan import Plan

METRICS = "metrics.csv"
RECORD = "record.json"
PROGRESS = "progress.jsonl"
HARNESS = Path(__file__).with_name("harness.py")


def ncu_command(plan: Plan, folder: str = "", suffix: str = "") -> tuple[str, ...]:
    """The argument vector.

    Args:
        plan: what to measure.
        folder: where ncu and the harness write; empty for the working directory.
        suffix: appended to the output names when one plan runs the program several times.
    """

    def place(name: str) -> str:
        return str(Path(folder) / f"{name}{suffix}") if folder else f"{name}{suffix}"

    argv = [plan.ncu, "--config-file", "off"]
    if plan.ncu_version >= (2024, 2) or not plan.ncu_version:
        # on by default since 2024.2, and a renamed kernel could not be joined to the recorded launches
        argv += ["--rename-kernels", "off"]
    argv += ["--clock-control", plan.clock_control, "--cache-control", plan.cache_control]
    argv += ["--csv", "--page", "raw", "--print-units", "base", "--log-file", place(METRICS)]
    argv += ["--metrics", ",".join(plan.request.names)]
    if plan.kernel:
        argv += ["--kernel-name", plan.kernel]
    if plan.launches:
        argv += ["--launch-count", str(plan.launches)]
    if plan.target.kind == "command":
        return (*argv, *plan.target.argv)
    if plan.target.kind == "kernel":
        # the harness opens the range after compiling and autotuning
        argv += ["--profile-from-start", "off"]
    argv += [plan.python, str(HARNESS), "--record", place(RECORD), "--progress", place(PROGRESS)]
    argv += ["--mode", plan.target.kind]
    if plan.target.kind == "kernel":
        argv += ["--repeat", str(plan.repeat)]
        for name, value in plan.target.sizes:
            argv += ["--size", f"{name}={value}"]
        return (*argv, plan.target.argv[0])
    return (*argv, plan.target.argv[0], "--", *plan.target.argv[1:])


def environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The child's environment: C number formats, and a temp folder of the user's own for ncu's lock file.

    ncu writes numbers in the reader's locale, and its lock file in a shared temp folder breaks as soon as two users
    have run it.
    """
    env = dict(os.environ if base is None else base)
    env["LC_ALL"] = "C.UTF-8"
    env.pop("LC_NUMERIC", None)
    if not any(name in env for name in ("TMPDIR", "TMP", "TEMP", "TEMPDIR")):
        own = Path(tempfile.gettempdir()) / f"ncukit-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
        own.mkdir(mode=0o700, exist_ok=True)
        env["TMPDIR"] = str(own)
    env.setdefault("PYTHONUNBUFFERED", "1")
    return env


def shown(plan: Plan) -> str:
    """The command as one would type it: it can be pasted into a shell in the same folder."""
    return f"LC_ALL=C.UTF-8 {shlex.join(ncu_command(plan))}"


def neutral(argv: tuple[str, ...], folder: str) -> list[str]:
    """The command for ``run.json``: without the staging folder and without this machine's paths to tools."""
    home = str(HARNESS.parents[2]) + os.sep
    words = [word.replace(str(folder) + os.sep, "").replace(home, "") for word in argv]
    return [
        Path(words[0]).name,
        *(Path(w).name if Path(w).is_absolute() and os.access(w, os.X_OK) else w for w in words[1:]),
    ]
