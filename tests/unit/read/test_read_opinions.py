"""Rule results from the details page, NVIDIA's reader and the file itself; hostile text in them."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from read_support import GOLDEN, IDENTITY, golden_bytes

from ncukit.read import read
from ncukit.read.opinions import of_row, opinion
from ncukit.read.repfile import DamagedReportError
from ncukit.read.reprules import rule_results

DETAILS = "details-set-detailed-en_US.csv.gz"
RULES = "set-full-rules.ncu-rep.gz"
COLUMNS = [*IDENTITY, "Section Name", "Metric Name", "Metric Unit", "Metric Value"]
COLUMNS += ["Rule Name", "Rule Type", "Rule Description", "Estimated Speedup Type", "Estimated Speedup"]


@pytest.fixture
def rules(put) -> Path:
    return put(golden_bytes(RULES), "rules.ncu-rep")


def test_the_details_page_has_them_by_launch(put) -> None:
    report = read(put(golden_bytes(DETAILS)))

    assert len(report.opinions) == len(report.frame) == 2
    first = {o.rule: o for o in report.opinions[0]}
    assert list(first) == [
        "SOLBottleneck", "SOLFPRoofline", "HighPipeUtilization", "MemoryL2Compression", "LaunchConfiguration",
    ]  # fmt: skip
    assert (first["SOLBottleneck"].kind, first["SOLBottleneck"].speedup_pct) == ("INF", None)
    assert (first["HighPipeUtilization"].speedup_pct, first["HighPipeUtilization"].scope) == (87.31, "local")
    tail = first["LaunchConfiguration"]
    assert (tail.kind, tail.section, tail.speedup_pct, tail.scope) == ("OPT", "LaunchStats", 25.0, "global")
    assert "partial wave of 833 thread blocks" in tail.message


def test_the_raw_page_and_a_run_without_rules_have_none(put) -> None:
    assert read(put(golden_bytes("raw-set-detailed-en_US.csv.gz"))).opinions == ()
    assert read(GOLDEN / "details-six-metrics.txt").opinions == ()


def test_a_report_file_has_them_and_both_readers_agree(rules: Path) -> None:
    pytest.importorskip("ncu_report")
    report = read(rules)

    assert [len(said) for said in report.opinions] == [13, 15, 10]
    assert list(report.opinions) == rule_results(rules)
    stall = next(o for o in report.opinions[0] if o.rule == "CPIStall")
    assert (stall.kind, stall.title, stall.scope) == ("OPT", "Long Scoreboard Stalls", "global")
    assert stall.speedup_pct == pytest.approx(72.576, abs=1e-3)


def test_a_report_without_rule_results_has_none() -> None:
    pytest.importorskip("ncu_report")

    assert read(GOLDEN / "three-metrics.ncu-rep").opinions == ()
    assert rule_results(GOLDEN / "three-metrics.ncu-rep") == [(), (), ()]


def test_markup_becomes_its_label(rules: Path) -> None:
    said = " ".join(o.message for launch in rule_results(rules) for o in launch)

    assert "Look at Launch Statistics for more" in said
    assert "to their fused, higher-throughput equivalent" in said
    assert "@" not in said


@pytest.mark.parametrize("step", [7, 101, 997])
def test_damage_is_an_error_and_nothing_else(put, step: int) -> None:
    whole = golden_bytes(RULES)
    for at in range(4, len(whole), len(whole) // step):
        changed = bytearray(whole)
        changed[at] ^= 0xFF
        for content in (bytes(changed), whole[:at]):
            try:
                found = rule_results(put(content))
            except DamagedReportError:
                continue
            assert all(len(o.message) <= 2000 and o.message.isprintable() for launch in found for o in launch)


def test_failed_launches_take_their_opinions_along(put) -> None:
    """ncu prints a row with an empty grid for a launch that failed."""
    text = gzip.decompress((GOLDEN / DETAILS).read_bytes()).decode()
    lines = [
        line.replace('"(7168, 1, 1)"', '"(0, 0, 0)"') if line.startswith('"0"') else line for line in text.split("\n")
    ]
    report = read(put("\n".join(lines)))

    assert list(report.frame.kernel) == ["normalize_kernel"]
    assert len(report.opinions) == 1
    assert report.opinions[0][3].speedup_pct == 27.44


def test_2022_has_no_columns_for_the_speedup() -> None:
    where = {"Section Name": 0, "Metric Name": 1, "Rule Name": 2, "Rule Type": 3, "Rule Description": 4}
    said = of_row(["S", "", "TheoreticalOccupancy", "WRN", "limited by registers"], where)

    assert said is not None
    assert (said.kind, said.speedup_pct, said.scope) == ("WRN", None, "")
    assert of_row(["S", "", ""], where) is None


@pytest.mark.parametrize(
    ("cell", "value"), [("9.774", 9.774), ("9,774", 9.774), ("", None), ("nan", None), ("-3", None), ("x", None)]
)
def test_the_estimate_in_any_locale(cell: str, value: float | None) -> None:
    where = {name: index for index, name in enumerate(COLUMNS)}
    row = [""] * len(COLUMNS)
    row[where["Rule Name"]], row[where["Estimated Speedup"]] = "LaunchConfiguration", cell

    said = of_row(row, where)
    assert said is not None
    assert said.speedup_pct == value


@given(st.text(), st.text(), st.text(), st.floats() | st.none(), st.text())
def test_no_text_leaves_the_line(rule: str, title: str, message: str, speedup: float | None, scope: str) -> None:
    said = opinion(rule=rule, section=rule, kind=rule, title=title, message=message, speedup=speedup, scope=scope)

    for text in (said.rule, said.section, said.kind, said.title, said.message, said.scope):
        assert text.isprintable()
        assert len(text) <= 2000
    assert said.scope in ("", "local", "global")
    assert said.speedup_pct is None or said.speedup_pct >= 0


def test_long_text_is_cut() -> None:
    said = opinion(rule="r" * 10_000, section="", kind="OPT", message="@url:" * 100_000)

    assert (len(said.rule), len(said.message)) == (80, 2000)
    assert said.rule.endswith("…")
