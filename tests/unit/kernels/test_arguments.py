"""What the fast kernels refuse before anything is launched, and that options survive the copy of an odd layout."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")

ROOT = Path(__file__).parents[3]
spec = importlib.util.spec_from_file_location("argument_norms", ROOT / "tests" / "norms.py")
norms = importlib.util.module_from_spec(spec)
spec.loader.exec_module(norms)

MODULES = {name: norms.load(ROOT / "kernels" / f"{name}.py") for name in norms.NORMS}


@pytest.mark.parametrize("dtype", [torch.float64, torch.int32, torch.bool], ids=str)
@pytest.mark.parametrize("name", norms.NORMS)
def test_other_types_are_refused(name: str, dtype) -> None:
    with pytest.raises(TypeError, match=f"{name} takes float32, float16 or bfloat16, not {dtype}"):
        norms.NORMS[name].ours(MODULES[name], torch.ones(2, 8, 4, 4).to(dtype))


@pytest.mark.parametrize("which", ["weight", "bias"])
@pytest.mark.parametrize("name", ["batch_norm", "group_norm", "layer_norm"])
def test_parameters_of_another_size_are_refused(name: str, which: str) -> None:
    with pytest.raises(ValueError, match=r"not \(3,\)"):
        norms.NORMS[name].ours(MODULES[name], torch.ones(2, 8, 4, 4), {which: torch.ones(3)})


@pytest.mark.parametrize("which", ["running_mean", "running_var"])
def test_statistics_of_another_size_are_refused_and_not_written(which: str) -> None:
    kept = torch.ones(3)
    with pytest.raises(ValueError, match=r"not \(3,\)"):
        MODULES["batch_norm"].batch_norm(torch.ones(2, 8, 4, 4), **{which: kept})
    assert torch.equal(kept, torch.ones(3))


@pytest.mark.parametrize("name", [name for name in norms.NORMS if name != "frobenius_norm"])
def test_options_reach_the_plan_through_a_copy(name: str) -> None:
    odd = torch.ones(4, 4, 16, 2).permute(3, 2, 0, 1)[:, ::2, ::2]
    with pytest.raises(TypeError, match="nonsense"):
        norms.NORMS[name].ours(MODULES[name], odd, nonsense=1)
