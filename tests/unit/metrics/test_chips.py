"""Every name that ncukit asks for exists on the chip it asks, by NVIDIA's own lists from Volta to Blackwell."""

from __future__ import annotations

import csv
import gzip
import io
import re
from functools import cache
from pathlib import Path

import pytest

from ncukit import metrics

GOLDEN = Path(__file__).parents[2] / "golden"
CHIPS = ("gv100", "tu102", "ga100", "ga102", "ad102", "gh100", "gb100", "gb202")
"""One chip of each family that has memory of its own: here nothing may be missing."""
UNIFIED = ("ga10b", "gb10b", "gb20b")
"""Chips that share the host's memory (Orin, Thor and their like), and so have no ``dram__`` counters."""
UNLISTED = re.compile(
    r"(launch|profiler|numa|nvlink|c2clink|derived|sass)__|device__attribute_|smsp__pcsamp_"
    r"|sm(sp)?__maximum_warps_(avg_)?per_active_cycle(_pct)?$"
)
"""Families that ncu knows and no list has: they cost no counters, or ncu computes them itself."""
_PEAK = r"peak_sustained(_(active|elapsed)(\.per_second)?)?|pct_of_peak_sustained_(active|elapsed)"
SUFFIXES = {
    "c": re.compile(rf"(sum|avg|min|max)(\.({_PEAK}|per_second|per_cycle_(active|elapsed)))?"),
    "r": re.compile(r"pct|ratio|max_rate"),
    "t": re.compile(r"(avg|max|min|sum)\.pct_of_peak_sustained_(active|elapsed)"),
}
"""What may follow a counter, a ratio and a throughput (Kernel Profiling Guide, "Metrics Structure")."""
DEAD = "smsp__warp_issue_stalled_memory_dependency_per_warp_active.pct"


@cache
def lists() -> dict[str, dict[str, str]]:
    """Chip → base name → kind."""
    text = gzip.decompress((GOLDEN / "chips" / "base-names.txt.gz").read_bytes()).decode()
    head, *rows = (line.split("\t") for line in text.splitlines())
    found: dict[str, dict[str, str]] = {chip: {} for chip in head[1].split()}
    for name, kind, chips in rows:
        for bit, names in enumerate(found.values()):
            if int(chips, 16) >> bit & 1:
                names[name] = kind
    return found


def exists(name: str, chip: str) -> bool:
    """Whether ``chip`` has a metric, its suffix included."""
    base, _, suffix = name.partition(".")
    if UNLISTED.match(base):
        return True
    kind = lists()[chip].get(base)
    return kind is not None and SUFFIXES[kind].fullmatch(suffix) is not None


def absent(short: str, chip: str) -> list[str]:
    """What ncukit would ask ``chip`` for by this name, and does not exist there."""
    return [name for name in metrics.request([short], chip).names if not exists(name, chip)]


def test_the_lists_are_whole() -> None:
    assert set(CHIPS) | set(UNIFIED) < set(lists())
    assert all(len(names) > 1700 for names in lists().values())


@pytest.mark.parametrize("chip", [chip for chip in lists() if chip not in UNIFIED])
def test_every_catalogued_name_exists(chip: str) -> None:
    assert {short: gone for short in metrics.catalogue() if (gone := absent(short, chip))} == {}


@pytest.mark.parametrize("chip", UNIFIED)
def test_where_memory_is_shared_only_the_dram_counters_are_missing(chip: str) -> None:
    gone = {name for short in metrics.catalogue() for name in absent(short, chip)}

    assert gone
    assert all(name.startswith("dram__") for name in gone)
    assert not any(name.startswith("dram__") for name in lists()[chip])


def test_every_name_that_a_report_may_hold_exists_somewhere() -> None:
    names = {name for metric in metrics.catalogue().values() for name in (*metric.ncu, *metric.chips.values())}

    assert {name for name in names if not any(exists(name, chip) for chip in lists())} == set()


def test_an_override_is_for_chips_that_lack_the_first_name() -> None:
    for metric in metrics.catalogue().values():
        for prefix in metric.chips:
            chips = [chip for chip in lists() if chip.startswith(prefix) and chip not in UNIFIED]
            assert chips, f"{metric.name}: no chip is called {prefix}…"
            assert not any(exists(metric.ncu[0], chip) for chip in chips), (
                f"{metric.name} needs no override on {prefix}"
            )


@pytest.mark.parametrize("preset", metrics.presets())
@pytest.mark.parametrize("chip", CHIPS)
def test_every_preset_can_be_asked_for_whole(preset: str, chip: str) -> None:
    names = metrics.request(metrics.presets()[preset], chip).names

    assert [name for name in names if not exists(name, chip)] == []


def translations() -> list[tuple[str, str]]:
    """(name in circulation, what ncukit asks for instead); a dead name comes with a suffix of its successor's kind."""
    dead, nvprof = metrics._translations()
    suffixes = {"c": ".sum", "r": ".pct", "t": ".avg.pct_of_peak_sustained_elapsed", None: ""}
    kinds = {name: kind for names in lists().values() for name, kind in names.items()}
    whole = [(old + ("" if "." in new else suffixes[kinds.get(new)]), new) for old, new in dead.items()]
    return [(old, metrics.request([old]).names[0]) for old, _ in (*whole, *nvprof.items())]


GONE_ON_BLACKWELL = {"stall_constant_memory_dependency"}
"""imc_miss: no Blackwell chip has that stall reason, nor another in its place."""


@pytest.mark.parametrize(("old", "new"), translations(), ids=lambda value: value.split(".")[0])
def test_a_translation_leads_to_a_name_that_exists_and_from_one_that_does_not(old: str, new: str) -> None:
    assert not any(exists(old, chip) for chip in lists())
    missing = {chip for chip in CHIPS if not exists(new, chip)}
    assert missing == ({"gb100", "gb202"} if old in GONE_ON_BLACKWELL else set())


def test_the_seeds_stall_is_dead_everywhere_and_said_to_be() -> None:
    assert not any(exists(DEAD, chip) for chip in lists())
    request = metrics.request([DEAD])
    assert DEAD not in request.names
    assert all(exists(name, chip) for name in request.names for chip in lists())
    assert any("exists on no chip" in note for note in request.notes)


@pytest.mark.parametrize(
    "name",
    [
        "sm__warps_activ.avg.pct_of_peak_sustained_active",
        "sm__warps_active.avg_pct_of_peak_sustained_active",
        "sm__warps_active.pct",
        "lts__t_sector_hit_rate.sum",
        "dram__throughput.sum.per_second",
        "dram__throughput",
        "sm__maximum_warps_per_cycle",
    ],
)
def test_a_misspelt_name_is_found_out(name: str) -> None:
    assert not any(exists(name, chip) for chip in lists())


def test_ncus_own_list_of_one_chip_agrees() -> None:
    """CUPTI's names are ncu's: every catalogued one is in what ncu --query-metrics prints for gh100."""
    packed = (GOLDEN / "ncu-2025.3.1-h200" / "query-metrics-gh100.csv.gz").read_bytes()
    listed = {row[0] for row in csv.reader(io.StringIO(gzip.decompress(packed).decode())) if row}
    asked = {name.split(".")[0] for short in metrics.catalogue() for name in metrics.request([short], "gh100").names}

    assert {name for name in asked if not UNLISTED.match(name)} - listed == set()
