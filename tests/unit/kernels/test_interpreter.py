"""The bundled kernels against float64, on the CPU: shapes, dtypes, layouts, far-off means, nan and inf."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

HERE = Path(__file__).parent
KERNELS = HERE.parents[2] / "kernels"

pytest.importorskip("triton")
pytest.importorskip("torch")

spec = importlib.util.spec_from_file_location("ncukit_interp_check", HERE / "interp_check.py")
check = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check)

FAST, PLAIN = ([f"{folder}{name}.py" for name in check.NORMS] for folder in ("", "naive/"))
FILES = FAST + PLAIN
HALVES = FAST[0::2] + PLAIN[1::2], FAST[1::2] + PLAIN[0::2]  # about equally long, one for each of two cores
CASES = [(file, case) for file in FILES for case in check.cases(Path(file).stem)]
RELATIVE = ("frobenius_norm", "l1_norm", "l2_norm")  # the others give values around 1


def child(what: str, files: list[str], **environment: str) -> dict[str, dict]:
    env = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"} | {"CUDA_VISIBLE_DEVICES": ""} | environment
    command = [sys.executable, str(HERE / "interp_check.py"), what, *(str(KERNELS / file) for file in files)]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=280)
    found = dict(json.loads(line) for line in done.stdout.splitlines())
    ended = {"failed": f"the child ended with {done.returncode} before this file's result: {done.stderr[-3000:]}"}
    return {file: found.get(str(KERNELS / file), ended) for file in files}


@functools.cache
def values() -> dict[str, dict]:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda half: child("values", half, TRITON_INTERPRET="1"), HALVES)
    return first | second


@functools.cache
def layouts() -> dict[str, dict]:
    return child("layout", FILES)


def result(found: dict, what: str) -> dict:
    assert "failed" not in found, found["failed"]
    assert "failed" not in found[what], found[what]["failed"]
    return found[what]


def accept(found: dict, dtype: str, rounding: float = 2e-6, smallest: float = 1.0) -> None:
    """At most twice PyTorch's own error, and a few roundings of the largest result."""
    rounding = {"float32": rounding, "float16": 2**-10, "bfloat16": 2**-7}[dtype]
    assert found["error"] <= 2 * found["torch_error"] + rounding * max(smallest, found["scale"])
    assert found["same_special"], "nan where PyTorch has none, or the other way round"
    assert found["strides"], "another memory format than torch.empty_like gives"
    assert found["dtype"]
    assert found["inputs_kept"], "an input was changed"


@pytest.mark.parametrize(("file", "case"), CASES, ids=lambda part: part if isinstance(part, str) else check.label(part))
def test_agrees_with_float64(file: str, case: tuple[str, str, str, object]) -> None:
    # A value a million times the others costs digits: the interpreter adds one after the other, unlike a GPU.
    rounding = 1e-5 if case[3] == "outlier" else 2e-6
    found = result(values()[file], check.label(case))
    accept(found, case[1], rounding, 0.0 if Path(file).stem in RELATIVE else 1.0)


@pytest.mark.parametrize("file", FILES)
def test_modelnew_does_as_model_does(file: str) -> None:
    """State, two training batches and evaluation: the child compares, and reports what differs."""
    assert "failed" not in values()[file]
    assert "failed" not in values()[file]["models"], values()[file]["models"]["failed"]


@pytest.mark.parametrize("what", [extra.__name__ for extra in check.EXTRA])
@pytest.mark.parametrize("file", ["batch_norm.py", "naive/batch_norm.py"])
def test_batch_norm_keeps_its_statistics_as_pytorch_does(file: str, what: str) -> None:
    assert "failed" not in values()[file]
    assert "failed" not in values()[file][what], values()[file][what]["failed"]


@pytest.mark.parametrize("file", FILES)
def test_runs_alone_and_says_so_without_a_gpu(file: str) -> None:
    title = Path(file).with_suffix("").as_posix().replace("/", " ")
    assert result(layouts()[file], "alone")["said"] == f"{title}: no CUDA device here, nothing to run\n"


@pytest.mark.parametrize("file", FILES)
def test_kernelbench_layout_and_no_import_of_ncukit(file: str) -> None:
    assert "ncukit" not in (KERNELS / file).read_text()
    result(layouts()[file], "kernelbench")
