"""The gate's answer as text and as JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from judgements import EXAMPLE, H200, RECORDED, judged, judgement, least, most, verdict

from ncukit.gate.answer import Against, Difference
from ncukit.gate.codes import Code
from ncukit.metrics import catalogue
from ncukit.model import Status
from ncukit.render import gate, gate_json

ABOUT = catalogue()
GRID = "(7168, 1, 1)"
MISSING = "no launch was recorded"
KERNELS = (
    judged("moments", least(85, 90.25), most(3000, 1805.5), least(80, None, "useful_dram_pct", MISSING), grid=GRID),
    judged("normalize", least(85, 82.31), most(3000, 3244.0), least(80, None, "useful_dram_pct", MISSING), grid=GRID),
)


def test_one_line_a_kernel_and_budget() -> None:
    answer = judgement(
        *KERNELS, collect_command="ncukit profile kernels/naive/instance_norm.py --metrics useful_dram_pct"
    )

    assert (
        gate.render(answer)
        == f"""\
NVIDIA H200 · ncu 2025.3.1 · clocks free
gate: FAIL   2 failed, 2 not judged, 2 passed   report.csv

kernel     metric           measured  limit         verdict
moments    dram_pct          90.25 %  min 85 %      pass
moments    duration_us      1,806 us  max 3,000 us  pass
moments    useful_dram_pct         -  min 80 %      not judged (metric-missing)  no launch was recorded
normalize  dram_pct          82.31 %  min 85 %      FAIL (below-min)             2.69 points below the limit
normalize  duration_us      3,244 us  max 3,000 us  FAIL (above-max)             244 us above the limit
normalize  useful_dram_pct         -  min 80 %      not judged (metric-missing)  no launch was recorded

