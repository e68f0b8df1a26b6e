"""What this machine has: the ncu to use and the GPUs in sight. Cheap: one short call each."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ncukit.errors import Exit, NcukitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MINIMUM_NCU = (2024, 1)
"""``--config-file off``, ``--print-metric-name`` and page ``session`` came between 2022.3 and 2024.1."""
TIMEOUT_S = 20.0
_MOST_OUTPUT = 1 << 20
INSTALL_FOLDERS = (
    "/usr/local/cuda*/bin",
    "/opt/nvidia/nsight-compute/*",
    "/usr/local/NVIDIA-Nsight-Compute*",
    "/usr/local/cuda*/nsight-compute*",
    "/opt/cuda/bin",
    "/usr/lib/nsight-compute",
)
"""Where NVIDIA's installers and Linux distributions put ncu, beside PATH."""
GPU_QUERY = (
    "nvidia-smi",
    "--query-gpu=index,name,compute_cap,driver_version,memory.total,uuid,mig.mode.current",
    "--format=csv,noheader,nounits",
)
"""How nvidia-smi is asked for the GPUs; ``gpus_in`` reads the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ncu:
    """A usable Nsight Compute command line."""

    path: str
    version: tuple[int, ...]
    """``(2025, 3, 1, 0)``."""
    version_text: str
    """``2025.3.1``, as people write it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSeen:
    """One GPU as nvidia-smi describes it; empty strings and None for what it does not say."""

    index: int
    name: str
    compute_capability: str
    driver_version: str
    memory_mb: int | None
    uuid: str = ""
    mig: bool = False
    """Whether MIG mode is on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What a short program said."""

    exit_code: int | None
    """None when it was ended after its time."""
    text: str


def ask(argv: Sequence[str], timeout_s: float = TIMEOUT_S) -> Output | None:
    """Run a short program and keep its first megabyte; None when it cannot be started.

    stdout and stderr come together: programs differ in where they put what matters.
    """
    try:
        # a session of its own: a wrapper script's children hold the pipe open after the script is ended
        child = subprocess.Popen(
            argv,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError):
        return None
    try:
        text, in_time = _read(child, time.monotonic() + timeout_s)
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        code = child.wait()
        if child.stdout is not None:
            child.stdout.close()
    return Output(exit_code=code if in_time else None, text=text)


def _read(child: subprocess.Popen[bytes], deadline: float) -> tuple[str, bool]:
    """What the child printed, and whether it ended by itself before the deadline."""
    kept = bytearray()
    pipe = child.stdout
    if pipe is None:  # pragma: no cover - it was opened as a pipe
        return "", False
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        ended = False
        while not ended and time.monotonic() < deadline and len(kept) < _MOST_OUTPUT:
            gone = child.poll() is not None
            if selector.select(0 if gone else 0.05):
                chunk = os.read(pipe.fileno(), 1 << 16)
                kept += chunk
                if chunk:
                    continue
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(timeout=max(0.0, deadline - time.monotonic()))
                ended = child.returncode is not None
                break
            # a grandchild may hold the pipe open for as long as it likes
            ended = gone
    return kept.decode("utf-8", "replace"), ended


def find_ncu(explicit: str | None = None, timeout_s: float = TIMEOUT_S) -> Ncu:
    """The ncu to use: the one asked for, else ``$NCUKIT_NCU``, PATH, and the usual install folders.

    Args:
        explicit: a program name or path, from the command line or the configuration.
        timeout_s: how long each program called ncu may take to say its version.

    Raises:
        NcukitError: there is none, it is too old, or the one asked for is not Nsight Compute.
    """
    asked = explicit or os.environ.get("NCUKIT_NCU") or None
    if asked is not None:
        return _asked_for(asked, "the configuration" if explicit else "NCUKIT_NCU", timeout_s)
    strangers: list[str] = []
    old: list[Ncu] = []
    for path in candidates():
        found = _version(path, timeout_s)
        if found is None:
            strangers.append(path)
        elif found.version < MINIMUM_NCU:
            old.append(found)
        else:
            return found
    if old:
        raise _too_old(old[0])
    raise NcukitError(
        "Nsight Compute (ncu) was not found",
        causes=(
            "it is not installed, or its folder is not on PATH",
            *(f"{path} is called ncu but is another program (npm-check-updates?)" for path in strangers),
        ),
        next_command="install Nsight Compute (the CUDA toolkit holds it), or set NCUKIT_NCU=/path/to/ncu",
        exit_code=Exit.ENVIRONMENT,
    )


