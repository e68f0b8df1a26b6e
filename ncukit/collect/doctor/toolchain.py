"""Checks of what Triton needs to compile and start a kernel (read off its runtime/build.py, knobs.py and driver.py)."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path

from ncukit.collect.doctor.check import Answer, Machine, ask, check, fail, nearest, ok, skip, warn

LDCONFIG = "/sbin/ldconfig"
"""The path that Triton itself calls."""
_ON = ("1", "true", "on", "y", "yes")
NO_TRITON = "triton is not installed"


@check("triton-interpreter", "Triton interpreter")
def interpret(here: Machine) -> Answer:
    """Whether Triton would run kernels on the CPU, where there is nothing to profile."""
    value = here.environment.get("TRITON_INTERPRET", "")
    if value.lower() in _ON:
        return fail(f"TRITON_INTERPRET={value}: kernels run on the CPU", "unset TRITON_INTERPRET")
    return ok("off")


@check("triton-cache", "Triton cache")
def cache(here: Machine) -> Answer:
    """Whether compiled kernels can be kept and loaded: Triton fails without a place for them."""
    folder = cache_folder(here)
    place = nearest(folder)
    fix = "export TRITON_CACHE_DIR=$(mktemp -d)"
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return fail(f"{folder} cannot be written", fix)
    if os.statvfs(place).f_flag & getattr(os, "ST_NOEXEC", 0):
        where = "another TRITON_CACHE_DIR, on a disk that is not mounted noexec"
        return fail(f"{folder} is mounted noexec: the library that Triton compiles there cannot be loaded", where)
    return ok(f"{folder} can be written")


@check("c-compiler", "C compiler")
def compiler(here: Machine) -> Answer:
    """Whether Triton can compile its launcher: it needs a C compiler and Python.h."""
    python = here.interpreter
    if python is None or not python.triton:
        return skip(NO_TRITON)
    named = here.environment.get("CC")
    found = shutil.which(named) if named else shutil.which("gcc") or shutil.which("clang")
    if found is None:
        evidence = f"CC='{named}' is not a program" if named else "neither gcc nor clang is on PATH"
        fix = "unset CC" if named and (shutil.which("gcc") or shutil.which("clang")) else "sudo apt-get install gcc"
        fix += "   (or export CC=/path/to/a/C/compiler)"
    elif not python.has_headers:
        release = ".".join(python.version.split(".")[:2])
        evidence = f"{found}, but {python.headers or 'nowhere'} holds no Python.h"
        fix = f"sudo apt-get install python{release}-dev   (dnf: python{release}-devel)"
    else:
        return ok(f"{found}; Python.h in {python.headers}")
    if any(cache_folder(here).glob("*/cuda_utils*")):
        return warn(f"{evidence}; only what lies in {cache_folder(here)} can run", fix)
    return fail(f"{evidence}: Triton cannot compile its launcher", fix)


@check("ptxas", "ptxas")
def ptxas(here: Machine) -> Answer:
    """Whether the assembler that Triton calls runs, and knows this GPU."""
    python, gpu = here.interpreter, here.gpu
    if python is None or not python.triton:
        return skip(NO_TRITON)
    capability = gpu.compute_capability.replace(".", "") if gpu else ""
    folder = Path(python.triton) / "backends/nvidia/bin"
    if not folder.is_dir():
        return skip(f"{folder} is not there: this triton is built for other GPUs")
    # Triton keeps a second, newer assembler for Blackwell
    newer = capability.isdigit() and int(capability) >= 100 and (folder / "ptxas-blackwell").exists()
    name = "ptxas-blackwell" if newer else "ptxas"
    variable = f"TRITON_{name.upper().replace('-', '_')}_PATH"
    named = here.environment.get(variable)
    release = _release(named) if named else ""
    used = named if named and release else str(folder / name)
    release = release or _release(used)
    if not release:
        fix = f"{shlex.quote(here.python or sys.executable)} -m pip install --force-reinstall triton"
        return fail(f"{used} does not run", fix)
    said = ask(used, "--help") if capability else None
    known = set(re.findall(r"\bsm_(\d+)\b", said.text)) if said else set()
    if known and capability not in known:
        return fail(
            f"{used} {release} knows no sm_{capability}",
            f"export {variable}=/path/to/a/newer/ptxas   (each CUDA toolkit holds one)",
        )
    if named and used != named:
        return warn(f"{variable}={named} does not run; Triton falls back to its own {release}", f"unset {variable}")
    return ok(f"{release} at {used}")


@check("libcuda", "libcuda for Triton")
def libcuda(here: Machine) -> Answer:
    """Whether Triton finds the driver's library, which it looks for by ``ldconfig -p``."""
    if not here.gpus or here.interpreter is None or not here.interpreter.triton:
        return skip("no GPU" if not here.gpus else NO_TRITON)
    named = here.environment.get("TRITON_LIBCUDA_PATH")
    if named:
        return ok(f"TRITON_LIBCUDA_PATH={named}")
    said = ask(LDCONFIG, "-p")
    listed = re.findall(r"libcuda\.so\.1\b.*=> (\S+)", said.text) if said else []
    folders = [Path(folder) for folder in here.environment.get("LD_LIBRARY_PATH", "").split(":") if folder]
    places = [Path(path) for path in listed] or [folder / "libcuda.so.1" for folder in folders]
    found = next((path for path in places if path.exists()), None)
    # without ldconfig Triton stops before it looks at LD_LIBRARY_PATH
    if found is not None and said is not None:
        return ok(str(found))
    return fail(
        f"{LDCONFIG} -p lists no libcuda.so.1" if said else f"there is no {LDCONFIG}",
        "export TRITON_LIBCUDA_PATH=/folder/of/libcuda.so.1   (or sudo ldconfig; "
        "in a container: docker run -e NVIDIA_DRIVER_CAPABILITIES=compute,utility)",
    )


def cache_folder(here: Machine) -> Path:
    """Where Triton keeps what it compiled."""
    named = here.environment.get("TRITON_CACHE_DIR")
    home = here.environment.get("TRITON_HOME") or here.environment.get("HOME") or os.path.expanduser("~")  # noqa: PTH111
    return Path(named) if named else Path(home) / ".triton" / "cache"


def _release(path: str) -> str:
    """What ``ptxas --version`` calls its release; empty when it does not run."""
    said = ask(path, "--version")
    found = re.search(r"release (\d+\.\d+)", said.text) if said is not None and said.exit_code == 0 else None
    return found[1] if found else ""
