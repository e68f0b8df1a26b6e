"""The clinic's kernels on a real GPU, at full size and on poisoned memory: sick and cured give PyTorch's result."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

CLINIC = Path(__file__).parents[2] / "kernels" / "clinic"
CAUSES = sorted(path.stem for path in (CLINIC / "sick").glob("*.py"))

# Relative to the value itself and to the mean magnitude of all values: zeros then never pass.
DEFAULT = 1e-3
TOLERANCE = {"tensor_core_unused": 2e-3}


def load(state: str, cause: str):
    spec = importlib.util.spec_from_file_location(f"gpu_clinic_{state}_{cause}", CLINIC / state / f"{cause}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def plain_float32(monkeypatch: pytest.MonkeyPatch):
    """References in full float32, and no memory of one test held during the next."""
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    yield
    torch.use_deterministic_algorithms(False)
    torch.cuda.empty_cache()


@pytest.mark.parametrize("state", ["sick", "cured"])
@pytest.mark.parametrize("cause", CAUSES)
def test_agrees_with_pytorch(cause: str, state: str) -> None:
    module = load(state, cause)
    torch.manual_seed(0)
    inputs = [x.cuda() for x in module.get_inputs()]
    before = [x.clone() for x in inputs]
    init = module.get_init_inputs()
    wanted = module.Model(*init).cuda()(*inputs)
    torch.use_deterministic_algorithms(True)  # fills uninitialised tensors: with NaN, or the largest integer
    found = module.ModelNew(*init).cuda()(*inputs)
    torch.cuda.synchronize()
    torch.use_deterministic_algorithms(False)

    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    assert all(torch.equal(x, y) for x, y in zip(inputs, before, strict=True)), "an input was changed"
    if not wanted.dtype.is_floating_point:
        assert torch.equal(found, wanted)
        return
    tolerance = TOLERANCE.get(cause, DEFAULT)
    assert not found.isnan().any(), "values were never written"
    scale = wanted.abs().mean(dtype=torch.float32).item()
    torch.testing.assert_close(found, wanted, rtol=tolerance, atol=tolerance * scale)
