"""The harness's record → ``launches.json``: compiler text turned into loads and stores, paths made relative."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ncukit.collect.ttir import read_ttir
from ncukit.errors import Exit, NcukitError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCHEMA_VERSION = 1


def load_record(path: Path) -> dict[str, Any]:
    """The harness's record, or an empty one when the program ended before it was written."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise NcukitError(
            f"the launch record cannot be read: {error}",
            causes=("the program was killed while it was written",),
            next_command="run the same command again",
            exit_code=Exit.ENVIRONMENT,
        ) from error
    return record if isinstance(record, dict) else {}


def to_launches(records: Sequence[Mapping[str, Any]], target: str) -> dict[str, Any]:
    """``launches.json`` of one run.

    Args:
        records: one harness record a process, in the order they ran.
        target: the profiled file as the user named it.
    """
    kernels: dict[str, Any] = {}
    launches: list[dict[str, Any]] = []
    unjoinable: dict[str, str] = {}
    for number, record in enumerate(records):
        renamed = {key: key if number == 0 else f"{key}@{number}" for key in record.get("kernels", {})}
        for key, kernel in record.get("kernels", {}).items():
            kernels[renamed[key]] = _kernel(kernel)
        launches += [
            _launch(launch, renamed[launch["kernel"]], record.get("process"), kernels)
            for launch in record.get("launches", ())
        ]
        unjoinable.update(record.get("unjoinable", {}))
    return {
        "schema_version": SCHEMA_VERSION,
        "versions": dict(records[0].get("versions", {})) if records else {},
        "target": target,
        "kernels": kernels,
        "launches": launches,
        "unjoinable": unjoinable,
    }


def _kernel(kernel: Mapping[str, Any]) -> dict[str, Any]:
    facts = read_ttir(kernel.get("ttir", ""))
    kept = {k: v for k, v in kernel.items() if k != "ttir"}
    kept["has_dot"] = facts.has_dot
    kept["line"] = facts.line or kernel.get("line")
    kept["file"] = relative(kernel.get("file"))
    kept["arguments"] = {
        name: None if access is None else {"loads": sorted(access.loads - {0}), "stores": sorted(access.stores - {0}),
                                           "loaded": bool(access.loads), "stored": bool(access.stores)}
        for name, access in facts.arguments.items()
    }  # fmt: skip
    return kept


def _launch(
    launch: Mapping[str, Any], key: str, process: int | None, kernels: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    place = launch.get("launch") or {}
    same_file = relative(place.get("file")) == kernels[key]["file"]
    return {
        "kernel": key,
        "process": process,
        "grid": launch["grid"],
        "launch_line": place.get("line") if same_file else None,
        "scalars": launch["scalars"],
        "tensors": launch["tensors"],
    }


def relative(path: str | None) -> str | None:
    """``path`` below the working directory as it would be typed there, any other by its name alone."""
    if path is None:
        return None
    try:
        return os.path.relpath(path) if Path(path).resolve().is_relative_to(Path.cwd()) else Path(path).name
    except (OSError, ValueError):
        return Path(path).name
