"""What the Python that runs kernel files has: looked up without importing torch or triton, which takes seconds.

With the standard library alone this file stands by itself: another Python runs it by path and prints what it found.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import sys
import sysconfig
from dataclasses import asdict, dataclass, field, fields

MARK = "ncukit-found "
PACKAGES = ("torch", "triton")


@dataclass(frozen=True)
class Interpreter:
    """One Python; empty strings for what it does not have."""

    version: str
    executable: str
    packages: dict[str, str] = field(default_factory=dict)
    """Versions of those of ``PACKAGES`` that are installed."""
    torch_cuda: str | None = None
    """The CUDA release torch was built for (``13.0``); empty for a build without CUDA, None when it does not say."""
    torch_hip: str | None = None
    """The same for AMD's ROCm."""
    triton: str = ""
    """The folder of the triton package."""
    headers: str = ""
    """Where Triton looks for Python.h."""
    has_headers: bool = False


def look() -> Interpreter:
    """What this Python has."""
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    built = _text(os.path.join(_folder("torch"), "version.py"))  # noqa: PTH118 - the standard library's oldest way
    headers = _headers()
    return Interpreter(
        version=platform.python_version(),
        executable=sys.executable,
        packages=packages,
        torch_cuda=_assigned("cuda", built),
        torch_hip=_assigned("hip", built),
        triton=_folder("triton"),
        headers=headers,
        has_headers=os.path.isfile(os.path.join(headers, "Python.h")),  # noqa: PTH113, PTH118
    )


def parse(text: str) -> Interpreter | None:
    """The answer of another Python among whatever else it printed; None when it did not answer."""
    found = re.search(rf"^{MARK}(\{{.*\}})$", text, re.MULTILINE)
    try:
        values = json.loads(found[1]) if found else None
        return Interpreter(**{f.name: values[f.name] for f in fields(Interpreter)}) if values else None
    except (ValueError, KeyError, TypeError):
        return None


def _folder(package: str) -> str:
    """Where a package lies; empty when it is not there."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError, AttributeError):
        return ""
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    return places[0] if places else ""


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return file.read(1 << 16)
    except OSError:
        return ""


def _assigned(name: str, source: str) -> str | None:
    """The value of ``cuda: Optional[str] = '13.0'`` in torch/version.py; empty for None, None without such a line."""
    found = re.search(rf"^{name}\b[^=\n]*=\s*(?:None|'([^'\n]*)'|\"([^\"\n]*)\")", source, re.MULTILINE)
    return (found[1] or found[2] or "") if found else None


def _headers() -> str:
    """The include folder that Triton hands to the C compiler (triton/runtime/build.py)."""
    scheme = sysconfig.get_default_scheme() if hasattr(sysconfig, "get_default_scheme") else "posix_prefix"
    # Debian's own scheme points to a folder that the distribution does not fill
    return sysconfig.get_paths("posix_prefix" if scheme == "posix_local" else scheme).get("include", "")


if __name__ == "__main__":
    # a module beside this file must not be found in place of a package
    sys.path[:] = [place for place in sys.path if place != os.path.dirname(os.path.abspath(__file__))]  # noqa: PTH100, PTH120
    sys.stdout.write("\n" + MARK + json.dumps(asdict(look())) + "\n")
