"""The catalogue is whole, and requests are translated without losing anything."""

from __future__ import annotations

import ast

import pytest

from ncukit import metrics
from ncukit.errors import NcukitError

SEED = "smsp__warp_issue_stalled_memory_dependency_per_warp_active.pct"


@pytest.mark.parametrize("metric", metrics.catalogue().values(), ids=lambda m: m.name)
def test_every_entry_says_unit_direction_and_meaning(metric):
    assert metric.better in ("higher", "lower", "neither")
    assert metric.about.endswith(".")
    assert metric.ncu or metric.formula or metric.name in ("compulsory_bytes", "spills", "gain_left")
    for node in ast.walk(ast.parse(metric.formula or "0", mode="eval")):
        if isinstance(node, ast.Name):
            assert node.id in metrics.catalogue() or node.id in (
                "peak_dram_gbps",
                "sm_count",
                "minimum",
                "maximum",
            )


def test_no_ncu_name_stands_for_two_short_names():
    names = [n for m in metrics.catalogue().values() for n in (*m.ncu, *m.chips.values())]
    owners = {n: {m.name for m in metrics.catalogue().values() if n in (*m.ncu, *m.chips.values())} for n in names}
    assert {n: o for n, o in owners.items() if len(o) > 1} == {}


def test_presets_name_catalogued_metrics_and_grow():
    for names in metrics.presets().values():
        assert set(names) <= set(metrics.catalogue())
        assert len(names) == len(set(names))
    assert set(metrics.presets()["quick"]) < set(metrics.presets()["default"]) < set(metrics.presets()["full"])


def test_the_seeds_dead_name_becomes_its_successor_with_a_note():
    request = metrics.request([SEED])
    assert request.names == ("smsp__warp_issue_stalled_long_scoreboard_per_warp_active.pct",)
    assert "exists on no chip" in request.notes[0]
    assert request.short[request.names[0]] == "stall_long_scoreboard_pct"


def test_a_derived_metric_asks_for_what_its_formula_reads():
    assert metrics.request(["dram_gbps"]).names == ("dram__bytes.sum", "gpu__time_duration.sum")
    assert "launch__occupancy_limit_registers" in metrics.request(["waves"]).names


def test_nvprofs_names_are_translated():
    assert metrics.request(["achieved_occupancy"]).names == ("sm__warps_active.avg.pct_of_peak_sustained_active",)


def test_chips_have_their_own_names():
    assert metrics.request(["dram_read_bytes"], "gb202").names == ("dram__bytes_op_read.sum",)
    assert metrics.request(["dram_read_bytes"], "gh100").names == ("dram__bytes_read.sum",)


def test_an_ncu_name_outside_the_catalogue_is_kept_to_be_checked():
    request = metrics.request(["lts__d_sectors.sum", "dram_pct"])
    assert request.unchecked == ("lts__d_sectors.sum",)


def test_a_word_that_is_no_metric_names_the_nearest():
    with pytest.raises(NcukitError, match="no metric is called 'dram_pc'") as error:
        metrics.request(["dram_pc"])
    assert "dram_pct" in error.value.causes[0]


def test_metrics_asked_twice_are_collected_once():
    names = metrics.request(["dram_pct", "dram__throughput.avg.pct_of_peak_sustained_elapsed", "dram_pct"]).names
    assert len(names) == 1
