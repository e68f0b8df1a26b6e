"""``python …/worker FD FOLDER``: answers jobs, one JSON line each, until its standard input closes.

Started by path with any Python that has torch and triton; ncukit itself need not be installed there. Answers go to the
descriptor FD, so that nothing a kernel file prints can be taken for one.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import signal
import sys
from pathlib import Path


def _find_ncukit() -> None:
    """Make the package around this file importable, and nothing that is installed beside it."""
    root = Path(__file__).resolve().parents[2]
    sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != Path(__file__).resolve().parent]
    spec = importlib.util.spec_from_file_location(
        "ncukit", root / "__init__.py", submodule_search_locations=[str(root)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(str(root))
    package = importlib.util.module_from_spec(spec)
    sys.modules["ncukit"] = package
    spec.loader.exec_module(package)


def main() -> None:
    """Answer jobs."""
    gc.disable()  # loading torch makes a million objects that stay
    number, folder = int(sys.argv[1]), Path(sys.argv[2])
    os.set_inheritable(number, False)
    jobs = os.dup(0)
    os.close(0)
    os.open(os.devnull, os.O_RDONLY)  # a kernel file that reads standard input gets nothing
    _find_ncukit()
    from ncukit.optimize.worker.jobs import answer

    gc.freeze()
    gc.enable()
    with os.fdopen(jobs, "rb") as lines, os.fdopen(number, "wb", buffering=0) as out:
        for line in lines:
            job = json.loads(line)
            token = job.pop("token")

            def tell(event: dict[str, object], token: str = token) -> None:
                out.write(json.dumps({"token": token, "event": event}).encode() + b"\n")

            out.write(json.dumps({"token": token, "reply": answer(job, folder, tell)}).encode() + b"\n")


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    if os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)  # with whatever the kernel files started and left running
    os._exit(0)
