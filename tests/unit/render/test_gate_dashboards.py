"""What bencher and github-action-benchmark draw."""

from __future__ import annotations

import json
import math

from consumers import bencher, benchmark_action
from judgements import EXAMPLE, entry, judgement, reading

from ncukit.metrics import catalogue
from ncukit.render import gate_bencher, gate_benchmark_action


def test_bencher_has_a_benchmark_a_kernel_and_a_measure_a_metric() -> None:
    found = bencher(gate_bencher.render(EXAMPLE))

    assert found["naive_instance_norm (recorded)/normalize_kernel"] == {
        "duration_us": {"value": 3830.4, "lower_value": 3825.1, "upper_value": 3841.6},
        "dram_bytes": {"value": 15013598976},
        "dram_pct": {"value": 81.45, "lower_value": 81.2, "upper_value": 81.6},
    }


def test_one_launch_has_no_spread() -> None:
    live = judgement(entries=(entry("k", {"duration_us": reading(5.0)}),), case="copy")

    assert bencher(gate_bencher.render(live)) == {"copy/k": {"duration_us": {"value": 5.0}}}
    (one,) = benchmark_action(gate_benchmark_action.render(live))
    assert one == {
        "name": "copy/k/duration_us",
        "unit": "us",
        "value": 5.0,
        "extra": "median of 1 launch, NVIDIA H200 · ncu 2025.3.1 · clocks free",
    }


def test_every_metric_with_a_direction_fits_both_formats() -> None:
    everything = judgement(entries=(entry("k", {name: reading(1.0, 2.0, 3.0) for name in catalogue()}),))
    directed = {name for name, metric in catalogue().items() if metric.better != "neither"} - {"duration_ns"}

    assert set(bencher(gate_bencher.render(everything))["report.csv/k"]) == directed
    drawn = [
        one["name"].rpartition("/")[2]
        for better in ("lower", "higher")
        for one in benchmark_action(gate_benchmark_action.render(everything, better=better))
    ]
    assert sorted(drawn) == sorted(directed)


def test_the_action_gets_one_direction_a_file() -> None:
    lower, higher = (
        {one["name"].rpartition("/")[2] for one in json.loads(gate_benchmark_action.render(EXAMPLE, better=better))}
        for better in ("lower", "higher")
    )

    assert lower == {"duration_us", "dram_bytes", "traffic_ratio", "registers"}
    assert higher == {"dram_pct"}


def test_the_range_is_half_of_the_spread() -> None:
    found = {one["name"]: one.get("range") for one in benchmark_action(gate_benchmark_action.render(EXAMPLE))}

    assert found["naive_instance_norm (recorded)/normalize_kernel/duration_us"] == "± 8.25"
    assert found["naive_instance_norm (recorded)/normalize_kernel/dram_bytes"] is None


def test_a_recording_is_no_point_of_the_live_line() -> None:
    assert all("(recorded)/" in name for name in bencher(gate_bencher.render(EXAMPLE)))
    drawn = benchmark_action(gate_benchmark_action.render(EXAMPLE))
    assert all("(recorded)/" in one["name"] and one["extra"].startswith("RECORDED, not measured now") for one in drawn)


def test_kernels_of_one_name_are_told_apart_by_their_grid() -> None:
    kernels = tuple(entry("k", {"duration_us": reading(1.0)}, grid=f"({n}, 1, 1)") for n in (1, 2))

    assert list(bencher(gate_bencher.render(judgement(entries=kernels, case="c")))) == [
        "c/k (1, 1, 1)",
        "c/k (2, 1, 1)",
    ]


def test_what_is_missing_is_left_out() -> None:
    odd = judgement(entries=(entry("k", {"duration_us": reading(math.nan), "dram_pct": reading(math.inf)}),))

    assert (gate_bencher.render(odd), gate_benchmark_action.render(odd)) == ("{}\n", "[]\n")
