"""`ncukit tune` on a real GPU: what it finds is faster when measured apart, and what crashes or hangs does no harm."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ncukit.optimize import tune
from ncukit.optimize.problem import read_problem
from ncukit.optimize.race import race
from ncukit.optimize.session import Session
from ncukit.optimize.tune import Tuner
from ncukit.optimize.tune.prepare import Wish, prepare
from ncukit.optimize.tune.record import Record, header

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

ROOT = Path(__file__).parents[2]
PROBLEM = """
class Model(torch.nn.Module):
    def forward(self, x):
        return 2 * x + 1


class ModelNew(torch.nn.Module):
    def forward(self, x):
        return run(x)


def get_inputs():
    return [torch.rand(size)]


def get_init_inputs():
    return []
"""
SMALL = (
    """import torch
import triton
import triton.language as tl

size = 33554433


@triton.jit
def scale(x, y, n, BLOCK: tl.constexpr = 64):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + at, 2 * tl.load(x + at, mask=at < n) + 1, mask=at < n)


def run(x):
    y, n = torch.empty_like(x), x.numel()
    scale[lambda meta: (triton.cdiv(n, meta["BLOCK"]),)](x, y, n, num_warps=1)
    return y

"""
    + PROBLEM
)
"""Two values a thread: far too few. The grid is a function, and the tile a default of the kernel."""
BAD = (
    """import torch
import triton
import triton.language as tl

size = 33554433


@triton.jit
def scale(x, y, n, far, flag, BLOCK: tl.constexpr):
    while tl.atomic_add(flag, 0) == 0:
        pass
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + at, 2 * tl.load(x + far + at, mask=at < n) + 1, mask=at < n)


def run(x):
    y, n = torch.empty_like(x), x.numel()
    BLOCK = 64
    far = 2**38 if BLOCK == 16 else 0
    while BLOCK == 32:
        pass
    flag = torch.full((1,), int(BLOCK != 128), dtype=torch.int32, device=x.device)
    scale[(triton.cdiv(n, BLOCK),)](x, y, n if BLOCK != 256 else n // 2, far, flag, BLOCK=BLOCK, num_warps=2 // 2)
    return y

"""
    + PROBLEM
)
"""With 16 it reads far away, with 32 the host waits for ever, with 128 the GPU does, with 256 half is not written."""
CHECK = """
import sys, torch
sys.path.insert(0, ".")
import small
(x,) = (t.cuda() for t in small.get_inputs())
torch.testing.assert_close(small.ModelNew()(x), small.Model()(x))
"""


def ncukit(folder: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "ncukit", "tune", *words]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def called(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ncukit(folder, *words), cwd=folder, env=environment(), capture_output=True, text=True, check=False, timeout=280
    )


def test_what_it_finds_is_faster_and_right_when_it_is_measured_apart(tmp_path: Path) -> None:
    (tmp_path / "small.py").write_text(SMALL)
    done = called(tmp_path, "small.py", "--budget", "10", "--format", "json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)

    assert document["faster"] is True
    assert document["speedup"]["best"] > 1.3
    assert document["best"]["scale"]["BLOCK"] > 64
    measured = [t for t in document["trials"] if t["outcome"] == "measured"]
    assert len(document["trials"]) <= 10
    assert all(t["error"] <= 1 and t["turns"] >= 3 and t["launches"][0]["registers"] > 0 for t in measured)
    assert all(t["launches"][0]["grid"] == [-(-33554433 // t["setting"]["BLOCK"])] for t in measured)
    assert (tmp_path / "small.py").read_text() == SMALL

    # what it found goes on from its record: nothing is measured again
    again = called(tmp_path, "small.py", "--budget", "10", "--format", "json")
    assert {**json.loads(again.stdout), "resumed": 0} == document

    # the diff makes of the file what was measured: right, and as fast
    shutil.copy(tmp_path / "small.py", tmp_path / "before.py")
    if shutil.which("patch"):
        subprocess.run(["patch", "small.py"], input=document["diff"], text=True, cwd=tmp_path, check=True)
    else:
        changes = [row for row in document["diff"].splitlines() if row[:1] in "+-" and row[:3] not in ("+++", "---")]
        for old, new in zip(changes[::2], changes[1::2], strict=True):
            text = (tmp_path / "small.py").read_text()
            (tmp_path / "small.py").write_text(text.replace(old[1:], new[1:]))
    assert (tmp_path / "small.py").read_text() != SMALL
    checked = subprocess.run([sys.executable, "-c", CHECK], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    problem = read_problem(str(tmp_path / "before.py"))
    with Session("gpu") as session:
        found = race(session, problem, problem.code, (tmp_path / "small.py").read_text())
    assert found.faster
    assert found.ratio == pytest.approx(document["speedup"]["best"], rel=0.1)


def test_crashes_hangs_and_wrong_results_do_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tune, "TRIAL_S", 15.0)
    (tmp_path / "bad.py").write_text(BAD)
    problem = read_problem(str(tmp_path / "bad.py"))
    with Session("gpu") as session:
        about = session.start()
        plan, _ = prepare(problem, Wish(budget=6, compiles=False), arch="sm_90", gpu=about["gpu"], diagnosis=None)
        record = Record(tmp_path / "record.jsonl", header(problem, about, plan.knobs))
        # all of them, the bad ones first
        monkeypatch.setattr(tune.Search, "next", one_after_the_other([(16,), (32,), (128,), (256,), (512,)]))
        tuned = Tuner(plan, session, record, print).run()
        trials = {trial.setting[0]: trial for trial in tuned.trials}

        assert {block: trial.outcome for block, trial in trials.items()} == {
            16: "failed", 32: "failed", 128: "failed", 256: "wrong", 512: "measured",
        }  # fmt: skip
        assert "illegal memory access" in trials[16].note
        assert trials[32].note == trials[128].note == "no result after 15 s"
        assert tuned.best == {0: (512,)}
        assert tuned.race is not None
        assert tuned.race.faster
        left = session.folder
    assert not left.exists()
    assert children() == []


def one_after_the_other(settings: list[tuple[int, ...]]):
    """A search's ``next`` that takes these in their order."""

    def following(self: tune.Search) -> tune.Next | tune.Stop:
        waiting = [s for s in settings if s not in self.costs]
        return tune.Next(setting=waiting[0], why="") if waiting else tune.Stop(why="all")

    return following


def children() -> list[str]:
    """What this process has started and not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and fields[0] != "Z":
            found.append(stat.parent.name)
    return found


def test_ctrl_c_keeps_what_was_learned(tmp_path: Path) -> None:
    (tmp_path / "small.py").write_text(SMALL)
    record = tmp_path / "runs/small.tune.jsonl"
    words = ("small.py", "--budget", "6", "--no-compile", "--format", "json")
    child = subprocess.Popen(
        ncukit(tmp_path, *words), cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 150
        while not record.exists() or len(record.read_text().splitlines()) < 3:  # a header and two trials
            assert child.poll() is None, child.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(child.pid, signal.SIGINT)
        out, said = child.communicate(timeout=60)
    finally:
        child.kill()
        child.wait()
    assert child.returncode == 130, said
    document = json.loads(out)
    assert document["interrupted"] is True
    known = len(document["trials"])
    assert 2 <= known < 6

    done = called(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["resumed"], document["interrupted"]) == (known, False)
    assert document["faster"] is True