def candidates() -> Iterator[str]:
    """Paths of programs called ncu, the one to prefer first; no path comes twice."""
    seen: set[str] = set()
    for path in (*_on_path(), *_installed()):
        real = os.path.realpath(path)
        if real not in seen:
            seen.add(real)
            yield path


def _on_path() -> Iterator[str]:
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        found = shutil.which("ncu", path=folder) if folder else None
        if found:
            yield found


def _installed() -> Iterator[str]:
    homes = [f"{os.environ[name]}/bin" for name in ("CUDA_HOME", "CUDA_PATH") if os.environ.get(name)]
    for pattern in (*homes, *INSTALL_FOLDERS):
        folders = Path("/").glob(pattern.lstrip("/"))
        for folder in sorted(folders, key=lambda f: [int(n) for n in re.findall(r"\d+", str(f))], reverse=True):
            if os.access(folder / "ncu", os.X_OK) and (folder / "ncu").is_file():
                yield str(folder / "ncu")


def _asked_for(name: str, origin: str, timeout_s: float) -> Ncu:
    path = shutil.which(name)
    found = _version(path, timeout_s) if path else None
    if found is None:
        raise NcukitError(
            f"{name} is not Nsight Compute" if path else f"{name} is not a program",
            causes=(
                f"{origin} names it",
                *(("`--version` does not print Nsight Compute's banner",) if path else ()),
            ),
            next_command="ncukit doctor" if origin != "NCUKIT_NCU" else "unset NCUKIT_NCU; ncukit doctor",
            exit_code=Exit.ENVIRONMENT,
        )
    if found.version < MINIMUM_NCU:
        raise _too_old(found)
    return found


def _too_old(ncu: Ncu) -> NcukitError:
    oldest = ".".join(map(str, MINIMUM_NCU))
    return NcukitError(
        f"{ncu.path} is version {ncu.version_text}; ncukit needs {oldest} or newer",
        causes=("older versions lack --config-file, --print-metric-name and the session page",),
        next_command="install a newer Nsight Compute and set NCUKIT_NCU=/path/to/ncu",
        exit_code=Exit.ENVIRONMENT,
    )


def _version(path: str, timeout_s: float) -> Ncu | None:
    """What ``ncu --version`` says; None when the program is not Nsight Compute or does not answer."""
    said = ask([path, "--version"], timeout_s)
    if said is None or "Nsight Compute" not in said.text:
        return None
    match = re.search(r"Version (\d+(?:\.\d+)+)", said.text)
    if match is None:
        return None
    version = tuple(int(part) for part in match[1].split("."))
    return Ncu(path=path, version=version, version_text=".".join(map(str, version[:3])))


def query_gpus() -> tuple[GpuSeen, ...]:
    """The GPUs that nvidia-smi lists; empty when there is no nvidia-smi, no driver, or no answer in time."""
    return gpus_in(ask(GPU_QUERY))


def gpus_in(said: Output | None) -> tuple[GpuSeen, ...]:
    """The GPUs in nvidia-smi's answer to ``GPU_QUERY``."""
    if said is None or said.exit_code != 0:
        return ()
    gpus = []
    for line in said.text.splitlines():
        cells = [cell.strip() for cell in line.split(", ")]
        if len(cells) == 7 and cells[0].isdigit():
            known = ["" if cell.startswith("[") else cell for cell in cells]
            gpus.append(
                GpuSeen(
                    index=int(known[0]),
                    name=known[1],
                    compute_capability=known[2],
                    driver_version=known[3],
                    memory_mb=int(known[4]) if known[4].isdigit() else None,
                    uuid=known[5],
                    mig=known[6] == "Enabled",
                )
            )
    return tuple(gpus)


def visible_gpu(gpus: Sequence[GpuSeen] | None = None) -> GpuSeen | None:
    """The GPU that CUDA calls device 0, honouring ``CUDA_VISIBLE_DEVICES``; None when there is none.

    CUDA orders GPUs by speed and nvidia-smi by slot: where GPUs differ, set CUDA_DEVICE_ORDER=PCI_BUS_ID.
    """
    gpus = query_gpus() if gpus is None else gpus
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return gpus[0] if gpus else None
    first = visible.split(",")[0].strip()
    if first.startswith("MIG-"):
        return next((gpu for gpu in gpus if gpu.mig), None)
    if first.isdigit():
        return next((gpu for gpu in gpus if gpu.index == int(first)), None)
    return next((gpu for gpu in gpus if first and gpu.uuid.startswith(first)), None)
