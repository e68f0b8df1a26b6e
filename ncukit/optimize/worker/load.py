"""Kernel files in the child: executed as modules from a file of their own, which Triton needs to read their source."""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING, Any

import torch

from ncukit.collect.harness import inputs_of, load_module

if TYPE_CHECKING:
    import types
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["build", "call", "inputs_of", "load", "outputs"]


def load(text: str, role: str, folder: Path, sizes: Mapping[str, str], beside: str = "") -> types.ModuleType:
    """Execute a kernel file's text as a module.

    Args:
        text: the file.
        role: what it is here, for its name: ``problem``, ``answer``, ``incumbent``.
        folder: the session's.
        sizes: settings of its module-level constants; those that it lacks are left out.
        beside: the folder of the user's file, whose neighbours it may import; empty for none.
    """
    digest = hashlib.sha256(repr((text, sorted(sizes.items()))).encode()).hexdigest()[:12]
    path = folder / f"{role}_{digest}.py"
    path.write_text(text, encoding="utf-8")
    if beside and beside not in sys.path:
        sys.path.insert(0, beside)
    return load_module(path, dict(sizes), f"_ncukit_{role}_{digest}")


def build(module: Any, init: Any, device: str, which: tuple[str, ...] = ("ModelNew", "Model")) -> Any:
    """The first of these classes that the module has, made with ``init`` under one seed, on the device."""
    made = next(getattr(module, name) for name in which if hasattr(module, name))
    torch.manual_seed(0)
    model = made(**init) if isinstance(init, dict) else made(*init)
    return model.to(device) if hasattr(model, "to") else model


def call(model: Any, inputs: Any) -> Any:
    """One forward pass."""
    return model(**inputs) if isinstance(inputs, dict) else model(*inputs)


def outputs(result: Any) -> list[Any]:
    """The values that a forward pass gave, containers taken apart in order."""
    if isinstance(result, dict):
        return [leaf for value in result.values() for leaf in outputs(value)]
    if isinstance(result, (list, tuple)):
        return [leaf for value in result for leaf in outputs(value)]
    return [result]
