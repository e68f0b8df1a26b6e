"""Times `ncukit inspect`, and holds what it finds without a GPU against what was measured. Run by hand.

    python tests/bench/inspection.py                 seconds for one kernel and one architecture, cold and cached
    python tests/bench/inspection.py --recordings    registers, spills, shared memory and grids of every recorded kernel

The second takes minutes. Registers are equal only under the Triton that the recordings were made with (3.6.0); what
depends on the version is counted apart where another one is installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from ncukit.source.inspect import Request, inspect

ROOT = Path(__file__).parents[2]
RUNS = 5
KERNEL = "kernels/naive/l2_norm.py"


def speed() -> int:
    """Seconds of the whole command, with an empty cache and with the answer in it."""
    words = [sys.executable, "-m", "ncukit", "inspect", KERNEL, "--arch", "sm_90"]
    print(f"{KERNEL}, sm_90, {os.cpu_count()} cores, Triton {version('triton')}, torch {version('torch')}")
    cold, cached = [], []
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            env = {**os.environ, "NCUKIT_CACHE_DIR": folder}
            for times in (cold, cached):
                started = time.perf_counter()
                subprocess.run(words, cwd=ROOT, env=env, check=True, capture_output=True)
                times.append(time.perf_counter() - started)
    for name, times, limit in (("cold", cold, 3.0), ("cached", cached, 0.5)):
        times.sort()
        print(f"{name:7} median {times[RUNS // 2]:.2f} s, {times[0]:.2f} to {times[-1]:.2f} (aim: under {limit:g} s)")
    return 0


def recordings() -> int:
    """Every recorded run of the bundled kernels, compiled without a GPU as its host code launches it on an H200."""
    os.chdir(ROOT)
    files = differ = kernels = 0
    for run in sorted((ROOT / "profiles/h200").iterdir()):
        record = json.loads((run / "launches.json").read_text(encoding="utf-8"))
        found = inspect(Request(path=record["target"], archs=("sm_90",), gpu="H200", probe=False)).inspection
        here = [c for c in found.compiled if "H200" in c.grids]
        mine = {(c.launch.kernel, c.registers, c.spills, c.shared_bytes) for c in here}
        grids = sorted((c.launch.kernel, c.grids["H200"] or ()) for c in here for _ in range(c.launch.count))
        names = {key: kernel["name"] for key, kernel in record["kernels"].items()}
        wanted = {(k["name"], k["registers"], k["spills"], k["shared_bytes"]) for k in record["kernels"].values()}
        launched = sorted((names[one["kernel"]], tuple(one["grid"])) for one in record["launches"])
        files, kernels = files + 1, kernels + len(wanted)
        if wanted != mine or launched != grids or found.errors:
            differ += 1
            print(f"{run.name}: recorded {sorted(wanted - mine)}, here {sorted(mine - wanted)}")
            if launched != grids:
                print(f"  grids: recorded {launched[:4]}, here {grids[:4]}")
    made = record["versions"]["triton"]
    print(f"{files} files, {kernels} kernels, {differ} files differ")
    print(f"recorded with Triton {made}, compiled with {version('triton')}")
    return 1 if differ and made == version("triton") else 0


if __name__ == "__main__":
    sys.exit(recordings() if "--recordings" in sys.argv else speed())
