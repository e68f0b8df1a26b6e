"""The four stages: every cause has one, metrics exist, targets and exits can be met and missed, on real recordings."""

from __future__ import annotations

from dataclasses import replace

import pytest
from briefs import RUNS, diagnosed, inspection, recorded, rounds, seed

from ncukit import gpus, metrics
from ncukit.cli.brief import command
from ncukit.diagnose import rules
from ncukit.model import Gain
from ncukit.optimize.brief import brief
from ncukit.optimize.brief.readings import heavy
from ncukit.optimize.brief.stages import STAGES, choice, choose, exhausted, finished, nothing_left, stage_of
from ncukit.optimize.brief.table import SMS
from ncukit.optimize.verdict import Round

SICK = [name.removeprefix("clinic_sick_") for name in RUNS if name.startswith("clinic_sick_")]
OPEN_AFTER_THE_CURE = {
    "atomic_contention": "memory-latency",
    "barrier": "integer-bound",
    "low_occupancy": "sfu-bound",
    "tensor_core_unused": "barrier",
}
"""Cures after which the stage of the sick one's cause goes on: another cause of it is worth something then."""


def test_every_cause_has_one_stage() -> None:
    causes = [cause for stage in STAGES for cause in stage.causes]
    assert sorted(causes) == sorted({cause for _, cause, _ in rules.codes()})


def test_there_are_four_and_the_command_names_them() -> None:
    assert [stage.slug for stage in STAGES] == ["grid", "tiling", "memory", "advanced"]
    (option,) = (option for option in command.params if option.name == "stage")
    assert list(option.type.choices) == ["auto", *(stage.slug for stage in STAGES)]


TARGETS = [(stage, target) for stage in STAGES for target in stage.targets]


@pytest.mark.parametrize(("stage", "target"), TARGETS, ids=lambda value: getattr(value, "slug", None))
def test_a_target_is_of_metrics_that_ncu_has_and_of_causes_of_its_stage(stage, target) -> None:
    for chip in {gpu.chip for gpu in gpus.all_gpus()}:
        name = metrics.catalogue()[target.metric].ncu_name(chip)
        assert name
        assert metrics.translate(name) is None
        assert metrics.request([target.metric], chip).unchecked == ()
    assert target.of in ("", SMS, *metrics.catalogue())
    assert set(target.causes) <= set(stage.causes)


@pytest.mark.parametrize(("stage", "target"), TARGETS, ids=lambda value: getattr(value, "slug", None))
def test_a_target_is_met_by_some_recorded_kernel_and_missed_by_another(stage, target) -> None:
    gpu = gpus.get("H200")
    found = {target.met(kernel.metrics, gpu) for name in RUNS for kernel in heavy(diagnosed(name))}
    assert {True, False} <= found


@pytest.mark.parametrize("name", SICK)
def test_a_sick_kernel_is_worked_on_in_its_causes_stage_which_is_not_finished(name) -> None:
    diagnosis = diagnosed(f"clinic_sick_{name}")
    stage = stage_of(name.replace("_", "-"))
    assert choose(diagnosis, ()) is stage
    assert not finished(stage, diagnosis)
    assert nothing_left(diagnosis) == ""


@pytest.mark.parametrize("name", SICK)
def test_the_cure_finishes_the_stage_or_another_cause_is_left(name) -> None:
    diagnosis = diagnosed(f"clinic_cured_{name}")
    stage = stage_of(name.replace("_", "-"))
    left = {
        f.cause for k in diagnosis.kernels for f in k.findings
        if f.cause in stage.causes and f.severity == "tune" and f.gain and f.gain.best > 1.05
    }  # fmt: skip
    assert left == ({OPEN_AFTER_THE_CURE[name]} if name in OPEN_AFTER_THE_CURE else set())
    assert finished(stage, diagnosis) == (not left)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.slug)
def test_every_exit_fires_and_fails_on_recordings(stage) -> None:
    done = {name: finished(stage, diagnosed(name)) for name in RUNS}
    assert any(done[name] for name in RUNS if name.startswith("clinic_cured_"))
    assert any(not done[name] for name in RUNS if name.startswith(("naive_", "clinic_sick_")))


@pytest.mark.parametrize("name", ["instance_norm", "rms_norm", "l1_norm", "clinic_cured_fusion"])
def test_at_its_roof_there_is_nothing_left(name) -> None:
    found = choice(diagnosed(name))
    assert found.nothing_left == nothing_left(diagnosed(name))
    assert "of what their limits allow, and no cause is worth more than 1.05x" in found.nothing_left
    assert all(finished(stage, diagnosed(name)) for stage in STAGES)


