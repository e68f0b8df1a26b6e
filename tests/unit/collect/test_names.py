"""Metric names held against what `ncu --query-metrics` printed for gh100 (ncu 2025.3.1)."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from ncukit import metrics
from ncukit.collect.names import check, parse_query
from ncukit.errors import NcukitError

GOLDEN = Path(__file__).parents[2] / "golden" / "ncu-2025.3.1-h200" / "query-metrics-gh100.csv.gz"
LISTED = parse_query(gzip.decompress(GOLDEN.read_bytes()).decode())


def test_the_list_is_read_with_types():
    assert len(LISTED) > 3000
    assert LISTED["dram__throughput"] == "throughput"
    assert LISTED["dram__bytes_read"] == "counter"
    assert LISTED["lts__t_sector_hit_rate"] == "ratio"


def test_every_catalogued_name_exists_or_belongs_to_a_family_that_is_never_listed():
    names = [m.ncu_name("gh100") for m in metrics.catalogue().values() if m.ncu]
    check([n for n in names if n], LISTED, "gh100")


@pytest.mark.parametrize(
    "name",
    ["launch__grid_size", "smsp__pcsamp_sample_buffer_full", "regex:dram__.*", "sass__inst_executed_per_opcode",
     "device__attribute_chip", "derived__smsp__inst_executed_op_branch_pct", "pmsampling:dram__throughput.avg"],
)  # fmt: skip
def test_families_that_ncu_never_lists_pass(name):
    check([name], LISTED, "gh100")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("dram__bytes_reed.sum", "did you mean dram__bytes_read"),
        ("smsp__warp_issue_stalled_memory_dependency_per_warp_active.pct", "did you mean"),
        ("dram__throughput", "such as dram__throughput.avg.pct_of_peak_sustained_elapsed"),
        ("dram__throughput.pct", "such as dram__throughput.avg"),
        ("lts__t_sector_hit_rate.sum", "such as lts__t_sector_hit_rate.pct"),
        ("zzz__nothing.sum", "drop it in silence"),
    ],
)
def test_a_name_the_chip_lacks_is_refused(name, says):
    with pytest.raises(NcukitError) as error:
        check([name], LISTED, "gh100")
    assert says in " ".join(error.value.causes)
    assert name.partition(".")[0] in error.value.message


def test_an_error_in_place_of_the_list_checks_nothing():
    assert parse_query("==ERROR== Driver could not be loaded.\n") == {}
    check(["zzz__nothing.sum"], {}, "")
