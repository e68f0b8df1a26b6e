"""Drops and rises: from a report or a baseline, the right way round, and never a silent pass."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ncukit.config import IgnoreSettings
from ncukit.errors import NcukitError
from ncukit.gate import baseline
from ncukit.gate.budget import Budget, collect, parse
from ncukit.gate.compare import measured
from ncukit.gate.judge import Policy, judge, needed
from ncukit.gate.reference import find
from ncukit.gate.side import case_of
from ncukit.model import Report, Status
from ncukit.read import read

if TYPE_CHECKING:
    from ncukit.gate.answer import Judgement

ROOT = Path(__file__).parents[3]
REPEATS, PROFILES = ROOT / "tests" / "golden" / "repeats", ROOT / "profiles" / "h200"
RISE = parse("duration_us=3%", "max-rise")
DROP = parse("dram_pct=2", "max-drop")


def gate(
    report: Report, budgets: list[Budget], against: str, allow: tuple[str, ...] = (), **policy: object
) -> Judgement:
    reference = find(against, report, needed(budgets), allow)
    return judge(report, budgets, reference=reference, policy=Policy(allow=allow, **policy))


def codes(judgement: Judgement) -> list[tuple[str, str, str]]:
    return [(v.kernel, v.status.value, v.code) for v in judgement.verdicts]


@pytest.fixture
def naive() -> Report:
    return read(REPEATS / "naive_instance_norm_2")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without baselines."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def slowed(report: Report, factor: float, kernel: str = "normalize_kernel") -> Report:
    """The report with one kernel's time, and what follows from it, changed."""
    frame = report.frame.copy()
    rows = frame["kernel"] == kernel
    for metric in ("duration_us", "duration_ns", "sm_elapsed_cycles"):
        frame.loc[rows, metric] *= factor
    for metric in ("dram_pct", "dram_gbps"):
        frame.loc[rows, metric] /= factor
    return replace(report, frame=frame)


def test_another_run_of_the_same_kernels_passes(naive: Report) -> None:
    judgement = gate(naive, [RISE, DROP], str(REPEATS / "naive_instance_norm_1"))

    assert judgement.status is Status.PASS
    assert {code for _, _, code in codes(judgement)} == {"within-limit"}
    assert judgement.verdicts[0].baseline == pytest.approx(1730.336)


def test_a_slower_kernel_fails_and_only_it(naive: Report) -> None:
    judgement = gate(slowed(naive, 1.05), [RISE, DROP], str(REPEATS / "naive_instance_norm_1"))

    assert codes(judgement) == [
        ("compute_moments_kernel", "pass", "within-limit"),
        ("compute_moments_kernel", "pass", "within-limit"),
        ("normalize_kernel", "fail", "risen"),
        ("normalize_kernel", "fail", "dropped"),
    ]
    assert "5" in judgement.verdicts[2].reason


def test_a_faster_kernel_never_fails(naive: Report) -> None:
    judgement = gate(slowed(naive, 0.5), [RISE, DROP], str(REPEATS / "naive_instance_norm_1"))

    assert judgement.status is Status.PASS


def test_a_change_within_the_noise_passes_a_budget_of_nothing(naive: Report) -> None:
    judgement = gate(naive, [parse("duration_us=0", "max-rise")], str(REPEATS / "naive_instance_norm_1"))

    assert judgement.status is Status.PASS
    assert "within-noise" in {code for _, _, code in codes(judgement)}


def test_overlapping_launches_are_ambiguous_and_strict_fails(naive: Report) -> None:
    frame = naive.frame.copy()
    rows = frame.index[frame["kernel"] == "normalize_kernel"]
    frame.loc[rows, "duration_us"] = [3700.0, 3800.0, 4000.0, 4100.0, 4150.0]
    noisy = replace(naive, frame=frame.drop(columns=["sm_elapsed_cycles"]))

    lax, strict = (gate(noisy, [RISE], str(REPEATS / "naive_instance_norm_1"), strict=s) for s in (False, True))

    assert codes(lax)[1] == ("normalize_kernel", "ambiguous", "intervals-overlap")
    assert (lax.status, strict.status) == (Status.PASS, Status.FAIL)


def test_another_clock_with_the_same_cycles_is_ambiguous(naive: Report) -> None:
    frame = naive.frame.copy()
    frame["duration_us"] *= 1.1

    judgement = gate(replace(naive, frame=frame), [RISE], str(REPEATS / "naive_instance_norm_1"))

    assert {code for _, _, code in codes(judgement)} == {"clock-moved"}


