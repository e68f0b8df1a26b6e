"""`ncukit profile` on a real GPU: run with `pytest -m gpu tests/gpu` on a machine with ncu."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ncukit.read import read

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(shutil.which("ncu") is None or shutil.which("nvidia-smi") is None, reason="no ncu or no GPU"),
]

AUTOTUNED = """
import torch, triton, triton.language as tl
@triton.autotune([triton.Config({"B": b}, num_warps=w) for b in (512, 1024) for w in (4, 8)], key=["n"])
@triton.jit
def scale_kernel(x, y, n, B: tl.constexpr):
    i = tl.program_id(0) * B + tl.arange(0, B)
    tl.store(y + i, 2 * tl.load(x + i, mask=i < n), mask=i < n)
x = torch.rand(1 << 20, device="cuda"); y = torch.empty_like(x)
for _ in range(3):
    scale_kernel[lambda m: (triton.cdiv(x.numel(), m["B"]),)](x, y, x.numel())
torch.cuda.synchronize()
"""

COMPILED = """
import torch
f = torch.compile(lambda x: torch.nn.functional.gelu(x) * 2 + 1)
x = torch.rand(1 << 22, device="cuda")
f(x); f(x)
torch.cuda.synchronize()
"""

GRAPH = """
import torch, triton, triton.language as tl
@triton.jit
def twice_kernel(x, y, n, B: tl.constexpr):
    i = tl.program_id(0) * B + tl.arange(0, B)
    tl.store(y + i, 2 * tl.load(x + i, mask=i < n), mask=i < n)
x = torch.rand(1 << 20, device="cuda"); y = torch.empty_like(x)
def step(): twice_kernel[(1024,)](x, y, x.numel(), B=1024)
step(); torch.cuda.synchronize()
graph = torch.cuda.CUDAGraph()
with torch.cuda.graph(graph): step()
graph.replay(); torch.cuda.synchronize()
"""

KERNEL_FILE = """
import os, time
import torch, triton, triton.language as tl
from torch import nn
length = 4096
@triton.jit
def rejected_kernel(x):
    for i in range(3):
        continue
@triton.jit
def stray_kernel(x, n):
    tl.store(x + n, 1.0)
class ModelNew(nn.Module):
    def forward(self, x):
        mode = os.environ["MODE"]
        if mode == "compile": rejected_kernel[(1,)](x)
        if mode == "crash": stray_kernel[(1,)](x, 1 << 40); torch.cuda.synchronize()
        if mode == "raise": raise ValueError("boom")
        if mode == "hang": time.sleep(1000)
        if mode == "exit": os._exit(5)
        return x
