"""One compilation by Triton's own compiler, and what comes out of it: resources, machine code, or the error."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import subprocess
import time
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ncukit.collect.ttir import read_ttir
from ncukit.source import ptx
from ncukit.source.sass import read_sass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ncukit.source.worker.record import Build

_ENTRY = re.compile(r"Compiling entry function '([^']+)'")
_FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_BARRIERS = re.compile(r"used (\d+) barriers")
_REGISTERS = re.compile(r"Used (\d+) registers")
_SHARED = re.compile(r"(\d+) bytes smem")
DISASSEMBLY_S = 60
LONGEST_MESSAGE = 4000
IMAGE, PTX = "kernel.cubin", "kernel.ptx"


class PtxOnly(Exception):  # noqa: N818 - it ends no work, it carries a result
    """Carries the PTX out of a compilation that is to end there."""


def quicken() -> None:
    """Let Triton not hash its own 400 MB on the first compilation: its cache is a folder of this process alone."""
    import triton

    triton.knobs.nvidia.dump_ptxas_log = True
    triton.knobs.compilation.always_compile = True  # a cached kernel has no log
    for place in ("triton.runtime.cache", "triton.compiler.compiler"):
        with contextlib.suppress(ImportError, AttributeError):
            module: Any = import_module(place)
            if hasattr(module, "triton_key"):
                module.triton_key = lambda: triton.__version__


def target(arch: str) -> Any:
    """Triton's name of an architecture: ``sm_90``."""
    from triton.backends.compiler import GPUTarget

    return GPUTarget("cuda", int(arch.removeprefix("sm_").rstrip("af")), 32)


