"""Ways in which a gate could pass by mistake, each tried: none may end in a pass."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ncukit.errors import NcukitError
from ncukit.gate import baseline
from ncukit.gate.answer import Against, Judgement
from ncukit.gate.budget import parse
from ncukit.gate.compare import compare, measured
from ncukit.gate.judge import judge, needed
from ncukit.gate.match import function_name
from ncukit.gate.reference import Reference, find
from ncukit.gate.side import blocking, differences, side
from ncukit.model import Environment, Report, Status
from ncukit.read import read

REPEATS = Path(__file__).parents[2] / "golden" / "repeats"
RISE = parse("duration_us=3%", "max-rise")


def held(before: Report, after: Report, *budgets: Any, patterns: tuple[str, ...] = ()) -> Judgement:
    """The second report against the first, as ``gate --against`` does it."""
    wanted = needed(budgets)
    first, second = side(before, wanted), side(after, wanted)
    found = differences(first, second)
    block = blocking(found)
    against = Against(name="before", path="before", found=True, differences=found)
    reference = Reference(against=against, side=first) if block is None else Reference(against=against, code=block.code)
    return judge(after, budgets, patterns, reference=reference)


def codes(judgement: Judgement) -> list[tuple[str, str]]:
    return [(verdict.kernel, verdict.code) for verdict in judgement.verdicts]


@pytest.mark.parametrize(
    ("metric", "bound", "before", "after"),
    [
        ("sm__inst_foo.sum", "max-rise", 100.0, 900.0),
        ("load_bytes_per_sector", "max-drop", 32.0, 4.0),
        ("sectors_per_load", "max-rise", 4.0, 32.0),
        ("local_load_sectors", "max-rise", 0.0, 32000.0),
        ("spill_requests", "max-rise", 0.0, 500.0),
    ],
)
def test_no_noise_limit_swallows_a_metric_whole(make_report, metric, bound, before, after) -> None:
    reports = [make_report([{"kernel": "k", metric: value}]) for value in (before, after)]

    assert held(*reports, parse(f"{metric}=5%", bound)).status is Status.FAIL


@pytest.mark.parametrize(("us", "cycles"), [((2.0, 2.4), (2200, 2640)), ((1000.0, 1039.0), (1.1e6, 1.121e6))])
def test_a_slower_kernel_is_not_excused_by_the_clock(make_report, us, cycles) -> None:
    reports = [
        make_report([{"kernel": "k", "duration_us": time, "sm_elapsed_cycles": float(count)}])
        for time, count in zip(us, cycles, strict=True)
    ]

    assert codes(held(*reports, RISE)) == [("k", "risen")]


def test_runs_that_were_cut_short_are_held_against_nothing() -> None:
    whole = read(REPEATS / "instance_norm_1")
    cut = replace(whole, frame=whole.frame.iloc[:3], launches=whole.launches[:3])

    assert held(whole, cut, RISE).status is Status.UNJUDGED
    assert compare(measured(whole), measured(cut)).blocked.code == "incomplete"
    assert held(replace(whole, incomplete=True), whole, RISE).status is Status.UNJUDGED


def test_a_table_that_does_not_say_its_repetitions_is_compared_by_launch(make_report) -> None:
    ten = make_report([{"kernel": "k", "duration_us": 1000.0}] * 10)
    five = make_report([{"kernel": "k", "duration_us": 1500.0}] * 5)

    assert codes(held(ten, five, RISE)) == [("k", "risen")]
    assert held(five, ten, RISE).status is Status.PASS


def test_a_budget_of_a_constexpr_does_not_vanish_when_it_is_tuned() -> None:
    report = read(REPEATS / "naive_instance_norm_2")
    budgets = [parse("duration_us=99999", "max"), parse("normalize_*@BLOCK_SIZE=3:duration_us=1", "max")]

    judgement = judge(report, budgets)

    assert codes(judgement)[-1] == ("normalize_*", "kernel-absent")
    assert judgement.status is Status.UNJUDGED
    idle = judge(report, [budgets[0], parse("*@nosuchcase:duration_us=1", "max")])
    assert "not for this report: *@nosuchcase:duration_us" in idle.notes[0]


def halved(report: Report) -> Report:
    """The report as of inputs half as large."""
    launches = tuple(
        launch and replace(launch, tensors=tuple(replace(t, bytes=t.bytes // 2) for t in launch.tensors))
        for launch in report.launches
    )
    return replace(report, launches=launches)


def test_half_the_input_excuses_nothing_and_is_no_gain() -> None:
    naive, fast = read(REPEATS / "naive_instance_norm_1"), halved(read(REPEATS / "instance_norm_1"))
    frame = fast.frame.assign(dram_pct=50.0)

    small = held(read(REPEATS / "instance_norm_1"), replace(fast, frame=frame), parse("dram_pct=70", "min"))
    fused = held(naive, fast, RISE)

    assert ("cooperative_kernel", "below-min") in codes(small)
    assert ("cooperative_kernel", "other-size") in codes(fused)


def test_a_survivor_that_got_slower_is_not_hidden_by_a_kernel_that_went(make_report) -> None:
    before = make_report([{"kernel": "a", "duration_us": 1000.0}, {"kernel": "b", "duration_us": 1000.0}])
    after = make_report([{"kernel": "b", "duration_us": 1800.0}])

    assert codes(held(before, after, RISE)) == [("b", "group-unsure")]


def test_many_small_kernels_are_not_small(make_report) -> None:
    rows = [{"kernel": "k", "duration_us": 1000.0}] + [{"kernel": f"n{i}", "duration_us": 9.9} for i in range(100)]

    judgement = judge(make_report(rows), [parse("duration_us=5", "max")])

    assert judgement.count(Status.IGNORED) == 0
    assert judgement.count(Status.FAIL) == 101


def test_a_fusion_that_nobody_could_look_for_is_not_absent(make_report) -> None:
    rows = [{"kernel": name, "duration_us": 1000.0, "dram_pct": 90.0} for name in ("a", "b")]

    assert {code for _, code in codes(judge(make_report(rows), [parse("fusion", "forbid")]))} == {"cause-unknown"}


def test_gain_that_could_not_be_looked_for_has_not_fallen() -> None:
    fast, rise = read(REPEATS / "instance_norm_1"), parse("cooperative_kernel:gain_left=10%", "max-rise")
    known = judge(fast, [rise], reference=find(str(REPEATS / "instance_norm_1"), fast, needed([rise])))
    assert codes(known) == [("cooperative_kernel", "within-limit")]

    blind = replace(fast, frame=fast.frame.drop(columns=["local_load_sectors", "local_store_sectors"]))
    judgement = judge(blind, [rise], reference=find(str(REPEATS / "instance_norm_1"), blind, needed([rise])))

    assert codes(judgement) == [("cooperative_kernel", "metric-missing")]


def test_a_report_of_an_unknown_gpu_is_not_compared_with_a_known_one(make_report) -> None:
    known = make_report([{"kernel": "k", "duration_us": 1.0}])
    unknown = replace(known, environment=Environment())

    assert codes(held(known, unknown, RISE)) == [("k", "other-gpu")]
    assert held(unknown, unknown, RISE).status is Status.PASS
    short = replace(known, environment=Environment(gpu="H200"))
    assert held(known, short, RISE).status is Status.PASS


def test_one_lucky_launch_does_not_hide_a_regression(make_report) -> None:
    slow = [{"kernel": "k", "duration_us": us} for us in (1001.0, 2000.0, 2000.0, 2000.0, 2000.0)]

    judgement = held(make_report([{"kernel": "k", "duration_us": 1000.0}] * 5), make_report(slow), RISE)

    assert codes(judgement) == [("k", "risen")]


def test_a_chosen_kernel_that_is_gone_is_missed(make_report) -> None:
    rows = [{"kernel": name, "duration_us": 1000.0} for name in ("norm_a", "norm_b", "other")]

    judgement = held(make_report(rows), make_report(rows[:1]), RISE, patterns=("regex:norm_",))

    assert ("norm_b", "kernel-absent") in codes(judgement)
    assert "other" not in dict(codes(judgement))


@pytest.mark.parametrize("value", [-5.0, 0.0, float("inf"), 1e30])
def test_what_cannot_be_a_time_is_missing(make_report, value) -> None:
    judgement = judge(make_report([{"kernel": "k", "duration_us": value}]), [parse("duration_us=10", "max")])

    assert codes(judgement) == [("k", "metric-missing")]


def test_of_two_equal_budgets_the_one_that_fails_holds(tmp_path) -> None:
    from ncukit import config
    from ncukit.gate.budget import collect

    entry = '[[gate.budget]]\nkernel = "k"\nmax = {{ duration_us = 1 }}\nlevel = "{}"\n'
    (tmp_path / "ncukit.toml").write_text(entry.format("warn") + entry.format("error"))
    assert [budget.level for budget in collect([], config.load(tmp_path))] == ["error"]
    (tmp_path / "ncukit.toml").write_text(
        '[gate]\nmax-rise = { duration_us = "1%" }\nmax_rise = { duration_us = "9%" }\n'
    )
    with pytest.raises(NcukitError, match="given twice"):
        config.load(tmp_path)


def test_a_mistyped_path_is_no_baseline_that_is_yet_to_be_saved(make_report, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    report = make_report([{"kernel": "k", "duration_us": 1.0}])

    for word in ("runs/old/metrics.csv", "old.csv", "../../etc/passwd", "x" * 5000):
        with pytest.raises(NcukitError, match="there is no file"):
            find(word, report, (), ("no-baseline",))
    Path("main").mkdir()
    assert find("main", report, (), by_name=True).code == "no-baseline"


def test_a_deep_name_is_read_in_no_time() -> None:
    assert function_name("f" + "<" * 60_000 + ">" * 60_000 + "(int)") == "f"
    assert function_name("operator<") == "operator<"


def test_a_file_that_no_longer_parses_has_changed_and_a_pipe_is_not_waited_for(tmp_path) -> None:
    import os

    from ncukit.collect.reference import code_of

    (tmp_path / "a b.py").write_text("x = 1\n")
    good = code_of(tmp_path / "a b.py")
    (tmp_path / "a b.py").write_text("x = = 1\n")
    os.mkfifo(tmp_path / "pipe")

    assert code_of(tmp_path / "a b.py") not in ("", good)
    assert code_of(tmp_path / "pipe") == ""


def test_cases_that_two_jobs_save_at_once_are_all_kept(tmp_path) -> None:
    import subprocess
    import sys

    root = Path(__file__).parents[3]
    runs = ["batch_norm", "group_norm", "l1_norm", "rms_norm"]
    jobs = [
        subprocess.Popen(
            [sys.executable, "-m", "ncukit", "baseline", "save", str(root / "profiles/h200" / run)],
            cwd=tmp_path,
            env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin"},
            stderr=subprocess.DEVNULL,
        )
        for run in runs
    ]

    assert [job.wait() for job in jobs] == [0, 0, 0, 0]
    assert sorted(baseline.load(tmp_path / "profiles/baselines/main/h200.json").cases) == runs
