"""Which names of other modules an answer may use (``roads.toml``), and why some are refused with words of their own."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

from ncukit.source.lint.names import known

Kind = Literal["module", "call", "type", "data"]
Names = Literal["python", "library", "about", "attributes", "never"]
"""Lists of ``roads.toml`` that are of no module."""
LANGUAGE = "triton.language"
_LANGUAGE_MODULES = ("core", "extra", "math", "random", "semantic", "standard", "target_info")
_LANGUAGE_TYPES = ("block_type", "constexpr", "dtype", "pointer_type", "tensor", "tensor_descriptor", "tuple", "void")
_FACTORIES = ("triton.tools.tensor_descriptor.TensorDescriptor.from_tensor",)
"""Methods of classes that are called on the class."""
_NOT_MATH = ("List", "core", "wraps")


@dataclass(frozen=True, slots=True)
class Road:
    """What a dotted name leads to."""

    kind: Kind
    rest: tuple[str, ...] = ()
    """Attributes behind it."""


@dataclass(frozen=True, slots=True)
class Barrier:
    """Why a name is refused."""

    code: str
    what: str
    """Completes ``torch.cuda.Stream ``."""
    instead: str


_ALLOWED = "use torch for allocation and views, tl for the computation"
_STREAM = Barrier(
    "hidden-stream", "is work outside of the stream that is timed", "launch on the current stream, which is the default"
)
_THREAD = Barrier("thread", "is work outside of the thread that is timed", "launch from the forward pass itself")
_SEED = Barrier("seeded", "changes the random numbers that the check itself draws", "leave the generators alone")
_STATE = Barrier("patched", "changes a setting of the whole process", "leave settings as they are")
_OTHER = Barrier("library-compute", "lets another compiler or library do the work", "write the computation in Triton")
_FOREIGN = Barrier("foreign-code", "brings in code that cannot be read here", "write the kernel in Triton")
_FILES = Barrier("forbidden-import", "reaches files, programs or the network", "an answer is Python and Triton alone")
_TESTING = Barrier("testing-code", "is testing code", "leave tests and timing out: the check does both")
_INSIDE = Barrier("forbidden-name", "reaches into Triton itself", "use @triton.jit, autotune and kernel[grid](…)")
_UNKNOWN = Barrier("forbidden-name", "is not among what an answer may use", _ALLOWED)
_MODULE = Barrier("forbidden-import", "is not among the modules that an answer may import", _ALLOWED)

_BARRIERS = {
    _STREAM: """torch.Stream torch.Event torch.cuda.Stream torch.cuda.ExternalStream torch.cuda.StreamContext
        torch.cuda.stream torch.cuda.streams torch.cuda.set_stream torch.cuda.current_stream torch.cuda.default_stream
        torch.cuda.Event torch.cuda.CUDAGraph torch.cuda.graph torch.cuda.graphs torch.cuda.make_graphed_callables
        torch.cuda.green_contexts torch.cuda.get_stream_from_external torch.accelerator""",
    _THREAD: """threading _thread multiprocessing concurrent asyncio queue torch.multiprocessing torch.distributed
        torch.futures torch.fork torch.jit.fork""",
    _SEED: """random secrets torch.manual_seed torch.seed torch.initial_seed torch.random torch.get_rng_state
        torch.set_rng_state torch.Generator torch.default_generator torch.cuda.manual_seed torch.cuda.manual_seed_all
        torch.cuda.seed torch.cuda.random torch.cuda.get_rng_state torch.cuda.set_rng_state""",
    _STATE: """torch.backends torch.set_float32_matmul_precision torch.set_default_dtype torch.set_default_device
        torch.set_default_tensor_type torch.use_deterministic_algorithms torch.set_num_threads torch.set_grad_enabled
        torch.cuda.set_device torch.utils.deterministic triton.knobs torch.overrides torch.set_printoptions""",
    _OTHER: """torch.compile torch.compiler torch.jit torch.fx torch.export torch.func torch.vmap torch.ops torch.ao
        torch.quantization torch.nn.attention flash_attn xformers apex cupy cutlass liger_kernel transformers numba
        jax tensorflow tilelang""",
    _FOREIGN: """torch.utils.cpp_extension torch.library torch.classes torch.cuda.jiterator ctypes cffi pycuda cuda
        torch.utils torch.hub""",
    _FILES: """os sys io pathlib shutil subprocess tempfile socket urllib http requests pickle marshal glob mmap
        torch.load torch.save torch.serialization torch.from_file torch.package importlib builtins inspect gc types
        torch._C torch._inductor torch._dynamo code codeop ast dis runpy signal resource atexit weakref""",
    _TESTING: "triton.testing torch.testing torch.profiler torch.autograd.profiler timeit time pytest unittest",
    _INSIDE: "triton.runtime triton.compiler triton.compile triton.backends triton.tools triton.language.core",
}


@cache
def _refused() -> dict[str, Barrier]:
    return {name: barrier for barrier, names in _BARRIERS.items() for name in names.split()}


@cache
def _table() -> dict[str, dict[Kind, frozenset[str]]]:
    raw = tomllib.loads(files(__package__).joinpath("roads.toml").read_text(encoding="utf-8"))
    kinds: dict[str, Kind] = {"calls": "call", "types": "type", "data": "data"}
    named = {module: group for module, group in raw.items() if module not in get_args(Names)}
    return {
        module: {kind: frozenset(group[key].split()) for key, kind in kinds.items() if key in group}
        for module, group in named.items()
    }


@cache
def listed(group: Names) -> frozenset[str]:
    """The names of one of the lists that are of no module."""
    raw = tomllib.loads(files(__package__).joinpath("roads.toml").read_text(encoding="utf-8"))[group]
    named = frozenset(name for names in raw.values() for name in names.split())
    if group != "attributes":
        return named
    python = (str, bytes, int, float, complex, bool, list, tuple, dict, set, frozenset, range, slice)
    return named | {name for kind in python for name in dir(kind) if not name.startswith("_")}


@cache
def _modules() -> frozenset[str]:
    """Modules that may be named, on the way to something or in an import."""
    own = {*_table(), LANGUAGE, f"{LANGUAGE}.extra.libdevice", f"{LANGUAGE}.extra.cuda.libdevice", f"{LANGUAGE}.math"}
    return frozenset(".".join(name.split(".")[: n + 1]) for name in own for n in range(name.count(".") + 1))


def is_module(dotted: str, *, testing: bool = False) -> bool:
    """Whether a module may be imported.

    Args:
        dotted: its name.
        testing: whether the file is an engineer's own, with its tests and experiments.
    """
    return dotted in _modules() or (testing and (dotted == "triton.testing" or _is_gluon(dotted)))


def follow(dotted: str, *, testing: bool = False) -> Road | Barrier:
    """Where a dotted name leads, or why it may not be used.

    Args:
        dotted: such as ``torch.nn.functional.pad``.
        testing: whether the file is an engineer's own, with its tests and experiments.
    """
    if dotted in _FACTORIES or (testing and dotted == "triton.testing.do_bench"):
        return Road("call")
    if testing and _is_gluon(dotted):
        return Road("module") if dotted in ("triton.experimental", "triton.experimental.gluon") else Road("call")
    if dotted == LANGUAGE or dotted.startswith(LANGUAGE + "."):
        return _language(dotted)
    if is_module(dotted):
        return Road("module")
    parts = dotted.split(".")
    for length in range(len(parts) - 1, 0, -1):
        module, name, rest = ".".join(parts[:length]), parts[length], tuple(parts[length + 1 :])
        for kind, names in _table().get(module, {}).items():
            if name in names or ("*" in names and not name.startswith("_")):
                return Road(kind, rest)
    return barrier(dotted)


def barrier(dotted: str) -> Barrier:
    """Why a name that leads nowhere is refused: what is said of it, or of the nearest thing around it."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        found = _refused().get(".".join(parts[:length]))
        if found is not None:
            return found
    return _UNKNOWN if parts[0] in ("torch", "triton") or dotted in _table() else _MODULE


