"""One forked process that runs the host code for one pretended GPU, and then compiles what it is told to.

A compilation is a process of its own: an aborting compiler, a hang or a leak ends that one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gc
import hashlib
import json
import os
import resource
import runpy
import select
import signal
import sys
import sysconfig
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ncukit.collect.harness import described as describe_inputs
from ncukit.collect.harness import load_module
from ncukit.source.worker import build as builds
from ncukit.source.worker import host
from ncukit.source.worker.reading import follows_values, is_read
from ncukit.source.worker.record import Recorder
from ncukit.source.worker.replay import replay

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from multiprocessing.connection import Connection

POLL_S = 0.01
LARGEST_FILE = 1 << 29
MOST_FILES = 200


@dataclass
class Session:
    """What the host code of one GPU left behind."""

    request: Mapping[str, Any]
    folder: Path
    recorder: Recorder
    functions: dict[str, Any]
    """Source text → Triton function, for places in error messages."""


def run(request: Mapping[str, Any], facts: Mapping[str, Any], folder: Path, parent: Connection) -> None:
    """Run the host code, tell what it launched, and compile on demand until the parent hangs up."""
    device = host.Device(facts)
    host.pretend(device)
    builds.quicken()
    gc.enable()
    process = os.getpid()
    answer, session = _learn(request, folder, device)
    _end_forks(process)
    os.environ.pop("TRITON_INTERPRET", None)  # the file's; what is compiled now is not interpreted
    answer["asked"] = device.asked
    parent.send_bytes(json.dumps(answer).encode())
    _serve(session, parent)


def _learn(request: Mapping[str, Any], folder: Path, device: host.Device) -> tuple[dict[str, Any], Session]:
    target = Path(request["code"])
    arch = "sm_{}{}".format(*device.capability)
    mode: list[host.Host] = []
    before = set(sys.modules)
    recorder = Recorder(
        target=Path(os.path.realpath(target)),
        real=lambda b, t: builds.compile_full(b, f"sm_{t.arch}"),
        reads=lambda: mode[-1].reads if mode else 0,
        read=lambda: _count(mode),
    )
    recorder.install()
    session = Session(request=request, folder=folder, recorder=recorder, functions={})
    error, notes = _attempts(session, mode, before)
    numbered = _described(session)
    files, cut = _files(target, before)
    return {
        "arch": arch,
        "launches": recorder.launches,
        "left_out": recorder.left_out,
        "builds": numbered,
        "error": error,
        "notes": notes,
        "origin": "recorded" if request["kind"] == "recorded" else None,
        "files": files,
        "files_cut": cut,
    }, session


def _count(mode: list[host.Host]) -> None:
    if mode:
        mode[-1].reads += 1


def _attempts(
    session: Session, mode: list[host.Host], before: set[str]
) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """Run the host code until it gets through, or there is no other way to run it; leave the run that tells most.

    At first no tensor has data and a model records no gradients. Where values are read, real tensors follow, whose
    values no GPU has computed.
    """
    recorder = session.recorder
    backing, gradients, since = "meta", session.request["kind"] == "script", 0
    error = _attempt(session, backing, gradients, mode)
    notes = mode[-1].notes if mode else []
    for _ in range(2):
        needs_gradients = error is not None and not gradients and _NO_GRADIENT in error["message"]
        if not needs_gradients and (backing == "cpu" or error is None or not error["read"]):
            break
        first = (recorder.launches, recorder.left_out, error, notes, since)
        backing, gradients = (backing, True) if needs_gradients else ("cpu", gradients)
        since = len(recorder.builds)
        recorder.restart()
        for name in [n for n, m in sys.modules.items() if n not in before and _is_users(getattr(m, "__file__", None))]:
            del sys.modules[name]  # so that another run imports the user's modules afresh
        error = _attempt(session, backing, gradients, mode)
        notes = mode[-1].notes
        if backing == "cpu":
            for row in recorder.launches[len(first[0]) :]:
                row["certain"] = False  # the run without data ended before these
        if len(recorder.launches) < len(first[0]) + (0 if needs_gradients else 1):
            finished = error is None
            recorder.launches, recorder.left_out, error, notes, since = first
            if error is not None:
                error["finished"] = finished  # nothing more was launched, by values that no GPU has computed
            break
    recorder.tidy(since)
    return error, notes


def _attempt(session: Session, backing: str, gradients: bool, mode: list[host.Host]) -> dict[str, Any] | None:
    stage, process = ["import"], os.getpid()
    try:
        with host.tensors(backing, gradients=gradients, line=session.recorder.line) as current:
            mode.append(current)
            _host_code(session.request, stage, current.notes)
    except BaseException as error:  # the user's code: whatever it raises is the answer
        _end_forks(process)
        if isinstance(error, SystemExit) and error.code in (None, 0):
            return None
        return _failure(stage[0], error, Path(session.request["code"]), mode[-1] if mode else None)
    _end_forks(process)
    return None


def _end_forks(process: int) -> None:
    """End a process that the user's code forked and let return to here: it may speak to nobody."""
    if os.getpid() != process:
        os._exit(0)


