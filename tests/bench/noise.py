"""How much launches of one kernel differ: what the noise limits of ``ncukit.gate.noise`` rest on.

    python tests/bench/noise.py [RUN ...]

RUN are run directories of ``ncukit profile FILE --repeat N`` on one machine; several runs of one file are pooled. For
each metric with a direction: the largest spread (largest less smallest value, over the median) of any kernel that takes
at least 1 % of its run's time, and of the others.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

from ncukit.gate.readings import directed
from ncukit.metrics import catalogue
from ncukit.read import read

GOLDEN = Path(__file__).parents[1] / "golden" / "repeats"
WEIGHT = 0.01


def spreads(runs: list[Path]) -> dict[str, tuple[float, float]]:
    """Metric → largest spread of a kernel that has weight, and of one that has none."""
    values: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    times: dict[tuple[str, str], float] = {}
    for run in runs:
        report = read(run)
        for kernel, rows in report.frame.groupby("kernel", observed=True):
            times[report.target, str(kernel)] = float(rows["duration_us"].median())
            for metric in directed():
                if metric in rows:
                    values[report.target, str(kernel), metric] += rows[metric].dropna().tolist()
    longest = {target: max(t for (other, _), t in times.items() if other == target) for target, _ in times}
    found: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for (target, kernel, metric), mine in values.items():
        middle = sorted(mine)[len(mine) // 2] if mine else 0.0
        light = times[target, kernel] < WEIGHT * longest[target]
        if middle:
            found[metric][light] = max(found[metric][light], (max(mine) - min(mine)) / abs(middle))
    return {metric: (heavy, light) for metric, (heavy, light) in found.items()}


def main() -> int:
    """Print the table."""
    runs = [Path(word) for word in sys.argv[1:]] or sorted(GOLDEN.iterdir())
    environment = read(runs[0]).environment
    print(f"{environment.gpu}, ncu {environment.ncu_version}, Triton {environment.triton_version}, {len(runs)} runs")
    print(f"{'metric':32}{'unit':>18}{'spread':>10}{'under 1 %':>12}")
    for metric, (heavy, light) in sorted(spreads(runs).items(), key=lambda item: -item[1][0]):
        print(f"{metric:32}{catalogue()[metric].unit:>18}{heavy:>10.2%}{light:>12.2%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
