"""The order of work in the child: host code once, or for each GPU it asks about, then compilations side by side."""

from __future__ import annotations

import contextlib
import gc
import json
import multiprocessing
import multiprocessing.connection
import os
import platform
import resource
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ncukit.source import narrow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from multiprocessing.connection import Connection
    from pathlib import Path

COMPILE_S = 60.0
"""Seconds for one compilation."""


@dataclass
class _Open:
    """One session and what it told."""

    connection: Connection
    folder: Path
    gpu: str
    arch: str
    answer: dict[str, Any] = field(default_factory=dict)


def work(request: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Everything that was asked.

    Returns:
        ``sessions`` (what the host code launched, by GPU), ``results`` (by build and architecture), ``versions``.
    """
    try:
        import torch
        import triton
    except Exception as error:  # a half-installed torch fails in any way
        return {"missing": f"{type(error).__name__}: {error}", "python": sys.executable}
    import triton.compiler.code_generator

    # loaded before forking, so that every session and compilation has them
    import ncukit.source.worker.session  # noqa: F401

    gc.freeze()  # what is loaded is shared with every fork, and need not be looked through there
    sys.dont_write_bytecode = True  # beside the user's modules nothing is to appear
    versions = {
        "triton": str(triton.__version__),
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }
    if request["memory_bytes"]:
        for limit in (resource.RLIMIT_DATA, resource.RLIMIT_AS):
            # address space is reserved far beyond what is used, by torch's own libraries and by LLVM
            size = request["memory_bytes"] * (1 if limit == resource.RLIMIT_DATA else 8)
            resource.setrlimit(limit, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    devices = request["devices"]
    sessions = [_told(_start(request, devices[0], folder))]
    asked = bool(sessions[0].answer.get("asked"))
    if asked:
        rest = [_start(request, device, folder) for device in devices[1:]]
        sessions += [_told(session) for session in rest]
    results = _compile(request, sessions, asked)
    for session in sessions:
        session.connection.close()
    return {
        "versions": versions,
        "asked": asked,
        "sessions": [{"gpu": s.gpu, "arch": s.arch, **s.answer} for s in sessions],
        "results": results,
    }


def _start(request: Mapping[str, Any], device: Mapping[str, Any], folder: Path) -> _Open:
    ours, theirs = multiprocessing.Pipe()
    place = folder / f"session-{len(list(folder.iterdir()))}"
    place.mkdir()
    if os.fork() == 0:
        code = 1
        try:
            ours.close()
            from ncukit.source.worker import session

            session.run(request, device, place, theirs)
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    theirs.close()
    arch = "sm_" + str(device["compute_capability"]).replace(".", "")
    return _Open(connection=ours, folder=place, gpu=str(device["name"]), arch=arch)


def _told(session: _Open) -> _Open:
    """``session`` with what it tells once the host code has run."""
    try:
        session.answer = json.loads(session.connection.recv_bytes())
    except (EOFError, OSError, ValueError):
        ended = {"stage": "run", "type": "crash", "message": "it ended the process", "line": None}
        session.answer = {"launches": [], "builds": [], "files": {}, "left_out": 0, "asked": False}
        session.answer["error"] = {**ended, "read": False, "reads": 0}
    return session


@dataclass
class _Task:
    session: _Open
    build: int
    arch: str
    want: str
    override: dict[str, Any]
    purpose: str
    """``base`` for a launch as it is; ``variant``, ``stages`` and ``narrow`` for a changed one.

    ``sass`` is for the machine code of either of the first two."""
    row: dict[str, Any] | None = None
    """Where the machine code of ``sass`` belongs."""
    number: int = -1
    of: int = -1
    """Number of the task that compiled it."""


def _compile(request: Mapping[str, Any], sessions: list[_Open], asked: bool) -> list[dict[str, Any]]:
    pool = _Pool(request)
    seen: set[tuple[str, str]] = set()
    for session in sessions:
        for arch in request["archs"] if not asked else [session.arch]:
            for number, build in enumerate(session.answer["builds"]):
                if (build["key"], arch) in seen:
                    continue
                seen.add((build["key"], arch))
                pool.add(_Task(session, number, arch, "full", {}, "base"))
                varied = request["variants"].get(build["kernel"], ()) if arch in request["variant_archs"] else ()
                for variant in varied:
                    pool.add(_Task(session, number, arch, "full", variant, "variant"))
                if request["probe"] and build["loops"]:
                    for stages in _other_stages(build["num_stages"]):
                        pool.add(_Task(session, number, arch, "ptx", {"options": {"num_stages": stages}}, "stages"))
    results = []
    for task, answer in pool.run():
        build = task.session.answer["builds"][task.build]
        if task.row is not None:
            task.row.update(answer)
            continue
        about = {"key": build["key"], "arch": task.arch, "purpose": task.purpose, "override": task.override}
        row = {**about, **answer}
        results.append(row)
        if task.purpose in ("base", "variant") and "error" not in answer:
            # reading machine code takes longer than compiling it: at once, beside what is compiled next
            pool.first(replace(task, want="sass", purpose="sass", row=row, of=task.number))
        if task.purpose == "base" and request["probe"] and "error" not in answer:
            for override in narrow.probes(build, answer):
                pool.add(_Task(task.session, task.build, task.arch, "ptx", override, "narrow"))
    return results


def _other_stages(own: int) -> tuple[int, ...]:
    return tuple(n for n in (1, own + 1) if n != own)


class _Pool:
    """Tasks that run side by side, as many as there are processors."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self._request = request
        self._waiting: list[_Task] = []
        self._running: dict[int, _Task] = {}
        self._next = 0

    def add(self, task: _Task) -> None:
        """Queue one; also while ``run`` is at work."""
        self._waiting.append(task)

    def first(self, task: _Task) -> None:
        """Queue one before all that wait."""
        self._waiting.insert(0, task)

    def run(self) -> Iterator[tuple[_Task, dict[str, Any]]]:
        """Work until nothing waits, giving each answer as it comes."""
        while self._waiting or self._running:
            while self._waiting and len(self._running) < self._request["jobs"]:
                self._send(self._waiting.pop(0))
            yield from self._finished()

    def _send(self, task: _Task) -> None:
        number, self._next = self._next, self._next + 1
        task.number = number
        self._running[number] = task
        message = {
            "id": number,
            "build": task.build,
            "arch": task.arch,
            "want": task.want,
            "override": task.override,
            "of": task.of,
            "timeout_s": COMPILE_S,
            "cache": self._request["cache"],
        }
        with contextlib.suppress(OSError):  # its session is gone; `_finished` notices
            task.session.connection.send_bytes(json.dumps(message).encode())

    def _finished(self) -> Iterator[tuple[_Task, dict[str, Any]]]:
        open_ = {id(t.session): t.session for t in self._running.values()}
        for connection in multiprocessing.connection.wait([s.connection for s in open_.values()], timeout=1.0):
            try:
                message = json.loads(connection.recv_bytes())  # type: ignore[union-attr]
            except (EOFError, OSError, ValueError):
                for number, task in list(self._running.items()):
                    if task.session.connection is connection:
                        del self._running[number]
                        yield task, _crashed("the process that held the kernels ended")
                continue
            task = self._running.pop(message["done"])
            yield task, self._answer(task, message)

    def _answer(self, task: _Task, message: Mapping[str, Any]) -> dict[str, Any]:
        if message["late"]:
            return _crashed(f"no result after {COMPILE_S:g} s: the compiler was ended", "timeout")
        place = task.session.folder / f"{message['done']}.json"
        try:
            found: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            how = f"by signal {message['signal']}" if message["signal"] else "without an answer"
            return _crashed(f"Triton's compiler ended {how}: an internal error of the compiler")
        return found


def _crashed(message: str, kind: str = "crash") -> dict[str, Any]:
    return {"error": {"type": kind, "message": message, "path": None, "line": None, "column": None}}
