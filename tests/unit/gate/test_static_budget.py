"""Budgets of ``ncukit inspect``: what may be asked without a measurement, and where budgets come from."""

from __future__ import annotations

from typing import Any

import pytest

from ncukit import metrics
from ncukit.config import BudgetSettings, GateSettings, InspectSettings, Settings
from ncukit.errors import Exit, NcukitError
from ncukit.gate.static_budget import FROM_GATE, STATIC, collect, measured_only, parse


@pytest.mark.parametrize(
    "name", ["dram_pct", "duration_us", "gain_left", "sm__inst_executed.sum", "smsp__inst_executed.sum"]
)
def test_what_only_a_measurement_tells_says_so_and_names_the_gate(name: str) -> None:
    with pytest.raises(NcukitError) as caught:
        parse(f"{name}=70", "min")
    assert "known only when the kernel is measured" in caught.value.message
    assert caught.value.next_command == f"ncukit gate REPORT --min {name}=70"
    assert caught.value.exit_code is Exit.USAGE


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(NcukitError, match="no metric is called 'register'") as caught:
        parse("register=1", "max")
    assert "registers" in caught.value.causes[0]


@pytest.mark.parametrize(
    "text", ["registers", "registers=", "=3", "", "registers=x", "registers=5%", "registers=-1", "registers=inf",
             "registers=nan", "registers=1e999", "registers=1_0", ":registers=3", " @ :registers=3"],
)  # fmt: skip
def test_what_is_no_budget_is_a_usage_error(text: str) -> None:
    with pytest.raises(NcukitError) as caught:
        parse(text, "max")
    assert caught.value.exit_code is Exit.USAGE
    assert caught.value.next_command.startswith("ncukit inspect FILE --max ")


def test_a_limit_on_the_wrong_side_is_noted() -> None:
    assert "fails the better kernel" in parse("registers=10", "min").note
    assert "fails the better kernel" in parse("occupancy=10", "max").note
    assert parse("registers=10", "max").note == parse("occupancy=10", "min").note == ""


def test_ncus_names_are_understood_as_the_gate_means_them() -> None:
    assert parse("launch__registers_per_thread=9", "max").metric == "registers"
    assert parse("launch__shared_mem_per_block_allocated=9", "max").metric == "allocated_shared_bytes"


def test_what_is_shared_with_the_gate_has_its_units() -> None:
    for theirs, ours in FROM_GATE.items():
        assert metrics.unit(theirs) == STATIC[ours].unit


def configured(**sections: Any) -> Settings:
    return Settings(
        gate=GateSettings(**sections.get("gate", {})), inspect=InspectSettings(**sections.get("inspect", {}))
    )


def brief(settings: Settings, *typed: Any) -> list[tuple[str, str, str, float, str]]:
    return [(b.scope, b.bound, b.metric, b.limit, b.level) for b in collect(typed, settings)]


def test_the_gates_budgets_hold_as_far_as_their_metric_needs_no_measurement() -> None:
    settings = configured(
        gate={
            "minimum": {"dram_pct": 70.0, "theoretical_occupancy_pct": 25.0},
            "maximum": {"instructions": 1e6, "launch__registers_per_thread": 128.0},
            "max_rise": {"duration_us": "3%"},
            "budgets": (BudgetSettings(kernel="norm*", maximum={"spills": 0.0, "shared_bytes": 2048.0}, level="warn"),),
            "forbid": ("local-memory",),
        }
    )
    assert brief(settings) == [
        ("", "min", "theoretical_occupancy_pct", 25.0, "error"),
        ("", "max", "registers", 128.0, "error"),
        ("norm*:", "max", "spills", 0.0, "warn"),
        ("norm*:", "max", "allocated_shared_bytes", 2048.0, "warn"),
    ]
    assert measured_only(settings) == ("dram_pct", "instructions", "duration_us", "local-memory")


def test_inspects_own_override_the_gates_and_the_command_line_both() -> None:
    settings = configured(
        gate={"maximum": {"registers": 128.0, "spills": 8.0}},
        inspect={"maximum": {"registers": 96.0, "softmax_*:code_bytes": 9000.0}, "minimum": {"occupancy": 25.0}},
    )
    assert brief(settings, parse("registers=64", "max")) == [
        ("", "max", "registers", 64.0, "error"),
        ("", "max", "spills", 8.0, "error"),
        ("", "min", "theoretical_occupancy_pct", 25.0, "error"),
        ("softmax_*:", "max", "code_bytes", 9000.0, "error"),
    ]


@pytest.mark.parametrize(
    ("inspect", "words"),
    [
        ({"maximum": {"dram_pct": 70.0}}, "inspect.max: dram_pct is known only when the kernel is measured"),
        ({"minimum": {"regsters": 1.0}}, "inspect.min: no metric is called 'regsters'"),
        ({"maximum": {"registers": -1.0}}, "inspect.max: '-1.0' is no finite number"),
        ({"maximum": {"occupancy": 50.0, "theoretical_occupancy_pct": 60.0}}, "has two max budgets: 50 and 60"),
        ({"minimum": {"registers": 50.0}, "maximum": {"registers": 40.0}}, "nothing can pass"),
    ],
)
def test_a_wrong_configured_budget_is_a_usage_error(inspect: dict[str, Any], words: str) -> None:
    with pytest.raises(NcukitError) as caught:
        collect([], configured(inspect=inspect))
    assert words in caught.value.message
    assert caught.value.exit_code is Exit.USAGE


def test_two_limits_from_the_command_line_contradict_each_other() -> None:
    with pytest.raises(NcukitError, match="two max budgets"):
        collect([parse("spills=0", "max"), parse("spills=1", "max")], Settings())
    assert len(collect([parse("spills=0", "max")] * 2, Settings())) == 1
