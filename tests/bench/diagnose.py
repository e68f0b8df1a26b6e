"""How long and how large a diagnosis of many launches is: ``python tests/bench/diagnose.py``.

Prints seconds and peak MiB for 2,500 and 10,000 launches, and how both grow. Targets on two cores: 10,000 launches
under 10 s and under 1 GiB, and four times the launches take about four times as long.

The reports are made of bundled recordings, their rows repeated. Each measurement runs in a child process of its own
(peak memory is a process's), the sizes alternate, and the best time counts. Peak memory includes Python.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ncukit.model import Report

ROOT = Path(__file__).parents[2]
PROFILES = ROOT / "profiles" / "h200"
SMALL, LARGE = 2_500, 10_000
SECONDS, MIB = 10.0, 1024.0

SHAPES = {
    "distinct": ("every launch a kernel of its own", "clinic_sick_divergence"),
    "ten": ("ten kernels, launched in turn", "clinic_sick_divergence"),
    "pairs": ("pairs of distinct kernels that share data", "naive_instance_norm"),
    "chain": ("distinct kernels that all read one tensor", "naive_instance_norm"),
}


def tiled(report: Report, launches: int, shape: str) -> Report:
    """``report`` with its rows repeated: as ten kernels, or each launch with a name and a grid of its own.

    Args:
        report: what is repeated, with its recorded arguments.
        launches: rows of the result.
        shape: a key of ``SHAPES``; ``pairs`` gives each repetition tensors of its own, ``chain`` leaves them shared.
    """
    count = len(report.frame)
    rows = [i % count for i in range(launches)]
    which = [i % 10 if shape == "ten" else i for i in range(launches)]
    frame = report.frame.iloc[rows].reset_index(drop=True)
    names = report.frame["kernel"].astype(str).tolist()
    grids = [f"({64 * i + 64}, 1, 1)" for i in which]
    same = shape == "chain"  # fusion looks for equal grids
    if same or shape == "pairs":
        grids = [f"({64 * (0 if same else i // count) + 64}, 1, 1)" for i in which]
    frame = frame.assign(kernel=[f"{names[row]}_{i}" for row, i in zip(rows, which, strict=True)], grid=grids)
    frame["kernel"], frame["grid"] = frame["kernel"].astype("category"), frame["grid"].astype("category")
    recorded = tuple(
        replace(
            launch,
            tensors=tuple(
                replace(t, buffer=t.buffer + (1000 * (i // count) if shape == "pairs" else 0)) for t in launch.tensors
            ),
        )
        if (launch := report.launches[row])
        else None
        for row, i in zip(rows, which, strict=True)
    )
    return replace(report, frame=frame, launches=recorded)


def child(shape: str, launches: int) -> None:
    """Diagnose one made-up report and print what it took as a line of JSON."""
    from ncukit.diagnose import diagnose
    from ncukit.read import read

    report = tiled(read(PROFILES / SHAPES[shape][1]), launches, shape)
    before = time.perf_counter()
    diagnosis = diagnose(report)
    taken = time.perf_counter() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"s": taken, "mib": peak, "kernels": len(diagnosis.kernels), "pipeline": len(diagnosis.pipeline)}))


def measure(shape: str, repeat: int) -> dict[int, dict[str, float]]:
    """Launches → the best of ``repeat`` runs."""
    best: dict[int, dict[str, float]] = {}
    for _ in range(repeat):
        for launches in (SMALL, LARGE):
            command = [sys.executable, __file__, "--child", shape, str(launches)]
            done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
            result = json.loads(done.stdout)
            if launches not in best or result["s"] < best[launches]["s"]:
                best[launches] = result
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--shape", choices=SHAPES, action="append")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child[0], int(options.child[1]))
        return
    for shape in options.shape or SHAPES:
        best = measure(shape, options.repeat)
        print(f"{SHAPES[shape][0]} ({SHAPES[shape][1]})")
        for launches, result in best.items():
            found = f"{result['kernels']:,.0f} kernels, {result['pipeline']:,.0f} findings across them"
            print(f"  {launches:6,} launches  {result['s']:7.2f} s  {result['mib']:7.0f} MiB peak   {found}")
        few, many = best[SMALL], best[LARGE]
        held = "targets held" if many["s"] < SECONDS and many["mib"] < MIB else "targets MISSED"
        time_growth, growth = many["s"] / few["s"], many["mib"] / few["mib"]
        print(f"  growth for {LARGE / SMALL:.0f}x    {time_growth:7.2f}x  {growth:7.2f}x        {held}")


if __name__ == "__main__":
    main()
