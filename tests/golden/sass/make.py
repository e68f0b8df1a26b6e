"""Compile the kernels of this folder's goldens and disassemble them. By hand, without a GPU:

    python tests/golden/sass/make.py            # with the installed Triton
    PYTHONPATH=… python tests/golden/sass/make.py   # with another one

For every case it writes ``KERNEL.sm_90.triton-3.7.1.sass.gz``, the positions in its PTX beside it, and what
``cuobjdump`` says of registers and stack into ``resources.json``. Cases are added, never changed: tests name lines of
the kernels as they stood when these were compiled. A case whose files are there is left alone.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.experimental.gluon._runtime import GluonASTSource

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
TOOLS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"


@dataclass(frozen=True)
class Case:
    name: str
    file: str
    kernel: str
    types: str
    """Of the arguments in order, constexprs left out; ``:16`` after those that 16 divides."""
    constants: dict[str, object]
    options: dict[str, object]
    archs: dict[str, tuple[int, ...]] = field(default_factory=lambda: {"3.7.1": (90,)})


INT = "i32:16"
X, B, F = "*fp32:16", "*u8:16", "*fp16:16"
SIZES = {"BLOCK_M": 128, "BLOCK_N": 64, "BLOCK_K": 32}
MATMUL = f"{F} {F} {F} {INT} {INT} {INT} {INT} {INT} {INT}"
COOPERATIVE = {"ROWS": 16, "COLS": 512, "NEAR": 32, "EVEN": True, "PARTS": 128}
CASES = [
    Case("moments", "kernels/naive/instance_norm.py", "compute_moments_kernel", f"{X} {X} {X} {INT}",
         {"BLOCK_SIZE": 1024}, {"num_warps": 4}, {"3.7.1": (80, 89, 90, 100, 120), "3.6.0": (90,)}),
    Case("normalize", "kernels/naive/instance_norm.py", "normalize_kernel", f"{X} {X} {X} {X} {INT} fp32",
         {"BLOCK_SIZE": 1024}, {"num_warps": 4}, {"3.7.1": (80, 90, 120)}),
    Case("spills", "kernels/clinic/sick/local_memory.py", "growth_kernel", f"{X} {X} {INT} {INT} fp32",
         {"BLOCK": 131072}, {"num_warps": 32}, {"3.7.1": (80, 90, 100)}),
    Case("few_spills", "kernels/l2_norm.py", "cooperative_kernel", f"{X} {X} *i32:16 *i32:16 {INT} i32 i32",
         {"ROWS": 16, "COLS": 512, "NEAR": 8, "EVEN": False, "VEC": 4, "PARTS": 128},
         {"num_warps": 4, "maxnreg": 168, "launch_cooperative_grid": True}, {"3.7.1": (100,)}),
    Case("narrow", "kernels/clinic/sick/narrow_access.py", "recent_flags_kernel", f"{B} {B} i32 i32",
         {"CHANNELS": 16, "W": 9, "BLOCK": 1024}, {"num_warps": 4}, {"3.7.1": (90, 100)}),
    Case("double", "kernels/clinic/sick/fp64.py", "relax_kernel", f"{X} {X} {INT} {INT} fp32",
         {"BLOCK": 1024}, {"num_warps": 4}, {"3.7.1": (90, 120)}),
    Case("transpose", "kernels/clinic/sick/bank_conflict.py", "transpose_kernel", f"{X} {X} {INT} {INT}",
         {"SIDE": 64}, {"num_warps": 4}),
    Case("histogram", "kernels/clinic/sick/atomic_contention.py", "histogram_kernel", f"*i32:16 *i32:16 {INT}",
         {"BINS": 256, "BLOCK": 8192}, {"num_warps": 8}),
    Case("diverging", "kernels/clinic/cured/memory_latency.py", "row_sum_kernel", f"{X} {X} {INT}",
         {"BLOCK": 512}, {"num_warps": 1}, {"3.7.1": (80, 90)}),
    Case("cooperative", "kernels/instance_norm.py", "cooperative_kernel",
         f"{X} {X} *i32:16 *i32:16 fp32 " + " ".join([INT] * 8), COOPERATIVE,
         {"num_warps": 4, "maxnreg": 168, "launch_cooperative_grid": True},
         {"3.7.1": (80, 90, 100), "3.6.0": (90,)}),
    *(Case(f"matmul{stages}", "tests/golden/sass/matmul.py", "matmul_kernel", MATMUL, SIZES,
           {"num_warps": 4, "num_stages": stages}, archs)
      for stages, archs in ((1, {"3.7.1": (80, 90)}), (3, {"3.7.1": (80, 90, 100, 120), "3.6.0": (80, 90)}))),
    Case("descriptor", "tests/golden/sass/matmul.py", "descriptor_matmul_kernel", MATMUL, SIZES,
         {"num_warps": 4, "num_stages": 3}, {"3.7.1": (90, 100)}),
]  # fmt: skip


def load(path: str) -> object:
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def neutral(text: str) -> str:
    """The text without paths of this machine."""
    for path, name in ((str(ROOT), "/src"), (str(Path(triton.__file__).parent.parent), "/lib")):
        text = text.replace(path, name)
    return text


def positions(ptx: str) -> str:
    """The PTX with every other line left empty: its source positions are what the reader looks at, and it is large."""
    kept = [line if line.lstrip().startswith((".loc", ".file")) else "" for line in ptx.splitlines()]
    return "\n".join(kept).rstrip("\n") + "\n"


def compiled(case: Case, capability: int) -> object:
    function = getattr(load(case.file), case.kernel)
    types = iter(case.types.split())
    signature, attrs = {}, {}
    for position, parameter in enumerate(function.params):
        kind, _, divisor = ("constexpr", "", "") if parameter.name in case.constants else next(types).partition(":")
        signature[parameter.name] = kind
        if divisor:
            attrs[position,] = [["tt.divisibility", 16]]
    source = GluonASTSource if "Gluon" in type(function).__name__ else ASTSource
    target = GPUTarget("cuda", capability, 32)
    return triton.compile(source(function, signature, case.constants, attrs), target=target, options=case.options)


def tool(name: str, *arguments: str) -> str:
    return subprocess.run([TOOLS / name, *arguments], capture_output=True, text=True, check=True).stdout


def write(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def main() -> None:
    resources = HERE / "resources.json"
    known = json.loads(resources.read_text()) if resources.exists() else {}
    for case in CASES:
        for capability in case.archs.get(triton.__version__, ()):
            name = f"{case.name}.sm_{capability}.triton-{triton.__version__}"
            if (HERE / f"{name}.sass.gz").exists():
                continue
            kernel = compiled(case, capability)
            with tempfile.NamedTemporaryFile(suffix=".cubin") as cubin:
                cubin.write(kernel.asm["cubin"])
                cubin.flush()
                write(HERE / f"{name}.sass.gz", neutral(tool("nvdisasm", "-c", "-g", "-gp", "-ndf", cubin.name)))
                usage = tool("cuobjdump", "-res-usage", cubin.name)
            write(HERE / f"{name}.ptx.gz", neutral(positions(kernel.asm["ptx"])))
            found = {key.lower(): int(value) for key, value in re.findall(r"(REG|STACK):([0-9]+)", usage)}
            known[name] = {"file": case.file, "kernel": case.kernel, **found}
    resources.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")


if __name__ == "__main__":
    main()
