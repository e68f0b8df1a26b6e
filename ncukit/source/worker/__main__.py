"""``python …/worker REQUEST ANSWER FOLDER``: see the package's docstring.

Started by path with any Python that has torch and triton; ncukit itself need not be installed there.
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
    """Read the request, work, write the answer whole."""
    gc.disable()  # loading torch makes a million objects that stay
    request, answer, folder = (Path(a) for a in sys.argv[1:4])
    _find_ncukit()
    from ncukit.source.worker.schedule import work

    found = work(json.loads(request.read_text(encoding="utf-8")), folder)
    beside = answer.with_suffix(".part")
    beside.write_text(json.dumps(found), encoding="utf-8")
    beside.replace(answer)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    if os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)  # with whatever the host code started and left running
    os._exit(0)  # taking torch and LLVM down in order takes a fifth of a second, and nobody is left to care
