"""Verdicts: the right way round, by kernel, and never a pass for what was not measured."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from ncukit.errors import Exit, NcukitError
from ncukit.gate.budget import parse
from ncukit.gate.judge import judge
from ncukit.gate.match import function_name
from ncukit.model import Status, TritonLaunch

MIN70 = parse("dram_pct=70", "min")
MAX6 = parse("duration_us=6", "max")


@pytest.mark.parametrize(("value", "status"), [(69.9, "fail"), (70.0, "pass"), (70.1, "pass")])
def test_a_minimum_fails_below_and_passes_at_the_limit(make_report, value, status) -> None:
    judgement = judge(make_report([{"kernel": "k", "dram_pct": value}]), [MIN70])

    assert status == judgement.status.value
    assert value == judgement.verdicts[0].measured


@pytest.mark.parametrize(("value", "status"), [(5.9, "pass"), (6.0, "pass"), (6.1, "fail")])
def test_a_maximum_fails_above_and_passes_at_the_limit(make_report, value, status) -> None:
    assert status == judge(make_report([{"kernel": "k", "duration_us": value}]), [MAX6]).status.value


def test_equal_launches_are_one_entry_judged_by_their_median(make_report) -> None:
    rows = [{"kernel": "k", "grid": "(4, 1, 1)", "dram_pct": value} for value in (60.0, 80.0, 90.0)]

    (kernel,) = judge(make_report(rows), [MIN70]).kernels

    assert (kernel.launches, kernel.verdicts[0].measured) == (3, 80.0)
    assert kernel.verdicts[0].reason == "median of 3 launches, 60 to 90"


def test_other_grids_blocks_and_constexprs_are_other_entries_in_order_of_first_launch(make_report) -> None:
    rows = [
        {"kernel": "b", "grid": "(8, 1, 1)", "block": "(32, 1, 1)", "dram_pct": 71.0},
        {"kernel": "a", "grid": "(4, 1, 1)", "block": "(32, 1, 1)", "dram_pct": 72.0},
        {"kernel": "b", "grid": "(4, 1, 1)", "block": "(32, 1, 1)", "dram_pct": 73.0},
        {"kernel": "b", "grid": "(8, 1, 1)", "block": "(64, 1, 1)", "dram_pct": 74.0},
        {"kernel": "a", "grid": "(4, 1, 1)", "block": "(32, 1, 1)", "dram_pct": 75.0},
    ]
    launch = {"kernel": "a", "grid": (4, 1, 1), "num_warps": 1, "num_stages": 1, "registers": 8, "spills": 0}
    recorded = tuple(TritonLaunch(**launch, shared_bytes=0, constexprs={"B": size}) for size in (1, 1, 1, 1, 2))

    judgement = judge(make_report(rows, launches=recorded), [MIN70])

    assert [verdict.measured for verdict in judgement.verdicts] == [71.0, 72.0, 73.0, 74.0, 75.0]
    assert judgement.kernels[-1].constexprs == "B=2"


def test_constexprs_in_another_order_are_the_same_kernel(make_report) -> None:
    """Triton keeps them in the order of a set, so that every process of a measurement in turns has its own."""
    launch = {"kernel": "k", "grid": (4, 1, 1), "num_warps": 1, "num_stages": 1, "registers": 8, "spills": 0}
    orders = ({"A": 1, "B": 2}, {"B": 2, "A": 1})
    recorded = tuple(TritonLaunch(**launch, shared_bytes=0, constexprs=order) for order in orders)

    (kernel,) = judge(make_report([{"kernel": "k", "dram_pct": 71.0}] * 2, launches=recorded), [MIN70]).kernels

    assert (kernel.launches, kernel.constexprs) == (2, "A=1, B=2")


def test_a_report_without_grid_and_block_columns_is_judged(make_report) -> None:
    report = make_report([{"kernel": "k", "dram_pct": 71.0}])
    bare = replace(report, frame=report.frame[["kernel", "dram_pct"]])

    assert Status.PASS is judge(bare, [MIN70]).status


def test_a_missing_metric_is_not_judged_with_the_reports_reason_and_a_command(make_report) -> None:
    report = make_report(
        [{"kernel": "k", "duration_us": 3.0}],
        missing={"dram_pct": "not asked for"},
        target="my kernels/x.py",
    )

    judgement = judge(report, [MIN70, MAX6])

    assert Status.UNJUDGED is judgement.status
    assert (judgement.verdicts[0].reason, judgement.verdicts[0].measured) == ("not asked for", None)
    assert judgement.collect_command == "ncukit profile 'my kernels/x.py' --metrics dram_pct"


def test_a_derived_metric_names_the_inputs_that_are_missing(make_report) -> None:
    report = make_report([{"kernel": "k", "duration_ns": 3.0}], missing={"compulsory_bytes": "no harness"})

    (verdict,) = judge(report, [parse("useful_dram_pct=80", "min")]).verdicts

    assert verdict.reason == "it is computed from compulsory_bytes (no harness)"


def test_a_derived_metric_with_all_inputs_lacks_the_gpu(make_report) -> None:
    report = make_report([{"kernel": "k", "duration_ns": 3.0, "compulsory_bytes": 9.0}])

    (verdict,) = judge(report, [parse("useful_dram_pct=80", "min")]).verdicts

    assert "--gpu" in verdict.reason


def test_a_misspelt_ncu_name_is_not_judged_and_names_the_nearest_column(make_report) -> None:
    report = make_report([{"kernel": "k", "sm__foo_bar.sum": 3.0}])

    (verdict,) = judge(report, [parse("sm__foo_baz.sum=80", "min")]).verdicts

    assert verdict.reason == "the report does not hold it; did you mean sm__foo_bar.sum?"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_is_never_a_pass(make_report, value) -> None:
    budgets = [parse("dram_pct=0", "min"), parse("dram_pct=1e9", "max")]

    judgement = judge(make_report([{"kernel": "k", "dram_pct": value}]), budgets)

    assert [verdict.status for verdict in judgement.verdicts] == [Status.UNJUDGED, Status.UNJUDGED]
    assert judgement.verdicts[0].reason == "no launch of this kernel has a value"


def test_one_launch_without_a_value_is_not_hidden_by_the_others(make_report) -> None:
    rows = [{"kernel": "k", "dram_pct": value} for value in (90.0, math.nan, 90.0)]

    (verdict,) = judge(make_report(rows), [MIN70]).verdicts

    assert (verdict.status, verdict.reason) == (Status.UNJUDGED, "1 of 3 launches have no value")


def test_a_failure_wins_over_what_could_not_be_judged(make_report) -> None:
    rows = [{"kernel": "k", "dram_pct": value} for value in (10.0, math.nan)]

    assert Status.FAIL is judge(make_report(rows), [MIN70, MAX6]).status


def test_names_choose_kernels_exactly_and_expressions_partly(make_report) -> None:
    report = make_report([{"kernel": name, "dram_pct": 80.0} for name in ("copy", "copy_fast", "sum")])

    def judged(*patterns: str) -> list[str]:
        return [kernel.kernel for kernel in judge(report, [MIN70], patterns).kernels]

    assert judged("copy") == ["copy"]
    assert judged("regex:^copy") == ["copy", "copy_fast"]
    assert judged("sum", "copy") == ["copy", "sum"]


def test_a_demangled_name_is_found_by_its_function_name_as_in_ncu(make_report) -> None:
    name = "void at::native::(anonymous namespace)::fill_kernel<4, at::Fill<float>>(int, at::Fill<float>)"
    report = make_report([{"kernel": name, "dram_pct": 80.0}])

    assert Status.PASS is judge(report, [MIN70], ["fill_kernel"]).status
    assert Status.PASS is judge(report, [MIN70], ["regex:^fill_"]).status


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("copy", "copy"),
        ("void f<int>(float *)", "f"),
        ("ns::C<int>::run(int)", "run"),
        ("", ""),
        ("<<(", "<<"),
    ],
)
def test_function_names(name: str, bare: str) -> None:
    assert bare == function_name(name)


def test_a_pattern_without_kernel_is_never_a_pass(make_report) -> None:
    report = make_report([{"kernel": "copy", "dram_pct": 80.0}])

    judgement = judge(report, [MIN70], ["copy", "cpoy"])

    assert Status.UNJUDGED is judgement.status
    assert [(kernel.kernel, kernel.launches) for kernel in judgement.kernels] == [("copy", 1), ("cpoy", 0)]
    assert judgement.verdicts[1].reason == "no kernel of the report matches; it has copy"
    assert judgement.collect_command == ""


def test_a_report_without_launches_is_never_a_pass(make_report) -> None:
    report = make_report([{"kernel": "k", "dram_pct": 1.0}])

    judgement = judge(replace(report, frame=report.frame.iloc[:0]), [MIN70])

    assert (judgement.status, judgement.notes) == (Status.UNJUDGED, ("the report holds no launch",))


@pytest.mark.parametrize("pattern", ["regex:(", "regex:*", "regex:a{99999999999999}"])
def test_a_bad_expression_is_a_usage_error(make_report, pattern: str) -> None:
    with pytest.raises(NcukitError, match="not a regular expression") as caught:
        judge(make_report([{"kernel": "k", "dram_pct": 1.0}]), [MIN70], [pattern])

    assert Exit.USAGE is caught.value.exit_code


def test_a_value_that_only_other_kernels_have_is_not_asked_for_again(make_report) -> None:
    rows = [{"kernel": "triton", "useful_dram_pct": 80.0}, {"kernel": "fill", "useful_dram_pct": math.nan}]

    judgement = judge(make_report(rows), [parse("useful_dram_pct=60", "min")])

    assert judgement.collect_command == ""
    assert judgement.status is Status.UNJUDGED
    assert judgement.verdicts[1].reason == (
        "no launch of this kernel has a value; other kernels have one, since only Triton's launches are recorded"
    )
