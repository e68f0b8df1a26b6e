"""How fast the bundled kernels are on this GPU, next to PyTorch and to a plain copy of the same bytes.

    python tests/bench/kernels.py [-o results.json] [--sizes 112x64x512x512] [--dtype float32] [--sweep]

For each operation and size: median milliseconds, GB/s of compulsory bytes (input read once, output written
once) and the fraction of the rate at which torch copies the tensor. `--sweep` tries splits of the cooperative
InstanceNorm. A result that is wrong against float64 is not timed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import triton

if TYPE_CHECKING:
    from collections.abc import Callable

KERNELS = Path(__file__).parents[2] / "kernels"
OPERATIONS = ("instance_norm", "rms_norm")


def load(file: str):
    spec = importlib.util.spec_from_file_location("bench_" + file.replace("/", "_")[:-3], KERNELS / file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def median_ms(run: Callable[[], object], rep: int) -> float:
    return triton.testing.do_bench(run, warmup=25, rep=rep, return_mode="median")


def copy_time(x: torch.Tensor, rep: int) -> float:
    y = torch.empty_like(x)
    return median_ms(lambda: y.copy_(x), rep)


def error(operation: str, y: torch.Tensor, x: torch.Tensor) -> float:
    """Against float64, on the first and the last sample: the whole would not fit."""
    worst = 0.0
    for n in {0, len(x) - 1}:
        d = x[n : n + 1].double()
        if operation == "rms_norm":
            wanted = d / torch.sqrt(d.square().mean(1, keepdim=True) + 1e-5)
        else:
            var, mean = torch.var_mean(d, (2, 3), correction=0, keepdim=True)
            wanted = (d - mean) / torch.sqrt(var + 1e-5)
        found = (y[n : n + 1].double() - wanted).abs().max().item()
        worst = max(worst, math.inf if math.isnan(found) else found)
    return worst


def measure(operation: str, x: torch.Tensor, compiled: bool, sweep: bool, rep: int) -> list[dict]:
    fast, naive = load(f"{operation}.py"), load(f"naive/{operation}.py")
    model = fast.Model(x.shape[1]).to(x.device).requires_grad_(False)
    ours, plain = getattr(fast, operation), getattr(naive, operation)
    variants = {"ours": (lambda: ours(x), fast.explain(x)), "naive": (lambda: plain(x), naive.explain(x))}
    variants["eager"] = (lambda: model(x), "")
    if compiled:
        quick = torch.compile(model)
        variants["torch.compile"] = (lambda: quick(x), "")
    if sweep and operation == "instance_norm":
        for values in (64, 32):
            for warps in (4, 8, 16):
                for ctas in (1, 2, 3, 4, 5, 6, 8):
                    if not 2048 <= values * 32 * warps * ctas // 4 <= 12288:  # 32 to 192 KiB held by an SM
                        continue
                    tuned = {"values": values, "warps": warps, "ctas": ctas}
                    said = fast.explain(x, **tuned)
                    if said.startswith("cooperative"):
                        label = f"{values} values x {warps} warps x {ctas} CTAs"
                        variants[label] = (lambda tuned=tuned: ours(x, **tuned), said)

    allowed = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 6e-2}[x.dtype]
    copy_ms = copy_time(x, rep)
    rows = [{"variant": "copy", "ms": copy_ms, "error": 0.0, "how": "torch copy_, the roof"}]
    for label, (run, how) in variants.items():
        row = {"variant": label, "how": how}
        try:
            row["error"] = error(operation, run(), x)
            if row["error"] <= allowed:
                row["ms"] = median_ms(run, rep)
        except (RuntimeError, triton.runtime.errors.OutOfResources) as caught:
            row["failed"] = f"{type(caught).__name__}: {caught}".splitlines()[0]
            if "CUDA error" in row["failed"]:  # the context is gone with it
                raise
        rows.append(row)
    for row in rows:
        if "ms" in row:
            row["gbps"] = 2 * x.nbytes / row["ms"] / 1e6
            row["of_copy"] = copy_ms / row["ms"]
    return rows


def show(title: str, rows: list[dict]) -> None:
    print(f"\n{title}\n{'':28}{'ms':>9}{'GB/s':>8}{'of copy':>9}{'error':>10}")
    for row in sorted(rows, key=lambda r: r.get("ms", math.inf)):
        if "ms" in row:
            figures = f"{row['ms']:9.3f}{row['gbps']:8.0f}{row['of_copy']:8.1%} {row['error']:9.1e}"
        else:
            figures = f"  {row.get('failed', 'wrong: error {:.1e}'.format(row.get('error', math.nan)))}"
        print(f"{row['variant']:28}{figures}  {row['how']}", flush=True)


def main() -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, help="write the figures as JSON")
    parser.add_argument("--sizes", nargs="+", default=["112x64x512x512"], metavar="NxCxHxW")
    parser.add_argument("--dtype", choices=["float32", "float16", "bfloat16"], default="float32")
    parser.add_argument("--operations", nargs="+", choices=OPERATIONS, default=list(OPERATIONS))
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--sweep", action="store_true", help="InstanceNorm over values x warps x CTAs per SM")
    parser.add_argument("--rep", type=int, default=300, metavar="MS", help="time spent on each variant")
    chosen = parser.parse_args()
    if not torch.cuda.is_available():
        print("kernels bench: no CUDA device here, nothing to measure", file=sys.stderr)
        return 4
    device = torch.cuda.get_device_properties(0)
    versions = f"torch {torch.__version__}, triton {triton.__version__}"
    print(f"{device.name}, {device.multi_processor_count} SMs, {versions}")
    results = []
    for size in chosen.sizes:
        shape = [int(n) for n in size.split("x")]
        x = torch.rand(shape, device="cuda").to(getattr(torch, chosen.dtype))
        if chosen.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        for operation in chosen.operations:
            rows = measure(operation, x, not chosen.no_compile, chosen.sweep, chosen.rep)
            layout = "channels_last" if chosen.channels_last else "contiguous"
            show(f"{operation} {size} {chosen.dtype} {layout}", rows)
            results.append(
                {"operation": operation, "size": shape, "dtype": chosen.dtype, "layout": layout, "rows": rows}
            )
        del x
    if chosen.output:
        found = {
            "device": device.name,
            "sms": device.multi_processor_count,
            "torch": torch.__version__,
            "triton": triton.__version__,
            "results": results,
        }
        chosen.output.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