def test_dram_percent_that_fell_with_the_bytes_is_ambiguous_not_a_failure() -> None:
    """The cured kernel moves a twentieth of the bytes in a tenth of the time: 58 % of peak became 32 %."""
    cured, sick = read(PROFILES / "clinic_cured_local_memory"), str(PROFILES / "clinic_sick_local_memory")
    budgets = [parse("dram_pct=5", "max-drop"), parse("dram_pct=50", "min")]

    judgement = gate(cured, budgets, sick)

    assert codes(judgement) == [("growth_kernel", "ambiguous", "fewer-bytes")] * 2
    assert judgement.status is Status.PASS
    assert gate(cured, budgets, sick, strict=True).status is Status.FAIL
    assert judge(cured, budgets[1:]).status is Status.FAIL  # nothing to hold it against: the minimum counts


def test_dram_percent_that_rose_with_the_time_is_no_pass_by_itself() -> None:
    sick, cured = read(PROFILES / "clinic_sick_local_memory"), str(PROFILES / "clinic_cured_local_memory")

    judgement = gate(sick, [parse("dram_pct=5", "max-rise"), RISE], cured)

    assert codes(judgement) == [("growth_kernel", "ambiguous", "more-work"), ("growth_kernel", "fail", "risen")]


def test_fused_kernels_are_held_against_the_baseline_as_a_group() -> None:
    fast, slow = read(REPEATS / "instance_norm_1"), read(REPEATS / "naive_instance_norm_1")

    there = gate(fast, [RISE], str(REPEATS / "naive_instance_norm_1"))
    back = gate(slow, [RISE], str(REPEATS / "instance_norm_1"))

    (verdict,) = [v for v in there.verdicts if v.kernel == "cooperative_kernel"]
    assert (verdict.status, round(verdict.baseline)) == (Status.PASS, 5556)
    assert "compute_moments_kernel + normalize_kernel → cooperative_kernel" in verdict.reason
    assert back.status is Status.FAIL


def test_without_a_baseline_drops_are_not_judged_and_the_way_to_one_is_given(here: Path, naive: Report) -> None:
    judgement = gate(naive, [parse("dram_pct=70", "min"), RISE], "main")

    assert [code for _, _, code in codes(judgement)] == ["within-limit", "no-baseline"] * 2
    assert judgement.status is Status.UNJUDGED
    assert judgement.against.save_command.startswith("ncukit baseline save")
    allowed = gate(naive, [RISE], "main", ("no-baseline",))
    assert (allowed.status, codes(allowed)[0][2]) == (Status.PASS, "allowed")


def save(report: Report, name: str = "main") -> None:
    side = measured(report)
    kept = baseline.with_case(baseline.empty(name, side.identity["gpu"]), side, "2026-11-21", "first")
    path = baseline.path_of(kept)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(baseline.dumped(kept))


FIELDS = {
    "other-ncu": ("ncu_version", "2026.1.0", "ncu"),
    "other-clocks": ("clock_control", "base", "clocks"),
    "other-caches": ("cache_control", "none", "caches"),
}


@pytest.mark.parametrize("code", FIELDS)
def test_another_environment_is_not_judged_and_says_field_by_field(here: Path, naive: Report, code: str) -> None:
    field, value, word = FIELDS[code]
    save(naive)
    other = replace(naive, environment=replace(naive.environment, **{field: value}))

    judgement = gate(other, [RISE], "main")

    assert {c for _, _, c in codes(judgement)} == {code}
    assert judgement.status is Status.UNJUDGED
    (difference,) = judgement.against.differences
    assert (difference.field, difference.after, difference.allow) == (field, value, word)
    assert gate(other, [RISE], "main", (word,)).status is Status.PASS


def test_another_driver_is_named_and_compared(here: Path, naive: Report) -> None:
    save(naive)
    other = replace(naive, environment=replace(naive.environment, driver_version="600.1"))

    judgement = gate(other, [RISE], "main")

    assert judgement.status is Status.PASS
    assert [d.field for d in judgement.against.differences] == ["driver_version"]


def test_a_baseline_of_another_gpu_only(here: Path, naive: Report) -> None:
    save(replace(naive, environment=replace(naive.environment, gpu="NVIDIA H100 80GB HBM3")))

    judgement = gate(naive, [RISE], "main")

    assert {c for _, _, c in codes(judgement)} == {"other-gpu"}
    assert gate(naive, [RISE], "main", ("gpu",)).status is Status.PASS


PROBLEM = {"inputs": "float32[112,64,512,512]", "init": "64", "reference": "0123456789abcdef"}


@pytest.mark.parametrize(
    ("key", "value", "code", "word"),
    [
        ("inputs", "float32[8,64,512,512]", "other-size", "size"),
        ("inputs", "bfloat16[112,64,512,512]", "other-size", "size"),
        ("init", "32", "other-size", "size"),
        ("reference", "fedcba9876543210", "other-problem", "problem"),
    ],
)
def test_another_size_or_problem(here: Path, naive: Report, key: str, value: str, code: str, word: str) -> None:
    save(replace(naive, problem=PROBLEM))
    other = replace(naive, problem={**PROBLEM, key: value})

    assert {c for _, _, c in codes(gate(other, [RISE], "main"))} == {code}
    assert gate(other, [RISE], "main", (word,)).status is Status.PASS


