"""Starting the child process that runs and compiles a kernel file (``ncukit.source.worker``)."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ncukit.collect.process import run
from ncukit.errors import Exit, NcukitError

if TYPE_CHECKING:
    from collections.abc import Mapping


def versions_of(python: str) -> dict[str, str]:
    """torch's and triton's versions in another interpreter.

    Raises:
        NcukitError: it does not run.
    """
    script = (
        "import importlib.metadata as m, json, sys\n"
        "found = {'python': sys.version.split()[0]}\n"
        "for n in ('torch', 'triton'):\n"
        "    try: found[n] = m.version(n)\n"
        "    except m.PackageNotFoundError: pass\n"
        "print(json.dumps(found))\n"
    )
    try:
        answer = subprocess.run([python, "-c", script], capture_output=True, timeout=30, check=True)
        found = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise NcukitError(
            f"{python} does not run as a Python: {str(error)[:200]}",
            causes=("--python takes the path of an interpreter with torch and triton",),
            next_command=f"{python} --version",
            exit_code=Exit.ENVIRONMENT,
        ) from error
    return {str(k): str(v) for k, v in found.items()}


def run_child(message: Mapping[str, Any], folder: Path, python: str, timeout_s: float, path: str) -> Mapping[str, Any]:
    """Start the worker, wait, read its answer.

    Raises:
        NcukitError: it ran out of time or memory, or ended without an answer.
    """
    request, answer, place = folder / "request.json", folder / "answer.json", folder / "work"
    request.write_text(json.dumps(message), encoding="utf-8")
    place.mkdir()
    (folder / "logs").mkdir()
    worker = Path(__file__).parent / "worker"
    try:
        finished = run(
            [python, str(worker), str(request), str(answer), str(place)],
            env=environment(folder),
            folder=folder / "logs",
            timeout_s=timeout_s,
        )
    except NcukitError as error:
        if "no result after" not in error.message:
            raise
        raise NcukitError(
            f"{path}: no result after {timeout_s:g} s: its host code or the compiler was ended",
            causes=("the host code loops or waits", "many autotune configurations or architectures take longer"),
            next_command=f"ncukit inspect {path} --timeout {timeout_s * 4:g}",
            exit_code=Exit.ENVIRONMENT,
        ) from error
    try:
        found = json.loads(answer.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("no object")
    except (OSError, ValueError) as error:
        raise NcukitError(
            f"{path}: the process that ran its host code ended with exit code {finished.exit_code} and no answer",
            causes=("it ran out of memory", "its host code ended the process"),
            next_command=f"ncukit inspect {path} --memory 32, or --lint-only",
            exit_code=Exit.ENVIRONMENT,
            detail=finished.stderr[-2000:],
        ) from error
    return found


def environment(folder: Path, *, gpu: bool = False) -> dict[str, str]:
    """The user's, without what would change or leak through Triton and CUDA.

    Args:
        folder: where Triton's cache and temporary files go.
        gpu: whether the GPUs stay visible.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TRITON_") or k.startswith("TRITON_PTXAS")}
    for name in ("TRITON_DEFAULT_FP_FUSION",):
        if name in os.environ:
            kept[name] = os.environ[name]
    scratch = folder / "tmp"
    scratch.mkdir(exist_ok=True)
    if not gpu:
        kept["CUDA_VISIBLE_DEVICES"] = ""  # were there a GPU, nothing here is to touch it
    return {
        **kept,
        "TRITON_CACHE_DIR": str(folder / "triton"),
        "TMPDIR": str(scratch),
        "OMP_NUM_THREADS": "1",
    }
