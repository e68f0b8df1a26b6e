"""From what the child process answers to launches, compilations and errors, every field held to its type."""

from __future__ import annotations

import ast
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ncukit.collect.launches import relative
from ncukit.source import codec, narrow
from ncukit.source.fit import fits_of
from ncukit.source.inspection import Argument, Compiled, CompileError, Launch, Note, Sass, Stages
from ncukit.source.instead import instead
from ncukit.source.lint.module import Module

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ncukit.gpus import Gpu
    from ncukit.source.inspection import Violation
    from ncukit.source.text import SourceText

TOLERATED = ("OutOfResources", "PTXASError", "CompileTimeAssertionFailure")
"""Errors upon which Triton's autotuner drops a configuration and goes on (``Autotuner._bench``)."""

LONGEST = 600
"""Characters of a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """A launch compiled with something changed."""

    launch: Launch
    """As it is, unchanged."""
    arch: str
    override: Mapping[str, Any]
    compiled: Compiled | None
    """None when it does not compile."""
    message: str = ""
    """Why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What the child's answer says."""

    launches: tuple[Launch, ...]
    compiled: tuple[Compiled, ...]
    errors: tuple[CompileError, ...]
    notes: tuple[Note, ...]
    versions: Mapping[str, str]
    variants: tuple[Variation, ...]


