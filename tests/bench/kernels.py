"""How fast the bundled kernels are on this GPU, next to PyTorch, other libraries and a plain copy of the same bytes.

    python tests/bench/kernels.py [-o results.json] [--problems l1_norm ...] [--sizes small bench sweep]
                                  [--dtypes float32 bfloat16 float16] [--variants ours ...] [--no-compile] [--rep 21]

One table for each problem, size and dtype: milliseconds (median and quartiles), GB/s of compulsory bytes (input once,
output once, parameters once), and two fractions: of the rate at which torch copies the input, and of the time that such
a copy would need for the fewest passes that the problem allows on this device (`bound`). docs/kernel_page.py makes
docs/kernels.md of the JSON.

All variants of a table are timed in turns, in an order that changes every round, so that a drifting clock meets all of
them alike. L2 is overwritten before each, for at least as long as the host needs for the launch: what is timed is the
GPU, not Python. A result that is wrong against float64 is reported and not timed.
"""

from __future__ import annotations

import argparse
import functools
import importlib.metadata
import importlib.util
import itertools
import json
import math
import platform
import random
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import triton

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

    Run = Callable[[], torch.Tensor]
    Part = tuple[tuple[slice, ...], torch.Tensor]

TESTS = Path(__file__).parents[1]
KERNELS = TESTS.parent / "kernels"
DEVICE = "cuda"
SIZES = ("small", "bench", "sweep")
DTYPES = ("float32", "bfloat16", "float16")
VARIANTS = ("copy", "ours", "naive", "eager", "torch.compile", "max-autotune", "liger", "quack")
COMPILED = ("torch.compile", "max-autotune")
ALLOWED = {"float32": 1e-4, "float16": 1e-2, "bfloat16": 6e-2}
"""Largest error next to the largest exact value: this catches a wrong kernel, the tests judge the last bits."""
LEAST_ROUNDS = 15
WHOLE = 2**28
"""Inputs up to so many bytes are compared whole with float64, larger ones in part."""
ROOM = 5
"""Tensors of the input's size that must fit: input, the copy, a result, and two that eager PyTorch makes on its way."""


def _loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_" + path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


norms, passes = _loaded(TESTS / "norms.py"), _loaded(TESTS / "passes.py")
NORMS, SETS = norms.NORMS, passes.SETS
Facts, bound, fractions, said = passes.Facts, passes.bound, passes.fractions, passes.said
kernel_file = functools.cache(norms.load)  # once: Triton keeps what it compiled on the module's functions


# Sizes


