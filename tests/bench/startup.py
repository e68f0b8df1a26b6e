"""Start-up: `ncukit --help` against `python -c "import click"`, and `diagnose` of 100 launches of the full set.

    python tests/bench/startup.py

Prints medians of child processes and their ratio; run by hand. Targets: help at most 1.6x, diagnose under 1.5 s on
two cores.
"""

from __future__ import annotations

import gzip
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "golden" / "ncu-2025.3.1-h200" / "raw-set-full.csv.gz"


def seconds(*commands: list[str], runs: int = 15) -> list[float]:
    """Median wall seconds of each command, taken in turn so that a drift of the machine meets all of them."""
    times: list[list[float]] = [[] for _ in commands]
    for turn in range(runs + 1):
        for command, mine in zip(commands, times, strict=True):
            start = time.perf_counter()
            subprocess.run(command, capture_output=True, check=True)
            if turn:  # the first turn warms the file cache
                mine.append(time.perf_counter() - start)
    return [statistics.median(mine) for mine in times]


def hundred_launches(path: Path) -> None:
    """A CSV of 100 launches of a real `--set full` run: its rows, repeated."""
    lines = gzip.decompress(GOLDEN.read_bytes()).decode().splitlines(keepends=True)
    start = next(i for i, line in enumerate(lines) if line.startswith('"ID"'))
    head, rows = lines[start : start + 2], [line for line in lines[start + 2 :] if line.startswith('"')]
    path.write_text("".join([*head, *(rows[i % len(rows)] for i in range(100))]))


def main() -> None:
    """Print the three figures."""
    bare, help_ = seconds([sys.executable, "-c", "import click"], [sys.executable, "-m", "ncukit", "--help"])
    print(f"import click     {bare * 1e3:6.0f} ms")
    print(f"ncukit --help    {help_ * 1e3:6.0f} ms   {help_ / bare:.2f}x   (target 1.6x)")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "full.csv"
        hundred_launches(path)
        (full,) = seconds([sys.executable, "-m", "ncukit", "diagnose", str(path)], runs=5)
        size = path.stat().st_size / 1e6
    print(f"ncukit diagnose  {full:6.2f} s    100 launches of the full set, {size:.1f} MB   (target 1.5 s)")


if __name__ == "__main__":
    main()
