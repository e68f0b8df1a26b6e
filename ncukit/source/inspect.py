"""Inspecting one file without a GPU: lint, launches, and what Triton's compiler makes of them."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ncukit.collect.target import MODELS, module_names
from ncukit.errors import Exit, NcukitError
from ncukit.source import cache, child, codec, collected, whatif
from ncukit.source.inspection import Inspection, Note
from ncukit.source.lint import every_rule, lint
from ncukit.source.recording import check
from ncukit.source.request import ARCHS, Request, check_archs, check_sizes, devices_of, kind_of
from ncukit.source.text import read_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ncukit.gpus import Gpu
    from ncukit.source.text import SourceText


__all__ = ["ARCHS", "Inspected", "Request", "check_archs", "inspect", "vary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """An inspection, and the what-if tables that were asked for."""

    inspection: Inspection
    tables: Mapping[int, tuple[whatif.Variant, ...]]
    """Index in ``inspection.compiled`` → the launch as it is and, below it, with other warps and tiles."""


def inspect(request: Request) -> Inspected:
    """Lint, learn the launches, compile them.

    Raises:
        NcukitError: the file, the problem, the recording or an option cannot be used.
    """
    source = read_text(request.path)
    devices = devices_of(request)
    found = Inspection(path=request.path, archs=request.archs, kernels=collected.entry_points(source))
    variants: tuple[collected.Variation, ...] = ()
    if not request.lint_only and (found.kernels or module_names(source.tree) & set(MODELS)):
        empty = found
        found, variants = _compiled(request, source, devices, empty, {})
        if request.what_if and found.compiled:  # what there is to try follows from the launches
            names = collected.tile_names(source)
            found, variants = _compiled(request, source, devices, empty, _overrides(found, names))
    if request.compile_only:
        return Inspected(inspection=found, tables={})
    violations = lint(source, found.launches, select=request.select, ignore=request.ignore)
    found = replace(found, lint=tuple(violations), errors=collected.with_lint(found.errors, violations))
    tables = {
        index: table
        for index, compiled in enumerate(found.compiled)
        if (table := whatif.table(compiled, variants, collected.tile_names(source).get(compiled.launch.kernel, ())))
    }
    return Inspected(inspection=found, tables=tables)


def vary(
    request: Request, overrides: Mapping[str, Sequence[Mapping[str, Any]]]
) -> tuple[Inspection, tuple[collected.Variation, ...]]:
    """Compile every launch as it is, and with things changed.

    Args:
        request: for one architecture; ``what_if`` names it too.
        overrides: kernel → changes, each with any of ``options`` (``num_warps``, ``num_stages``) and ``constexprs``.

    Returns:
        What there is without changes, and an entry for every launch and change. Grids stay those of the host code.

    Raises:
        NcukitError: as for :func:`inspect`.
    """
    source = read_text(request.path)
    empty = Inspection(path=request.path, archs=request.archs, kernels=collected.entry_points(source))
    return _compiled(request, source, devices_of(request), empty, overrides)


def _overrides(found: Inspection, names: Mapping[str, frozenset[str]]) -> dict[str, list[dict[str, Any]]]:
    """Kernel → what to compile it with too. An autotuned kernel's configurations are its table."""
    wanted: dict[str, list[dict[str, Any]]] = {}
    for launch in found.launches:
        if launch.config is None:
            rows = wanted.setdefault(launch.kernel, [])
            trials = whatif.trials(launch, names.get(launch.kernel, frozenset()))
            rows += [t.override for t in trials if t.override not in rows]
    return wanted


def _compiled(
    request: Request,
    source: SourceText,
    devices: Sequence[Gpu],
    found: Inspection,
    variants: Mapping[str, Sequence[Mapping[str, Any]]],
) -> tuple[Inspection, tuple[collected.Variation, ...]]:
    check_sizes(request, source)
    kind, notes = kind_of(request, source)
    if kind is None:
        return replace(found, notes=notes), ()
    versions = _versions(request.python)
    if not {"triton", "torch"} <= versions.keys():
        lacking = " and ".join(n for n in ("torch", "triton") if n not in versions)
        python = request.python or "this Python"
        note = Note(code="no-triton", message=f"{python} has no {lacking}: nothing was run or compiled")
        return replace(found, notes=(*notes, note)), ()
    recorded = _recorded(request)
    place = cache.folder() if request.use_cache else None
    asked = {
        "code": source.code,
        "kind": kind,
        "path": str(Path(request.path).resolve()),
        "problem": _content(request.problem),
        "recorded": recorded,
        "sizes": dict(request.sizes or {}),
        "arguments": list(request.arguments),
        "devices": [_facts(g) for g in devices],
        "archs": list(request.archs),
        "probe": request.probe,
        "variants": {k: list(v) for k, v in variants.items()},
        "variant_archs": list(request.what_if) if variants else [],
        "versions": versions,
        "python": request.python or sys.executable,
        # host code may read any variable; those that differ with every terminal and job are left out
        "environment": {k: v for k, v in sorted(os.environ.items()) if not k.startswith(_PASSING)},
    }
    name = cache.key(asked)
    kept = cache.load(place, name)
    learned = _read(kept["answer"], request, devices) if kept is not None else None
    if learned is None:
        # what is kept and cannot be read is damaged, and so may be what was compiled
        answer = _work(request, source, kind, asked, place if kept is None else None)
        if "missing" in answer:
            text = f"{answer.get('python', request.python)} cannot load torch and triton: {answer['missing']}"
            note = Note(code="no-triton", message=f"{text[:1000]}: nothing was run or compiled")
            return replace(found, notes=(*notes, note)), ()
        _out_of_memory(answer, request)
        learned = _read(answer, request, devices)
        if learned is None:
            raise NcukitError(
                f"what came out of {request.path} cannot be read",
                causes=("the file writes into what inspects it", "or this is a bug in ncukit"),
                next_command=f"ncukit inspect {request.path} --lint-only",
            )
        if not _unlucky(answer):
            files = {f: d for s in answer["sessions"] for f, d in s["files"].items()}
            cache.store(place, name, {"files": files, "answer": answer})
        kept = None
    passed = {a.value for launch in learned.launches for a in launch.arguments if a.type == "constexpr"}
    result = replace(
        found,
        kernels=tuple(name for name in found.kernels if name not in passed),
        launches=learned.launches,
        compiled=learned.compiled,
        errors=learned.errors,
        notes=(*notes, *learned.notes),
        versions=learned.versions,
        source=_where_from(request, kind),
        cached=kept is not None,
    )
    return result, learned.variants