def _host_code(request: Mapping[str, Any], stage: list[str], notes: list[dict[str, Any]]) -> None:
    target = Path(request["code"])
    if request["kind"] == "recorded":
        stage[0] = "recording"
        try:
            replay(request["recorded"], target, notes)
        except LookupError:
            if not notes:  # which say it
                raise
        return
    sys.path.insert(0, str(Path(request["beside"]).resolve()))
    if request["kind"] == "script":
        stage[0] = "script"
        sys.argv = [str(target), *request["arguments"]]
        runpy.run_path(str(target), run_name="__main__")
        return
    module: Any = load_module(target, request["sizes"], "_inspected")
    problem: Any = module
    if request["problem"]:
        sys.path.insert(0, str(Path(request["problem"]).resolve().parent))
        problem = load_module(Path(request["problem"]), request["sizes"], "_problem")
    stage[0] = "inputs"
    torch.manual_seed(0)
    inputs, init = problem.get_inputs(), problem.get_init_inputs()
    inputs = [inputs] if isinstance(inputs, torch.Tensor) else inputs
    describe_inputs(inputs)
    stage[0] = "build"
    chosen = getattr(module, "ModelNew", None) or getattr(module, "Model", None) or problem.Model
    model = chosen(**init) if isinstance(init, dict) else chosen(*init)
    if hasattr(model, "cuda"):
        model = model.cuda()
    stage[0] = "run"
    model(**inputs) if isinstance(inputs, dict) else model(*inputs)


_NO_GRADIENT = "does not require grad"
"""How torch says that a backward pass has nothing to go back through."""
_SET_BY_TRITON = ("num_warps", "num_stages", "num_ctas", "debug", "instrumentation_mode", "sanitize_overflow")


def _failure(stage: str, error: BaseException, target: Path, mode: host.Host | None) -> dict[str, Any]:
    text = "".join(traceback.format_exception_only(type(error), error)).strip()
    where = None
    for frame in traceback.extract_tb(error.__traceback__):
        if os.path.realpath(frame.filename) == os.path.realpath(target):
            where = frame.lineno
    if isinstance(error, SyntaxError) and error.lineno:
        where = error.lineno
    reads = mode.reads if mode is not None else 0
    read = is_read(error) or (mode is not None and mode.backing == "cpu" and reads > 0 and follows_values(error))
    kind = type(error).__name__
    return {"stage": stage, "type": kind, "message": text[:2000], "line": where, "read": read, "reads": reads}


def _described(session: Session) -> list[dict[str, Any]]:
    """The distinct builds, for JSON; options as they differ from Triton's own."""
    from triton.compiler import make_backend

    answers = []
    for build in session.recorder.builds:
        backend = make_backend(builds.target("sm_{}{}".format(*_capability())))
        default: dict[str, Any] = dict(backend.parse_options({}).__dict__)
        given = {k: v for k, v in build.options.items() if k not in default or default[k] != v}
        build.options = {k: v for k, v in given.items() if k != "extern_libs"}
        names = list(build.signature)
        divisible = [names[p[0]] for p, a in build.attrs.items() if len(p) == 1 and ["tt.divisibility", 16] in a]
        code = build.function.fn.__code__
        _register(build.function, session.functions)
        answers.append(
            {
                "kernel": build.function.__name__,
                "file": code.co_filename,
                "line": builds.def_line(build.function),
                "signature": {name: str(kind) for name, kind in build.signature.items()},
                "divisible": sorted(set(divisible)),
                "num_warps": int(build.options.get("num_warps") or default["num_warps"]),
                "num_stages": int(build.options.get("num_stages") or default["num_stages"]),
                "num_ctas": int(build.options.get("num_ctas") or default["num_ctas"]),
                "options": {
                    k: v if isinstance(v, (int, float, str, bool)) else str(v)
                    for k, v in build.options.items()
                    if k not in _SET_BY_TRITON
                },
                "loops": any(word in build.function.src for word in ("for ", "while ")),
                "key": builds.key(build, "", {}, ""),
            }
        )
    return answers


def _capability() -> tuple[int, int]:
    from triton.runtime.driver import driver

    arch = int(driver.active.get_current_target().arch)
    return arch // 10, arch % 10