def test_tensors_of_another_size_where_the_runs_do_not_say_their_inputs(naive: Report) -> None:
    launches = tuple(
        replace(launch, tensors=tuple(replace(t, bytes=t.bytes // 2) for t in launch.tensors))
        for launch in naive.launches
    )

    judgement = gate(replace(naive, launches=launches), [RISE], str(REPEATS / "naive_instance_norm_1"))

    assert {c for _, _, c in codes(judgement)} == {"other-size"}


def test_a_case_kernel_or_metric_that_the_baseline_lacks(here: Path, naive: Report) -> None:
    save(replace(naive, target="kernels/other.py"))
    assert {c for _, _, c in codes(gate(naive, [RISE], "main"))} == {"not-in-baseline"}

    shutil.rmtree(baseline.FOLDER)
    frame = naive.frame.drop(columns=["dram_pct", "dram_gbps"])
    save(replace(naive, frame=frame))
    assert {c for _, _, c in codes(gate(naive, [DROP], "main"))} == {"not-in-baseline"}

    shutil.rmtree(baseline.FOLDER)
    save(replace(naive, frame=naive.frame[naive.frame["kernel"] == "normalize_kernel"], launches=()))
    assert codes(gate(naive, [RISE], "main"))[0][2] in ("not-in-baseline", "risen")


def test_a_kernel_that_only_the_baseline_has_is_missed(here: Path, naive: Report) -> None:
    save(naive)
    rows = (naive.frame["kernel"] == "compute_moments_kernel").to_list()
    launches = tuple(launch for launch, keep in zip(naive.launches, rows, strict=True) if keep)
    half = replace(naive, frame=naive.frame[rows].reset_index(drop=True), launches=launches)

    judgement = gate(half, [RISE], "main")

    assert ("normalize_kernel", "unjudged", "kernel-absent") in codes(judgement)
    assert judgement.status is Status.UNJUDGED


def test_a_budget_whose_kernel_did_not_run_is_missed(naive: Report) -> None:
    judgement = judge(naive, [parse("dram_pct=70", "min"), parse("softmax*:dram_pct=70", "min")])

    assert codes(judgement)[-1] == ("softmax*", "unjudged", "kernel-absent")
    assert judgement.status is Status.UNJUDGED


def test_a_budget_of_another_case_is_not_missed_but_needs_one_that_applies(naive: Report) -> None:
    elsewhere = parse("normalize*@l2_norm:dram_pct=99", "min")

    assert judge(naive, [elsewhere, parse("dram_pct=70", "min")]).status is Status.PASS
    alone = judge(naive, [elsewhere])
    assert codes(alone) == [("(no budget for this report)", "unjudged", "no-budget-applies")]


@pytest.mark.parametrize("case", ["naive_instance_norm", "kernels/naive/*", "7168x1x1", "BLOCK*=*"])
def test_a_case_names_the_run_its_target_a_grid_or_a_constexpr(naive: Report, case: str) -> None:
    judgement = judge(naive, [parse(f"normalize_kernel@{case}:dram_pct=99", "min")])

    assert codes(judgement) == [("normalize_kernel", "fail", "below-min")]


def test_a_kernel_of_no_weight_is_left_out_unless_it_is_named() -> None:
    fast = read(REPEATS / "instance_norm_1")
    everywhere, named = parse("dram_pct=70", "min"), parse("*Fill*:dram_pct=70", "min")

    assert [code for _, _, code in codes(judge(fast, [everywhere]))] == ["no-weight", "within-limit"]
    assert codes(judge(fast, [named]))[0][2] == "below-min"
    assert judge(fast, [everywhere], ["regex:vectorized"]).status is Status.FAIL


def test_what_is_ignored_says_why_and_all_ignored_is_no_pass(naive: Report) -> None:
    budgets = [parse("dram_pct=99", "min")]
    one = Policy(ignore=(IgnoreSettings(kernel="normalize*", metric="dram_pct", reason="issue 12"),))

    judgement = judge(naive, budgets, policy=one)

    assert [(v.status.value, v.reason) for v in judgement.verdicts][1] == ("ignored", "issue 12")
    assert judgement.status is Status.FAIL
    assert judge(naive, budgets, policy=Policy(ignore=(IgnoreSettings(reason="all"),))).status is Status.UNJUDGED


def test_a_budget_of_level_warn_does_not_fail(naive: Report) -> None:
    judgement = judge(naive, [parse("dram_pct=99", "min", "warn")])

    assert {v.status for v in judgement.verdicts} == {Status.WARN}
    assert judgement.status is Status.PASS


def test_forbidden_causes_and_gain_that_is_left(naive: Report) -> None:
    budgets = [parse(cause, "forbid") for cause in ("fusion", "local-memory", "dram-roof", "divergence")]
    budgets.append(parse("gain_left=1.2", "max"))

    found = {(v.metric, v.code) for v in judge(naive, budgets).verdicts if v.kernel == "normalize_kernel"}

    assert found == {
        ("fusion", "cause-present"),
        ("local-memory", "cause-absent"),
        ("dram-roof", "cause-present"),
        ("divergence", "cause-absent"),
        ("gain_left", "above-max"),
    }


def test_a_cause_that_could_not_be_looked_for_is_not_absent(naive: Report) -> None:
    frame = naive.frame.drop(columns=["local_load_sectors", "local_store_sectors"])
    budgets = [parse("normalize_kernel:local-memory", "forbid"), parse("normalize_kernel:gain_left=9", "max")]

    judgement = judge(replace(naive, frame=frame), budgets)

    assert [code for _, _, code in codes(judgement)] == ["cause-unknown", "metric-missing"]
    assert judgement.collect_command == "ncukit profile kernels/naive/instance_norm.py"


def test_spills_and_registers_are_budgets() -> None:
    sick = read(PROFILES / "clinic_sick_local_memory")

    judgement = judge(sick, [parse("spills=0", "max"), parse("registers=64", "max")])

    assert codes(judgement) == [("growth_kernel", "fail", "above-max"), ("growth_kernel", "pass", "within-limit")]


@pytest.mark.parametrize(
    ("target", "sizes", "case"),
    [
        ("kernels/naive/instance_norm.py", "", "naive_instance_norm"),
        ("kernels/rms_norm.py", "batch=8, dim=64", "rms_norm[batch=8,dim=64]"),
        ("bench.py --n 4096", "", "bench[--n 4096]"),
        ("./a.out", "", "a_out"),
        ("", "", "report"),
    ],
)
def test_cases_are_named_after_what_was_measured(make_report, target: str, sizes: str, case: str) -> None:
    report = make_report([{"kernel": "k"}], target=target, problem={"sizes": sizes} if sizes else {})

    assert case_of(report) == case


def test_budgets_of_the_command_line_are_scoped_relative_and_strict() -> None:
    budget = parse("void ns::k<*@case:duration_us=3%", "max-rise")

    assert (budget.kernel, budget.case, budget.metric) == ("void ns::k<*", "case", "duration_us")
    assert (budget.limit, budget.relative) == (0.03, True)
    assert parse("dram_pct=2", "max-drop").relative is False
    for text, bound in (
        ("duration_us=-3%", "max-rise"),
        ("dram_pct=70%", "min"),
        (":dram_pct=1", "min"),
        ("", "forbid"),
    ):
        with pytest.raises(NcukitError):
            parse(text, bound)
    with pytest.raises(NcukitError, match="no cause is called 'local-memry'") as caught:
        parse("local-memry", "forbid")
    assert "local-memory" in caught.value.causes[0]
    assert parse("MEM105", "forbid").metric == "local-memory"


def test_configured_budgets_keep_their_scope_and_level(tmp_path: Path) -> None:
    from ncukit import config

    (tmp_path / "ncukit.toml").write_text(
        '[gate]\nmax-rise = { duration_us = "3%" }\n'
        '[[gate.budget]]\nkernel = "norm*"\ncase = "rms*"\nlevel = "warn"\nmin = { dram_pct = 70 }\nforbid = ["fp64"]\n'
    )

    budgets = collect([], config.load(tmp_path))

    assert [(b.kernel, b.case, b.metric, b.bound, b.level) for b in budgets] == [
        ("", "", "duration_us", "max-rise", "error"),
        ("norm*", "rms*", "dram_pct", "min", "warn"),
        ("norm*", "rms*", "fp64", "forbid", "warn"),
    ]
    assert all(b.origin == str(tmp_path / "ncukit.toml") for b in budgets)


def test_a_kernel_file_that_changed_since_is_not_judged(here: Path, naive: Report) -> None:
    from ncukit.collect.reference import code_of

    file = here / "kernel.py"
    file.write_text("BLOCK = 4\n")
    measured_then = replace(naive, target="kernel.py", code=code_of(file))
    budgets = [parse("dram_pct=70", "min")]
    assert judge(measured_then, budgets).status is Status.PASS

    file.write_text("BLOCK = 8\n")

    judgement = judge(measured_then, budgets)
    assert codes(judgement)[-1] == ("(kernel file)", "unjudged", "stale-source")
    assert judgement.status is Status.UNJUDGED
    assert judge(measured_then, budgets, policy=Policy(allow=("source",))).status is Status.PASS