def sweep(shape: Sequence[int]) -> list[tuple[int, ...]]:
    """From KernelBench's shape down to about a megabyte in fp32: a quarter of the samples, then of the image."""
    shapes = [tuple(shape)]
    while True:
        n, c, *image = shapes[-1]
        if n > 1:
            smaller = (max(1, n // 4), c, *image)
        elif image:
            smaller = (1, c, *(side // 2 for side in image))
        else:
            return shapes
        if 4 * math.prod(smaller) < 1e6:
            return shapes
        shapes.append(smaller)


def shapes_of(size: str, shape: Sequence[int]) -> list[tuple[int, ...]]:
    """The shapes behind a name of `SIZES`; small is the largest of the sweep below 32 MB."""
    every = sweep(shape)
    return {
        "small": [next((s for s in every if 4 * math.prod(s) < 32e6), every[-1])],
        "bench": every[:1],
        "sweep": every,
    }[size]


def fitting(shape: tuple[int, ...], dtype: str) -> tuple[int, ...] | None:
    """The shape with as many samples as this GPU has room for, or None."""
    sample = math.prod(shape[1:]) * getattr(torch, dtype).itemsize
    n = min(shape[0], (torch.cuda.mem_get_info()[0] - 2**29) // (ROOM * sample))
    return (n, *shape[1:]) if n > 0 else None


# Variants


def liger(name: str, x: torch.Tensor, parameters: dict[str, torch.Tensor]) -> Run | None:
    """Liger Kernel, where it computes the same thing. Its RMSNorm is over the last dimension, KernelBench's is not."""
    weight, bias = parameters.get("weight"), parameters.get("bias")
    if name == "group_norm":
        from liger_kernel.ops.group_norm import LigerGroupNormFunction as GroupNorm

        (groups,) = NORMS[name].arguments(x)
        return lambda: GroupNorm.apply(x, weight, bias, x.shape[1], groups, norms.EPS)
    if name == "layer_norm":
        from liger_kernel.ops.layer_norm import LigerLayerNormFunction as LayerNorm

        rows, weight, bias = x.flatten(1), weight.flatten(), bias.flatten()
        return lambda: LayerNorm.apply(rows, weight, bias, norms.EPS).view_as(x)
    return None


def quack(name: str, x: torch.Tensor, parameters: dict[str, torch.Tensor]) -> Run | None:
    """QuACK's LayerNorm, where a row fits the shared memory of a cluster of 16 SMs: it keeps the row there."""
    rows = x.flatten(1)
    shared = torch.cuda.get_device_properties(0).shared_memory_per_multiprocessor
    if name != "layer_norm" or rows[0].nbytes > 16 * shared:
        return None
    from quack.rmsnorm import layernorm_fwd

    weight, bias = (parameters[key].flatten().float() for key in ("weight", "bias"))  # it takes no other dtype
    return lambda: layernorm_fwd(rows, weight, bias, eps=norms.EPS).view_as(x)


LIBRARIES = {"liger": ("liger_kernel", "liger-kernel", liger), "quack": ("quack", "quack-kernels", quack)}
"""Variant → its module, its package, and what makes the call."""


def copied(values: int, parameters: int) -> int:
    """How many values the copy moves: those of the input; or, where parameters weigh, what makes as many bytes in all.

    Scaled up from the input alone, its launch would count twice for a LayerNorm sample of a megabyte.
    """
    return values + parameters // 2 if parameters > values / 100 else values


def build(variant: str, name: str, x: torch.Tensor, parameters: dict[str, torch.Tensor]) -> tuple[Run, str] | None:
    """What a variant runs, and how it says it does that; None where it has nothing for this problem."""
    norm = NORMS[name]
    if variant == "copy":
        values = copied(x.numel(), sum(p.numel() for p in parameters.values()))
        source = x if values == x.numel() else torch.rand(values, device=DEVICE, dtype=x.dtype)
        return partial(torch.empty_like(source).copy_, source), f"torch copy_ of {said(source.nbytes)}"
    if variant in ("ours", "naive"):
        module = kernel_file(KERNELS / ("naive" if variant == "naive" else "") / f"{name}.py")
        return partial(norm.ours, module, x, parameters), norm.explain(module, x)
    if variant == "eager":
        return partial(norm.theirs, x, parameters), "PyTorch's functional form"
    if variant in COMPILED:
        mode = "max-autotune-no-cudagraphs" if variant == "max-autotune" else "default"
        quick = torch.compile(norm.theirs, dynamic=False, mode=mode)
        return partial(quick, x, parameters), f"mode {mode}, static shapes"
    module, package, make = LIBRARIES[variant]
    if importlib.util.find_spec(module) is None:
        return None
    run = make(name, x, parameters)
    return run and (run, f"{package} {importlib.metadata.version(package)}")


# Right, and how fast


def exact(name: str, x: torch.Tensor, parameters: dict[str, torch.Tensor]) -> Iterator[Part]:
    """Places and what belongs there, in float64: everything, or of a large input its first and last part.

    A part is made of whole sets, so that its statistics are exact: samples, channels for BatchNorm. The one set of the
    Frobenius norm is everything; its sum is made sample by sample, since a float64 copy would take 15 GB.
    """
    norm, n = NORMS[name], len(x)
    if x.nbytes <= WHOLE:
        yield (slice(None),), norm.exact(x, parameters)
    elif name == "batch_norm":
        for c in (0, x.shape[1] - 1):
            at = slice(c, c + 1)
            yield (slice(None), at), norm.exact(x[:, at], {key: p[at] for key, p in parameters.items()})
    else:
        some = max(1, min(n // 2, 2**24 // x[0].numel()))
        whole = sum(sample.double().square().sum() for sample in x).sqrt() if name == "frobenius_norm" else None
        for at in (slice(0, some), slice(n - some, n)):
            yield (at,), norm.exact(x[at], parameters) if whole is None else x[at].double() / whole


def error(y: torch.Tensor, x: torch.Tensor, wanted: Sequence[Part]) -> float:
    """The largest error over the largest exact value: some norms leave results of 1e-5."""
    if y.shape != x.shape or y.dtype != x.dtype:
        return math.inf
    worst = max((y[at].double() - part).abs().max().item() for at, part in wanted)
    largest = max(part.abs().max().item() for _, part in wanted)
    return math.inf if math.isnan(worst) else float(f"{worst / max(largest, 1e-300):.3g}")


def timed(runs: dict[str, Run], rounds: int, l2_bytes: int) -> dict[str, list[float]]:
    """Variant → milliseconds, one a round."""
    lines = torch.empty(2 * max(l2_bytes, 2**20), dtype=torch.int8, device=DEVICE)  # twice: an exact fit leaves some

    def once(run: Callable[[], object], before: int) -> tuple[torch.cuda.Event, torch.cuda.Event]:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        for _ in range(before):
            lines.zero_()
        start.record()
        run()
        end.record()
        return start, end

    def host_ms(run: Run) -> float:
        torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        return 1e3 * (time.perf_counter() - start)

    marks = [once(lines.zero_, 1) for _ in range(5)]
    torch.cuda.synchronize()
    flush_ms = max(1e-3, min(start.elapsed_time(end) for start, end in marks))
    # Twice the host's time, so that the launch is in the queue before the GPU gets there. At most 50: a variant that
    # waits for the GPU itself can never be ahead of it.
    flushes = {
        label: min(50, max(1, math.ceil(2 * min(host_ms(run) for _ in range(3)) / flush_ms)))
        for label, run in runs.items()
    }
    order, shuffle = list(runs), random.Random(0).shuffle
    times: dict[str, list[float]] = {label: [] for label in runs}
    for turn in range(2 + rounds):
        shuffle(order)
        events = {label: once(runs[label], flushes[label]) for label in order}
        torch.cuda.synchronize()
        for label, (start, end) in events.items():
            if turn >= 2:  # the first rounds warm up
                times[label].append(start.elapsed_time(end))
    return times


def measure(name: str, shape: tuple[int, ...], dtype: str, chosen: Sequence[str], rounds: int, facts: Facts):
    """The rows of one table, and its bound."""
    torch.manual_seed(0)
    x = torch.rand(shape, device=DEVICE, dtype=getattr(torch, dtype))
    parameters = NORMS[name].parameters(x)
    wanted = list(exact(name, x, parameters))
    rows: dict[str, dict] = {}
    runs: dict[str, Run] = {}
    for variant in chosen:
        row = {"variant": variant, "ms": None, "error": None, "how": ""}
        try:
            built = build(variant, name, x, parameters)
            if built is None:
                continue
            run, row["how"] = built
            torch.full_like(x, math.nan)  # the next result takes its place: what is never written then shows
            row["error"] = error(run(), x, wanted) if variant != "copy" else 0.0
            if row["error"] <= ALLOWED[dtype]:
                runs[variant] = run
            else:
                row["failed"] = f"wrong: error {row['error']:.1e}"
                row["error"] = None if math.isinf(row["error"]) else row["error"]
        except Exception as caught:  # whatever another library raises is a result, too
            row["failed"] = f"{type(caught).__name__}: {caught}".splitlines()[0].replace(f"{TESTS.parent}/", "")
            if "CUDA error" in row["failed"]:  # the context is gone with it
                raise
        rows[variant] = row
    del wanted
    torch.cuda.empty_cache()

    parameter_bytes = sum(p.nbytes for p in parameters.values())
    compulsory = 2 * x.nbytes + parameter_bytes
    least, why = bound(name, shape, dtype, facts, parameter_bytes)
    times = timed(runs, rounds, facts.l2_bytes)
    copy_ms = statistics.median(times["copy"])
    copy_bytes = 2 * x.itemsize * copied(x.numel(), parameter_bytes // x.itemsize)
    for variant, taken in times.items():
        low, ms, high = statistics.quantiles(taken, n=4, method="inclusive")
        needs = (copy_bytes, copy_bytes) if variant == "copy" else (compulsory, least)
        figures = {"ms": ms, "low": low, "high": high, **fractions(ms, copy_ms, copy_bytes, *needs)}
        rows[variant] |= {key: float(f"{value:.5g}") for key, value in figures.items()}
    return list(rows.values()), {"compulsory": compulsory, "bytes": least, "reason": why}


def show(title: str, rows: list[dict]) -> None:
    """One table, the fastest first."""
    print(f"\n{title}\n{'':15}{'ms':>9}{'quartiles':>16}{'GB/s':>7}{'of copy':>9}{'of bound':>9}{'error':>9}")
    for row in sorted(rows, key=lambda r: r["ms"] or math.inf):
        if row["ms"]:
            spread = f"{row['low']:.3f}-{row['high']:.3f}"
            rates = f"{row['gbps']:7.0f}{row['of_copy']:9.1%}{row['of_bound']:9.1%}{row['error']:9.0e}"
            figures = f"{row['ms']:9.3f}{spread:>16}{rates}"
        else:
            figures = f"  not timed: {row['failed']}"
        print(f"{row['variant']:15}{figures}  {row['how']}", flush=True)


# The run


def smi(uuid: str, *fields: str) -> list[str]:
    """What nvidia-smi says of this GPU; "unknown" without it."""
    command = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader", f"--id=GPU-{uuid}"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ["unknown"] * len(fields)
    return [word.strip() for word in answer.split(",")]


def header(rounds: int) -> dict:
    """Where this is measured. Without a date: the same figures give the same file."""
    device = torch.cuda.get_device_properties(0)
    fields = ("driver_version", "clocks.max.sm", "clocks.max.memory", "power.limit")
    driver, sm, memory, power = smi(str(device.uuid), *fields)
    return {
        "device": device.name,
        "sms": device.multi_processor_count,
        "driver": driver,
        "torch": torch.__version__,
        "triton": triton.__version__,
        "python": platform.python_version(),
        "clocks": f"as found, at most {sm} (SM) and {memory} (memory), power limit {power}",
        "rounds": rounds,
    }


def main() -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, help="write the figures as JSON, after every table")
    parser.add_argument("--problems", nargs="+", choices=NORMS, default=list(NORMS))
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["bench"])
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=["float32"])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), help="copy always runs")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--rep", type=int, default=21, metavar="N", help=f"rounds, at least {LEAST_ROUNDS}")
    options = parser.parse_args()
    if options.rep < LEAST_ROUNDS:
        parser.error(f"--rep is at least {LEAST_ROUNDS}: quartiles of fewer say little")
    if not torch.cuda.is_available():
        print("kernels bench: no CUDA device here, nothing to measure", file=sys.stderr)
        return 4
    leave_out = COMPILED if options.no_compile else ()
    chosen = [v for v in VARIANTS if v == "copy" or (v in options.variants and v not in leave_out)]
    device = torch.cuda.get_device_properties(0)
    facts = Facts(
        device.multi_processor_count,
        device.regs_per_multiprocessor,
        device.shared_memory_per_multiprocessor,
        device.L2_cache_size,
    )
    found = header(options.rep) | {"notes": [], "bounds": [], "results": []}
    print(f"{found['device']}, driver {found['driver']}, torch {found['torch']}, triton {found['triton']}")

    def note(words: str) -> None:
        print(f"note: {words}")
        found["notes"].append(words)

    if "max-autotune" in chosen:
        note("max-autotune is mode max-autotune-no-cudagraphs: a CUDA graph would copy the input at every call")
    for variant, (module, package, _) in LIBRARIES.items():
        if variant in chosen and importlib.util.find_spec(module) is None:
            note(f"{package} is not installed")
    good = True
    orders = itertools.product(options.problems, options.dtypes, options.sizes)
    tables = ((*order, shape) for order in orders for shape in shapes_of(order[-1], NORMS[order[0]].shape))
    for name, dtype, size, shape in tables:
        torch.cuda.empty_cache()
        fits = fitting(shape, dtype)
        if fits != shape:
            note(f"{name} {dtype}: {shape} takes {ROOM} times its bytes, too many for this GPU; {fits} instead")
        if fits is None:
            continue
        with torch.no_grad():
            rows, limit = measure(name, fits, dtype, chosen, options.rep, facts)
        torch.compiler.reset()
        show(f"{name} {'x'.join(map(str, fits))} {dtype} ({size})", rows)
        print(f"{'':15}at least {said(limit['bytes'])}: {limit['reason']}")
        where = {"problem": name, "size": size, "shape": list(fits), "dtype": dtype}
        found["bounds"].append(where | limit)
        found["results"] += [where | row for row in rows]
        good &= not any("failed" in row for row in rows if row["variant"] in ("ours", "naive"))
        if options.output:  # after every table: a run that is cut off keeps what it has
            options.output.write_text(json.dumps(found, indent=1) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
