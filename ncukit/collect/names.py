"""Metric names held against what the chip offers, before the run: ncu drops an unknown name in silence."""

from __future__ import annotations

import csv
import io
import subprocess
from typing import TYPE_CHECKING

from ncukit.collect.command import environment
from ncukit.errors import Exit, NcukitError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

# Families that --query-metrics never lists and that ncu takes all the same (documented, and seen on an H200).
UNLISTED = (
    "launch__", "device__attribute_", "profiler__", "numa__", "nvlink__", "c2clink__", "derived__", "sass__",
    "smsp__pcsamp_", "memory_l1_", "memory_l2_", "inst_executed", "thread_inst_executed",
    "sm__maximum_warps", "smsp__maximum_warps", "group:", "breakdown:", "regex:", "pmsampling:",
)  # fmt: skip

# First part of the suffix by metric type, from NVIDIA's metric name grammar.
SUFFIXES = {
    "counter": ("sum", "avg", "min", "max"),
    "ratio": ("pct", "ratio", "max_rate"),
    "throughput": ("avg", "max", "min", "sum"),
}


def offered(ncu: str, chip: str) -> dict[str, str]:
    """Base metric name → type (``counter``, ``ratio``, ``throughput``) as ncu lists them.

    Args:
        ncu: path of ncu.
        chip: such as ``gh100``; empty asks for the GPU at hand, which needs the driver.
    """
    argv = [ncu, "--config-file", "off", "--query-metrics", "--csv", *(["--chips", chip] if chip else [])]
    try:
        answer = subprocess.run(argv, env=environment(), capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NcukitError(
            f"ncu --query-metrics does not answer: {error}",
            causes=("ncu is broken or waits for a lock",),
            next_command="ncukit doctor",
            exit_code=Exit.ENVIRONMENT,
        ) from error
    return parse_query(answer.stdout.decode("utf-8", "replace"))


def parse_query(text: str) -> dict[str, str]:
    """Base name → type from the CSV of ``--query-metrics``; empty when ncu printed an error instead."""
    start = text.find('"Metric name"')
    if start < 0:
        return {}
    rows = csv.reader(io.StringIO(text[start:]))
    next(rows)
    return {row[0]: row[1].lower() for row in rows if len(row) > 2}


def check(names: Iterable[str], listed: dict[str, str], chip: str) -> None:
    """Refuse names that this chip does not have.

    Raises:
        NcukitError: for the first such name, with the nearest names that exist.
    """
    if not listed:
        return
    for name in names:
        if name.startswith(UNLISTED):
            continue
        base, _, suffix = name.partition(".")
        where = f"ncu offers no metric '{name}' on {chip or 'this GPU'}"
        if base not in listed:
            close = nearest(base, list(listed))
            raise NcukitError(
                where,
                causes=(
                    f"did you mean {', '.join(close)}?" if close else "ncu would drop it in silence, with exit code 0",
                ),
                next_command=f"ncu --query-metrics{f' --chips {chip}' if chip else ''} | grep {base[:24]}",
            )
        kind = listed[base]
        first = suffix.split(".")[0]
        wrong = first not in SUFFIXES.get(kind, (first,)) if suffix else kind == "throughput"
        bare = kind == "throughput" and ".pct_of_peak_sustained" not in f".{suffix}"
        if wrong or bare:
            rest = ".pct_of_peak_sustained_elapsed" if kind == "throughput" else ""
            fits = ", ".join(f"{base}.{s}{rest}" for s in SUFFIXES.get(kind, ())[:2])
            raise NcukitError(
                f"{where}: it is a {kind} and takes another suffix",
                causes=(f"such as {fits}",),
                next_command=f"--metrics {fits.split(', ')[0]}",
            )