def test_time_above_every_limit_is_something_left_even_without_a_cause() -> None:
    diagnosis = diagnosed("clinic_cured_launch_overhead")
    assert nothing_left(diagnosis) == ""
    assert "above every limit" in choice(diagnosis).why


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("naive_instance_norm", "advanced"),
        ("naive_group_norm", "advanced"),
        ("naive_rms_norm", "tiling"),
        ("naive_l1_norm", "tiling"),
        ("naive_layer_norm", "grid"),
    ],
)
def test_the_naive_kernels_start_where_most_is_to_be_won(name, stage) -> None:
    assert choose(diagnosed(name)).slug == stage


def test_what_counts_is_the_gain_of_the_whole_run_and_how_sure_it_is() -> None:
    diagnosis = diagnosed("naive_group_norm")  # a kernel waits for memory, 1.10x; fusing is worth 1.56x
    assert choose(diagnosis).slug == "advanced"
    (first, *rest), (fusion,) = diagnosis.kernels, diagnosis.pipeline
    waits = replace(first.findings[0], gain=Gain(low=5.0, best=5.0, high=5.0))
    large = replace(diagnosis, kernels=(replace(first, findings=(waits,)), *rest))
    assert choose(large).slug == "advanced", "5x of a third of the time is less than 1.56x of all of it"
    unsure = replace(large, pipeline=(replace(fusion, confidence="low"),))
    assert choose(unsure).slug == "memory"


def tried(stage: str, *outcomes: str) -> tuple[Round, ...]:
    return tuple(Round(number=n, stage=stage, outcome=outcome) for n, outcome in enumerate(outcomes, start=1))


def test_two_rounds_without_gain_exhaust_a_stage_and_the_next_one_comes() -> None:
    diagnosis = diagnosed("naive_layer_norm")
    assert choose(diagnosis, tried("grid", "no faster")).slug == "grid"
    assert choose(diagnosis, tried("grid", "no faster", "no faster")).slug == "tiling"
    assert choose(diagnosis, tried("grid", "no faster", "refused", "late")).slug == "tiling", "half a try each"
    assert choose(diagnosis, tried("grid", "refused", "refused", "failed")).slug == "grid"
    assert choose(diagnosis, tried("grid", "no faster", "no faster", "faster")).slug == "grid", "it is other code now"


def test_when_every_finding_is_exhausted_the_reason_says_so() -> None:
    diagnosis = diagnosed("naive_instance_norm")
    past = tried("advanced", "no faster", "no faster")
    assert exhausted(stage_of("fusion"), past)
    assert nothing_left(diagnosis, past) == "fusion is left, and the rounds of advanced made nothing faster"


def test_without_a_measurement_the_compiler_decides_or_the_order() -> None:
    assert choose(None).slug == "grid"
    assert choose(None, tried("grid", "no faster", "no faster")).slug == "tiling"
    plain = inspection("naive_instance_norm")
    assert choose(None, (), plain).slug == "grid"
    spilt = replace(plain, compiled=(replace(plain.compiled[0], spills=40),))
    assert choose(None, (), spilt).slug == "tiling"
    assert nothing_left(None) == ""


def test_too_few_metrics_are_no_pass() -> None:
    facts = seed()
    assert facts.diagnosis is not None
    assert [stage.slug for stage in STAGES if finished(stage, facts.diagnosis)] == []
    blind = [replace(kernel, bound="unknown", findings=()) for kernel in facts.diagnosis.kernels]
    unknown = replace(facts.diagnosis, kernels=tuple(blind), pipeline=())
    assert [stage.slug for stage in STAGES if finished(stage, unknown)] == []
    assert nothing_left(unknown) == ""
    assert choice(unknown).why == "what was measured is too little for any rule to name a cause"


def test_targets_are_told_with_what_every_kernel_has() -> None:
    text = brief(recorded("naive_layer_norm")).text
    assert "(target: at least 132, the number of SMs; " in text
    assert ". Now: layer_norm_kernel 16 block (not met)\n" in text
    assert "(target: at least 90 % of `sm__cycles_elapsed.avg`; " in text
    assert ". Now: layer_norm_kernel 12.1 % (not met)\n" in text
    assert "`smsp__thread_inst_executed_per_inst_executed.ratio`" not in text, "only beside a divergent kernel"
    assert "`smsp__thread_inst_executed_per_inst_executed.ratio`" in brief(recorded("clinic_sick_divergence")).text


def test_rounds_of_another_stage_say_nothing_of_this_one() -> None:
    assert not exhausted(stage_of("small-grid"), rounds())
    assert recorded("naive_instance_norm").rounds == ()
