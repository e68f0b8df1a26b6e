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
FILES = ("instance_norm.py", "rms_norm.py", "naive/instance_norm.py", "naive/rms_norm.py")

pytest.importorskip("triton")
pytest.importorskip("torch")

spec = importlib.util.spec_from_file_location("ncukit_interp_check", HERE / "interp_check.py")
check = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check)


def child(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"} | environment
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=env, timeout=300)


@functools.cache
def runs() -> dict[str, subprocess.CompletedProcess[str]]:
    with ThreadPoolExecutor(2) as pool:
        return dict(
            zip(
                FILES,
                pool.map(lambda f: child(str(HERE / "interp_check.py"), str(KERNELS / f)), FILES),
                strict=True,
            )
        )


@functools.cache
def results(file: str) -> dict:
    done = runs()[file]
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def accept(found: dict, dtype: str, rounding: float = 2e-6) -> None:
    """At most twice PyTorch's own error, and a few roundings of the largest result."""
    rounding = {"float32": rounding, "float16": 2**-10, "bfloat16": 2**-7}[dtype]
    assert found["error"] <= 2 * found["torch_error"] + rounding * max(1.0, found["scale"])
    assert found["same_special"], "nan where PyTorch has none, or the other way round"
    assert found["strides"], "another memory format than torch.empty_like gives"
    assert found["dtype"]
    assert found["input_kept"], "the input was changed"


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("case", check.CASES, ids=check.name)
def test_agrees_with_float64(file: str, case: tuple[str, str, str, object]) -> None:
    # A value a million times the others costs digits: the interpreter adds one after the other, unlike a GPU.
    accept(results(file)[check.name(case)], case[1], 1e-5 if case[3] == "outlier" else 2e-6)


def test_cooperative_merge_of_parts() -> None:
    found = results("instance_norm.py")["cooperative"]
    assert set(found) == {"4096 in 8", "1000 in 8", "129 in 3"}
    for one in found.values():
        accept(one, "float32")


@pytest.mark.parametrize("file", FILES)
def test_runs_alone_and_says_so_without_a_gpu(file: str) -> None:
    done = child(str(KERNELS / file), CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "no CUDA device" in done.stdout


@pytest.mark.parametrize("file", FILES)
def test_kernelbench_layout_and_no_import_of_ncukit(file: str) -> None:
    text = (KERNELS / file).read_text()
    assert "ncukit" not in text
    code = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('k', {str(KERNELS / file)!r})\n"
        "m = importlib.util.module_from_spec(spec); spec.loader.exec_module(m)\n"
        "assert (m.batch_size, m.features, m.dim1, m.dim2) == (112, 64, 512, 512)\n"
        "assert m.get_init_inputs() == [64]\n"
        "m.batch_size, m.features, m.dim1, m.dim2 = 2, 4, 8, 16\n"
        "(x,) = m.get_inputs(); assert x.shape == (2, 4, 8, 16) and x.device.type == 'cpu'\n"
        "m.Model(*m.get_init_inputs())(x); m.ModelNew(*m.get_init_inputs())\n"
        "assert isinstance(m.explain(x), str)\n"
        "assert 'ncukit' not in sys.modules\n"
    )
    done = child("-c", code)
    assert done.returncode == 0, done.stderr[-2000:]
