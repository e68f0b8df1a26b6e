"""Bundled recordings: real runs that stand in for a live one where there is no GPU. Always labelled as such."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ncukit.collect.session import gpu_slug
from ncukit.errors import Exit, NcukitError

if TYPE_CHECKING:
    from ncukit.collect.target import Target


def bundle_root() -> Path:
    """Folder that holds ``kernels/`` and ``profiles/``: inside the installed package, or the checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_bundled"
    return installed if installed.is_dir() else package.parent


def bundled(path: str) -> str:
    """``path``, or the bundled file of that name where there is none here: an installed ncukit brings its kernels."""
    inside = bundle_root() / path
    return str(inside) if not Path(path).exists() and inside.is_file() else path


def available() -> dict[str, dict[str, Path]]:
    """GPU folder → target name → run directory, for every bundled recording."""
    root = bundle_root() / "profiles"
    found: dict[str, dict[str, Path]] = {}
    for run in sorted(root.glob("*/*/run.json")):
        found.setdefault(run.parent.parent.name, {})[run.parent.name] = run.parent
    for kept in ("baselines", "compare"):  # beside the recordings, and none
        found.pop(kept, None)
    return found


def find(target: Target, gpu: str) -> Path:
    """The recording of ``target``.

    Args:
        target: the kernel file that would have been profiled.
        gpu: GPU to show it for; empty takes the first that has one.

    Raises:
        NcukitError: no such recording, naming those there are.
    """
    recordings = available()
    wanted = gpu_slug(gpu) if gpu else ""
    for name, targets in recordings.items():
        if (not wanted or name == wanted) and target.name in targets:
            return targets[target.name]
    there = [f"{path.parent.name}: {name}" for targets in recordings.values() for name, path in targets.items()]
    raise NcukitError(
        f"no recording of {target.name}" + (f" on {gpu}" if gpu else ""),
        causes=(f"bundled are {', '.join(there) or 'none'}",),
        next_command="ncukit profile kernels/naive/instance_norm.py --recorded",
        exit_code=Exit.NOTHING,
    )
