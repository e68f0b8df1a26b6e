"""Judgements made by hand, for every form of the gate's answer; run this file to write the goldens anew.

The numbers of ``EXAMPLE`` are those of ``profiles/h200/naive_instance_norm``; its verdicts have every status.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ncukit import metrics
from ncukit.gate.answer import Against, Difference, Judged, Judgement
from ncukit.gate.codes import MEANING, Code
from ncukit.gate.readings import Entry, Reading
from ncukit.model import Environment, Status, Verdict
from ncukit.render import (
    gate,
    gate_bencher,
    gate_benchmark_action,
    gate_github,
    gate_gitlab,
    gate_json,
    gate_junit,
    gate_markdown,
    gate_openmetrics,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "gate"
H200 = Environment(
    gpu="NVIDIA H200",
    compute_capability="9.0",
    ncu_version="2025.3.1",
    triton_version="3.6.0",
    clock_control="none",
)
RECORDED = Environment(gpu="NVIDIA H200", ncu_version="2025.3.1", clock_control="none", recorded=True)
FORMS = {
    "console.txt": gate.render,
    "answer.json": gate_json.render,
    "summary.md": gate_markdown.render,
    "github.txt": gate_github.render,
    "junit.xml": gate_junit.render,
    "codequality.json": gate_gitlab.render,
    "metrics.txt": gate_openmetrics.render,
    "bencher.json": gate_bencher.render,
    "benchmark-action.json": gate_benchmark_action.render,
}
"""Golden file → what writes it."""


def verdict(metric: str, bound: str, limit: float, measured: float | None, code: Code, **fields: Any) -> Verdict:
    """A verdict with the status its code stands for; the kernel's name is filled in by ``judged``."""
    values = {"kernel": "", "unit": metrics.unit(metric), "status": MEANING[code][0], "reason": ""}
    given = values | {"origin": "command line"} | fields
    return Verdict(metric=metric, bound=bound, limit=limit, measured=measured, code=str(code), **given)  # type: ignore[arg-type]


def least(limit: float, measured: float | None, metric: str = "dram_pct", reason: str = "") -> Verdict:
    """A minimum: kept, broken, or not measured."""
    if measured is None:
        return verdict(metric, "min", limit, None, Code.METRIC_MISSING, reason=reason)
    return verdict(
        metric, "min", limit, measured, Code.BELOW_MIN if measured < limit else Code.WITHIN_LIMIT, reason=reason
    )


def most(limit: float, measured: float, metric: str = "duration_us", reason: str = "") -> Verdict:
    """A maximum: kept or broken."""
    code = Code.ABOVE_MAX if measured > limit else Code.WITHIN_LIMIT
    return verdict(metric, "max", limit, measured, code, reason=reason)


def judged(kernel: str, *verdicts: Verdict, **fields: Any) -> Judged:
    return Judged(**({"kernel": kernel, "launches": 1, "verdicts": verdicts} | fields))


def judgement(*kernels: Judged, **fields: Any) -> Judgement:
    return Judgement(**({"report_path": "report.csv", "environment": H200, "kernels": kernels} | fields))


def reading(*values: float) -> Reading:
    """Of one value, or of least, median and greatest of three."""
    low, median, high = values if len(values) == 3 else (values[0],) * 3
    return Reading(count=len(values), low=low, q1=low, median=median, q3=high, high=high)


def entry(kernel: str, readings: dict[str, Reading], **fields: Any) -> Entry:
    return Entry(**({"kernel": kernel, "launches": 1, "readings": readings} | fields))


_FILE = "kernels/naive/instance_norm.py"
_GRID = {"grid": "(7168, 1, 1)", "block": "(128, 1, 1)", "path": _FILE}
EXAMPLE = judgement(
    judged(
        "compute_moments_kernel",
        least(85, 90.37),
        verdict(
            "duration_us",
            "max-rise",
            0.03,
            1729.12,
            Code.WITHIN_NOISE,
            relative=True,
            baseline=1722.4,
            reason="less than the noise, 34.4 us",
        ),
        verdict("local-memory", "forbid", 0, None, Code.CAUSE_ABSENT, unit=""),
        **_GRID,
        line=22,
        share=0.311,
    ),
    judged(
        "normalize_kernel",
        least(85, 81.45, reason="median of 1 launch"),
        verdict("duration_us", "max-rise", 0.03, 3830.4, Code.RISEN, relative=True, baseline=3706.08),
        verdict(
            "dram_pct",
            "max-drop",
            2,
            81.45,
            Code.FEWER_BYTES,
            baseline=84.02,
            reason="it fell because there is less to do: dram_bytes 1.56e+10 → 1.5014e+10 byte",
        ),
        verdict("excess-traffic", "forbid", 0, None, Code.CAUSE_PRESENT, unit="", status=Status.WARN, level="warn"),
        least(80, None, "tensor_pct", "the report does not hold it"),
        **_GRID,
        line=52,
        share=0.689,
    ),
    judged("fill_kernel", verdict("dram_pct", "min", 85, 12.5, Code.NO_WEIGHT), launches=2, share=0.0004),
    report_path="profiles/h200/naive_instance_norm",
    environment=RECORDED,
    case="naive_instance_norm",
    target=_FILE,
    entries=(
        entry(
            "compute_moments_kernel",
            {
                "duration_us": reading(1729.12),
                "duration_ns": reading(1729120),
                "dram_pct": reading(90.37),
                "dram_bytes": reading(7518753792),
                "traffic_ratio": reading(1.0003331),
                "registers": reading(40),
            },
            **_GRID,
        ),
        entry(
            "normalize_kernel",
            {
                "duration_us": reading(3825.1, 3830.4, 3841.6),
                "dram_pct": reading(81.2, 81.45, 81.6),
                "dram_bytes": reading(15013598976),
                "sm_elapsed_cycles": reading(6712345),
                "smsp__inst_executed.sum": reading(1234567),
            },
            launches=3,
            **_GRID,
        ),
    ),
    against=Against(
        name="main",
        path="profiles/baselines/main/nvidia-h200.json",
        found=True,
        saved="2026-11-14",
        reason="first recording",
        differences=(
            Difference(
                field="ncu_version",
                before="2025.2.0",
                after="2025.3.1",
                code=Code.OTHER_NCU,
                allow="ncu",
                allowed=True,
            ),
            Difference(field="triton_version", before="3.5.1", after="3.6.0", code=None),
        ),
    ),
    collect_command=f"ncukit profile {_FILE} --metrics tensor_pct",
)
"""Every status in one answer."""


if __name__ == "__main__":
    for name, render in FORMS.items():
        (GOLDEN / name).write_text(render(EXAMPLE), encoding="utf-8")