def _language(dotted: str) -> Road | Barrier:
    """Names of Triton's language. One that it does not have is left to the lint, which knows what to write instead."""
    if is_module(dotted):
        return Road("module")
    first, *rest = dotted.removeprefix(LANGUAGE + ".").split(".")
    if first not in _LANGUAGE_MODULES:
        if first.startswith("_"):
            return _INSIDE
        return Road("type" if first in _LANGUAGE_TYPES else "data" if known("tl", first) else "call", tuple(rest))
    if first == "math" and rest and rest[0] not in _NOT_MATH and not rest[0].startswith("_"):
        return Road("call", tuple(rest[1:]))
    if first in ("core", "standard", "random") and rest and rest[0] not in _LANGUAGE_MODULES and known("tl", rest[0]):
        return Road("data", tuple(rest[1:]))
    if first == "extra":
        return _extra(rest)
    return _INSIDE


def _extra(parts: list[str]) -> Road | Barrier:
    """``tl.extra.libdevice.tanh``, ``tl.extra.cuda.libdevice.tanh``, ``tl.extra.cuda.globaltimer``."""
    *path, name = parts or [""]
    if path in (["libdevice"], ["cuda", "libdevice"]) and name not in ("core", "") and not name.startswith("_"):
        return Road("call")
    calls = _table()[f"{LANGUAGE}.extra.cuda"]["call"]
    return Road("call") if path == ["cuda"] and name in calls else _INSIDE


def _is_gluon(dotted: str) -> bool:
    parts = dotted.split(".")
    inside = parts[:2] == ["triton", "experimental"] and (len(parts) == 2 or parts[2] == "gluon")
    never = listed("never") | {"torch", "triton"}
    return inside and not any(p.startswith("_") or p in never for p in parts[1:])
