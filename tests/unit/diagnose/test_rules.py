"""Every rule on real captures: one that fires it and those that must not. H200, ncu 2025.3.1, Triton 3.6."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from ncukit.diagnose import diagnose, rules
from ncukit.model import Diagnosis, Finding, Report, Severity
from ncukit.read import read

ROOT = Path(__file__).parents[3]
CASES = ROOT / "tests" / "golden" / "cases"
PROFILES = ROOT / "profiles" / "h200"

# cause → (capture that fires it, kernel it fires on)
FIRES = {
    "uncoalesced-access": (CASES / "uncoalesced", "column_copy_kernel"),
    "memory-latency": (CASES / "latency", "row_sum_kernel"),
    "local-memory": (CASES / "spills", "wide_tile_kernel"),
    "low-occupancy": (CASES / "low_occupancy", "whiten_kernel"),
    "small-grid": (CASES / "small_grid", "long_row_sum_kernel"),
    "tail-effect": (CASES / "tail", "iterate_kernel"),
    "launch-overhead": (CASES / "launches", "add_one_kernel"),
    "excess-traffic": (PROFILES / "naive_rms_norm", "rms_norm_kernel"),
    "dram-roof": (CASES / "copy", "copy_kernel"),
    "fusion": (PROFILES / "naive_instance_norm", "compute_moments_kernel"),
}
HEALTHY = [CASES / "copy", PROFILES / "rms_norm"]


@cache
def diagnosed(path: Path) -> Diagnosis:
    return diagnose(read(path))


def found(path: Path) -> list[Finding]:
    diagnosis = diagnosed(path)
    return [f for k in diagnosis.kernels for f in k.findings] + list(diagnosis.pipeline)


def test_every_rule_has_a_capture_that_fires_it():
    assert {cause for _, cause, _ in rules.codes()} == set(FIRES)


@pytest.mark.parametrize(("cause", "capture"), FIRES.items(), ids=FIRES)
def test_the_capture_fires_its_cause_first(cause, capture):
    path, kernel = capture
    findings = [f for f in found(path) if kernel in f.kernels]
    named = [f for f in findings if f.cause == cause]
    assert named, f"{cause} is silent: {[f.cause for f in findings]}"
    tune = [f for f in findings if f.severity == Severity.TUNE]
    if cause != "dram-roof":
        best = max(tune, key=lambda f: f.gain.best if f.gain else 0.0)
        assert best.cause == cause
    assert all(f.evidence for f in named)
    assert all(f.suggestions for f in named if f.severity == Severity.TUNE)


@pytest.mark.parametrize("path", HEALTHY, ids=lambda p: p.name)
def test_a_healthy_kernel_gets_one_statement_and_no_advice(path):
    assert [f.cause for f in found(path)] == ["dram-roof"]


@pytest.mark.parametrize(
    ("cause", "path"),
    [(cause, other) for cause in FIRES for other, _ in FIRES.values() if cause != "dram-roof"],
    ids=lambda v: v.name if isinstance(v, Path) else v,
)
def test_a_cause_is_not_found_where_it_was_not_planted(cause, path):
    assert any(f.cause == cause for f in found(path)) == (FIRES[cause][0] == path)


@pytest.mark.parametrize("cause", FIRES)
def test_gains_are_ordered_and_beat_no_physical_limit(cause):
    for path in {p for p, _ in FIRES.values()}:
        diagnosis = diagnosed(path)
        for kernel in diagnosis.kernels:
            for finding in kernel.findings:
                if finding.cause == cause and finding.gain:
                    assert 1.0 <= finding.gain.low <= finding.gain.best <= finding.gain.high
                    # what stays in L2 when the launch ends is not among DRAM's bytes: the lower of the two is the limit
                    floor = min((r.time_us for r in kernel.ladder if r.limit.startswith("dram")), default=0.0)
                    if floor and finding.severity == Severity.TUNE:
                        assert kernel.duration_us / finding.gain.high >= 0.99 * floor


def test_the_naive_instance_norm_is_told_what_an_expert_would():
    diagnosis = diagnosed(PROFILES / "naive_instance_norm")
    (fusion,) = diagnosis.pipeline
    assert (fusion.cause, fusion.confidence) == ("fusion", "high")
    assert fusion.kernels == ("compute_moments_kernel", "normalize_kernel")
    assert fusion.gain is not None
    assert 1.3 < fusion.gain.low < 1.45 < fusion.gain.best < fusion.gain.high < 1.65  # measured by the bench: 1.4x
    assert "16 neighbouring programs" in fusion.suggestions[0].action
    assert "kernels/naive/instance_norm.py:" in (fusion.suggestions[0].location or "")
    for kernel in diagnosis.kernels:
        (roof,) = kernel.findings
        assert (roof.cause, roof.severity, kernel.bound) == ("dram-roof", Severity.LIMIT, "dram")
        assert any("num_stages" in words and "none" in words for words in roof.unhelpful)
    unhelpful = " ".join(diagnosis.kernels[1].findings[0].unhelpful)
    assert "stores, not reuse" in unhelpful


def test_the_seeds_five_numbers_lead_to_the_same_conclusion_with_less_confidence(tmp_path):
    path = tmp_path / "seed.json"
    metrics = {
        "compute_moments_kernel": (16.02, 7168, 96.25, 97.07, 0.01),
        "normalize_kernel": (1.22, 7168, 94.69, 87.63, 50.0),
    }
    names = (
        "sm__throughput.avg.pct_of_peak_sustained_elapsed",
        "launch__grid_size",
        "sm__warps_active.avg.pct_of_peak_sustained_active",
        "dram__throughput.avg.pct_of_peak_sustained_elapsed",
        "lts__t_sector_hit_rate.pct",
    )
    path.write_text(json.dumps({k: dict(zip(names, v, strict=True)) for k, v in metrics.items()}))
    diagnosis = diagnose(read(path, gpu="RTX 4090"), gpu="RTX 4090")
    (fusion,) = diagnosis.pipeline
    assert (fusion.cause, fusion.confidence) == ("fusion", "low")
    assert fusion.gain is not None
    assert 1.4 < fusion.gain.best < 1.55
    assert fusion.next_command.startswith("ncukit profile")
    assert [k.bound for k in diagnosis.kernels] == ["dram", "dram"]
    roof = diagnosis.kernels[1].findings[0]
    assert roof.confidence == "low"
    assert any("stores hitting, not reuse" in words for words in roof.unhelpful)


def test_without_the_recorded_arguments_equal_bytes_still_point_at_fusion():
    report = replace(read(PROFILES / "naive_instance_norm"), launches=())
    report = replace(report, frame=report.frame.drop(columns=["compulsory_bytes", "useful_dram_pct", "traffic_ratio"]))
    (fusion,) = diagnose(report).pipeline
    assert (fusion.cause, fusion.confidence) == ("fusion", "medium")
    assert fusion.gain is not None
    assert 1.35 < fusion.gain.best < 1.55


@pytest.mark.parametrize("code", [code for code, _, _ in rules.codes()])
def test_every_page_has_its_sections(code):
    page = rules.page(code)
    positions = [page.find(f"\n{section}\n") for section in rules.SECTIONS]
    assert -1 not in positions
    assert positions == sorted(positions)


def test_codes_and_causes_are_unique():
    rows = rules.codes()
    assert len({r[0] for r in rows}) == len({r[1] for r in rows}) == len(rows)


def test_a_rule_without_its_metrics_says_which_it_lacks():
    report = read(CASES / "copy")
    report = replace(report, frame=report.frame.drop(columns=["local_load_sectors"]))
    silences = {s.cause: s.reason for s in diagnose(report).kernels[0].silences}
    assert "needs local_load_sectors" in silences["local-memory"]


def without(report: Report, *columns: str) -> Report:
    return replace(report, frame=report.frame.drop(columns=[c for c in columns if c in report.frame]))


def altered(report: Report, change) -> Report:
    """The report with ``change`` applied to every recorded tensor."""
    launches = tuple(replace(x, tensors=tuple(change(t) for t in x.tensors)) if x else None for x in report.launches)
    return replace(report, launches=launches)


def test_the_reports_own_gpu_wins_over_the_option():
    report = read(PROFILES / "naive_instance_norm")
    assert diagnose(report, gpu="RTX 4090").pipeline == diagnose(report).pipeline


def test_an_argument_that_could_not_be_followed_promises_no_fusion():
    report = read(PROFILES / "naive_instance_norm")
    report = altered(report, lambda t: replace(t, loaded=None, stored=None) if t.name == "y_ptr" else t)
    assert diagnose(report).pipeline == ()


def test_recorded_tensors_are_not_overruled_by_equal_bytes():
    numbers = iter(range(1000))
    report = altered(read(PROFILES / "naive_instance_norm"), lambda t: replace(t, buffer=next(numbers)))
    assert diagnose(report).pipeline == ()


def test_launches_with_other_tensors_are_other_kernels():
    report = read(PROFILES / "naive_rms_norm")
    small = replace(report.launches[0], tensors=tuple(replace(t, bytes=1000) for t in report.launches[0].tensors))
    frame = pd.concat([report.frame, report.frame], ignore_index=True)
    doubled = replace(report, frame=frame, launches=(small, report.launches[0]))
    assert len(diagnose(doubled).kernels) == 2


def test_without_time_bytes_are_no_roof():
    report = without(read(CASES / "small_grid"), "duration_ns", "duration_us", "dram_gbps", "useful_dram_pct")
    (kernel,) = diagnose(report).kernels
    assert kernel.bound != "dram"
    assert [f.cause for f in kernel.findings] == []


def test_without_dram_readings_latency_is_not_claimed():
    report = without(read(PROFILES / "rms_norm"), "dram_read_bytes", "dram_write_bytes", "dram_bytes", "dram_pct")
    (kernel,) = diagnose(report).kernels
    assert kernel.bound == "unknown"
    assert kernel.findings == ()


def test_a_repeated_measurement_is_not_many_launches():
    report = read(CASES / "launches")
    assert diagnose(report).pipeline
    assert diagnose(replace(report, repeat=len(report.frame))).pipeline == ()


def test_nobody_is_told_that_the_suggested_knob_cannot_help():
    for finding in found(CASES / "spills"):
        assert not any(words.startswith("block size") for words in finding.unhelpful)


def test_an_unknown_gpu_gets_its_peak_from_ncus_own_percentage():
    report = read(PROFILES / "naive_instance_norm")
    unknown = replace(report, environment=replace(report.environment, gpu="Foo 9", attributes={}))
    (fusion,) = diagnose(unknown).pipeline
    assert fusion.confidence == "medium"


def test_the_needed_bytes_are_named_in_their_rung():
    (kernel,) = diagnosed(PROFILES / "rms_norm").kernels
    (rung,) = [r for r in kernel.ladder if r.limit == "dram-compulsory"]
    assert rung.how.startswith("15 GB")


def test_one_launch_without_readings_does_not_hide_the_implied_peak():
    report = read(PROFILES / "naive_instance_norm")
    frame = report.frame.copy()
    frame.loc[0, ["dram_bytes", "dram_gbps", "dram_pct"]] = float("nan")
    unknown = replace(report, frame=frame, environment=replace(report.environment, gpu="Foo 9", attributes={}))
    assert "as ncu's percentage implies it" in diagnose(unknown).gpu_note


def test_two_unknown_grids_are_not_equal_grids(tmp_path):
    path = tmp_path / "m.json"
    metrics = {"dram__throughput.avg.pct_of_peak_sustained_elapsed": 90.0, "lts__t_sector_hit_rate.pct": 50.0}
    path.write_text(json.dumps({"a": metrics, "b": metrics}))
    assert diagnose(read(path, gpu="RTX 4090"), gpu="RTX 4090").pipeline == ()
