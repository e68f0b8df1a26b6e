"""The gate's answer as text and as JSON."""

from __future__ import annotations

import json

from ncukit.gate import judge, parse
from ncukit.metrics import catalogue
from ncukit.model import Environment
from ncukit.render import gate, gate_json

ABOUT = catalogue()
ENVIRONMENT = Environment(gpu="NVIDIA H200", compute_capability="9.0", ncu_version="2025.3.1", clock_control="none")
BUDGETS = [parse("dram_pct=85", "min"), parse("duration_us=3000", "max"), parse("useful_dram_pct=80", "min")]
ROWS = [
    {"kernel": "moments", "grid": "(7168, 1, 1)", "dram_pct": 90.25, "duration_us": 1805.5},
    {"kernel": "normalize", "grid": "(7168, 1, 1)", "dram_pct": 82.31, "duration_us": 3244.0},
]


def test_one_line_a_kernel_and_budget(make_report) -> None:
    report = make_report(
        ROWS,
        environment=ENVIRONMENT,
        missing={"useful_dram_pct": "no launch was recorded"},
        target="kernels/naive/instance_norm.py",
    )

    assert (
        gate.render(judge(report, BUDGETS))
        == f"""\
NVIDIA H200 · ncu 2025.3.1 · clocks free
gate: FAIL   2 failed, 2 not judged, 2 passed   report.csv

kernel     metric           measured  limit         verdict
moments    dram_pct          90.25 %  min 85 %      pass
moments    duration_us      1,806 us  max 3,000 us  pass
moments    useful_dram_pct         -  min 80 %      not judged  no launch was recorded
normalize  dram_pct          82.31 %  min 85 %      FAIL        2.69 points below the limit
normalize  duration_us      3,244 us  max 3,000 us  FAIL        244 us above the limit
normalize  useful_dram_pct         -  min 80 %      not judged  no launch was recorded

dram_pct: {ABOUT["dram_pct"].about}
useful_dram_pct: {ABOUT["useful_dram_pct"].about}
to measure what is missing: ncukit profile kernels/naive/instance_norm.py --metrics useful_dram_pct
"""
    )


def test_a_name_that_repeats_shows_what_tells_it_apart(make_report) -> None:
    rows = [
        {"kernel": "copy", "grid": "(4, 1, 1)", "block": "(32, 1, 1)", "duration_us": 1.0},
        {"kernel": "copy", "grid": "(8, 1, 1)", "block": "(32, 1, 1)", "duration_us": 1.0},
        {"kernel": "copy", "grid": "(8, 1, 1)", "block": "(64, 1, 1)", "duration_us": 1.0},
        {"kernel": "sum", "grid": "(8, 1, 1)", "block": "(64, 1, 1)", "duration_us": 1.0},
    ]

    lines = gate.render(judge(make_report(rows), [BUDGETS[1]])).splitlines()

    assert [line.partition(" duration_us")[0].rstrip() for line in lines[4:8]] == [
        "copy (4, 1, 1)",
        "copy (8, 1, 1) (32, 1, 1)",
        "copy (8, 1, 1) (64, 1, 1)",
        "sum",
    ]


def test_a_long_signature_is_shown_by_its_function_name_unless_two_share_it(make_report) -> None:
    name = "void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<{}>>(int, float)"
    one = make_report([{"kernel": name.format("float"), "duration_us": 1.0}])
    two = make_report([{"kernel": name.format(kind), "duration_us": 1.0} for kind in ("float", "int")])

    assert "\nvectorized_elementwise_kernel  duration_us" in gate.render(judge(one, [BUDGETS[1]]))
    assert name.format("int") in gate.render(judge(two, [BUDGETS[1]]))


def test_a_value_just_below_the_limit_does_not_look_like_it(make_report) -> None:
    text = gate.render(judge(make_report([{"kernel": "k", "dram_pct": 84.99999}]), [BUDGETS[0]]))

    assert "84.99999 %  min 85 %  FAIL" in text


def test_a_recording_says_so_first(make_report) -> None:
    report = make_report(ROWS, environment=Environment(gpu="NVIDIA H200", recorded=True))
    judgement = judge(report, BUDGETS)

    assert gate.render(judgement).startswith("RECORDED, not measured now: NVIDIA H200\n")
    assert json.loads(gate_json.render(judgement))["recorded"] is True


def test_names_from_outside_cannot_drive_the_terminal(make_report) -> None:
    report = make_report([{"kernel": "k\x1b[2J\r", "duration_us": 1.0}], path="a\x1b]0;x\x07.csv")
    judgement = judge(report, [BUDGETS[1]])

    assert {"\n"} == {c for c in gate.render(judgement) if not c.isprintable()}
    assert {"\n"} == {c for c in gate_json.render(judgement) if not c.isprintable()}
    assert json.loads(gate_json.render(judgement))["verdicts"][0]["kernel"] == "k\x1b[2J\r"


def test_colour_only_when_asked(make_report) -> None:
    judgement = judge(make_report(ROWS), BUDGETS)

    assert "\x1b" not in gate.render(judgement)
    assert "\x1b[31mFAIL" in gate.render(judgement, color=True)


def test_the_json_document(make_report) -> None:
    report = make_report(ROWS[:1], environment=ENVIRONMENT, target="x.py")

    document = json.loads(gate_json.render(judge(report, [BUDGETS[0], BUDGETS[2]])))

    verdicts = document.pop("verdicts")
    assert {"dram_pct", "useful_dram_pct"} == set(document.pop("explained"))
    assert document == {
        "schema_version": 1,
        "report": "report.csv",
        "recorded": False,
        "device": {"name": "NVIDIA H200", "compute_capability": "9.0"},
        "ncu_version": "2025.3.1",
        "clock_control": "none",
        "status": "unjudged",
        "collect_command": "ncukit profile x.py --metrics useful_dram_pct",
        "notes": [],
    }
    assert verdicts[0] == {
        "kernel": "moments",
        "grid": [7168, 1, 1],
        "block": None,
        "constexprs": None,
        "launches": 1,
        "metric": "dram_pct",
        "unit": "%",
        "bound": "min",
        "limit": 85.0,
        "measured": 90.25,
        "status": "pass",
        "reason": "",
    }
    assert (verdicts[1]["status"], verdicts[1]["measured"]) == ("unjudged", None)
