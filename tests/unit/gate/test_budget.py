"""Budgets: parsed strictly, named by short name, merged from configuration and command line."""

from __future__ import annotations

import pytest

from ncukit.config import GateSettings, Settings
from ncukit.errors import Exit, NcukitError
from ncukit.gate.budget import collect, parse, parse_ignore


def settings(minimum: dict[str, float] | None = None, maximum: dict[str, float] | None = None) -> Settings:
    origins = {f"gate.min.{name}": "p.toml" for name in minimum or {}}
    return Settings(gate=GateSettings(minimum=minimum or {}, maximum=maximum or {}), origins=origins)


def test_a_short_name_and_a_number() -> None:
    budget = parse("dram_pct=70", "min")

    assert (
        budget.metric, budget.bound, budget.limit, budget.unit, budget.note,
    ) == ("dram_pct", "min", 70.0, "%", "")  # fmt: skip


@pytest.mark.parametrize("text", ["x", "dram_pct", "=70", "dram_pct=", "", "dram_pct>=70"])
def test_what_is_not_name_equals_number_is_a_usage_error(text: str) -> None:
    with pytest.raises(NcukitError) as caught:
        parse(text, "min")

    assert Exit.USAGE is caught.value.exit_code


@pytest.mark.parametrize(
    "number", ["nan", "inf", "-inf", "1e999", "70%", "6ms", "1_000", "1,000", "0x10", "7 0", "seventy", "١"]
)
def test_only_plain_finite_numbers_are_limits(number: str) -> None:
    with pytest.raises(NcukitError):
        parse(f"dram_pct={number}", "min")


@pytest.mark.parametrize(("number", "value"), [("1e3", 1000.0), (".5", 0.5), ("-1", -1.0), ("+7.", 7.0)])
def test_the_usual_ways_to_write_a_number(number: str, value: float) -> None:
    assert value == parse(f"dram_pct={number}", "min").limit


def test_an_unknown_metric_names_the_nearest() -> None:
    with pytest.raises(NcukitError, match="no metric is called 'dram_pc'") as caught:
        parse("dram_pc=70", "min")

    assert "dram_pct" in caught.value.causes[0]


def test_an_ncu_name_becomes_the_short_name_with_a_note() -> None:
    budget = parse("dram__throughput.avg.pct_of_peak_sustained_elapsed=70", "min")

    assert budget.metric == "dram_pct"
    assert "is called dram_pct here" in budget.note


def test_a_limit_in_ncus_unit_is_converted() -> None:
    budget = parse("dram__bytes.sum.per_second=3e12", "min")

    assert (budget.metric, pytest.approx(budget.limit)) == ("dram_gbps", 3000.0)
    assert "3000 GB/s" in budget.note


def test_a_dead_name_is_translated_with_a_note() -> None:
    budget = parse("smsp__warp_issue_stalled_memory_dependency_per_warp_active.pct=40", "max")

    assert budget.metric == "stall_long_scoreboard_pct"
    assert "exists on no chip" in budget.note


def test_an_nvprof_name_is_translated() -> None:
    assert parse("achieved_occupancy=40", "min").metric == "warps_active_pct"


def test_an_ncu_name_outside_the_catalogue_is_taken_as_a_column() -> None:
    budget = parse("sm__inst_executed_pipe_uniform.sum=4", "max")

    assert (budget.metric, budget.unit) == ("sm__inst_executed_pipe_uniform.sum", "")


@pytest.mark.parametrize(("text", "bound"), [("duration_us=5", "min"), ("dram_pct=95", "max")])
def test_a_budget_against_the_direction_is_noted(text: str, bound: str) -> None:
    assert "is better for this metric" in parse(text, bound).note  # type: ignore[arg-type]


def test_a_metric_without_direction_is_not_noted() -> None:
    assert parse("warps_active_pct=50", "max").note == ""


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("fill_*=torch", ("fill_*", "", "", "torch")),
        ("norm:dram_pct=a = b", ("norm", "", "dram_pct", "a = b")),
        ("norm@rms*:local-memory=known", ("norm", "rms*", "local-memory", "known")),
        ("void ns::fill=torch", ("void ns::fill", "", "", "torch")),
        (":dram_pct=all", ("*", "", "dram_pct", "all")),
    ],
)
def test_what_is_ignored_on_the_command_line_has_a_reason(text: str, parts: tuple[str, ...]) -> None:
    found = parse_ignore(text)

    assert (found.kernel, found.case, found.metric, found.reason) == parts


@pytest.mark.parametrize("text", ["fill_*", "fill_*=", "=why", "", " = "])
def test_nothing_is_ignored_without_a_reason(text: str) -> None:
    with pytest.raises(NcukitError, match="--ignore takes"):
        parse_ignore(text)


def test_the_command_line_overrides_by_metric_and_adds() -> None:
    budgets = collect(
        [parse("dram_pct=80", "min"), parse("duration_us=6000", "max")], settings({"dram_pct": 70, "l2_pct": 10})
    )

    assert [(b.metric, b.limit, b.origin) for b in budgets] == [
        ("dram_pct", 80.0, "command line"),
        ("l2_pct", 10.0, "p.toml"),
        ("duration_us", 6000.0, "command line"),
    ]


def test_no_budget_at_all_is_a_usage_error_with_the_command_filled_in() -> None:
    with pytest.raises(NcukitError, match="no budget given") as caught:
        collect([], Settings(), "my report.csv")

    assert Exit.USAGE is caught.value.exit_code
    assert "ncukit gate 'my report.csv' --min" in caught.value.next_command


def test_a_minimum_above_the_maximum_is_an_error_that_names_both_places() -> None:
    with pytest.raises(NcukitError, match="nothing can pass") as caught:
        collect([parse("dram_pct=60", "max")], settings({"dram_pct": 70}))

    assert "file p.toml" in caught.value.causes[0]
    assert "command line" in caught.value.causes[0]


def test_minimum_equal_to_maximum_is_allowed() -> None:
    assert len(collect([parse("registers=32", "min"), parse("registers=32", "max")], Settings())) == 2


def test_two_limits_for_one_metric_are_an_error_also_under_two_names() -> None:
    with pytest.raises(NcukitError, match="dram_pct has two min budgets"):
        collect(
            [
                parse(f"{name}", "min")
                for name in ("dram_pct=70", "dram__throughput.avg.pct_of_peak_sustained_elapsed=80")
            ],
            Settings(),
        )

    assert len(collect([parse("dram_pct=70", "min"), parse("dram_pct=70.0", "min")], Settings())) == 1


def test_an_unknown_metric_in_the_configuration_names_the_file() -> None:
    with pytest.raises(NcukitError, match=r"p\.toml: gate\.min: no metric is called 'dram_pc'"):
        collect([], settings({"dram_pc": 70}))
