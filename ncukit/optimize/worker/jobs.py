"""The jobs that the child knows, and how an error becomes an answer."""

from __future__ import annotations

import contextlib
import platform
import resource
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LARGEST_FILE = 1 << 29


def answer(job: dict[str, Any], folder: Path, tell: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Do one job; whatever it raises is its answer."""
    do = job.pop("do")
    try:
        if do == "hello":
            return hello(**job)
        if do == "race":
            from ncukit.optimize.worker.race import race

            return race(job, folder, tell)
        if do == "prove":
            from ncukit.optimize.worker.prove import prove

            return prove(job, folder, tell)
        if do == "trial":
            from ncukit.optimize.worker.trial import trial

            return trial(job, folder, tell)
        return {"error": {"type": "LookupError", "message": f"no such job: {do}", "line": None}}
    except BaseException as error:
        found = problem(error, folder)
    return {"error": {**found, "fatal": _broken()}}


def _broken() -> bool:
    """Whether the GPU takes nothing more from this process: after an illegal access every call fails."""
    import torch

    if not torch.cuda.is_initialized():
        return False
    try:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
    except Exception:
        return True
    return False


def problem(error: BaseException, folder: Path) -> dict[str, Any]:
    """An error for the parent: type, text, and the last line of a loaded file that it passed."""
    line, file = None, ""
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename.startswith(str(folder)):
            line, file = frame.lineno, frame.filename.rpartition("/")[2]
    text = "".join(traceback.format_exception_only(type(error), error)).strip()
    return {"type": type(error).__name__, "message": text[-3000:], "line": line, "file": file}


def hello(mode: str) -> dict[str, Any]:
    """Load torch and Triton, set the limits, and say where this is."""
    import torch
    import triton

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    versions = {"python": platform.python_version(), "torch": str(torch.__version__), "triton": str(triton.__version__)}
    if mode == "interpreter":
        with contextlib.suppress(RuntimeError):
            torch.set_num_threads(1)
        return {"versions": versions, "gpu": "", "where": "Triton's interpreter"}
    if not torch.cuda.is_available():
        raise RuntimeError("torch sees no CUDA device")
    about = torch.cuda.get_device_properties(0)
    return {
        "versions": versions,
        "gpu": about.name,
        "where": about.name,
        "compute_capability": f"{about.major}.{about.minor}",
        "sms": about.multi_processor_count,
        "l2_bytes": int(getattr(about, "L2_cache_size", 0)),
        "memory_bytes": about.total_memory,
    }
