"""Runs the cooperative kernels, and what they share, in Triton's interpreter; a child process of test_cooperative.py.

Usage: cooperative_check.py NORMS_FILE KERNELS_FOLDER, with TRITON_INTERPRET=1. Prints JSON.
"""

import importlib.util
import json
import sys
from pathlib import Path

import torch
import triton
import triton.language as tl

spec = importlib.util.spec_from_file_location("norms", sys.argv[1])
norms = importlib.util.module_from_spec(spec)
spec.loader.exec_module(norms)
MODULES = {name: norms.load(Path(sys.argv[2], f"{name}.py")) for name in norms.NORMS}
TILE = {"ROWS": 2, "COLS": 128, "PARTS": 4}  # a part is 256 values

found: dict[str, object] = {}


def told(words):
    """Slots and the ticket counter, as a launch expects them."""
    slots = torch.full((words + 1,), -1, dtype=torch.int32)
    return slots, slots[-1:]


def errors(name, x, y, parameters, where=slice(None)):
    """Ours and PyTorch's against float64, and the largest result."""
    norm = norms.NORMS[name]
    wanted = norm.exact(x, parameters)
    theirs = norm.theirs(x, parameters).double()
    return {
        "error": (y.double() - wanted)[where].abs().max().item(),
        "torch": (theirs - wanted)[where].abs().max().item(),
        "scale": wanted[where].abs().max().item(),
    }


def instance_norm(p, near):
    x = torch.rand(2, 3, p) + 1000
    y, parts = torch.full_like(x, float("nan")), -(-p // 256)
    MODULES["instance_norm"].cooperative_kernel[(1,)](
        x, y, *told(6 * parts * 2), 1e-5, 6 * parts, parts, 3, p, *x.stride()[:2], *y.stride()[:2],
        NEAR=near, EVEN=p % 256 == 0, **TILE,
    )  # fmt: skip
    return errors("instance_norm", x, y, {})


def group_norm(p, near):
    x = torch.rand(3, 2 if p == 33 else 1, p) + 1000  # two channels in a part, or a channel of up to two parts
    size = x[0].numel()
    y, parts = torch.full_like(x, float("nan")), -(-size // 256)
    given = norms.NORMS["group_norm"].parameters(x)
    MODULES["group_norm"].cooperative_kernel[(1,)](
        x, y, given["weight"], given["bias"], *told(3 * parts * 2), 1e-5, 3 * parts, parts, 1, x.shape[1], p, size,
        NEAR=near, EVEN=p % 256 == 0, AFFINE=True, **TILE,
    )  # fmt: skip
    return errors("group_norm", x, y, given)


def rows(name, size, near):
    x = torch.rand(5, size) - 0.5
    y, parts = torch.full_like(x, float("nan")), -(-size // 256)
    MODULES[name].cooperative_kernel[(1,)](
        x, y, *told(5 * parts), 5 * parts, parts, size, NEAR=near, EVEN=size % 256 == 0, VEC=4, **TILE
    )
    return errors(name, x, y, {})


def outlier(name, size):
    """A first value far out of the others' range: the errors of the others."""
    x = torch.rand(1, 2, size)
    x[..., 0] = 1e4
    return errors(name, x, norms.NORMS[name].ours(MODULES[name], x), {}, (..., slice(1, None)))


def huge(name, size):
    """Values whose squares overflow: the largest result, by PyTorch and by ours."""
    x = torch.rand(1, 2, size) * 6e19 - 3e19
    y = norms.NORMS[name].ours(MODULES[name], x), norms.NORMS[name].theirs(x)
    return [one.abs().max().item() for one in y]


merge = MODULES["instance_norm"].merge


@triton.jit
def merge_kernel(partial_ptr, out_ptr, parts, span, P, PARTS: tl.constexpr):
    mean, rstd = merge(partial_ptr, parts, span, P, 0.0, PARTS, 1)
    tl.store(out_ptr, mean)
    tl.store(out_ptr + 1, rstd)


def merged(size):
    """Mean and 1/std of a set from the moments of its spans: ours and wanted."""
    span = 4096 * triton.cdiv(size, 4096 * 1024)
    parts = triton.cdiv(size, span)
    counts = torch.full((parts,), float(span), dtype=torch.float64)
    counts[-1] = size - span * (parts - 1)
    means = torch.linspace(0, 1, parts, dtype=torch.float64)
    out = torch.empty(2)
    partial = torch.stack([means, 2 * counts], dim=1).float()
    merge_kernel[(1,)](partial, out, parts, span, size, 1 << (parts - 1).bit_length())
    mean = (means * counts).sum() / size
    var = (2 * counts + counts * (means - mean) ** 2).sum() / size
    return [out[0].item(), mean.item(), out[1].item(), (var**-0.5).item()]


torch.manual_seed(0)
for p, near in ((512, 2), (512, 1), (256, 1), (300, 1), (257, 1)):
    found[f"instance_norm {p} near {near}"] = instance_norm(p, near)
for p, near in ((512, 2), (256, 1), (300, 1), (33, 1)):
    found[f"group_norm {p} near {near}"] = group_norm(p, near)
for name in ("l1_norm", "l2_norm"):
    for size, near in ((512, 2), (511, 2), (257, 1), (256, 1), (13, 1)):
        found[f"{name} {size} near {near}"] = rows(name, size, near)
for name in ("instance_norm", "group_norm"):
    for size in (4096, 40000):  # one tile, and streamed
        found[f"{name} outlier {size}"] = outlier(name, size)
        found[f"{name} huge {size}"] = huge(name, size)
for size in (2**31 - 5, 2**31 + 1, 5 * 10**9):
    found[f"merge {size}"] = merged(size)
print(json.dumps(found))
