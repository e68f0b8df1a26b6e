"""Every rule on real captures: one that fires it and those that must not. H200, ncu 2025.3.1, Triton 3.6."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from recordings import CASES, CURED, HEALTHY, PROFILES, ROOT, SICK, Recording, advice, diagnosed, faults, findings

from ncukit import metrics
from ncukit.diagnose import diagnose, rules
from ncukit.diagnose.limits import EMPTY_LAUNCH_US
from ncukit.model import Finding, Report, Severity
from ncukit.read import read


def of(run: Path, kernel: str, cause: str) -> tuple[Recording, str]:
    """A recording that is not the clinic's, and the kernel of it that a rule fires on."""
    source = ROOT / "tests" / "golden" / "kernels" / f"{run.name}.py" if run.parent == CASES else Path()
    return Recording(name=run.name, cause=cause, run=run, source=source), kernel


# cause → (capture that fires it, kernel it fires on): small kernels made for one rule each, beside the clinic's
FIRES = {
    "uncoalesced-access": of(CASES / "uncoalesced", "column_copy_kernel", "uncoalesced-access"),
    "memory-latency": of(CASES / "latency", "row_sum_kernel", "memory-latency"),
    "local-memory": of(CASES / "spills", "wide_tile_kernel", "local-memory"),
    "low-occupancy": of(CASES / "low_occupancy", "whiten_kernel", "low-occupancy"),
    "small-grid": of(CASES / "small_grid", "long_row_sum_kernel", "small-grid"),
    "tail-effect": of(CASES / "tail", "iterate_kernel", "tail-effect"),
    "launch-overhead": of(CASES / "launches", "add_one_kernel", "launch-overhead"),
    "excess-traffic": of(PROFILES / "naive_rms_norm", "rms_norm_kernel", "excess-traffic"),
    "dram-roof": of(CASES / "copy", "copy_kernel", "dram-roof"),
    "fusion": of(PROFILES / "naive_instance_norm", "compute_moments_kernel", "fusion"),
}
STATEMENTS = {"dram-roof": "healthy_01_vector_add", "compute-roof": "healthy_08_polynomial_map"}
"""Statements of a limit, which nobody plants, and a healthy kernel that gets each."""
COMPANIONS = {
    ("sick-integer_bound", "narrow-access"): "its byte loads are narrow as well",
    (
        "sick-narrow_access",
        "uncoalesced-access",
    ): "windows of bytes start anywhere and share their edge sectors",
    ("18_embedding_bag-sick", "excess-traffic"): "a gather by random index fetches some rows again",
    ("20_logistic_growth-sick", "narrow-access"): "a thread holds a single value",
    ("11_norm_weight_grad-sick", "barrier"): "its second kernel, which no atomic holds",
}
"""Causes that are there beside the planted one, and why."""
LEFT_IN_CURES = {
    "18_embedding_bag-cure": "the cured gather still waits for rows by index, and its tables are larger than L2",
}
"""Cures that leave more than 1.15x of their own cause, and why."""
LEAN = (FIRES["dram-roof"][0], of(PROFILES / "rms_norm", "", "")[0])
ALL = (*SICK, *CURED, *HEALTHY, *(recording for recording, _ in FIRES.values()))


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded targets are relative to the checkout."""
    monkeypatch.chdir(ROOT)


@cache
def found(recording: Recording) -> list[Finding]:
    return findings(diagnosed(recording))


def test_every_rule_has_a_capture_that_fires_it_and_one_that_does_not() -> None:
    causes = {cause for _, cause, _ in rules.codes()}
    fired = {cause: [r for r in ALL if any(f.cause == cause for f in found(r))] for cause in causes}

    assert {cause for cause, where in fired.items() if not where} == set()
    assert {cause for cause, where in fired.items() if len(where) == len(ALL)} == set()
    assert causes == {r.cause for r in SICK} | set(STATEMENTS)


@pytest.mark.parametrize("cause", FIRES)
def test_the_capture_fires_its_cause_first(cause: str) -> None:
    recording, kernel = FIRES[cause]
    its = [f for f in found(recording) if kernel in f.kernels]
    named = [f for f in its if f.cause == cause]
    assert named, f"{cause} is silent: {[f.cause for f in its]}"
    if cause not in STATEMENTS:
        assert advice(diagnosed(recording))[0].cause == cause
    assert all(f.evidence for f in named)
    assert all(f.suggestions for f in named if f.severity == Severity.TUNE)


@pytest.mark.parametrize("recording", SICK, ids=str)
def test_a_planted_cause_is_named_first(recording: Recording) -> None:
    named = advice(diagnosed(recording))
    assert named, "nothing was said"
    assert named[0].cause == recording.cause
    assert named[0].evidence
    assert named[0].suggestions


@pytest.mark.parametrize("recording", [*SICK, *(r for r, _ in FIRES.values())], ids=str)
def test_beside_the_planted_cause_stands_only_what_is_known_to_be_there(recording: Recording) -> None:
    others = {f.cause for f in advice(diagnosed(recording))} - {recording.cause}
    assert others <= {cause for name, cause in COMPANIONS if name == recording.name}


@pytest.mark.parametrize("recording", CURED, ids=str)
def test_a_cure_leaves_little_of_its_cause(recording: Recording) -> None:
    left = [f.gain.best for f in advice(diagnosed(recording)) if f.cause == recording.cause and f.gain]
    assert (max(left, default=1.0) <= 1.15) == (recording.name not in LEFT_IN_CURES)


@pytest.mark.parametrize("recording", [*HEALTHY, *LEAN], ids=str)
def test_a_healthy_kernel_gets_one_statement_and_no_advice(recording: Recording) -> None:
    (statement,) = found(recording)
    assert statement.severity == Severity.LIMIT
    assert statement.cause in STATEMENTS


@pytest.mark.parametrize("cause", STATEMENTS)
def test_a_statement_is_made_of_the_kernel_that_reaches_the_limit(cause: str) -> None:
    (statement,) = found(next(r for r in HEALTHY if r.name == STATEMENTS[cause]))
    assert statement.cause == cause


@pytest.mark.parametrize("recording", ALL, ids=str)
def test_gains_are_ordered_and_beat_no_physical_limit(recording: Recording) -> None:
    diagnosis = diagnosed(recording)
    for kernel in diagnosis.kernels:
        assert faults((*kernel.findings, *kernel.silences), kernel.metrics) == []
        # data that fits L2 may cross DRAM less often than once: the lower of the two rungs is the limit
        floor = min((r.time_us for r in kernel.ladder if r.limit.startswith("dram")), default=0.0)
        recorded = any(r.limit == "dram-compulsory" for r in kernel.ladder)
        for finding in kernel.findings:
            if finding.gain and finding.severity == Severity.TUNE and recorded and floor:
                assert kernel.duration_us is not None
                assert kernel.duration_us / finding.gain.high >= 0.999 * floor
    most = sum(k.launches * (k.duration_us or math.inf) for k in diagnosis.kernels) / EMPTY_LAUNCH_US
    for finding in diagnosis.pipeline:
        assert finding.gain is not None
        assert 1.0 <= finding.gain.low <= finding.gain.best <= finding.gain.high < most


@pytest.mark.parametrize("recording", ALL, ids=str)
def test_evidence_is_the_reading_it_names(recording: Recording) -> None:
    for kernel in diagnosed(recording).kernels:
        for finding in kernel.findings:
            for row in finding.evidence:
                assert row.value == pytest.approx(kernel.metrics[row.metric], rel=1e-6), (finding.cause, row.metric)
                assert row.unit == metrics.unit(row.metric), (finding.cause, row.metric)


@pytest.mark.parametrize("recording", [*SICK, *CURED], ids=str)
def test_advice_names_a_line_that_exists(recording: Recording) -> None:
    """The recorded path of a held-out kernel starts elsewhere: its last parts are the same."""
    lines = len(recording.source.read_text().splitlines())
    for finding in advice(diagnosed(recording)):
        for suggestion in finding.suggestions:
            if suggestion.location is None:
                assert "at::native" in finding.kernels[0]  # PyTorch's own kernel has no source
                continue
            path, _, line = suggestion.location.split(" (")[0].partition(":")
            assert Path(path).name == recording.source.name
            assert 1 <= int(line.split(",")[0]) <= lines


def test_the_naive_instance_norm_is_told_what_an_expert_would():
    diagnosis = diagnosed(FIRES["fusion"][0])
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
    for finding in found(FIRES["local-memory"][0]):
        assert not any(words.startswith("block size") for words in finding.unhelpful)


def test_a_kernel_of_no_weight_gets_no_advice():
    """64 programs on 132 SMs, for 7 us of 2.95 ms."""
    kernels = {k.name: k for k in diagnose(read(PROFILES / "batch_norm")).kernels}
    finish = kernels["finish_kernel"]
    assert [f for f in finish.findings if f.severity == Severity.TUNE] == []
    (silence,) = [s for s in finish.silences if s.cause == "small-grid"]
    assert (
        silence.reason == "64 blocks on 132 SMs: 48% of the GPU has work, but this is 0.24% of the time of all kernels"
    )
    assert [f.cause for f in kernels["normalize_kernel"].findings] == ["dram-roof"]


def test_an_unknown_gpu_gets_its_peak_from_ncus_own_percentage():
    report = read(PROFILES / "naive_instance_norm")
    unknown = replace(report, environment=replace(report.environment, gpu="Foo 9", attributes={}))
    (fusion,) = diagnose(unknown).pipeline
    assert fusion.confidence == "medium"


def test_the_needed_bytes_are_named_in_their_rung():
    (kernel,) = diagnose(read(PROFILES / "rms_norm")).kernels
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
