"""What `ncukit profile` costs on a GPU: its wall time against the bare ncu command it prints, and the replay passes.

    python tests/bench/profiling.py [--runs 5]

Needs an NVIDIA GPU and ncu; run by hand. Targets: at most 1.1x the bare command, `default` in at most 8 passes.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
KERNEL = "kernels/naive/instance_norm.py"


def run(command: list[str], folder: Path) -> tuple[float, str]:
    """Wall seconds and output of one command."""
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=True)
    return time.perf_counter() - start, done.stdout


def passes(folder: Path) -> int:
    """Most replay passes of any launch in the run directory."""
    from ncukit.read import read

    return int(read(folder).frame["replay_passes"].max())


def main() -> None:
    """Time both in turn for each preset, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    if shutil.which("ncu") is None:
        sys.exit("no ncu on PATH: this bench runs on a machine with a GPU")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shutil.copytree(ROOT / "kernels", folder / "kernels")
        print(f"{KERNEL}, 112x64x512x512 float32, two launches")
        for preset in ("quick", "default", "full"):
            ours = [sys.executable, "-m", "ncukit", "profile", KERNEL, "--preset", preset, "--clock-control", "none"]
            _, line = run([*ours, "--dry-run"], folder)
            bare = ["env", *shlex.split(line)]
            run(bare, folder)  # warms Triton's compile cache
            times: dict[str, list[float]] = {"bare": [], "ours": []}
            for _ in range(runs):
                times["bare"].append(run(bare, folder)[0])
                times["ours"].append(run([*ours, "-o", "run"], folder)[0])
            a, b = statistics.median(times["ours"]), statistics.median(times["bare"])
            print(f"{preset:8} {passes(folder / 'run'):2d} passes   ncu {b:5.2f} s   ncukit {a:5.2f} s   {a / b:.2f}x")


if __name__ == "__main__":
    main()
