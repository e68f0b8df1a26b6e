"""The metric catalogue and the GPU table, as text and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from ncukit.metrics import Metric, presets
from ncukit.render.text import columns, number, paint, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncukit.gpus import Gpu

UNITS = {
    "memory_gb": "GB",
    "dram_gbps": "GB/s",
    "dram_copy_gbps": "GB/s",
    "dram_read_gbps": "GB/s",
    "l2_bytes": "byte",
    "shared_per_sm": "byte",
    "shared_per_block": "byte",
}

UNNAMED = {"compulsory_bytes": "from the recorded tensor arguments", "gain_left": "from the diagnosis"}
"""Metrics without a name of ncu's or a formula → where they come from, if not straight from the harness."""


def metrics_table(chosen: Sequence[Metric], chip: str, *, about: bool = False, color: bool = False) -> str:
    """One line a metric: what it is called here and what ncu is asked for.

    Args:
        chosen: the metrics to list.
        chip: ncu's chip name, or empty for the usual names.
        about: add each metric's sentence below its line.
        color: paint headings.
    """
    rows = [["metric", "unit", "better", "presets", f"ncu on {chip}" if chip else "ncu name, or = formula"]]
    rows += [[m.name, m.unit or "-", m.better, ",".join(in_presets(m)) or "-", _asks(m, chip)] for m in chosen]
    table = columns(rows, "<<<<<")
    lines = [paint(table[0], "dim", color)]
    for metric, line in zip(chosen, table[1:], strict=True):
        lines.append(line)
        lines += [f"    {metric.about}", *_also(metric, chip), ""] if about else []
    return "\n".join(lines).rstrip() + "\n"


def _asks(metric: Metric, chip: str) -> str:
    """What ncu is asked for; a formula where ncukit computes the reading from other counters."""
    name = metric.ncu_name(chip)
    computed = metric.formula and (metric.prefer_formula or name is None)
    if computed:
        return f"= {metric.formula}"
    return name or f"= {UNNAMED.get(metric.name, 'recorded by the harness')}"


def _also(metric: Metric, chip: str) -> list[str]:
    shown = _asks(metric, chip)
    lines = []
    if metric.formula and shown != f"= {metric.formula}":
        lines.append(f"    without that counter: {metric.formula}")
    others = [name for name in dict.fromkeys((*metric.ncu, *metric.chips.values())) if name != shown]
    if others:
        lines.append(f"    also read from: {', '.join(others)}")
    return lines


def in_presets(metric: Metric) -> list[str]:
    """Presets that ask for the metric itself."""
    return [name for name, names in presets().items() if metric.name in names]


def metrics_json(chosen: Sequence[Metric], chip: str, notes: Sequence[str] = ()) -> str:
    """The same for programs."""
    entries = [
        {
            "name": m.name,
            "unit": m.unit,
            "better": m.better,
            "about": m.about,
            "ncu": m.ncu_name(chip),
            "ncu_names": list(dict.fromkeys((*m.ncu, *m.chips.values()))),
            "formula": m.formula or None,
            "computed": bool(m.formula and (m.prefer_formula or m.ncu_name(chip) is None)),
            "presets": in_presets(m),
        }
        for m in chosen
    ]
    document = {"schema_version": 1, "chip": chip or None, "notes": list(notes), "metrics": entries}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def gpus_table(gpus: Sequence[Gpu], *, color: bool = False) -> str:
    """One line a GPU, with what the ladder of limits reads."""
    rows = [["GPU", "chip", "cc", "SMs", "GB", "DRAM GB/s", "copy GB/s", "L2 MiB", "fp32", "fp16 tensor"]]
    rows += [
        [
            visible(gpu.name),
            gpu.chip,
            gpu.compute_capability,
            str(gpu.sm_count),
            f"{gpu.memory_gb:g}",
            f"{gpu.dram_gbps:,g}" if gpu.dram_gbps < 1e5 else number(gpu.dram_gbps),
            _or_dash(gpu.dram_copy_gbps),
            f"{gpu.l2_bytes / 2**20:g}",
            _or_dash(gpu.fp32_tflops),
            _or_dash(gpu.fp16_tflops),
        ]
        for gpu in gpus
    ]
    table = columns(rows, "<<>>>>>>>>")
    foot = "Rates in TFLOP/s, dense, at boost clock. DRAM from the data sheet; copy measured, both ways."
    return "\n".join([paint(table[0], "dim", color), *table[1:], "", foot]) + "\n"


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:,g}"


def gpu_page(gpu: Gpu, *, color: bool = False) -> str:
    """One GPU: every field with its source."""
    rows = []
    for name, value in _facts(gpu).items():
        shown = (
            ", ".join(value)
            if isinstance(value, tuple)
            else value
            if isinstance(value, str)
            else _quantity(name, value)
        )
        rows.append([name, visible(shown) or "-", visible(_source(gpu, name))])
    return "\n".join([paint(visible(gpu.name), "bold", color), *columns(rows, "<<<")]) + "\n"


def _facts(gpu: Gpu) -> dict[str, Any]:
    return {one.name: getattr(gpu, one.name) for one in fields(gpu) if one.name not in ("name", "sources")}


def _quantity(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    unit = UNITS.get(name, "TFLOP/s" if name.endswith("_tflops") else "")
    return f"{value:,g} {unit}".rstrip() if isinstance(value, float) else f"{value:,} {unit}".rstrip()


def _source(gpu: Gpu, name: str) -> str:
    """Where a number comes from; names and unknown numbers need no source."""
    if getattr(gpu, name) is None or name == "aliases":
        return ""
    return gpu.sources.get(name, gpu.sources.get("*", ""))


def gpus_json(gpus: Sequence[Gpu]) -> str:
    """GPUs for programs, sources included."""
    entries = [{**asdict(gpu), "sources": dict(gpu.sources)} for gpu in gpus]
    return json.dumps({"schema_version": 1, "gpus": entries}, indent=2, ensure_ascii=False) + "\n"
