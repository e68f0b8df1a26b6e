"""Checks of the driver's age against what is to run on it.

NVIDIA's CUDA compatibility guide names the oldest driver branch of each CUDA release family. A newer driver runs older
software, so only the other direction is looked at; that an old ncu cannot serve a new driver was reported, but no pair
of versions is known for it.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from ncukit.collect.doctor.check import Answer, Machine, check, fail, ok, skip, warn

OLDEST_DRIVER = {11: 450, 12: 525, 13: 580}
"""CUDA release family → driver branch (CUDA compatibility guide, minor version compatibility)."""
CUDA_OF_NCU = (((2025, 3), 13), ((2022, 4), 12))
"""From which ncu on it comes with which CUDA. Reported: 2025.3.1 fails on drivers 570 and 576, 2025.2.1 works."""
COMPAT_FOLDERS = "/usr/local/cuda*/compat"
"""Where NVIDIA's cuda-compat packages put a newer libcuda for an older driver."""


@check("ncu-driver", "ncu and driver")
def ncu_driver(here: Machine) -> Answer:
    """Whether this ncu is too new for the driver."""
    if here.ncu is None or not here.gpus:
        return skip("no ncu to compare" if here.gpus else "no driver to compare")
    driver, needed = here.gpus[0].driver_version, driver_for(here.ncu.version)
    pair = f"ncu {here.ncu.version_text}, driver {driver}"
    if needed is None or branch(driver) is None:
        return skip(f"{pair}: no rule for this pair")
    if too_old(driver, needed):
        return fail(
            f"{pair}: this ncu comes with CUDA {_cuda_of(here.ncu.version)}, which needs driver {needed} or newer",
            f"install NVIDIA driver {needed} or newer; or an ncu older than 2025.3: export NCUKIT_NCU=/path/to/ncu",
        )
    return ok(pair)


@check("torch-driver", "torch and driver")
def torch_driver(here: Machine) -> Answer:
    """Whether torch was built for a CUDA that the driver does not know yet."""
    cuda = here.interpreter.torch_cuda if here.interpreter else None
    family = re.match(r"\d+", cuda or "")
    if not family or not here.gpus:
        return skip("no driver to compare" if family else "no CUDA build of torch to compare")
    driver, needed = here.gpus[0].driver_version, OLDEST_DRIVER.get(int(family[0]))
    pair = f"torch for CUDA {cuda}, driver {driver}"
    if needed is None or branch(driver) is None:
        return skip(f"{pair}: no rule for this pair")
    if not too_old(driver, needed):
        return ok(pair)
    fix = f"install NVIDIA driver {needed} or newer; or a torch built for a CUDA older than {family[0]}"
    newer = _compat(here)
    if newer is not None:
        return warn(f"{pair}, which is older than {needed}; {newer} may make up for it (data center GPUs only)", fix)
    return fail(f"{pair}: CUDA {family[0]} needs driver {needed} or newer", fix)


@check("driver-stub", "driver library")
def stub(here: Machine) -> Answer:
    """Whether the toolkit's stub, which is there to link against, stands before the real libcuda."""
    path = here.environment.get("LD_LIBRARY_PATH", "")
    folders = [folder for folder in path.split(":") if folder]
    stubs = [f for f in folders if "stubs" in Path(f).parts and any(Path(f).glob("libcuda.so*"))]
    if not stubs:
        return ok("no stub of libcuda in LD_LIBRARY_PATH")
    rest = ":".join(folder for folder in folders if folder not in stubs)
    fix = f"export LD_LIBRARY_PATH={shlex.quote(rest)}" if rest else "unset LD_LIBRARY_PATH"
    if len(fix) > 400:
        fix = f"take {shlex.quote(stubs[0])} out of LD_LIBRARY_PATH"
    return warn(f"LD_LIBRARY_PATH holds {stubs[0]}: ncu can meet the stub in place of the driver's libcuda", fix)


def driver_for(ncu: tuple[int, ...]) -> int | None:
    """The oldest driver branch for a version of ncu; None when it is not known."""
    return OLDEST_DRIVER.get(_cuda_of(ncu) or 0)


def too_old(driver: str, needed: int) -> bool:
    """Whether a driver such as ``570.172.08`` is of an older branch."""
    found = branch(driver)
    return found is not None and found < needed


def branch(driver: str) -> int | None:
    """``580.159.04`` is of branch 580; None when that is no version."""
    found = re.match(r"(\d{3,})(?:\.|$)", driver)
    return int(found[1]) if found else None


def _cuda_of(ncu: tuple[int, ...]) -> int | None:
    return next((cuda for since, cuda in CUDA_OF_NCU if ncu[:2] >= since), None)


def _compat(here: Machine) -> Path | None:
    """A libcuda of a compatibility package, if one lies about."""
    named = [Path(f) for f in here.environment.get("LD_LIBRARY_PATH", "").split(":") if "compat" in Path(f).parts]
    usual = Path("/").glob(COMPAT_FOLDERS.lstrip("/"))
    return next((folder / "libcuda.so.1" for folder in (*named, *usual) if (folder / "libcuda.so.1").exists()), None)
