"""Checks of the Python that runs kernel files and of the packages that profiling needs."""

from __future__ import annotations

import re
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version

from ncukit.collect.doctor.check import Answer, Machine, check, fail, ok, skip, warn

OLDEST = {"torch": (2, 6), "triton": (3, 6)}
"""What kernel files need, and the oldest version that the [triton] extra takes."""
NO_PYTHON = "the Python that runs kernel files does not answer"


@check("python", "Python")
def python(here: Machine) -> Answer:
    """The Python that runs kernel files."""
    found = here.interpreter
    if found is None:
        fix = "correct profile.python in the configuration (ncukit config shows where it is set)"
        return fail(f"{here.python or sys.executable} does not run", fix)
    own = here.python is None
    return ok(f"{found.version} at {found.executable}" + ("" if own else " runs kernel files"))


@check("torch", "torch")
def torch(here: Machine) -> Answer:
    """Whether torch is there, for CUDA, and recent enough."""
    found = here.interpreter
    release = found.packages.get("torch", "") if found else ""
    if found is not None and release and (found.torch_cuda == "" or "+cpu" in release):
        kind = f"for ROCm {found.torch_hip}" if found.torch_hip else "without CUDA"
        # isolated: a configured package index may be the one that the build without CUDA came from
        fix = f"{_pip(here, '--isolated')} install --force-reinstall torch"
        return fail(f"{release} is a build {kind}: kernels cannot run", fix)
    answer = _package(here, "torch")
    if found is not None and found.torch_cuda and answer.evidence == release:
        return ok(f"{release}, built for CUDA {found.torch_cuda}")
    return answer


@check("triton", "triton")
def triton(here: Machine) -> Answer:
    """Whether triton is there and recent enough."""
    return _package(here, "triton")


@check("ncu-report", "ncu-report wheel")
def report_reader(_: Machine) -> Answer:
    """Whether NVIDIA's wheel is there to read .ncu-rep files."""
    try:
        return ok(version("ncu-report"))
    except PackageNotFoundError:
        evidence = "not installed (optional): .ncu-rep files are read through `ncu --import`"
        return skip(evidence, f"{shlex.quote(sys.executable)} -m pip install ncu-report")


def _package(here: Machine, name: str) -> Answer:
    if here.interpreter is None:
        return skip(NO_PYTHON)
    found = here.interpreter.packages.get(name, "")
    fix = f"{_pip(here)} install --upgrade torch triton"
    if not found:
        return fail("not installed: kernel files cannot run (`ncukit profile -- ./a.out` can)", fix)
    if tuple(int(n) for n in re.findall(r"\d+", found)[:2]) < OLDEST[name]:
        oldest = ".".join(map(str, OLDEST[name]))
        return warn(f"{found} is older than {oldest}, the oldest that is supported", fix)
    return ok(found)


def _pip(here: Machine, *options: str) -> str:
    return " ".join((shlex.quote(here.python or sys.executable), "-m pip", *options))
