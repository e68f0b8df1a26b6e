"""What inspect finds without touching the GPU, held against the driver and the recordings of this very machine kind."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from ncukit.source.inspect import Request, inspect

pytestmark = pytest.mark.gpu
torch = pytest.importorskip("torch")

ROOT = Path(__file__).parents[2]
RUNS = sorted(path.parent for path in (ROOT / "profiles/h200").glob("*/launches.json"))


@pytest.mark.parametrize("run", RUNS[::3], ids=lambda run: run.name)
def test_registers_and_grids_are_the_measured_ones(run, monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    record = json.loads((run / "launches.json").read_text())
    if record["versions"]["triton"] != version("triton"):
        pytest.skip("another Triton gives other registers")
    found = inspect(
        Request(path=record["target"], archs=("sm_90",), gpu="H200", probe=False, use_cache=False)
    ).inspection
    here = [c for c in found.compiled if "H200" in c.grids]
    assert {(k["name"], k["registers"], k["spills"], k["shared_bytes"]) for k in record["kernels"].values()} == {
        (c.launch.kernel, c.registers, c.spills, c.shared_bytes) for c in here
    }
    launched = sorted((record["kernels"][one["kernel"]]["name"], tuple(one["grid"])) for one in record["launches"])
    assert launched == sorted((c.launch.kernel, c.grids["H200"]) for c in here for _ in range(c.launch.count))


def test_the_gpu_at_hand_is_not_touched(monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    torch.cuda.init()
    before = torch.cuda.mem_get_info()[0]
    found = inspect(Request(path="kernels/naive/instance_norm.py", archs=("sm_80",), use_cache=False)).inspection
    assert [c.arch for c in found.compiled] == ["sm_80", "sm_80"], "an H200 is no sm_80, and is not asked"
    assert abs(torch.cuda.mem_get_info()[0] - before) < 2**30
