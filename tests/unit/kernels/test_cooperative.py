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

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, float]]:
    command = [sys.executable, HERE / "cooperative_check.py", ROOT / "tests" / "norms.py", ROOT / "kernels"]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"TRITON_INTERPRET": "1"}, timeout=100
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ["instance_norm", "group_norm", "l1_norm", "l2_norm"])
def test_parts_are_told_gathered_and_finished(found: dict, name: str) -> None:
    mine = {label: one for label, one in found.items() if label.startswith(name) and "near" in label}
    assert len(mine) >= 4
    for label, one in mine.items():
        assert one["error"] <= 2 * one["torch"] + 2e-6 * one["scale"], label


@pytest.mark.parametrize("size", [4096, 40000])
@pytest.mark.parametrize("name", ["instance_norm", "group_norm"])
def test_a_first_value_far_out_costs_the_others_nothing(found: dict, name: str, size: int) -> None:
    one = found[f"{name} outlier {size}"]
    assert one["error"] <= 2 * one["torch"] + 2e-6 * one["scale"]


@pytest.mark.parametrize("size", [4096, 40000])
@pytest.mark.parametrize("name", ["instance_norm", "group_norm"])
def test_squares_that_overflow_give_zero_as_in_pytorch(found: dict, name: str, size: int) -> None:
    assert found[f"{name} huge {size}"] == [0.0, 0.0]


@pytest.mark.parametrize("size", [2**31 - 5, 2**31 + 1, 5 * 10**9])
def test_moments_merge_in_sets_of_more_than_two_to_the_31(found: dict, size: int) -> None:
    mean, wanted_mean, rstd, wanted_rstd = found[f"merge {size}"]
    assert mean == pytest.approx(wanted_mean, rel=1e-5)
    assert rstd == pytest.approx(wanted_rstd, rel=1e-5)
