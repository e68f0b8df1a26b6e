"""The figure of docs/kernels.md: fraction of copy over the size of the input, one panel a problem."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    Row = dict[str, Any]
    """One variant of one table that tests/bench/kernels.py saved."""

PROBLEMS = {
    "batch_norm": "33 BatchNorm",
    "instance_norm": "34 InstanceNorm",
    "group_norm": "35 GroupNorm",
    "rms_norm": "36 RMSNorm",
    "frobenius_norm": "37 Frobenius norm",
    "l1_norm": "38 L1 norm",
    "l2_norm": "39 L2 norm",
    "layer_norm": "40 LayerNorm",
}
"""Kernel → KernelBench's number and name, level 1."""
DTYPES = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}
SERIES = {
    ("ours", "float32"): {"color": "#0072B2", "marker": "o"},
    ("ours", "bfloat16"): {"color": "#009E73", "marker": "s"},
    ("ours", "float16"): {"color": "#CC79A7", "marker": "^"},
    ("torch.compile", "float32"): {"color": "#D55E00", "marker": "x", "linestyle": "--"},
}
"""Lines of the figure. Colours that people with colour blindness tell apart (Okabe and Ito), and a marker each."""
TOP = 1.1
"""Upper end of the figure. A fraction above it is a copy that was disturbed, not a kernel that beat one by so much."""


def cut(rows: Iterable[Row]) -> str:
    """Which points the figure leaves out."""
    out = [
        f"{r['variant']} {DTYPES[r['dtype']]}, {PROBLEMS[r['problem']]}, {_megabytes(r):.3g} MB ({r['of_copy']:.0%})"
        for r in rows
        if (r["variant"], r["dtype"]) in SERIES and r["of_copy"] > TOP
    ]
    return f"Cut off, since the copy of that table was disturbed: {'; '.join(out)}.\n" if out else ""


def draw(rows: Sequence[Row], path: Path) -> None:
    """Fraction of copy over the size of the input: one panel a problem."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, PercentFormatter

    # A salt makes the ids in the file the same every time; a white ground is readable on light and on dark pages.
    style = {"svg.hashsalt": "ncukit", "font.size": 9, "axes.grid": True, "grid.color": "#DDDDDD", "savefig.dpi": 72}
    with mpl.rc_context({**mpl.rcParamsDefault, **style}):
        drawing = Figure(figsize=(11, 5.4), facecolor="white", layout="constrained")
        panels = drawing.subplots(2, 4, sharex=True, sharey=True)
        for panel, (problem, title) in zip(panels.flat, PROBLEMS.items(), strict=True):
            panel.set_title(title, fontsize=10)
            panel.axhline(1.0, color="#777777", linewidth=1)
            for (variant, dtype), look in SERIES.items():
                points = sorted(
                    (_megabytes(r), r["of_copy"])
                    for r in rows
                    if (r["problem"], r["variant"], r["dtype"]) == (problem, variant, dtype)
                )
                panel.plot(*zip(*points, strict=True) if points else ([], []), markersize=4, linewidth=1.4, **look)
            if not any(r["problem"] == problem for r in rows):
                panel.text(0.5, 0.5, "not recorded", transform=panel.transAxes, ha="center", va="center")
            panel.set_xscale("log")
            panel.xaxis.set_major_formatter(FuncFormatter(lambda megabytes, _: f"{megabytes:,g}"))
            panel.yaxis.set_major_formatter(PercentFormatter(1.0))
        panels.flat[0].set_ylim(0, TOP)  # one scale for all panels
        labels = [f"{variant} {DTYPES[dtype]}" for variant, dtype in SERIES]
        lines = panels.flat[0].get_lines()[1:]
        drawing.legend(lines, labels, loc="outside upper center", ncols=len(labels), frameon=False)
        drawing.supxlabel("input, MB", fontsize=9)
        drawing.supylabel("fraction of copy", fontsize=9)
        drawing.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def _megabytes(row: Row) -> float:
    return math.prod(row["shape"]) * (4 if row["dtype"] == "float32" else 2) / 1e6