def get_inputs(): return [torch.rand(length)]
def get_init_inputs(): return []
"""


def ncukit(*words: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    return subprocess.run(
        [sys.executable, "-m", "ncukit", *words], cwd=cwd, env={**os.environ, "PYTHONPATH": path, **env},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def profile(*words: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return ncukit("profile", *words, "--clock-control", "none", cwd=cwd, **env)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "kernels", tmp_path / "kernels")
    (tmp_path / "tuned.py").write_text(AUTOTUNED)
    (tmp_path / "bad.py").write_text(KERNEL_FILE)
    return tmp_path


def test_a_kernel_file_is_measured_and_joined(folder):
    done = profile("kernels/naive/instance_norm.py", "--size", "batch_size=4", "-o", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    report = read(folder / "run")
    assert list(report.frame["kernel"]) == ["compute_moments_kernel", "normalize_kernel"]
    moments, normalize = report.launches
    assert moments is not None
    assert normalize is not None
    assert moments.grid == normalize.grid == (256, 1, 1)
    tensors = {t.name: t for t in normalize.tensors}
    assert tensors["x_ptr"].buffer == {t.name: t for t in moments.tensors}["x_ptr"].buffer
    assert (tensors["x_ptr"].loaded, tensors["x_ptr"].stored) == (True, False)
    assert (tensors["y_ptr"].loaded, tensors["y_ptr"].stored) == (False, True)
    assert tensors["x_ptr"].bytes == 4 * 64 * 512 * 512 * 4
    assert report.frame["replay_passes"].max() <= 8
    assert not report.missing


def test_quick_is_one_pass(folder):
    done = profile("kernels/rms_norm.py", "--preset", "quick", "--size", "batch_size=2", "-o", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert set(read(folder / "run").frame["replay_passes"]) == {1}


def test_autotune_trials_are_not_measured(folder):
    done = profile("tuned.py", "-k", "scale_kernel", "--preset", "quick", "-o", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert len(read(folder / "run").frame) == 3


def test_torch_compiles_trials_are_not_measured(folder):
    (folder / "compiled.py").write_text(COMPILED)
    done = profile("compiled.py", "--preset", "quick", "-k", "regex:triton_", "-o", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert len(read(folder / "run").frame) == 2


def test_a_graphs_replays_are_measured_though_nothing_was_recorded_of_them(folder):
    (folder / "graph.py").write_text(GRAPH)
    done = profile("graph.py", "--preset", "quick", "-k", "twice_kernel", "-o", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    report = read(folder / "run")
    assert len(report.frame) == 2
    assert set(report.launches) == {None}


def test_a_command_is_measured_without_the_harness(folder):
    words = (
        "--launches",
        "2",
        "-k",
        "regex:scale",
        "--preset",
        "quick",
        "-o",
        "run",
        "--clock-control",
        "none",
    )
    done = ncukit("profile", *words, "--", sys.executable, "tuned.py", cwd=folder)
    assert done.returncode == 0, done.stderr
    report = read(folder / "run")
    assert len(report.frame) == 2
    assert report.launches == ()


def test_the_seeds_dead_metric_is_translated_and_measured(folder):
    name = "smsp__warp_issue_stalled_memory_dependency_per_warp_active.pct"
    done = profile("kernels/rms_norm.py", "--metrics", name, "--size", "batch_size=2", "-o", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "exists on no chip" in done.stderr
    assert read(folder / "run").frame["stall_long_scoreboard_pct"].notna().all()


def test_repeat_measures_the_model_again(folder):
    words = ("--repeat", "3", "--preset", "quick", "--size", "batch_size=2", "-o", "run")
    assert profile("kernels/rms_norm.py", *words, cwd=folder).returncode == 0
    assert len(read(folder / "run").frame) == 3


@pytest.mark.parametrize(
    ("mode", "code", "says"),
    [
        ("compile", 2, "Triton cannot compile"),
        ("crash", 3, "crashed on the GPU"),
        ("raise", 3, "boom"),
        ("exit", 3, "exited with 5"),
        ("none", 4, "launched no kernel"),
    ],
)
def test_a_file_that_fails_says_how_and_writes_nothing(folder, mode, code, says):
    done = profile("bad.py", "-o", "run", cwd=folder, MODE=mode)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "run").exists()


def test_no_kernel_matched_lists_those_that_ran(folder):
    done = profile("tuned.py", "-k", "nosuch", "-o", "run", cwd=folder)
    assert done.returncode == 4, done.stderr
    assert "scale_kernel" in done.stderr


def test_a_metric_the_chip_lacks_is_refused_before_the_run(folder):
    done = profile("tuned.py", "--metrics", "dram__bytes_reed.sum", "-o", "run", cwd=folder)
    assert done.returncode == 2
    assert "dram__bytes_read" in done.stderr


def test_out_of_memory_says_so(folder):
    done = profile("kernels/rms_norm.py", "--size", "batch_size=4000", "-o", "run", cwd=folder)
    assert done.returncode == 3
    assert "out of memory" in done.stderr


def test_a_timeout_leaves_no_process_behind(folder):
    done = profile("bad.py", "--timeout", "12", "-o", "run", cwd=folder, MODE="hang")
    assert done.returncode == 3
    assert "no result after 12 s" in done.stderr
    time.sleep(0.5)
    left = [p for p in Path("/proc").glob("[0-9]*/cmdline") if b"harness.py" in _bytes(p)]
    assert left == []


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_the_printed_command_runs_by_itself(folder):
    line = profile("kernels/rms_norm.py", "--size", "batch_size=2", "--dry-run", cwd=folder).stdout
    done = subprocess.run(["env", *shlex.split(line)], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    assert read(folder / "metrics.csv").frame["duration_ns"].notna().all()


def test_the_whole_job_profile_diagnose_gate(folder):
    assert profile("kernels/naive/rms_norm.py", "-o", "run", cwd=folder).returncode == 0
    diagnosis = json.loads(ncukit("diagnose", "run", "--format", "json", cwd=folder).stdout)
    causes = [f["cause"] for f in diagnosis["kernels"][0]["findings"]]
    assert causes == ["excess-traffic", "dram-roof"]
    assert ncukit("gate", "run", "--min", "dram_pct=70", cwd=folder).returncode == 0
    assert ncukit("gate", "run", "--min", "useful_dram_pct=80", cwd=folder).returncode == 1
