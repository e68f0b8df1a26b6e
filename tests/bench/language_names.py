"""Write `ncukit/source/lint/language.toml`: which names Triton's language has, by version.

    python tests/bench/language_names.py FOLDER…

Each FOLDER holds one installed Triton (`pip install --no-deps --target FOLDER triton==3.9.0`). Run by hand when a
version is added; a test holds the file against the Triton that is installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import fill
from typing import Any

TARGET = Path(__file__).parents[2] / "ncukit" / "source" / "lint" / "language.toml"
HEAD = """\
# Names of Triton's language by version: written by tests/bench/language_names.py, not by hand.
#
# [GROUP] names: what every version below has; [GROUP.only]: name -> the versions that have it.
# tl = triton.language, tensor = attributes of a value in a kernel, math = triton.language.math,
# libdevice = triton.language.extra.libdevice, triton = the package itself.
# [signatures] function of tl -> its parameters, "?" where one has a default; several where versions differ.
"""
CHILD = """
import inspect, json, sys
import triton, triton.language as tl, triton.language.extra.libdevice as libdevice
def names(thing): return sorted(n for n in dir(thing) if not n.startswith("_"))
kept = {"tl": names(tl), "math": names(tl.math), "libdevice": names(libdevice), "triton": names(triton)}
# set by its constructor, so no attribute of the class; .T is answered by the compiler, .value too
kept["tensor"] = sorted({*names(tl.tensor), "shape", "dtype", "type", "handle", "numel", "T", "value"})
def shape(parameter):
    star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    return star + parameter.name + ("" if star or parameter.default is parameter.empty else "?")
kept["signatures"] = {}
for name in kept["tl"]:
    thing = getattr(tl, name)
    thing = getattr(thing, "fn", thing)
    if name in ("range", "static_range") or inspect.isfunction(thing):
        given = inspect.signature(thing).parameters.values()
        kept["signatures"][name] = " ".join(shape(p) for p in given if not p.name.startswith("_"))
json.dump([triton.__version__, kept], sys.stdout)
"""
GROUPS = ("tl", "tensor", "math", "libdevice", "triton")


def read(folder: str) -> tuple[str, dict[str, Any]]:
    """Version and names of the Triton that is installed in ``folder``."""
    environment = os.environ | {"PYTHONPATH": folder}
    done = subprocess.run([sys.executable, "-c", CHILD], env=environment, capture_output=True, text=True, check=True)
    version, names = json.loads(done.stdout)
    return version, names


def text(found: dict[str, dict[str, Any]]) -> str:
    """The file."""
    versions = sorted(found, key=lambda v: [int(part) for part in v.split(".")])
    parts = [HEAD, f"versions = {json.dumps(versions)}\n"]
    for group in GROUPS:
        sets = {v: set(found[v][group]) for v in versions}
        always = set.intersection(*sets.values())
        parts.append(f'\n[{group}]\nnames = """\n{fill(" ".join(sorted(always)), 118, break_on_hyphens=False)}\n"""\n')
        some = sorted(set.union(*sets.values()) - always)
        if some:
            parts.append(f"[{group}.only]\n")
            parts += [f"{name} = {json.dumps([v for v in versions if name in sets[v]])}\n" for name in some]
    parts.append("\n[signatures]\n")
    for name in sorted({n for v in versions for n in found[v]["signatures"]}):
        shapes = dict.fromkeys(found[v]["signatures"][name] for v in versions if name in found[v]["signatures"])
        parts.append(f"{name} = {json.dumps(list(shapes))}\n")
    return "".join(parts)


def main(folders: list[str]) -> None:
    """Read every Triton and write the file."""
    TARGET.write_text(text(dict(read(folder) for folder in folders)), encoding="utf-8")
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:]) if sys.argv[1:] else print(__doc__)