def entry_points(source: SourceText) -> tuple[str, ...]:
    """Triton functions that no other Triton function of the file calls: what a launch could name."""
    module = Module(source)
    called = {
        node.func.id
        for kernel in module.kernels.values()
        for node in kernel.walk()
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    used = {n.id for k in module.kernels.values() for n in k.walk() if isinstance(n, ast.Name)}  # tl.reduce(x, 0, add)
    return tuple(name for name in module.kernels if name not in called | used)


def tile_names(source: SourceText) -> dict[str, frozenset[str]]:
    """Kernel → names that bound a ``tl.arange`` in it: sizes of tiles, whatever they are called."""
    module = Module(source)
    return {
        name: frozenset(
            part.id
            for node in kernel.walk()
            if isinstance(node, ast.Call) and module.language(node) == "arange"
            for bound in node.args
            for part in ast.walk(bound)
            if isinstance(part, ast.Name)
        )
        for name, kernel in module.kernels.items()
    }


def collect(answer: Mapping[str, Any], path: str, devices: Sequence[Gpu], archs: Sequence[str]) -> Learned:
    """The child's answer as values, every field held to its type.

    Raises:
        KeyError, TypeError, ValueError, AttributeError, IndexError: it is not what the child writes.
    """
    sessions = answer["sessions"]
    results = {(r["key"], r["arch"]): r for r in answer["results"] if r["purpose"] == "base"}
    probes: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    varied: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in answer["results"]:
        if row["purpose"] != "base":
            table = varied if row["purpose"] == "variant" else probes
            table.setdefault((row["key"], row["arch"]), []).append(row)
    compiled: list[Compiled] = []
    variants: list[Variation] = []
    errors: list[CompileError] = []
    first: tuple[Launch, ...] = ()
    for arch in archs:
        by_gpu = _launches(sessions, arch, devices, path, str(answer["code"]), asked=bool(answer["asked"]))
        rows = _merged(by_gpu)
        first = first or tuple(launch for _, launch, _ in rows)
        for key, launch, grids in rows:
            result = results.get((key, arch))
            if result is None:
                continue
            if "error" in result:
                errors.append(_error(result["error"], launch, arch, path, str(answer["code"])))
                continue
            one = _one(result, launch, arch, grids, probes.get((key, arch), []), _build(sessions, key))
            compiled.append(one)
            errors += _refused(one)
            for row in varied.get((key, arch), []):
                there = None if "error" in row else _one(row, launch, arch, grids, [], _build(sessions, key))
                why = str(row["error"]["message"]) if "error" in row else ""
                variants.append(
                    Variation(launch=launch, arch=arch, override=row["override"], compiled=there, message=why)
                )
    errors = _tolerated(errors, compiled)
    failures, notes = _host(sessions, path)
    return Learned(
        launches=first,
        compiled=tuple(compiled),
        errors=(*failures, *errors),
        notes=tuple(notes),
        versions={str(k): str(v) for k, v in answer["versions"].items()},
        variants=tuple(variants),
    )


def with_lint(errors: Iterable[CompileError], violations: Iterable[Violation]) -> tuple[CompileError, ...]:
    """Errors with the lint's advice for the very line, which knows the names; the compiler's table knows the kind."""
    advice = {v.line: v.instead for v in violations if v.severity == "error" and v.instead}
    return tuple(replace(e, instead=advice[e.line]) if e.line in advice else e for e in errors)


def _build(sessions: Sequence[Mapping[str, Any]], key: str) -> Mapping[str, Any]:
    build: Mapping[str, Any] = next(b for s in sessions for b in s["builds"] if b["key"] == key)
    return build


def _launches(
    sessions: Sequence[Mapping[str, Any]], arch: str, devices: Sequence[Gpu], path: str, code: str, *, asked: bool
) -> dict[str, list[tuple[str, Launch]]]:
    """GPU → (build key, launch) in their order."""
    names = [g.name for g in devices if "sm_" + g.compute_capability.replace(".", "") == arch]
    if not asked:
        return dict.fromkeys(names, _of_session(sessions[0], path, code))
    return {s["gpu"]: _of_session(s, path, code) for s in sessions if s["arch"] == arch}


def _of_session(session: Mapping[str, Any], path: str, code: str) -> list[tuple[str, Launch]]:
    found = []
    for row in session["launches"]:
        build = session["builds"][row["build"]]
        grid = tuple(int(n) for n in row["grid"]) if row["grid"] is not None else None
        launch = Launch(
            kernel=str(build["kernel"]),
            file=_file(build["file"], path, code),
            line=int(build["line"]),
            launch_line=row["line"] if isinstance(row["line"], int) else None,
            grid=(grid[0], grid[1], grid[2]) if grid is not None else None,
            arguments=tuple(_argument(n, k, row["values"].get(n, {}), build) for n, k in build["signature"].items()),
            num_warps=int(build["num_warps"]),
            num_stages=int(build["num_stages"]),
            num_ctas=int(build["num_ctas"]),
            options=dict(build["options"]),
            config=row["config"],
            origin=session.get("origin") or ("run" if row["certain"] else "assumed"),
        )
        found.append((str(build["key"]), launch))
    return found


def _file(file: str, path: str, code: str) -> str | None:
    """The inspected file as the user named it, any other as it would be typed here.

    Args:
        file: what Python calls it.
        path: the inspected file.
        code: the file that was run in its place: another one where code was cut out of a text.
    """
    return path if os.path.realpath(file) in (os.path.realpath(path), os.path.realpath(code)) else relative(file)


def _argument(name: str, kind: str, value: Mapping[str, Any], build: Mapping[str, Any]) -> Argument:
    tensor = "shape" in value
    return Argument(
        name=name,
        type=str(kind),
        value=None if tensor else codec.decode(int | float | str | bool | None, value.get("value")),  # type: ignore[arg-type]
        divisible=name in build["divisible"],
        shape=tuple(int(n) for n in value["shape"]) if tensor else None,
        stride=tuple(int(n) for n in value["stride"]) if tensor else None,
        bytes=int(value["bytes"]) if tensor else None,
    )


def _merged(
    by_gpu: Mapping[str, list[tuple[str, Launch]]],
) -> list[tuple[str, Launch, dict[str, tuple[int, int, int] | None]]]:
    """Equal launches as one with their number; with the grid on every GPU that launches the same code.

    Host code may size tensors and grids by the GPU. So launches of two GPUs are the same one when they run the same
    code from the same line, and are as many-th there.
    """
    rows: dict[tuple[Any, ...], tuple[str, Launch, dict[str, tuple[int, int, int] | None]]] = {}
    for gpu, launches in by_gpu.items():
        equal: dict[tuple[Any, ...], int] = {}
        first: dict[tuple[Any, ...], tuple[str, Launch]] = {}
        for key, launch in launches:
            shapes = tuple(a.shape for a in launch.arguments)
            same = (key, launch.launch_line, launch.config, launch.origin, shapes, launch.grid)
            equal[same] = equal.get(same, 0) + 1
            first.setdefault(same, (key, launch))
        places: dict[tuple[Any, ...], int] = {}
        for same, count in equal.items():
            key, launch = first[same]
            place = places[same[:4]] = places.get(same[:4], -1) + 1
            at = (*same[:4], place)
            rows.setdefault(at, (key, replace(launch, count=count), {}))[2][gpu] = launch.grid
    return list(rows.values())


def _one(
    result: Mapping[str, Any],
    launch: Launch,
    arch: str,
    grids: Mapping[str, tuple[int, int, int] | None],
    probes: Sequence[Mapping[str, Any]],
    build: Mapping[str, Any],
) -> Compiled:
    values = {a.name: {"value": a.value} for a in launch.arguments if a.shape is None and a.type != "constexpr"}
    return Compiled(
        launch=launch,
        arch=arch,
        grids=dict(grids),
        registers=int(result["registers"]),
        spills=int(result["stack_bytes"]) // 4,
        stack_bytes=int(result["stack_bytes"]),
        spill_store_bytes=result["spill_store_bytes"],
        spill_load_bytes=result["spill_load_bytes"],
        shared_bytes=int(result["shared_bytes"]),
        static_shared_bytes=int(result["static_shared_bytes"]),
        barriers=result["barriers"],
        code_bytes=int(result["code_bytes"]),
        compile_s=float(result["compile_s"]),
        sass=codec.decode(Sass, result["sass"]),
        has_dot=bool(result["has_dot"]),
        narrow=narrow.conclude(build, result, [p for p in probes if p["purpose"] == "narrow"], values),
        stages=_stages(result, [p for p in probes if p["purpose"] == "stages"], launch),
    )


def _stages(result: Mapping[str, Any], probes: Sequence[Mapping[str, Any]], launch: Launch) -> Stages | None:
    ready = [p for p in probes if "error" not in p]
    if not ready:
        return None
    tried = sorted({int(p["override"]["options"]["num_stages"]) for p in ready} | {launch.num_stages})
    return Stages(
        tried=tuple(tried),
        changes=any(p["ptx"]["hash"] != result["ptx"]["hash"] for p in ready),
        async_copies=int(result["ptx"]["async"]),
        depth=result["buffers"],
    )


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _error(error: Mapping[str, Any], launch: Launch, arch: str, path: str, code: str) -> CompileError:
    message = _short(str(error["message"]))
    return CompileError(
        kernel=launch.kernel,
        arch=arch,
        message=message,
        path=_file(str(error["path"]), path, code) if error["path"] else launch.file,
        line=error["line"] if isinstance(error["line"], int) else launch.line,
        column=error["column"] if isinstance(error["column"], int) else None,
        instead=instead(message),
        config=launch.config,
        tolerated=str(error["type"]) in TOLERATED and launch.config is not None,
    )


def _refused(one: Compiled) -> list[CompileError]:
    """A kernel that compiles, and that no GPU of the architecture would launch."""
    problems = [(fit.gpu, fit.problem) for fit in fits_of(one)]
    if not problems or not all(problem for _, problem in problems):
        return []
    gpu, message = problems[0]
    message = f"it compiles, and would not run on {gpu if len(problems) == 1 else one.arch}: {message}"
    return [
        CompileError(
            kernel=one.launch.kernel,
            arch=one.arch,
            message=message,
            path=one.launch.file,
            line=one.launch.launch_line or one.launch.line,
            instead=instead(message),
            config=one.launch.config,
            tolerated=one.launch.config is not None,
        )
    ]


def _tolerated(errors: Sequence[CompileError], compiled: Sequence[Compiled]) -> list[CompileError]:
    """What the autotuner drops is no failure, as long as one configuration is left."""
    bad = {(e.kernel, e.arch, e.config) for e in errors}
    left = {(c.launch.kernel, c.arch) for c in compiled if (c.launch.kernel, c.arch, c.launch.config) not in bad}
    return [replace(e, tolerated=e.tolerated and (e.kernel, e.arch) in left) for e in errors]


def _host(sessions: Sequence[Mapping[str, Any]], path: str) -> tuple[list[CompileError], list[Note]]:
    """What became of the host code: its own errors, and what only a GPU could have told it."""
    errors: list[CompileError] = []
    notes: list[Note] = []
    seen = set()
    for session in sessions:
        problem = session["error"]
        place = f"on {session['gpu']}" if len(sessions) > 1 else ""
        for note in session.get("notes", ()):
            line = note.get("line")
            notes.append(
                Note(
                    code=str(note["code"]),
                    message=str(note["message"])[:LONGEST],
                    line=line if isinstance(line, int) else None,
                    kernel=str(note["kernel"]) if note.get("kernel") else None,
                )
            )
        if session["left_out"]:
            notes.append(
                Note(code="many-launches", message=f"{session['left_out']:,} more launches were not looked at")
            )
        for row in session["launches"]:
            if row["grid_problem"]:
                text = f"the grid cannot be known without a GPU: {row['grid_problem']}"
                notes.append(Note(code="no-grid", message=text, line=row["line"], kernel=row["kernel"]))
        if problem is None or (problem["message"], problem["line"]) in seen:
            continue
        seen.add((problem["message"], problem["line"]))
        line = problem["line"] if isinstance(problem["line"], int) else None
        if problem["read"] and problem.get("finished"):
            text = "the host code reads a value that only the GPU computes; on made-up values it launched nothing more"
            notes.append(Note(code="host-read-last", message=text, line=line))
        elif problem["read"]:
            text = "the host code reads a value that only the GPU computes; launches after it are not known"
            notes.append(Note(code="host-read", message=f"{text} ({problem['message'][:160]})", line=line))
        else:
            said = _short(str(problem["message"]))
            message = f"host code, {problem['stage']}{' ' + place if place else ''}: {said}"
            errors.append(
                CompileError(kernel="", arch="", message=message, path=path, line=line, instead=instead(message))
            )
    return errors, list(dict.fromkeys(notes))
