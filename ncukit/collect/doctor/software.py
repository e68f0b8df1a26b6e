"""Checks of the programs and packages that profiling needs."""

from __future__ import annotations

import platform
import re
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from ncukit.collect import machine
from ncukit.collect.doctor.check import Check, Machine, State
from ncukit.errors import NcukitError

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGES = {"torch": (2, 6), "triton": (3, 6)}
"""What kernel files need, and the oldest version that the [triton] extra takes."""


def python(here: Machine) -> Check:
    """The Python that runs kernel files."""
    if here.python is None:
        return Check(name="Python", state=State.OK, evidence=f"{platform.python_version()} at {sys.executable}")
    said = machine.ask([here.python, "--version"])
    if said is None or said.exit_code != 0:
        fix = "correct profile.python in the configuration (ncukit config shows where it is set)"
        return Check(name="Python", state=State.FAIL, evidence=f"{here.python} does not run", fix=fix)
    return Check(name="Python", state=State.OK, evidence=f"{said.text.strip()[:60]} at {here.python} runs kernel files")


def ncu(here: Machine) -> Check:
    """Whether there is an ncu, and a recent one."""
    try:
        found = machine.find_ncu(here.ncu)
    except NcukitError as error:
        evidence = "; ".join((error.message, *error.causes))
        return Check(name="Nsight Compute", state=State.FAIL, evidence=evidence, fix=error.next_command)
    return Check(name="Nsight Compute", state=State.OK, evidence=f"{found.version_text} at {found.path}")


def package(name: str) -> Callable[[Machine], Check]:
    """The check of one package of ``PACKAGES``."""

    def check(here: Machine) -> Check:
        found = _versions(here).get(name, "")
        pip = f"{shlex.quote(here.python or sys.executable)} -m pip install"
        fix = f"{pip} --upgrade torch triton"
        if not found:
            evidence = "not installed: kernel files cannot run (`ncukit profile -- ./a.out` can)"
            return Check(name=name, state=State.FAIL, evidence=evidence, fix=fix)
        if "+cpu" in found:
            evidence = f"{found} is a build without CUDA: kernels cannot run"
            return Check(
                name=name,
                state=State.FAIL,
                evidence=evidence,
                fix=f"{pip} --force-reinstall torch --index-url https://pypi.org/simple",
            )
        if tuple(int(n) for n in re.findall(r"\d+", found)[:2]) < PACKAGES[name]:
            oldest = ".".join(map(str, PACKAGES[name]))
            return Check(
                name=name,
                state=State.WARN,
                evidence=f"{found} is older than {oldest}, the oldest that is supported",
                fix=fix,
            )
        return Check(name=name, state=State.OK, evidence=found)

    return check


def _versions(here: Machine) -> dict[str, str]:
    """Installed versions in the Python that runs kernel files, without importing anything heavy."""
    if here.python is None:
        found = {}
        for name in PACKAGES:
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                continue
        return found
    program = (
        "import importlib.metadata as m\n"
        f"for p in {tuple(PACKAGES)!r}:\n"
        " try: print('ncukit-found', p, m.version(p))\n"
        " except m.PackageNotFoundError: pass\n"
    )
    said = machine.ask([here.python, "-c", program])
    return dict(re.findall(r"^ncukit-found (\S+) (\S+)$", said.text, re.MULTILINE)) if said else {}


def report_reader(_: Machine) -> Check:
    """Whether NVIDIA's wheel is there to read .ncu-rep files."""
    try:
        return Check(name="ncu-report wheel", state=State.OK, evidence=version("ncu-report"))
    except PackageNotFoundError:
        return Check(
            name="ncu-report wheel",
            state=State.SKIP,
            evidence="not installed (optional): .ncu-rep files are read through `ncu --import`",
            fix="python -m pip install ncu-report",
        )
