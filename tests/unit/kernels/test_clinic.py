"""The clinic's sick kernels and their cures on the CPU: in pairs, laid out alike, and right under the interpreter.

The interpreter is chosen when triton is first imported, so a child process runs the kernels: this file itself, as
`python test_clinic.py`, prints what it found, a line of JSON for every file.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

CLINIC = Path(__file__).parents[3] / "kernels" / "clinic"
SICK, CURED = CLINIC / "sick", CLINIC / "cured"
CAUSES = sorted(path.stem for path in SICK.glob("*.py"))
FILES = [f"{state}/{cause}.py" for cause in CAUSES for state in ("sick", "cured")]
LAYOUT = ("Model", "ModelNew", "get_inputs", "get_init_inputs")

# The size constants of every pair, small enough for the interpreter: odd where a kernel masks, else multiples of its
# blocks.
SMALL: dict[str, dict[str, int]] = {
    "atomic_contention": {"length": 3001},
    "bank_conflict": {"rows": 256, "columns": 128},
    "barrier": {"rows": 3, "columns": 64},
    "divergence": {"length": 1501},
    "excess_traffic": {"rows": 3, "columns": 1501},
    "fp64": {"length": 1501, "steps": 20},
    "fusion": {"rows": 3, "columns": 1101},
    "instruction_latency": {"length": 5001, "steps": 20},
    "integer_bound": {"batch": 3, "side": 12, "window": 4, "channels": 6},
    "issue_bound": {"length": 1501, "entries": 9},
    "l2_locality": {"rows": 24, "columns": 64, "queries": 3},
    "launch_overhead": {"length": 1501},
    "local_memory": {"length": 3001, "steps": 8},
    "low_occupancy": {"length": 3001},
    "memory_latency": {"rows": 5, "columns": 1501},
    "narrow_access": {"recordings": 2, "steps": 256},
    "sfu_bound": {"length": 1501, "bells": 5},
    "small_grid": {"rows": 3, "columns": 1280},
    "tail_effect": {"share": 33, "steps": 20},
    "tensor_core_unused": {"rows": 128, "outputs": 256, "inner": 96},
    "uncoalesced_access": {"rows": 50, "columns": 41},
    "workload_imbalance": {"moments": 20, "size": 64, "short": 3, "long": 9, "long_moments": 4},
}


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"clinic_{path.parent.name}_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def gluon(file: str) -> bool:
    """Gluon kernels have no interpreter."""
    return "gluon" in (CLINIC / file).read_text()


def check(file: str) -> dict[str, object]:
    """In the child: one file's ModelNew against its Model, with every torch.empty full of NaN."""
    import torch

    module = load(CLINIC / file)
    for name, value in SMALL[Path(file).stem].items():
        assert isinstance(getattr(module, name), int), f"{name} is no size constant of {file}"
        setattr(module, name, value)
    torch.manual_seed(0)
    inputs = module.get_inputs()
    before = [x.clone() for x in inputs]
    wanted = module.Model(*module.get_init_inputs())(*inputs)
    torch.use_deterministic_algorithms(True)  # fills uninitialised tensors: with NaN, or the largest integer
    found = module.ModelNew(*module.get_init_inputs())(*inputs)
    torch.use_deterministic_algorithms(False)
    error = (found.double() - wanted.double()).abs()
    return {
        "same_kind": found.shape == wanted.shape and found.dtype == wanted.dtype,
        "exact": not wanted.dtype.is_floating_point,
        "error": error.nan_to_num(float("inf")).max().item(),
        "scale": wanted.double().abs().mean().item(),
        "inputs_kept": all(torch.equal(x, y) for x, y in zip(inputs, before, strict=True)),
        "on_cpu": all(x.device.type == "cpu" for x in inputs),
        "imported": sorted({name.split(".")[0] for name in sys.modules} & {"ncukit"}),
    }


@functools.cache
def results() -> dict[str, dict]:
    env = os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True, env=env, timeout=280)
    found = dict(json.loads(line) for line in done.stdout.splitlines())
    ended = {"failed": f"the child ended with {done.returncode} before this file's result: {done.stderr[-2000:]}"}
    return {file: found.get(file, ended) for file in FILES}


def test_every_kernel_has_its_pair_and_small_sizes() -> None:
    assert CAUSES, "no kernels in the clinic"
    assert sorted(path.stem for path in CURED.glob("*.py")) == CAUSES
    assert sorted(SMALL) == CAUSES


def parsed(file: str) -> ast.Module:
    return ast.parse((CLINIC / file).read_text())


def kernels(tree: ast.Module) -> list[str]:
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list]


@pytest.mark.parametrize("file", FILES)
def test_layout(file: str) -> None:
    """A docstring, at least one kernel, the KernelBench names, and no import of ncukit."""
    tree = parsed(file)
    assert ast.get_docstring(tree)
    assert kernels(tree)
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert set(LAYOUT) <= set(names)
    imported = [
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    ]
    assert not [name for name in imported if name.split(".")[0] == "ncukit"]


@pytest.mark.parametrize("file", FILES)
def test_names_do_not_give_the_cause_away(file: str) -> None:
    cause, tree = Path(file).stem, parsed(file)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} | set(kernels(tree))
    words = {cause, "sick", "cured", "slow", "fast", "bad", "good", "naive", "optimized"}
    assert not {name for name in used if words & {name, *name.lower().split("_")}}


@pytest.mark.parametrize("cause", CAUSES)
def test_a_pair_shares_its_reference_and_its_inputs(cause: str) -> None:
    """The cure is in the kernels and their launch alone: sizes, Model and get_inputs are the same text."""

    def shared(state: str) -> list[str]:
        keep = (ast.Assign, ast.FunctionDef, ast.ClassDef)
        nodes = [node for node in parsed(f"{state}/{cause}.py").body if isinstance(node, keep)]
        return [
            ast.unparse(node)
            for node in nodes
            if isinstance(node, ast.Assign) or node.name in ("Model", "get_inputs", "get_init_inputs")
        ]

    assert shared("sick") == shared("cured")
    assert (SICK / f"{cause}.py").read_text() != (CURED / f"{cause}.py").read_text()


@pytest.mark.parametrize("file", FILES)
def test_agrees_with_pytorch(file: str) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("triton")
    if gluon(file):
        pytest.skip("a Gluon kernel: no interpreter runs it")
    found = results()[file]
    assert "failed" not in found, found["failed"]
    assert found["same_kind"], "another shape or dtype than the reference"
    assert found["error"] <= (0 if found["exact"] else 1e-3 * found["scale"])
    assert found["inputs_kept"], "an input was changed"
    assert found["on_cpu"]
    assert found["imported"] == []


def main() -> None:
    import traceback

    for file in FILES:
        if gluon(file):
            continue
        try:
            found = check(file)
        except Exception:
            found = {"failed": traceback.format_exc()[-2000:]}
        print(json.dumps([file, found]), flush=True)


if __name__ == "__main__":
    main()
