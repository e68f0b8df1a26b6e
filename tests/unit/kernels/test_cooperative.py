"""The kernels whose programs wait for one another, on the CPU.

The interpreter runs one program after another, and a program may wait for what it has told itself: one that holds
two parts finishes sets of up to two. What it cannot show, that a set of more parts is complete in the end, is the
business of tests/gpu.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")
pytest.importorskip("torch")

ROOT = Path(__file__).parents[3]

CHILD = """
import importlib.util, json, pathlib, sys
import torch

spec = importlib.util.spec_from_file_location("norms", sys.argv[1])
norms = importlib.util.module_from_spec(spec)
spec.loader.exec_module(norms)
found = {}

def judge(name, label, x, launch, **more):
    norm = norms.NORMS[name]
    y = torch.full_like(x, float("nan"))
    launch(y)
    wanted = norm.exact(x, more)
    theirs = norm.theirs(x, more).double()
    found[label] = {
        "error": (y.double() - wanted).abs().max().item(),
        "torch": (theirs - wanted).abs().max().item(),
        "scale": wanted.abs().max().item(),
    }

def told(words):
    return torch.full((words + 1,), -1, dtype=torch.int32)

torch.manual_seed(0)
tile = dict(ROWS=2, COLS=128, PARTS=4)
module = norms.load(pathlib.Path(sys.argv[2], "instance_norm.py"))
for p, near in ((512, 2), (512, 1), (256, 1), (300, 1), (257, 1)):
    x = torch.rand(2, 3, p) + 1000
    parts = -(-p // 256)
    def launch(y):
        slots = told(6 * parts * 2)
        module.cooperative_kernel[(1,)](
            x, y, slots, slots[-1:], 1e-5, 6 * parts, parts, 3, p, *x.stride()[:2], *y.stride()[:2],
            NEAR=near, EVEN=p % 256 == 0, **tile)
    judge("instance_norm", f"instance_norm {p} near {near}", x, launch)

module = norms.load(pathlib.Path(sys.argv[2], "group_norm.py"))
for p, near in ((512, 2), (256, 1), (300, 1), (33, 1)):
    x = torch.rand(3, 2 if p == 33 else 1, p) + 1000  # two channels in a part, or a channel of up to two parts
    size = x[0].numel()
    parts = -(-size // 256)
    more = norms.NORMS["group_norm"].parameters(x)
    def launch(y):
        slots = told(3 * parts * 2)
        module.cooperative_kernel[(1,)](
            x, y, more["weight"], more["bias"], slots, slots[-1:], 1e-5, 3 * parts, parts, 1, x.shape[1], p, size,
            NEAR=near, EVEN=p % 256 == 0, AFFINE=True, **tile)
    judge("group_norm", f"group_norm {p} near {near}", x, launch, **more)

for name in ("l1_norm", "l2_norm"):
    module = norms.load(pathlib.Path(sys.argv[2], f"{name}.py"))
    for size, near in ((512, 2), (511, 2), (257, 1), (256, 1), (13, 1)):
        x = torch.rand(5, size) - 0.5
        parts = -(-size // 256)
        def launch(y):
            slots = told(5 * parts)
            module.cooperative_kernel[(1,)](
                x, y, slots, slots[-1:], 5 * parts, parts, size, NEAR=near, EVEN=size % 256 == 0, VEC=4, **tile)
        judge(name, f"{name} {size} near {near}", x, launch)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, float]]:
    command = [sys.executable, "-c", CHILD, str(ROOT / "tests" / "norms.py"), str(ROOT / "kernels")]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"TRITON_INTERPRET": "1"}, timeout=100
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ["instance_norm", "group_norm", "l1_norm", "l2_norm"])
def test_parts_are_told_gathered_and_finished(found: dict, name: str) -> None:
    mine = {label: one for label, one in found.items() if label.startswith(name)}
    assert len(mine) >= 4
    for label, one in mine.items():
        assert one["error"] <= 2 * one["torch"] + 2e-6 * one["scale"], label
