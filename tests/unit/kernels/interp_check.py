"""Runs one bundled kernel file on the CPU in Triton's interpreter and prints what it computed.

A child process of test_interpreter.py: the interpreter is chosen when triton is first imported, so it cannot
be switched on inside a test run that also compiles kernels. Usage: interp_check.py KERNEL_FILE
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

SHAPES = {
    "usual": (2, 3, 16, 32),
    "odd": (2, 3, 33, 17),
    "one value": (1, 1, 1, 1),
    "one position": (2, 5, 1, 1),
    "one channel": (2, 1, 9, 11),
    "many channels": (2, 40, 7, 7),
    "more channels than a tile holds": (1, 1030, 3, 3),
    "large slice": (1, 2, 190, 181),
    "large even slice": (1, 1, 256, 256),
    "3-D": (2, 3, 37),
    "5-D": (2, 3, 4, 5, 6),
    "no sample": (0, 3, 4, 4),
    "no position": (2, 3, 0, 4),
}
LAYOUTS = ("contiguous", "channels_last", "sliced", "transposed", "channel slice")
CASES = (
    [(s, "float32", "contiguous", mean) for s in SHAPES for mean in (0, 1000) if mean or "tile" not in s]
    + [(s, "float32", "channels_last", 1000) for s in ("usual", "odd", "many channels", "large slice", "one position")]
    + [("usual", "float32", layout, 0) for layout in LAYOUTS[1:]]
    + [(s, d, layout, 0) for s in ("usual", "odd") for d in ("float16", "bfloat16") for layout in LAYOUTS[:3]]
    + [("usual", "float32", "contiguous", odd) for odd in ("nan", "inf", "outlier")]
)


def name(case: tuple[str, str, str, object]) -> str:
    return ", ".join(str(part) for part in case)


def main(path: Path) -> None:
    os.environ["TRITON_INTERPRET"] = "1"
    import torch

    spec = importlib.util.spec_from_file_location("kernel_under_test", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    instance = hasattr(module, "instance_norm")
    run = module.instance_norm if instance else module.rms_norm

    def torch_norm(x):
        if instance:
            return torch.instance_norm(x, None, None, None, None, True, 0.1, 1e-5, False)
        return module.Model(x.shape[1])(x)

    def exact(x):
        d = x.double()
        if not instance:
            return d / torch.sqrt(d.square().mean(1, keepdim=True) + 1e-5)
        var, mean = torch.var_mean(d, tuple(range(2, d.dim())), correction=0, keepdim=True)
        return (d - mean) / torch.sqrt(var + 1e-5)

    def make(shape, dtype, layout, kind):
        torch.manual_seed(len(shape) + shape[-1])
        wide = [n + 2 for n in shape] if layout == "sliced" else list(shape)
        if layout == "channel slice":
            wide[1] += 3
        x = torch.rand(wide)
        if isinstance(kind, int):
            x += kind
        elif kind == "outlier":
            x[..., 0] *= 1e6
        else:
            x.view(-1)[5] = float(kind)
        x = x.to(getattr(torch, dtype))
        if layout == "channels_last":
            return x.contiguous(memory_format=torch.channels_last)
        if layout == "sliced":
            return x[tuple(slice(1, n - 1) for n in wide)]
        if layout == "transposed":
            return x.transpose(-1, -2)
        return x[:, 1 : 1 + shape[1]] if layout == "channel slice" else x

    def worst(values):
        return values.abs().max().item() if values.numel() else 0.0

    def judge(case, y, x, before):
        wanted = exact(x)
        theirs = torch_norm(x).double() if x.numel() else wanted
        finite = torch.isfinite(wanted)
        return {
            "error": worst((y.double() - wanted)[finite]),
            "torch_error": worst((theirs - wanted)[finite]),
            "scale": worst(wanted[finite]),
            "same_special": torch.equal(torch.isnan(y), torch.isnan(wanted)),
            "strides": list(y.stride()) == list(torch.empty_like(x).stride()),
            "dtype": y.dtype == x.dtype and y.shape == x.shape,
            "input_kept": torch.equal(x.nan_to_num(7.0), before.nan_to_num(7.0)),
        }

    results = {}
    for case in CASES:
        shape, dtype, layout, kind = case
        x = make(SHAPES[shape], dtype, layout, kind)
        before = x.clone()
        results[name(case)] = judge(case, run(x), x, before)
    if hasattr(module, "cooperative_kernel"):
        results["cooperative"] = cooperative(module, judge)
    print(json.dumps(results))


def cooperative(module, judge):
    """Several programs a slice, although the interpreter runs one after another.

    Counters that start full make nobody wait. The first launch then merges partial results that are not there
    yet; they stay in their slots, so a second launch merges what the first one left and has to be right.
    """
    import torch

    found = {}
    for p, block, even in ((4096, 512, True), (1000, 128, False), (129, 64, False)):
        x = torch.rand(1, 6, p) + 1000
        y = torch.empty_like(x)
        parts = -(-p // block)
        partial = torch.zeros(6 * parts * 2)
        for _ in range(2):
            module.cooperative_kernel[(5,)](
                x, y, partial, torch.full((6,), parts, dtype=torch.int32), 1e-5, 6 * parts, parts,
                6, p, *x.stride(), *y.stride(), BLOCK=block, EVEN=even, PARTS=1 << (parts - 1).bit_length(),
            )  # fmt: skip
        found[f"{p} in {parts}"] = judge(None, y, x, x)
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