_SENT = ("sizes", "arguments", "devices", "archs", "probe", "variants", "variant_archs", "recorded")
_PASSING = (
    "_", "ACTIONS_", "COLORTERM", "COLUMNS", "DBUS_", "DISPLAY", "FORCE_COLOR", "GITHUB_", "LINES", "LS_", "NCUKIT_",
    "NO_COLOR", "OLDPWD", "PS1", "PWD", "PYTEST_", "RUNNER_", "SHLVL", "SSH_", "STY", "TERM", "TMUX", "VSCODE_",
    "WINDOWID", "XDG_",
)  # fmt: skip
"""Variables, by how they begin, on which no kernel depends."""


def _read(answer: Any, request: Request, devices: Sequence[Gpu]) -> collected.Learned | None:
    """What the child answered; None when it is not what the child writes. It ran the user's code, so it may be."""
    try:
        return collected.collect(answer, request.path, devices, request.archs)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, StopIteration):
        return None


def _out_of_memory(answer: Mapping[str, Any], request: Request) -> None:
    errors = [s["error"] for s in answer["sessions"] if s["error"]]
    if any(error["type"] == "MemoryError" for error in errors):
        raise NcukitError(
            f"{request.path}: its host code wants more than {request.memory_gb:g} GiB",
            causes=("tensors have no data here, so this is memory of Python or numpy",),
            next_command=f"ncukit inspect {request.path} --memory {request.memory_gb * 4:g}",
            exit_code=Exit.ENVIRONMENT,
        )


def _unlucky(answer: Mapping[str, Any]) -> bool:
    """Whether another try could go better, with a repaired helper or a quieter machine: that is not kept."""
    compiled = [r["error"]["type"] for r in answer["results"] if "error" in r]
    hosts = any((s["error"] and not s["error"]["read"]) or s.get("files_cut") for s in answer["sessions"])
    return hosts or any(kind in ("crash", "timeout") for kind in compiled)


def _where_from(request: Request, kind: str) -> str:
    if kind == "recorded":
        return f"recorded launches of {request.recording}"
    what = "the script" if kind == "script" else "the model's host code"
    return f"{what}, run on tensors without data" + (f" from {request.problem}" if request.problem else "")


def _content(path: str | None) -> str | None:
    return None if path is None else read_text(path).code


def _facts(gpu: Gpu) -> dict[str, Any]:
    return {name: value for name, value in codec.encode(gpu).items() if name not in ("sources", "aliases")}


def _recorded(request: Request) -> dict[str, Any] | None:
    if request.recording is None:
        return None
    path = Path(request.recording)
    path = path / "launches.json" if path.is_dir() else path
    try:
        if path.stat().st_size > cache.LARGEST:
            raise ValueError("it is too large")
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise NcukitError(
            f"no launches can be read from {path}: {why}",
            causes=("a run directory of `ncukit profile` holds launches.json; a CSV of ncu alone does not",),
            next_command=f"ncukit inspect {request.path}",
        ) from error
    return check(record, str(path))


def _versions(python: str | None) -> dict[str, str]:
    """torch's and triton's versions in the interpreter that will run, without loading them."""
    if python is not None and Path(python).resolve() != Path(sys.executable).resolve():
        return child.versions_of(python)
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": sys.version.split()[0]}
    for name in ("torch", "triton"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _work(
    request: Request, source: SourceText, kind: str, asked: Mapping[str, Any], place: Path | None
) -> Mapping[str, Any]:
    """Run the child process."""
    with tempfile.TemporaryDirectory(prefix="ncukit-inspect-") as temporary:
        folder = Path(temporary)
        code = Path(request.path)
        if source.fenced or request.path == "-":
            code = folder / "answer.py"
            code.write_text(source.code, encoding="utf-8")
        message = {
            **{k: asked[k] for k in _SENT},
            "kind": kind,
            "code": str(code.resolve()),
            "beside": str(Path(request.path).resolve().parent),
            "problem": str(Path(request.problem).resolve()) if request.problem else None,
            "jobs": max(1, os.cpu_count() or 1),
            "cache": str(place / f"compiled-{cache.own_code()[:16]}") if place is not None else "",
            "memory_bytes": int(request.memory_gb * 2**30),
        }
        # the child keeps one processor busy with loading torch; meanwhile the other one loads the lint
        ready = threading.Thread(target=every_rule)
        ready.start()
        try:
            python = request.python or sys.executable
            found = child.run_child(message, folder, python, request.timeout_s, request.path)
            return {**found, "code": message["code"]}
        finally:
            ready.join()


def nothing_compiled(inspection: Inspection) -> str:
    """Why nothing was compiled, in words; empty when something was."""
    if inspection.compiled or inspection.errors:
        return ""
    reasons = [n.message for n in inspection.notes]
    if not inspection.kernels:
        return "; ".join(reasons) or f"{inspection.path} defines no Triton kernel"
    return "; ".join(reasons) or "the host code launches no kernel"
