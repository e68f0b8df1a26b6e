"""Budgets without a measurement: what is broken, what a GPU would have to decide, and what is never a pass."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ncukit.config import GateSettings, IgnoreSettings, Settings
from ncukit.gate.static import MEANING, StaticCode, StaticVerdict, judge_static, overall
from ncukit.gate.static_budget import ALIASES, STATIC, collect, parse
from ncukit.model import Status
from ncukit.source.inspection import Argument, Compiled, CompileError, Inspection, Launch, Note, Sass

TUNED = ("BLOCK: 256, num_warps: 4", "BLOCK: 1024, num_warps: 8", "BLOCK: 4096, num_warps: 8")


def launch(kernel: str = "k", config: str | None = None, **fields: Any) -> Launch:
    constexprs = fields.pop("constexprs", {"BLOCK": 1024})
    arguments = [Argument(name="x_ptr", type="*fp32", shape=fields.pop("shape", (64, 512)), stride=(512, 1))]
    arguments += [Argument(name=n, type="constexpr", value=v) for n, v in constexprs.items()]
    values = {"file": "kernels/x.py", "line": 3, "launch_line": 20, "grid": (100, 1, 1), "num_warps": 4}
    return Launch(kernel=kernel, config=config, arguments=tuple(arguments), **{**values, "num_stages": 3, **fields})


def compiled(
    kernel: str = "k", config: str | None = None, *, of: dict[str, Any] | None = None, **fields: Any
) -> Compiled:
    values = {"arch": "sm_90", "grids": {"H200": (100, 1, 1)}, "registers": 64, "spills": 0, "stack_bytes": 0}
    values |= {"spill_store_bytes": 0, "spill_load_bytes": 0, "shared_bytes": 16, "static_shared_bytes": 0}
    values |= {"barriers": 1, "code_bytes": 4096, "compile_s": 0.1, "sass": Sass(instructions=300, mix={})}
    return Compiled(**{"launch": launch(kernel, config, **(of or {})), **values, **fields})


def inspected(*found: Compiled, **fields: Any) -> Inspection:
    values = {"path": "kernels/x.py", "archs": ("sm_90",), "launches": tuple(c.launch for c in found)}
    return Inspection(**{**values, "compiled": found, **fields})


def judge(inspection: Inspection, *texts: str, bound: Any = "max", **how: Any) -> list[StaticVerdict]:
    return list(judge_static(inspection, [parse(text, bound) for text in texts], **how))


def said(verdicts: list[StaticVerdict]) -> list[tuple[str, str]]:
    return [(verdict.kernel, verdict.code) for verdict in verdicts]


# What is judged


def test_a_budget_is_kept_or_broken_with_its_numbers() -> None:
    kept, broken = judge(inspected(compiled()), "registers=64", "instructions=299")
    assert (kept.status, kept.code, kept.value, kept.limit, kept.unit) == (
        Status.PASS, "within-limit", 64, 64, "register/thread",
    )  # fmt: skip
    assert (broken.status, broken.code, broken.value, broken.reason) == (
        Status.FAIL, "above-max", 300, "1 instruction above the limit",
    )  # fmt: skip
    assert (broken.kernel, broken.arch, broken.path, broken.line) == ("k", "sm_90", "kernels/x.py", 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("registers", 64),
        ("spills", 3),
        ("stack_bytes", 16),
        ("spill_store_bytes", 12),
        ("spill_load_bytes", 20),
        ("shared_bytes", 5000),
        ("static_shared_bytes", 8),
        ("allocated_shared_bytes", 6144),
        ("code_bytes", 4096),
        ("instructions", 300),
        ("barriers", 2),
        ("theoretical_occupancy_pct", 50.0),
        ("occupancy", 50.0),
    ],
)
def test_every_static_metric_is_read(name: str, value: float) -> None:
    one = compiled(
        spills=3, stack_bytes=16, spill_store_bytes=12, spill_load_bytes=20,
        shared_bytes=5000, static_shared_bytes=8, barriers=2,
    )  # fmt: skip
    (verdict,) = judge(inspected(one), f"{name}={value}")
    assert (verdict.value, verdict.status) == (value, Status.PASS)
    (verdict,) = judge(inspected(one), f"{name}={value + 1}", bound="min")
    assert (verdict.status, verdict.code) == (Status.FAIL, "below-min")
    assert set(STATIC) | set(ALIASES) >= {name}


def test_a_minimum_of_occupancy_is_in_points() -> None:
    (verdict,) = judge(inspected(compiled(registers=168)), "occupancy=50", bound="min")
    assert (verdict.value, verdict.reason) == (18.75, "31.25 points below the limit")


def test_each_architecture_and_each_launch_is_judged() -> None:
    found = judge(
        inspected(compiled(), compiled(arch="sm_80", registers=80), compiled("other", registers=70)), "registers=64"
    )
    assert [(v.kernel, v.arch, v.status.value) for v in found] == [
        ("k", "sm_90", "pass"),
        ("k", "sm_80", "fail"),
        ("other", "sm_90", "fail"),
    ]
    assert overall(found) is Status.FAIL


def test_a_warning_does_not_fail() -> None:
    budget = parse("registers=10", "max", "warn")
    found = judge_static(inspected(compiled()), [budget])
    assert [v.status for v in found] == [Status.WARN]
    assert overall(found) is Status.PASS


def test_the_gates_shared_memory_is_what_ncu_reports() -> None:
    """1024 bytes that CUDA keeps of each block count there: a budget means the same with and without a GPU."""
    (budget,) = collect([], Settings(gate=GateSettings(maximum={"shared_bytes": 2000.0})))
    (verdict,) = judge_static(inspected(compiled(shared_bytes=1000)), [budget])
    assert (verdict.metric, verdict.value, verdict.status) == ("allocated_shared_bytes", 2048.0, Status.FAIL)


def test_a_value_that_is_not_known_is_no_pass() -> None:
    found = judge(inspected(compiled(spill_store_bytes=None, barriers=None)), "spill_store_bytes=0", "barriers=9")
    assert [v.code for v in found] == ["metric-missing", "metric-missing"]
    (verdict,) = judge(inspected(compiled(arch="sm_103")), "occupancy=1", bound="min")
    assert (verdict.status, verdict.value, verdict.reason) == (Status.UNJUDGED, None, "not known for sm_103")


def test_globs_over_kernels_and_cases() -> None:
    found = inspected(
        compiled("normalize_kernel"), compiled("moments_kernel", of={"constexprs": {"BLOCK": 512}, "grid": (7, 2, 1)})
    )
    assert said(judge(found, "norm*:registers=64")) == [("normalize_kernel", "within-limit")]
    assert said(judge(found, "@BLOCK=512:registers=64")) == [("moments_kernel", "within-limit")]
    assert said(judge(found, "@7x2x1:registers=64")) == [("moments_kernel", "within-limit")]
    assert len(judge(found, "@kernels/x.py:registers=64")) == len(judge(found, "@x:registers=64")) == 2


def test_launches_with_assumed_values_say_so() -> None:
    (verdict,) = judge(inspected(compiled(of={"origin": "assumed"})), "registers=64")
    assert "values that only a GPU computes were assumed" in verdict.reason


# Autotuned kernels


def tuned(*spills: int, **of: Any) -> list[Compiled]:
    blocks = (256, 1024, 4096)
    return [
        compiled(config=config, spills=n, of={**of, "constexprs": {**of.get("constexprs", {}), "BLOCK": block}})
        for n, config, block in zip(spills, TUNED, blocks, strict=False)
    ]


def test_a_budget_that_some_configurations_keep_is_ambiguous_and_passes() -> None:
    found = judge(inspected(*tuned(0, 0, 9)), "spills=0")
    assert [v.status for v in found] == [Status.PASS, Status.PASS, Status.AMBIGUOUS]
    assert (found[2].code, found[2].config) == ("config-unsure", TUNED[2])
    assert found[2].reason == (
        "9 words above the limit; 2 of 3 configurations keep it, and only a GPU tells which one runs"
    )
    assert overall(found) is Status.PASS


def test_strict_fails_on_any_configuration() -> None:
    found = judge(inspected(*tuned(0, 0, 9)), "spills=0", strict=True)
    assert [v.status for v in found] == [Status.PASS, Status.PASS, Status.FAIL]
    assert (found[2].code, found[2].reason) == (
        "above-max", "9 words above the limit; 2 of 3 configurations keep it; strict",
    )  # fmt: skip


def test_a_budget_that_every_configuration_breaks_is_broken() -> None:
    found = judge(inspected(*tuned(1, 2, 9)), "spills=0")
    assert {v.status for v in found} == {Status.FAIL}


def test_another_launch_that_keeps_it_excuses_nothing() -> None:
    other_place = [replace(c, launch=replace(c.launch, launch_line=40)) for c in tuned(0, 0, 0)]
    other_shape = tuned(0, 0, 0, shape=(64, 1024))
    other_constant = tuned(0, 0, 0, constexprs={"CAUSAL": True})
    for other in (other_place, other_shape, other_constant):
        broken = tuned(1, 2, 9, constexprs={"CAUSAL": False})
        found = judge(inspected(*other, *broken), "spills=0")
        assert [v.status for v in found].count(Status.FAIL) == 3
    on_another_arch = [replace(c, arch="sm_80") for c in tuned(0, 0, 0)]
    found = judge(inspected(*on_another_arch, *tuned(1, 2, 9)), "spills=0")
    assert [v.status for v in found].count(Status.FAIL) == 3


def test_constants_that_follow_a_configuration_do_not_split_a_launch() -> None:
    configs = [
        replace(
            c,
            launch=replace(c.launch, arguments=(*c.launch.arguments, Argument(name="EVEN", type="constexpr", value=e))),
        )
        for c, e in zip(tuned(0, 0, 9), (True, True, False), strict=True)
    ]
    assert judge(inspected(*configs), "spills=0")[2].status is Status.AMBIGUOUS


def test_a_configuration_that_cannot_run_neither_keeps_nor_breaks_a_budget() -> None:
    """The only one that keeps it asks for too much shared memory: what is left breaks it."""
    error = CompileError(kernel="k", arch="sm_90", message="too much", config=TUNED[0], tolerated=True)
    found = judge(inspected(*tuned(0, 2, 9), errors=(error,)), "spills=0")
    assert [(v.status.value, v.code) for v in found] == [
        ("ignored", "config-dropped"),
        ("fail", "above-max"),
        ("fail", "above-max"),
    ]


def test_a_configuration_that_does_not_compile_while_others_do_is_dropped() -> None:
    error = CompileError(kernel="k", arch="sm_90", message="out of registers", config="BLOCK: 8192", tolerated=True)
    found = judge(inspected(*tuned(0, 0, 0), errors=(error,)), "spills=0")
    assert said(found) == [("k", "within-limit")] * 3 + [("k", "config-dropped")]
    assert overall(found) is Status.PASS


# What is never a pass


def test_a_kernel_that_does_not_compile_is_not_judged() -> None:
    error = CompileError(kernel="bad", arch="sm_90", message="no tl.foo", path="kernels/x.py", line=12)
    found = judge(inspected(compiled(), errors=(error,)), "spills=0")
    assert said(found) == [("k", "within-limit"), ("bad", "not-compiled")]
    assert (found[1].status, found[1].reason, found[1].line) == (Status.UNJUDGED, "no tl.foo", 12)
    assert overall(found) is Status.UNJUDGED


def test_a_launch_without_an_answer_is_not_judged() -> None:
    found = judge(inspected(launches=(launch(),)), "spills=0")
    assert said(found) == [("k", "not-compiled")]


def test_a_kernel_that_nobody_launches_is_no_pass_when_a_budget_names_it() -> None:
    there = inspected(compiled(), kernels=("k", "spare"))
    assert said(judge(there, "spills=0")) == [("k", "within-limit"), ("spare", "unnamed")]
    assert overall(judge(there, "spills=0")) is Status.PASS
    for text in ("spare:spills=0", "*:spills=0"):
        assert ("spare", "not-launched") in said(judge(there, text))
        assert overall(judge(there, text)) is Status.UNJUDGED


def test_a_kernel_of_another_architecture_only_is_no_gap() -> None:
    """Host code may launch other kernels on other GPUs."""
    there = inspected(compiled(), compiled("other", arch="sm_80"), archs=("sm_90", "sm_80"))
    assert overall(judge(there, "spills=0")) is Status.PASS


def test_without_any_launch_nothing_passes() -> None:
    note = Note(code="no-model", message="no Model, no get_inputs")
    found = judge(inspected(notes=(note,), kernels=("k",)), "spills=0")
    assert said(found) == [("(no launch)", "nothing-launched"), ("k", "unnamed")]
    assert found[0].reason == "no Model, no get_inputs"
    assert overall(found) is Status.UNJUDGED


def test_host_code_that_fails_before_any_launch_leaves_nothing_judged() -> None:
    error = CompileError(kernel="", arch="", message="host code: ImportError")
    found = judge(inspected(errors=(error,)), "spills=0")
    assert said(found) == [("(all kernels)", "nothing-judged")]


@pytest.mark.parametrize("code", ["host-read", "many-launches", "custom-op", "left-out"])
def test_launches_that_could_not_be_followed_are_no_pass(code: str) -> None:
    found = judge(inspected(compiled(), notes=(Note(code=code, message="why", line=8),)), "spills=0")
    assert said(found) == [("k", "within-limit"), ("(other launches)", "launches-unknown")]
    assert (found[1].reason, found[1].line) == ("why", 8)
    assert overall(judge(inspected(compiled(), notes=(Note(code="no-grid", message=""),)), "spills=0")) is Status.PASS


def test_no_kernel_of_that_name_is_no_pass() -> None:
    (verdict,) = judge(inspected(compiled("softmax"), compiled("norm")), "layer*:spills=0")
    assert (verdict.status, verdict.code) == (Status.UNJUDGED, "kernel-absent")
    assert verdict.reason == "no kernel of the file matches; it has softmax, norm"


def test_a_case_that_is_not_here_is_no_pass_when_somebody_asks_for_it() -> None:
    here = inspected(compiled())
    assert said(judge(here, "@BLOCK=4096:spills=0")) == [("(case)", "case-absent")]
    assert said(judge(here, "k@BLOCK=4096:spills=0")) == [("k", "case-absent")]
    assert said(judge(here, "@other_file:spills=0")) == [("(case)", "case-absent")]


def test_a_configured_budget_for_another_file_says_nothing_here() -> None:
    other = [replace(parse(text, "max"), origin="p.toml") for text in ("@other_file:spills=0", "x*@other:spills=0")]
    assert judge_static(inspected(compiled()), other) == ()
    gone = replace(parse("k@BLOCK=4096:spills=0", "max"), origin="p.toml")
    assert said(list(judge_static(inspected(compiled()), [gone]))) == [("k", "case-absent")]


def test_what_is_ignored_is_told_and_alone_it_is_no_pass() -> None:
    ignore = [IgnoreSettings(kernel="fill_*", metric="registers", reason="not ours")]
    both = judge(inspected(compiled(), compiled("fill_k")), "registers=10", ignore=ignore)
    assert [(v.kernel, v.code, v.reason) for v in both] == [
        ("k", "above-max", "54 registers above the limit"),
        ("fill_k", "ignored", "not ours"),
    ]
    alone = judge(inspected(compiled("fill_k")), "registers=10", ignore=ignore)
    assert said(alone) == [("fill_k", "ignored"), ("(all kernels)", "nothing-judged")]
    assert overall(alone) is Status.UNJUDGED


def test_an_ignore_entry_names_metrics_as_the_gate_does() -> None:
    ignore = [IgnoreSettings(kernel="k", metric="shared_bytes", reason="padded on purpose")]
    allocated, asked, *_ = judge(inspected(compiled()), "allocated_shared_bytes=0", "shared_bytes=0", ignore=ignore)
    assert (allocated.code, asked.code) == ("ignored", "ignored")


def test_without_a_budget_there_is_no_verdict() -> None:
    assert judge_static(inspected(compiled()), []) == ()
    assert overall(()) is None


def test_every_code_has_a_status_and_a_sentence() -> None:
    assert set(MEANING) == set(StaticCode)
    assert {status for status, words in MEANING.values() if words} == {
        Status.PASS, Status.FAIL, Status.AMBIGUOUS, Status.UNJUDGED, Status.IGNORED,
    }  # fmt: skip