dram_pct: {ABOUT["dram_pct"].about}
useful_dram_pct: {ABOUT["useful_dram_pct"].about}
to measure what is missing: ncukit profile kernels/naive/instance_norm.py --metrics useful_dram_pct
"""
    )


def test_how_far_a_limit_was_missed_is_said_once() -> None:
    reason = "2.69 points below the limit; median of 3 launches, 82 to 83"

    text = gate.render(judgement(judged("k", least(85, 82.31, reason=reason))))

    assert f"FAIL (below-min)  {reason}\n" in text
    assert text.count("2.69") == 1


def test_a_name_that_repeats_shows_what_tells_it_apart() -> None:
    budget = most(3000, 1.0)
    answer = judgement(
        judged("copy", budget, grid="(4, 1, 1)", block="(32, 1, 1)"),
        judged("copy", budget, grid="(8, 1, 1)", block="(32, 1, 1)"),
        judged("copy", budget, grid="(8, 1, 1)", block="(64, 1, 1)"),
        judged("sum", budget, grid="(8, 1, 1)", block="(64, 1, 1)"),
    )

    lines = gate.render(answer).splitlines()

    assert [line.partition(" duration_us")[0].rstrip() for line in lines[4:8]] == [
        "copy (4, 1, 1)",
        "copy (8, 1, 1) (32, 1, 1)",
        "copy (8, 1, 1) (64, 1, 1)",
        "sum",
    ]


def test_a_long_signature_is_shown_by_its_function_name_unless_two_share_it() -> None:
    name = "void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<{}>>(int, float)"
    one = judgement(judged(name.format("float"), most(3000, 1.0)))
    two = judgement(*(judged(name.format(kind), most(3000, 1.0)) for kind in ("float", "int")))

    assert "\nvectorized_elementwise_kernel  duration_us" in gate.render(one)
    assert name.format("int") in gate.render(two)


def test_a_value_just_below_the_limit_does_not_look_like_it() -> None:
    text = gate.render(judgement(judged("k", least(85, 84.99999))))

    assert "84.99999 %  min 85 %  FAIL" in text


def test_a_recording_says_so_first() -> None:
    answer = judgement(*KERNELS, environment=replace(H200, recorded=True))

    assert gate.render(answer).startswith("RECORDED, not measured now: NVIDIA H200 ·")
    assert json.loads(gate_json.render(answer))["recorded"] is True


def test_names_from_outside_cannot_drive_the_terminal() -> None:
    hostile = "k\x1b[2J\r"
    against = Against(
        name=hostile,
        path=hostile,
        found=True,
        reason=hostile,
        differences=(Difference(field=hostile, before=hostile, after="", code=None),),
    )
    ignored = verdict("dram_pct", "min", 1, 2, Code.IGNORED, reason=hostile)
    kernel = judged(hostile, most(3000, 1.0, reason=hostile), ignored, grid=hostile)
    answer = judgement(kernel, kernel, report_path="a\x1b]0;x\x07.csv", notes=(hostile,), against=against)

    assert {"\n"} == {c for c in gate.render(answer) if not c.isprintable()}
    assert {"\n"} == {c for c in gate_json.render(answer) if not c.isprintable()}
    assert json.loads(gate_json.render(answer))["verdicts"][0]["kernel"] == hostile


def test_a_huge_name_is_cut() -> None:
    answer = judgement(judged("k" * 100_000, most(3000, 1.0)))

    assert len(gate.render(answer)) < 1000


def test_colour_only_when_asked() -> None:
    answer = judgement(*KERNELS)

    assert "\x1b" not in gate.render(answer)
    assert "\x1b[31mFAIL" in gate.render(answer, color=True)


def test_every_status_has_a_word_and_a_colour_of_its_own() -> None:
    text = gate.render(EXAMPLE, color=True)

    for painted in ("32mpass", "31mFAIL (", "33mnot judged (", "36mambiguous (", "1mwarn (", "2m1 ignored ("):
        assert f"\x1b[{painted}" in text


def test_a_rise_shows_the_baseline_and_by_how_much() -> None:
    risen = verdict("duration_us", "max-rise", 0.03, 3825, Code.RISEN, relative=True, baseline=3706)

    lines = gate.render(judgement(judged("normalize", risen, least(85, 90)))).splitlines()

    assert lines[3:6] == [
        "kernel     metric       measured            baseline  limit         verdict",
        "normalize  duration_us  3,825 us  3,706 us (+3.21 %)  max-rise 3 %  FAIL (risen)",
        "normalize  dram_pct         90 %                      min 85 %      pass",
    ]


def test_what_is_ignored_takes_one_line_a_reason() -> None:
    known = verdict("dram_pct", "min", 1, 2, Code.IGNORED, reason="known since #12")
    light = [verdict("duration_us", "max", 1, 2, Code.NO_WEIGHT, reason=f"0.000{n} of the time") for n in range(7)]
    kernels = [judged(f"k{n}", one) for n, one in enumerate(light)]

    lines = gate.render(judgement(judged("copy", most(3, 1.0), known), *kernels)).splitlines()

    assert lines[3:] == [
        "kernel  metric       measured  limit     verdict",
        "copy    duration_us      1 us  max 3 us  pass",
        "1 ignored (ignored): known since #12: copy dram_pct",
        "7 ignored (no-weight): it takes under 1 % of the longest kernel's time, and no budget names it: "
        "k0 duration_us, k1 duration_us, k2 duration_us, k3 duration_us, k4 duration_us and 2 more",
        "",
        f"dram_pct: {ABOUT['dram_pct'].about}",
    ]


def test_what_is_ignored_is_shown_where_there_is_nothing_else() -> None:
    answer = judgement(judged("k", verdict("duration_us", "max", 1, 2, Code.IGNORED, reason="known")))

    lines = gate.render(answer).splitlines()

    assert lines[1] == "gate: not judged   1 ignored, nothing was judged: everything is ignored   report.csv"
    assert lines[4] == "k       duration_us      2 us  max 1 us  ignored (ignored)  1 us above the limit; known"


def test_without_a_baseline_the_command_that_saves_one_is_named() -> None:
    save = "ncukit baseline save report.csv"
    against = Against(name="main", path="b", found=False, why="there is no baseline 'main' yet", save_command=save)
    missing = verdict("duration_us", "max-rise", 0.03, 5.0, Code.NO_BASELINE, relative=True)

    text = gate.render(judgement(judged("k", missing), against=against))

    assert "there is no baseline 'main' yet\n" in text
    assert "to save this report as that baseline: ncukit baseline save report.csv\n" in text
    assert "5 us         -  max-rise 3 %  not judged (no-baseline)  there is no baseline of that name yet" in text


def test_each_difference_says_what_it_does() -> None:
    def differs(field: str, code: Code | None, allowed: bool = False) -> Difference:
        return Difference(field=field, before="a", after="", code=code, allow="gpu" if code else "", allowed=allowed)

    differences = (differs("gpu", Code.OTHER_GPU), differs("gpu", Code.OTHER_GPU, True), differs("driver", None))
    against = Against(name="other.csv", path="other.csv", found=True, differences=differences)

    assert gate.render(judgement(*KERNELS, against=against)).splitlines()[11:16] == [
        "compared with other.csv",
        "field   before  after",
        "gpu     a       -      blocks (other-gpu, --allow gpu accepts it)",
        "gpu     a       -      allowed",
        "driver  a       -      only noted",
    ]


def test_a_report_without_a_launch() -> None:
    answer = judgement(notes=("the report holds no launch",))

    assert gate.render(answer).splitlines()[1:] == [
        "gate: not judged   no kernel   report.csv",
        "",
        "the report holds no launch",
    ]


def test_the_json_document() -> None:
    kernel = judged("moments", least(85, 90.25), least(80, None, "useful_dram_pct"), grid=GRID, share=0.5, line=7)
    command = "ncukit profile x.py --metrics useful_dram_pct"

    document = json.loads(gate_json.render(judgement(kernel, target="x.py", collect_command=command)))

    verdicts = document.pop("verdicts")
    assert {"dram_pct", "useful_dram_pct"} == set(document.pop("explained"))
    assert document == {
        "schema_version": 1,
        "report": "report.csv",
        "case": None,
        "target": "x.py",
        "recorded": False,
        "device": {"name": "NVIDIA H200", "compute_capability": "9.0"},
        "ncu_version": "2025.3.1",
        "clock_control": "none",
        "status": "unjudged",
        "strict": False,
        "counts": {"fail": 0, "unjudged": 1, "ambiguous": 0, "warn": 0, "ignored": 0, "pass": 1},
        "codes": {
            "metric-missing": "the metric has no value in some launch of this kernel",
            "within-limit": "the measured value keeps the limit",
        },
        "against": None,
        "collect_command": command,
        "notes": [],
    }
    assert verdicts[0] == {
        "kernel": "moments",
        "grid": [7168, 1, 1],
        "block": None,
        "constexprs": None,
        "launches": 1,
        "share": 0.5,
        "path": None,
        "line": 7,
        "metric": "dram_pct",
        "unit": "%",
        "bound": "min",
        "limit": 85.0,
        "relative": False,
        "measured": 90.25,
        "baseline": None,
        "status": "pass",
        "code": "within-limit",
        "reason": "",
        "level": "error",
        "origin": "command line",
    }
    assert (verdicts[1]["status"], verdicts[1]["measured"]) == ("unjudged", None)


def test_the_json_document_says_what_was_compared() -> None:
    document = json.loads(gate_json.render(EXAMPLE))

    assert document["against"].pop("differences")[0] == {
        "field": "ncu_version",
        "before": "2025.2.0",
        "after": "2025.3.1",
        "code": "other-ncu",
        "allow": "ncu",
        "allowed": True,
    }
    assert document["against"] == {
        "name": "main",
        "path": "profiles/baselines/main/nvidia-h200.json",
        "found": True,
        "saved": "2026-11-14",
        "reason": "first recording",
        "save_command": None,
    }
    assert document["case"] == "naive_instance_norm"


@pytest.mark.parametrize("grid", ["", "(1, 2)", "(" + "9" * 5000 + ", 1, 1)"])
def test_a_grid_that_is_none_is_null(grid: str) -> None:
    document = json.loads(gate_json.render(judgement(judged("k", least(85, 90), grid=grid))))

    assert document["verdicts"][0]["grid"] is None


def test_json_has_no_nan() -> None:
    odd = verdict("dram_pct", "max-drop", 2, float("nan"), Code.NOT_IN_BASELINE, baseline=float("inf"))
    answer = judgement(judged("k", odd, share=float("nan")))

    document = json.loads(gate_json.render(answer), parse_constant=pytest.fail)

    assert (document["verdicts"][0]["measured"], document["verdicts"][0]["baseline"]) == (None, None)
    assert "dram_pct         -         -  max-drop 2 points" in gate.render(answer)


def test_the_golden_recording_says_that_it_is_one() -> None:
    assert EXAMPLE.environment is RECORDED
    assert EXAMPLE.status is Status.FAIL
