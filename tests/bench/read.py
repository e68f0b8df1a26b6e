"""How fast and how small reading is next to ``pandas.read_csv`` alone: ``python tests/bench/read.py``.

Targets: a raw page of 500,000 launches x 8 metrics in at most 1.3x the time and 1.5x the peak memory of
``pandas.read_csv``; a ``--set full`` page of 100 launches well under 0.6 s.

Each measurement runs in a child process of its own (peak memory is a process's), the two sides alternate, and
the best time of each side counts. Peak memory includes Python and the imports, on both sides.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "golden" / "ncu-2025.3.1-h200"
METRICS = {  # ncu's names with their base units, as on a live raw page
    "dram__bytes_read.sum": "byte",
    "dram__bytes_write.sum": "byte",
    "dram__throughput.avg.pct_of_peak_sustained_elapsed": "%",
    "gpu__time_duration.sum": "ns",
    "launch__grid_size": "",
    "lts__t_sector_hit_rate.pct": "%",
    "sm__throughput.avg.pct_of_peak_sustained_elapsed": "%",
    "sm__warps_active.avg.pct_of_peak_sustained_active": "%",
}
IDENTITY = ["ID", "Process ID", "Process Name", "Host Name", "Kernel Name", "Context", "Stream", "Block Size"]
IDENTITY += ["Grid Size", "Device", "CC"]

CHILD = """
import json, resource, sys, time
side, path = sys.argv[1:]
if side == "pandas":
    import pandas
    start = time.perf_counter()
    frame = pandas.read_csv(path, skiprows=[1])
else:
    import ncukit.read
    start = time.perf_counter()
    frame = ncukit.read(path).frame
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"s": seconds, "mib": peak, "rows": len(frame)}))
"""


def write_wide(path: Path, launches: int) -> None:
    """A raw page in ncu's shape: every cell quoted, a row of units, two decimals in base-unit ratios."""
    rng = random.Random(0)
    kernels = ["compute_moments_kernel", "normalize_kernel", "triton_poi_fused_add_0", "copy_kernel"]
    with path.open("w", encoding="ascii") as out:
        table = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
        table.writerow([*IDENTITY, *METRICS])
        table.writerow([*[""] * len(IDENTITY), *METRICS.values()])
        for launch in range(launches):
            grid = rng.choice((1024, 7168, 100352))
            table.writerow(
                [
                    launch,
                    780,
                    "python3.12",
                    "127.0.0.1",
                    rng.choice(kernels),
                    1,
                    7,
                    "(128, 1, 1)",
                    f"({grid}, 1, 1)",
                    0,
                    "9.0",
                ]
                + [
                    rng.randrange(10**9),
                    rng.randrange(10**9),
                    f"{rng.uniform(1, 97):.2f}",
                    rng.randrange(10**3, 10**7),
                    grid,
                ]
                + [f"{rng.uniform(0, 100):.2f}" for _ in range(3)]
            )


def write_full(path: Path, launches: int) -> None:
    """The golden ``--set full`` page with its rows repeated."""
    lines = gzip.decompress((GOLDEN / "raw-set-full.csv.gz").read_bytes()).splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if line.startswith(b'"ID",'))
    rows = [line for line in lines[at + 2 :] if line.startswith(b'"')]
    path.write_bytes(b"".join(lines[at : at + 2] + [rows[i % len(rows)] for i in range(launches)]))


def measure(path: Path, repeat: int) -> dict[str, dict[str, float]]:
    best: dict[str, dict[str, float]] = {}
    for _ in range(repeat):
        for side in ("pandas", "ncukit"):
            done = subprocess.run(
                [sys.executable, "-c", CHILD, side, str(path)], capture_output=True, text=True, check=True
            )
            result = json.loads(done.stdout)
            if side not in best or result["s"] < best[side]["s"]:
                best[side] = result
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--launches", type=int, default=500_000)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wide, full = Path(folder, "wide.csv"), Path(folder, "full.csv")
        write_wide(wide, options.launches)
        write_full(full, 100)
        for path, title in (
            (wide, f"{options.launches:,} launches x 8 metrics"),
            (full, "100 launches, --set full"),
        ):
            best = measure(path, options.repeat)
            base, ours = best["pandas"], best["ncukit"]
            print(f"{title} ({path.stat().st_size / 1e6:.1f} MB)")
            for side, result in best.items():
                size = f"{result['mib']:7.1f} MiB peak  {result['rows']:,.0f} rows"
                print(f"  {side:8} {result['s']:7.3f} s  {size}")
            print(f"  ratio    {ours['s'] / base['s']:7.2f}x   {ours['mib'] / base['mib']:6.2f}x")


if __name__ == "__main__":
    main()