def key(build: Build, arch: str, override: Mapping[str, Any], want: str) -> str:
    """What the result depends on, hashed: function and what it calls, types, constants, options, versions."""
    import triton

    changed = changed_build(build, override)
    parts = (
        build.function.cache_key,
        list(changed.signature.items()),
        sorted((str(k), _identity(v)) for k, v in changed.constexprs.items()),
        sorted((str(k), str(v)) for k, v in changed.attrs.items()),
        sorted((k, str(v)) for k, v in changed.options.items()),
        arch,
        want,
        triton.__version__,
        _tools(),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _identity(value: Any) -> str:
    """What a constant is, for a key: a Triton function is its text and that of what it calls."""
    if isinstance(value, (tuple, list)):
        return f"({', '.join(_identity(v) for v in value)})"
    if hasattr(value, "cache_key"):
        return str(value.cache_key)
    if hasattr(value, "value") and type(value).__name__ == "constexpr":
        return _identity(value.value)
    text = repr(value)
    # an object that shows its address is not the same in another process, whatever it holds
    return f"{text} {os.getpid()} {time.monotonic_ns()}" if " at 0x" in text else text


@cache
def _tools() -> list[tuple[str, int, int]]:
    """The assembler and whatever else is taken from the environment instead of Triton's own."""
    found = []
    for name in sorted(os.environ):
        if name.startswith("TRITON_PTXAS"):
            with contextlib.suppress(OSError):
                state = Path(os.environ[name]).stat()
                found.append((f"{name}={os.environ[name]}", state.st_size, state.st_mtime_ns))
    found.append((os.environ.get("TRITON_DEFAULT_FP_FUSION", ""), 0, 0))
    return found


def changed_build(build: Build, override: Mapping[str, Any]) -> Build:
    """``build`` with other options, constants, or promises about its arguments.

    Args:
        build: as the host code launches it.
        override: ``options`` and ``constexprs`` (name → value), ``divisible`` and ``one`` (names of arguments).
    """
    names = list(build.signature)
    signature, constexprs, attrs = dict(build.signature), dict(build.constexprs), dict(build.attrs)
    options = override.get("options", {})
    # a parameter called like a launch option gets the option's value, as `kernel[grid](…, num_stages=4)` gives it both
    same = {name: value for name, value in options.items() if signature.get(name) == "constexpr"}
    for name, value in {**same, **override.get("constexprs", {})}.items():
        constexprs[(names.index(name),)] = value
    for name in override.get("divisible", ()):
        attrs[(names.index(name),)] = [["tt.divisibility", 16]]
    for name in override.get("one", ()):
        at = (names.index(name),)
        signature[name], constexprs[at] = "constexpr", 1
        attrs.pop(at, None)
    return replace(
        build,
        signature=signature,
        constexprs=constexprs,
        attrs=attrs,
        options={**build.options, **options},
    )


def compile_full(build: Build, arch: str) -> Any:
    """Triton's compiled kernel, with ``n_regs`` and ``n_spills`` as a driver would fill them in."""
    found = _compiled(build, arch)
    kernel = found.pop("kernel")
    kernel.n_regs, kernel.n_spills = found["registers"], found["stack_bytes"] // 4
    return kernel


def _compiled(build: Build, arch: str) -> dict[str, Any]:
    import triton

    said = io.StringIO()
    started = time.perf_counter()
    source = build.function.ASTSource(build.function, build.signature, build.constexprs, build.attrs)
    with contextlib.redirect_stdout(said):
        kernel = triton.compile(source, target=target(arch), options=dict(build.options))
    took = time.perf_counter() - started
    return {"kernel": kernel, "compile_s": took, **resources(said.getvalue(), str(kernel.metadata.name))}


def resources(log: str, name: str) -> dict[str, Any]:
    """What ``ptxas -v`` said about the kernel called ``name``."""
    blocks = _ENTRY.split(log)
    own = next((text for found, text in zip(blocks[1::2], blocks[2::2], strict=True) if found == name), log)
    frame, barriers = _FRAME.search(own), _BARRIERS.search(own)
    registers, shared = _REGISTERS.search(own), _SHARED.search(own)
    return {
        "registers": int(registers.group(1)) if registers else None,
        "stack_bytes": int(frame.group(1)) if frame else 0,
        "spill_store_bytes": int(frame.group(2)) if frame else None,
        "spill_load_bytes": int(frame.group(3)) if frame else None,
        "barriers": int(barriers.group(1)) if barriers else 0,
        "static_shared_bytes": int(shared.group(1)) if shared else 0,
    }


def full(build: Build, arch: str, folder: Path) -> dict[str, Any]:
    """Everything about one launch on one architecture but its machine code, which is left in ``folder``.

    Raises:
        Exception: what Triton raised; ``problem`` describes it.
    """
    found = _compiled(build, arch)
    kernel = found.pop("kernel")
    (folder / IMAGE).write_bytes(kernel.asm["cubin"])
    (folder / PTX).write_text(kernel.asm["ptx"], encoding="utf-8")
    # Gluon kernels begin one form further down
    early = kernel.asm["ttir"] if "ttir" in kernel.asm else kernel.asm["ttgir"]
    return {
        **found,
        "shared_bytes": int(kernel.metadata.shared) + found["static_shared_bytes"],
        "has_dot": bool(read_ttir(early).has_dot),
        "ptx": ptx.facts(kernel.asm["ptx"], *place(build.function)),
        "tiles": ptx.tiles(early),
        "buffers": ptx.buffers(kernel.asm["ttgir"]),
    }


def machine_code(build: Build, arch: str, folder: Path) -> dict[str, Any]:
    """What the machine code tells that ``full`` left in ``folder``; compiled once more where it is not there."""
    if not (folder / IMAGE).exists():
        folder.mkdir(exist_ok=True)
        full(build, arch, folder)
    text = disassembled(folder / IMAGE)
    said = (folder / PTX).read_text(encoding="utf-8")
    return {"sass": read_sass(text, *place(build.function), ptx=said), "code_bytes": ptx.code_bytes(text)}


def only_ptx(build: Build, arch: str) -> dict[str, Any]:
    """The PTX of one launch alone: for what another promise or option would change."""
    from triton.backends.nvidia.compiler import CUDABackend

    def stop(_: Any, source: Any, *__: Any) -> None:
        raise PtxOnly(source)

    original = CUDABackend.make_cubin
    CUDABackend.make_cubin = stop
    try:
        _compiled(build, arch)
    except PtxOnly as carried:
        return {"ptx": ptx.facts(str(carried.args[0]), *place(build.function))}
    finally:
        CUDABackend.make_cubin = original
    raise RuntimeError("this Triton writes no PTX on its way")


def disassembled(image: Path) -> str:
    """The machine code as nvdisasm writes it, with source lines."""
    import triton

    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "nvdisasm"
    answer = subprocess.run(
        # without its data-flow analysis, which only annotates and takes a quarter of the time
        [str(tool), "-c", "-g", "-gp", "-ndf", str(image)],
        capture_output=True,
        timeout=DISASSEMBLY_S,
        check=False,
    )
    if answer.returncode:
        raise RuntimeError(f"nvdisasm: {answer.stderr.decode('utf-8', 'replace')[-300:]}")
    return answer.stdout.decode("utf-8", "replace")


def place(function: Any) -> tuple[str, tuple[int, int]]:
    """Name of the file of a Triton function, and its first and last line."""
    begin = def_line(function)
    return Path(function.fn.__code__.co_filename).name, (begin, begin + function.src.count("\n") + 1)


def def_line(function: Any) -> int:
    """Line of the ``def`` of a Triton function, in its file."""
    lines = function.raw_src if isinstance(function.raw_src, list) else str(function.raw_src).splitlines()
    before = next((i for i, line in enumerate(lines) if re.match(r"\s*def\s", line)), 0)
    return int(function.starting_line_number) + before


def problem(error: BaseException, functions: Mapping[str, Any]) -> dict[str, Any]:
    """What went wrong and where, from the innermost of Triton's chained errors.

    Args:
        error: what compiling raised.
        functions: source text → Triton function, of all that are known: an error in a called one is told in its lines.
    """
    chain: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and len(chain) < 50:
        chain.append(at)
        at = at.__cause__ or at.__context__
    placed = [e for e in chain if getattr(e, "node", None) is not None and getattr(e, "src", None)]
    where: dict[str, Any] = {"path": None, "line": None, "column": None}
    message = _first(error)
    if placed:
        inner = placed[-1]
        node: Any = getattr(inner, "node", None)
        function = functions.get(str(getattr(inner, "src", "")))
        if function is not None and hasattr(node, "lineno"):
            where = {
                "path": function.fn.__code__.co_filename,
                "line": def_line(function) + node.lineno - 1,
                "column": node.col_offset + 1,
            }
        own = getattr(inner, "error_message", None)
        # a plain exception of the language's own functions hangs below, and is what says why
        message = str(own) if own else next((_first(e) for e in reversed(chain) if e not in placed), message)
    return {"type": type(error).__name__, "message": " ".join(message.split())[:LONGEST_MESSAGE], **where}


def _first(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    fatal = [line for line in text.splitlines() if "ptxas fatal" in line or "error   :" in line]
    return fatal[0] if fatal else text