def _register(function: Any, known: dict[str, Any]) -> None:
    """Know ``function`` and every Triton function that its module holds by their text."""
    from triton.runtime.jit import JITFunction

    known[function.src] = function
    for value in list(function.fn.__globals__.values()):
        inner = value
        while not isinstance(inner, JITFunction) and hasattr(inner, "fn"):
            inner = inner.fn
        if isinstance(inner, JITFunction):
            known.setdefault(inner.src, inner)


def _files(target: Path, before: set[str]) -> tuple[dict[str, str], bool]:
    """The user's files that were imported, and their hashes: what a cached answer depends on; and whether some miss."""
    found: dict[str, str] = {}
    for module in [m for name, m in list(sys.modules.items()) if name not in before]:
        path = str(getattr(module, "__file__", None) or "")
        real = os.path.realpath(path)
        if not _is_users(path) or real == os.path.realpath(target) or real in found:
            continue
        if len(found) >= MOST_FILES:
            return found, True
        with contextlib.suppress(OSError):
            found[real] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return found, False


@functools.cache
def _installed() -> tuple[Path, ...]:
    """Folders of what is not the user's: ncukit, Python, and what is installed into it."""
    paths = sysconfig.get_paths()
    named = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib") if name in paths]
    return tuple(Path(os.path.realpath(p)) for p in (str(Path(__file__).parents[2]), *named))


def _is_users(path: Any) -> bool:
    """Whether a module is neither Python's, nor installed, nor ncukit's."""
    if not isinstance(path, str) or not path.endswith(".py"):
        return False
    real = Path(os.path.realpath(path))
    if not {"site-packages", "dist-packages"}.isdisjoint(real.parts):
        return False
    return not any(real.is_relative_to(folder) for folder in _installed())


def _serve(session: Session, parent: Connection) -> None:
    running: dict[int, tuple[int, float]] = {}
    open_ = True
    while open_ or running:
        if select.select([parent] if open_ else [], [], [], POLL_S)[0]:
            try:
                task = json.loads(parent.recv_bytes())
            except (EOFError, OSError):
                open_ = False
                continue
            child = os.fork()
            if child == 0:
                _child(lambda task=task: _task(session, task), session.folder / f"{task['id']}.json")  # type: ignore[misc]
            running[child] = (task["id"], time.monotonic() + task["timeout_s"])
        now = time.monotonic()
        for process, (number, deadline) in list(running.items()):
            ended, status = os.waitpid(process, os.WNOHANG)
            if not ended and now > deadline:
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
                status, ended = -signal.SIGKILL, process
                _tell(parent, {"done": number, "late": True, "signal": None})
            elif ended:
                signaled = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
                _tell(parent, {"done": number, "late": False, "signal": signaled})
            if ended:
                del running[process]


def _tell(parent: Connection, message: Mapping[str, Any]) -> None:
    with contextlib.suppress(OSError):
        parent.send_bytes(json.dumps(message).encode())


def _child(work: Callable[[], Any], answer: Path) -> None:
    """Do ``work`` and leave its answer in a file; never returns."""
    code, process = 1, os.getpid()
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
        text = json.dumps(work(), default=_plain)
        _end_forks(process)
        beside = answer.with_suffix(".part")
        beside.write_text(text, encoding="utf-8")
        beside.replace(answer)
        code = 0
    except BaseException:  # nothing may go on in a forked child
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    return dict(value) if hasattr(value, "keys") else str(value)


def _task(session: Session, task: Mapping[str, Any]) -> dict[str, Any]:
    folder = session.folder / f"task{task['id']}"
    folder.mkdir()
    os.environ["TRITON_CACHE_DIR"] = str(folder)
    build = session.recorder.builds[task["build"]]
    arch, override, want = task["arch"], task["override"], task["want"]
    kept = Path(task["cache"]) / f"{builds.key(build, arch, override, want)}.json" if task["cache"] else None
    if kept is not None:
        with contextlib.suppress(OSError, ValueError):
            before = json.loads(kept.read_text(encoding="utf-8"))
            if isinstance(before, dict) and ("sass" if want == "sass" else "ptx") in before:
                return before
    changed = builds.changed_build(build, override)
    try:
        if want == "sass":
            found = builds.machine_code(changed, arch, session.folder / f"task{task['of']}")
        else:
            found = builds.full(changed, arch, folder) if want == "full" else builds.only_ptx(changed, arch)
    except Exception as error:  # whatever the compiler raises is the answer
        found = {"error": builds.problem(error, session.functions)}
    if kept is not None and "error" not in found:
        with contextlib.suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            beside = kept.with_suffix(f".{os.getpid()}")
            beside.write_text(json.dumps(found, default=_plain), encoding="utf-8")
            beside.replace(kept)
    return found
