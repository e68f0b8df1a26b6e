"""Fewer metrics, no recorded launches, five numbers: the diagnosis says less, and nothing that it cannot know."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recordings import (
    BY_NAME,
    FROM_ARGUMENTS,
    SICK,
    Recording,
    advice,
    bare,
    diagnosed,
    drop,
    faults,
    findings,
    judged,
    keep,
    kernels,
    report,
)

from ncukit import metrics
from ncukit.diagnose import diagnose, rules
from ncukit.model import Diagnosis, Finding, Report, Severity
from ncukit.read import read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SETTLES = re.compile(r"ncukit profile \S+( --preset (default|full))?")
"""A command as somebody would paste it: the verb, one file, at most a preset."""

WHEREVER_LAUNCHED = (
    "duration_us", "grid_size", "block_size", "registers", "shared_bytes", "waves", "blocks_per_sm", "limit_blocks",
    "limit_registers", "limit_shared", "limit_warps", "theoretical_occupancy_pct", "dram_bytes", "dram_gbps",
    *FROM_ARGUMENTS,
)  # fmt: skip
"""What ncu and the reader give with any preset: launch attributes, and what follows from time and bytes."""
SEED = {
    "sm_pct": "sm__throughput.avg.pct_of_peak_sustained_elapsed",
    "grid_size": "launch__grid_size",
    "warps_active_pct": "sm__warps_active.avg.pct_of_peak_sustained_active",
    "dram_pct": "dram__throughput.avg.pct_of_peak_sustained_elapsed",
    "l2_hit_pct": "lts__t_sector_hit_rate.pct",
}
"""The five numbers of the seed prompt."""

# Without recorded arguments and without the source nothing tells these three: how many bytes there were to move, and
# whether the kernel multiplies matrices.
NEEDS_ARGUMENTS = {
    "excess-traffic": "the bytes of the tensors are what the traffic is held against",
    "l2-locality": "the bytes of the tensors are what DRAM's reads are held against",
    "tensor-core-unused": "an FMA that belongs to a product looks like any other",
}
WITHOUT_LAUNCHES = (
    "atomic-contention", "bank-conflict", "barrier", "divergence", "fp64", "fusion", "instruction-latency",
    "integer-bound", "issue-bound", "launch-overhead", "local-memory", "low-occupancy", "memory-latency",
    "narrow-access", "sfu-bound", "small-grid", "tail-effect", "uncoalesced-access", "workload-imbalance",
)  # fmt: skip


def checked(run: Report, **options: str) -> Diagnosis:
    """Diagnose, and hold every answer to what every answer must be."""
    diagnosis = diagnose(run, **options)
    for kernel in diagnosis.kernels:
        assert faults((*kernel.findings, *kernel.silences), kernel.metrics) == []
    assert faults(diagnosis.pipeline, run.frame.columns) == []
    return diagnosis


# ------------------------------------------------------------------------------------------------ missing columns


def some(names: Sequence[str], masks: Sequence[int]) -> list[str]:
    """The names whose bit is set in every mask: half of them for one mask, a quarter for two, few for four."""
    return [name for i, name in enumerate(names) if all(mask >> i & 1 for mask in masks)]


MASKS = st.lists(st.integers(0, 2**128 - 1), min_size=1, max_size=4)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(recording=st.sampled_from(SICK), masks=MASKS, few=st.booleans(), alone=st.booleans())
def test_any_subset_of_the_columns_is_diagnosed(recording: Recording, masks: list[int], few: bool, alone: bool) -> None:
    run = report(recording)
    chosen = some(sorted(set(run.frame) & set(metrics.catalogue())), masks)
    less = keep(run, chosen) if few else drop(run, chosen)
    checked(bare(less) if alone else less)


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(recording=st.sampled_from(SICK), masks=MASKS, few=st.booleans(), alone=st.booleans())
def test_any_subset_of_the_metrics_is_judged(recording: Recording, masks: list[int], few: bool, alone: bool) -> None:
    kernel = kernels(recording)[-1]
    chosen = some(sorted(kernel.metrics), masks)
    left = {k: v for k, v in kernel.metrics.items() if (k in chosen) == few}
    known = replace(kernel, triton=None, source=None) if alone else kernel
    assert faults(judged(replace(known, metrics=left)), left) == []


@pytest.mark.parametrize("recording", SICK, ids=str)
def test_every_metric_may_be_the_one_that_is_missing(recording: Recording) -> None:
    kernel = kernels(recording)[-1]
    wrong = {}
    for name in kernel.metrics:
        rest = {k: v for k, v in kernel.metrics.items() if k != name}
        wrong[name] = faults(judged(replace(kernel, metrics=rest)), rest)
    assert {name: said for name, said in wrong.items() if said} == {}


@pytest.mark.parametrize("recording", SICK, ids=str)
def test_a_rule_speaks_from_what_it_needs_alone_or_says_why_not(recording: Recording) -> None:
    """The metrics that one rule asks for, with and without a time, and one more: other rules see very little then."""
    kernel = kernels(recording)[-1]
    needs = {(*rule.NEEDS, *time) for rule in rules.kernel_rules() for time in ((), ("duration_us",))}
    for names in needs | {(*need, extra) for need in needs for extra in ("fma_pct", "xu_pct", "l2_pct", "dram_pct")}:
        some = {name: kernel.metrics[name] for name in names if name in kernel.metrics}
        for known in (kernel, replace(kernel, triton=None, source=None)):
            assert faults(judged(replace(known, metrics=some)), some) == [], names


def test_nothing_measured_is_a_reason_for_each_silence_and_no_finding() -> None:
    kernel = replace(kernels(SICK[0])[-1], metrics={}, triton=None, source=None)
    answers = judged(kernel)
    assert len(answers) == len(rules.kernel_rules())
    assert not [a for a in answers if isinstance(a, Finding)]
    assert faults(answers, ()) == []


def test_a_missing_counter_is_never_evidence_of_zero() -> None:
    """The reductions were counted, the sectors they took were not."""
    run = drop(report(BY_NAME["sick-atomic_contention"]), ["l2_reduction_sectors"])
    assert "l2_reduction_sectors" not in {e.metric for f in findings(diagnose(run)) for e in f.evidence}


# ------------------------------------------------------------------------------------------------ no launches.json


def test_the_table_is_about_every_cause() -> None:
    assert {*WITHOUT_LAUNCHES, *NEEDS_ARGUMENTS} == {r.cause for r in SICK}


@pytest.mark.parametrize("recording", SICK, ids=str)
def test_an_ncu_file_alone_leads_to_the_same_cause(recording: Recording) -> None:
    diagnosis = checked(bare(report(recording)))
    named = advice(diagnosis)
    if recording.cause in WITHOUT_LAUNCHES:
        assert named
        assert named[0].cause == recording.cause
        return
    guessed = {f.confidence for f in named if f.cause == recording.cause}
    assert guessed <= {"low"}
    reasons = [s.reason for k in diagnosis.kernels for s in k.silences if s.cause == recording.cause]
    assert guessed or any(re.search("argument|compulsory_bytes|matri", reason) for reason in reasons), reasons


@pytest.mark.parametrize("recording", [r for r in SICK if r.cause in NEEDS_ARGUMENTS], ids=str)
def test_what_only_the_arguments_tell_is_not_replaced_by_something_else_that_is_sure(recording: Recording) -> None:
    known = {f.cause for f in advice(diagnosed(recording))} | {"bank-conflict"}  # the product's operands conflict
    sure = {f.cause for f in advice(diagnose(bare(report(recording)))) if f.confidence == "high"}
    assert sure <= known


def test_the_source_alone_shows_a_matrix_product() -> None:
    recording = next(r for r in SICK if r.cause == "tensor-core-unused")
    named = advice(checked(bare(report(recording)), source=str(recording.source)))
    assert named[0].cause == "tensor-core-unused"


# ------------------------------------------------------------------------------------------------ few metrics


def quick(recording: Recording) -> Report:
    """What the one-pass preset collects."""
    return keep(report(recording), (*metrics.presets()["quick"], *WHEREVER_LAUNCHED))


def unsettled(diagnosis: Diagnosis) -> list[str]:
    """Findings that are not certain and name no command that somebody could paste."""
    loose = [f for f in findings(diagnosis) if f.confidence != "high" and not SETTLES.fullmatch(f.next_command)]
    return [f"{f.cause}: '{f.next_command}'" for f in loose]


@pytest.mark.parametrize("recording", SICK, ids=str)
def test_one_pass_settles_nothing_that_it_does_not_know(recording: Recording) -> None:
    for run in (quick(recording), bare(quick(recording))):
        assert unsettled(checked(run)) == []


@pytest.mark.parametrize("recording", SICK, ids=str)
def test_what_one_pass_is_sure_of_holds_when_all_is_measured(recording: Recording) -> None:
    """The same cause, and no more than all limits together allow; else it must not be sure."""
    all_of_it = {f.cause: f for f in findings(diagnosed(recording)) if f.severity == Severity.TUNE}
    for finding in advice(diagnose(quick(recording), source=str(recording.source))):
        if finding.confidence != "high":
            continue
        assert finding.cause in all_of_it
        promised, allowed = finding.gain, all_of_it[finding.cause].gain
        if promised is not None and allowed is not None:
            assert promised.best <= allowed.high * 1.01


@pytest.mark.parametrize("recording", SICK, ids=str)
def test_five_numbers_are_sure_of_nothing(recording: Recording, tmp_path: Path) -> None:
    rows = report(recording).frame
    rows = rows.assign(sm_pct=rows["issue_pct"])  # the recordings leave ncu's eight-pass reading out
    path = tmp_path / "seed.json"
    first = rows.drop_duplicates("kernel")
    five = {row["kernel"]: {ncu: row[short] for short, ncu in SEED.items()} for row in first.to_dict("records")}
    path.write_text(json.dumps(five))
    diagnosis = checked(read(path, gpu="H200"), gpu="H200")
    assert [f.cause for f in findings(diagnosis) if f.confidence == "high"] == []
    assert unsettled(diagnosis) == []
