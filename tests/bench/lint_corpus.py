"""Lint every Python file of some folders: each violation, counts by rule, and what a file takes.

    python tests/bench/lint_corpus.py [--select TRI1] FOLDER…

For the figures in the docs and for finding false alarms in kernels that are known to compile; run by hand.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter
from pathlib import Path

from ncukit.errors import NcukitError
from ncukit.source.lint import lint
from ncukit.source.lint.module import Module
from ncukit.source.text import read_text


def files(folders: list[Path]) -> list[Path]:
    """Every Python file that mentions Triton's decorator."""
    found = [p for folder in folders for p in (sorted(folder.rglob("*.py")) if folder.is_dir() else [folder])]
    return [p for p in found if p.suffix != ".py" or b"jit" in p.read_bytes()]


def main() -> None:
    """Print violations, then the sums."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, default=[Path(__file__).parents[2] / "kernels"])
    parser.add_argument("--select", action="append", default=[])
    parser.add_argument("--quiet", action="store_true", help="only the sums")
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    seconds: list[tuple[float, Path]] = []
    read = kernels = 0
    for path in files(options.folders):
        try:
            source = read_text(str(path))
        except NcukitError:
            continue
        found = len(Module(source).kernels)
        if not found:
            continue
        read, kernels = read + 1, kernels + found
        start = time.perf_counter()
        violations = lint(source, select=options.select)
        seconds.append((time.perf_counter() - start, path))
        for violation in violations:
            counts[f"{violation.code} {violation.rule}"] += 1
            if not options.quiet:
                print(f"{path}:{violation.line}:{violation.column}: {violation.code} {violation.message}")
                print(f"    → {violation.instead}")
    print(f"\n{read} files with {kernels} kernels, {sum(counts.values())} violations")
    for rule, count in sorted(counts.items()):
        print(f"  {rule:32s} {count}")
    if seconds:
        slowest = max(seconds)
        median = statistics.median(taken for taken, _ in seconds)
        print(f"  median {median * 1e3:.1f} ms a file, slowest {slowest[0]:.2f} s ({slowest[1]})")


if __name__ == "__main__":
    main()
