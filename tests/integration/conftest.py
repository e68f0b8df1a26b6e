"""A recorded ncu and nvidia-smi on PATH: they answer as the real ones did on an H200, so the whole command runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SESSION = ROOT / "tests" / "golden" / "session"
GOLDEN = ROOT / "tests" / "golden" / "ncu-2025.3.1-h200"

NCU = '''#!{python}
"""Plays back what ncu 2025.3.1 did on an H200. NCU_PLAYS names the scene, or "scene@target" for one target's runs.

NCU_WORDS holds the words of the last run, and beside it NCU_WORDS.all the target of each. Every run is a process of
its own: the first has the recorded number, the next the number after it.
"""
import gzip, json, os, pathlib, shutil, sys, time
session, golden = pathlib.Path({session!r}), pathlib.Path({golden!r})
words = sys.argv[1:]
def after(option):
    return words[words.index(option) + 1] if option in words else None
if "--version" in words:
    print("NVIDIA (R) Nsight Compute Command Line Profiler")
    print("Version 2025.3.1.0 (build 36398880) (public-release)")
    sys.exit(0)
if "--query-metrics" in words:
    sys.stdout.write(gzip.decompress((golden / "query-metrics-gh100.csv.gz").read_bytes()).decode())
    sys.exit(0)
pathlib.Path(os.environ["NCU_WORDS"]).write_text("\\n".join(words))
scene, _, only = os.environ.get("NCU_PLAYS", "session").partition("@")
if only and words[-1] != only:
    scene = "session"
runs = pathlib.Path(os.environ["NCU_WORDS"] + ".all")
process = 1948 + (len(runs.read_text().splitlines()) if runs.exists() else 0)
with runs.open("a") as all_runs:
    print(words[-1], file=all_runs)
log = pathlib.Path(after("--log-file"))
logs = {{
    "crash": ("failed-launch.log", 9), "exit": ("program-exits-3.log", 3), "none": ("no-kernel-matched.log", 0),
    "segv": ("segfault.log", 11), "metric": ("bare-throughput-name.txt", 9),
}}
if scene == "permission":
    log.write_text("==ERROR== ERR_NVGPUCTRPERM - The user does not have permission to access NVIDIA GPU "
                   "Performance Counters on the target device 0.\\n")
    sys.exit(1)
if scene == "hang":
    time.sleep(600)
if scene in logs:
    shutil.copy(golden / logs[scene][0], log)
    sys.exit(logs[scene][1])
table = (session / "metrics.csv").read_text().replace('"1948"', f'"{{process}}"')
repeat = int(after("--repeat") or 1)  # the harness runs the model so often, so ncu sees as many launches
head, body = table.splitlines(True)[:-2], table.splitlines(True)[-2:]
table = "".join(head + body * repeat)
if scene == "cut":
    table = table[: len(table) - 400]
if scene == "empty":
    log.write_text("")
    sys.exit(0)
if scene == "other-grid":
    table = table.replace("(7168, 1, 1)", "(7169, 1, 1)")
if scene == "one-row":
    table = "\\n".join(table.splitlines()[:-1]) + "\\n"
log.write_text(table)
if scene == "binary":
    log.write_bytes(bytes(range(256)) * 50)
if after("--record") and scene != "norecord":
    record = json.loads((session / "record.json").read_text())
    sizes = dict(word.split("=") for flag, word in zip(words, words[1:]) if flag == "--size")
    shape = [sizes.get(*size) for size in (("batch_size", 112), ("features", 64), ("dim1", 512), ("dim2", 512))]
    record["problem"] = {{"inputs": ["float32[%s,%s,%s,%s]" % tuple(shape)], "init": [str(shape[1])]}}
    record["launches"] *= repeat
    pathlib.Path(after("--record")).write_text(json.dumps({{**record, "process": process}}))
    shutil.copy(session / "progress.jsonl", after("--progress"))
'''
SMI = """#!/bin/sh
echo '0, NVIDIA H200, 9.0, 580.159.04, 143771, GPU-00000000-0000-0000-0000-000000000000, Disabled'
"""


@dataclass
class Shell:
    """Runs ncukit as a user would, in a folder of its own."""

    folder: Path
    path: Path
    words: Path

    def __call__(self, *words: str, scene: str = "session", stdin: str | bytes = b"", **env: str):
        """One ``ncukit`` call."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [sys.executable, "-m", "ncukit", *words],
            cwd=self.folder,
            env={**self.env(), "NCU_PLAYS": scene, **env},
            input=data,
            capture_output=True,
            timeout=120,
        )
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    def env(self) -> dict[str, str]:
        """PATH with the recorded programs first."""
        kept = {k: v for k, v in os.environ.items() if k not in ("NCUKIT_NCU", "FORCE_COLOR", "CUDA_VISIBLE_DEVICES")}
        path = f"{self.path}{os.pathsep}{os.environ['PATH']}"
        return {**kept, "PATH": path, "PYTHONPATH": str(ROOT), "NCU_WORDS": str(self.words), "COLUMNS": "100"}


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A folder with the bundled kernels, and the recorded programs on PATH."""
    path = tmp_path / "bin"
    path.mkdir()
    ncu = NCU.format(python=sys.executable, session=str(SESSION), golden=str(GOLDEN))
    for name, text in (("ncu", ncu), ("nvidia-smi", SMI)):
        (path / name).write_text(text)
        (path / name).chmod(0o755)
    folder = tmp_path / "work"
    shutil.copytree(ROOT / "kernels", folder / "kernels")
    return Shell(folder, path, tmp_path / "words.txt")


@pytest.fixture
def bare(shell: Shell) -> Shell:
    """The same without any ncu or GPU."""
    for name in ("ncu", "nvidia-smi"):
        (shell.path / name).unlink()
    return shell
