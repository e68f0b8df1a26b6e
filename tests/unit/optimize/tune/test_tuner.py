"""The search as a whole, with a session that answers from a table: what is asked, what is kept, what it comes to."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from tunable import ABOUT, Table, file, kernel, knobs_of, numbers, plan

from ncukit.errors import Exit, NcukitError
from ncukit.optimize import tune
from ncukit.optimize.session import Ended
from ncukit.optimize.tune import Tuned, Tuner, search
from ncukit.optimize.tune.facts import Facts
from ncukit.optimize.tune.record import Record, header

ONE = file("w = n // 32\ncopy[(1,)](x, y, n, BLOCK=1024, num_warps=w)")
"""A file with one number to turn: BLOCK, seven values."""
TWO = file(
    "w = n // 32\none[(1,)](x, y, n, BLOCK=1024, num_warps=w)\ntwo[(1,)](x, y, n, BLOCK=512, num_warps=w)",
    kernel("one"),
    kernel("two"),
)


MODEL = search.expected_improvements


@pytest.fixture(autouse=True)
def one_after_the_other(monkeypatch):
    """The model takes a moment each time, and these tests are about what is around it."""
    monkeypatch.setattr(search, "expected_improvements", lambda _, left: [1.0 / (1 + n) for n in range(len(left))])


class Bench:
    """A search that can be run again on the same record."""

    def __init__(self, tmp_path, code: str = ONE, **more) -> None:
        self.path = tmp_path / "runs" / "kernel.tune.jsonl"
        self.code = code
        self.more = {"budget": 7, **more}
        self.said: list[str] = []

    def record(self) -> Record:
        problem = plan(self.code).problem
        return Record(self.path, header(problem, ABOUT, knobs_of(self.code)))

    def run(self, table: Table, **more) -> Tuned:
        return Tuner(plan(self.code, **{**self.more, **more}), table, self.record(), self.said.append).run()


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(tmp_path)


def by_block(**special):
    """4096 is the best, then 8192; ``b2048="wrong"`` makes 2048 a wrong one."""

    def time_of(numbers):
        block = numbers["copy.BLOCK"]
        return special.get(f"b{block}", 110.0 if block == 8192 else 100.0 + 20 * math.log2(4096 / block))

    return time_of


def outcomes(tuned: Tuned) -> dict[int, str]:
    return {trial.setting[0]: trial.outcome for trial in tuned.trials}


# what is found


def test_the_best_setting_is_found_and_measured_once_more(bench):
    table = Table(by_block())
    tuned = bench.run(table)

    assert tuned.best == {0: (4096,)}
    assert tuned.code == ONE.replace("1024", "4096")
    assert tuned.better
    assert tuned.race is not None
    assert (tuned.race.ratio, tuned.race.before.median_us, tuned.race.after.median_us) == (1.4, 140.0, 100.0)
    assert table.kinds == ["first", *["trial"] * 6, "race"]
    assert sorted(n["copy.BLOCK"] for n in table.tried) == [128, 256, 512, 2048, 4096, 8192]
    assert {job["incumbent"] for job in table.jobs if "incumbent" in job} == {ONE}
    assert (table.jobs[-1]["before"], table.jobs[-1]["after"]) == (ONE, tuned.code)
    assert {trial.setting[0]: trial.ratio for trial in tuned.trials}[2048] == pytest.approx(140 / 120)
    assert tuned.stops == {0: "every setting was measured"}
    assert (tuned.about, tuned.interrupted, tuned.resumed) == (ABOUT, False, 0)
    assert "copy: BLOCK=4096" in bench.said


def test_the_model_finds_the_best_of_two_knobs_with_a_quarter_of_the_measurements(tmp_path, monkeypatch):
    monkeypatch.setattr(search, "expected_improvements", MODEL)
    code = file("copy[(1,)](x, y, n, BLOCK=1024, num_warps=4)")
    table = Table(
        lambda n: (
            100 * (1 + 0.2 * abs(math.log2(n["copy.BLOCK"] / 4096)) + 0.1 * abs(math.log2(n["copy.num_warps"] / 8)))
        )
    )
    tuned = Bench(tmp_path, code, budget=None).run(table)

    assert tuned.best == {0: (4096, 8)}
    assert len(tuned.trials) <= len(tuned.plan.knobs.groups[0].settings) // 4


@pytest.mark.parametrize("bad", ["wrong", "RuntimeError: no", "CUDA error: an illegal memory access"])
def test_what_is_wrong_or_fails_never_wins_however_fast(bench, bad):
    tuned = bench.run(Table(by_block(b4096=bad)))

    assert tuned.best == {0: (8192,)}
    (trial,) = [t for t in tuned.trials if t.setting == (4096,)]
    assert (trial.outcome, trial.ratio) == ("wrong" if bad == "wrong" else "failed", None)
    assert trial.note == ("its result differs from the reference's" if bad == "wrong" else bad)


def test_a_result_that_is_no_number_is_wrong(bench):
    table = Table(by_block())
    ask = table.ask

    def nan(job, *rest):
        answer = ask(job, *rest)
        return {**answer, "errors": [math.nan]} if "4096" in job.get("text", "").partition("copy[")[2][:40] else answer

    table.ask = nan
    tuned = bench.run(table)

    assert outcomes(tuned)[4096] == "wrong"
    assert tuned.best == {0: (8192,)}


@pytest.mark.parametrize(
    ("how", "message"), [("crashed", "the process ended by signal 11"), ("late", "no result after 120 s")]
)
def test_a_child_that_dies_is_a_failed_trial_and_the_search_goes_on(bench, how, message):
    table = Table(by_block(b2048=Ended(how, message)))
    tuned = bench.run(table)

    assert {t.note for t in tuned.trials if t.outcome == "failed"} == {message}
    assert [t.setting for t in tuned.trials if t.outcome == "failed"] == [(2048,)]
    assert tuned.best == {0: (4096,)}
    # a new process knows nothing: it begins with the file as it stands
    died = table.kinds.index("trial") + [n["copy.BLOCK"] for n in table.tried].index(2048)
    assert table.kinds[died : died + 3] == ["trial", "first", "trial"]


def test_an_error_that_leaves_the_process_alive_needs_no_new_one(bench):
    table = Table(by_block(b2048="out of resource: shared memory"))
    bench.run(table)

    assert table.kinds.count("first") == 1


def test_nothing_better_leaves_the_file_as_it_is(bench):
    tuned = bench.run(Table(lambda n: 100.0 if n["copy.BLOCK"] == 1024 else 99.6))  # less than noise

    assert (tuned.best, tuned.code, tuned.race, tuned.better) == ({}, ONE, None, False)


def test_what_does_not_hold_when_it_is_measured_again_is_not_better(bench):
    tuned = bench.run(Table(by_block(), final=(100.0, 99.9)))

    assert tuned.best == {0: (4096,)}
    assert tuned.race is not None
    assert not tuned.race.faster
    assert not tuned.better


def test_groups_are_settled_one_after_the_other_and_combined(tmp_path):
    def time_of(n):
        return 50 + 50 * abs(math.log2(n["one.BLOCK"] / 2048)) + 30 * abs(math.log2(n["two.BLOCK"] / 1024))

    bench = Bench(tmp_path, TWO, budget=12, order=(1, 0))
    table = Table(time_of)
    tuned = bench.run(table)

    assert tuned.best == {1: (1024,), 0: (2048,)}
    assert numbers(tuned.code) == {"one.BLOCK": 2048, "two.BLOCK": 1024}
    assert tuned.race.ratio == pytest.approx(130 / 50)
    assert [t.before for t in tuned.trials] == [()] * 6 + [((1, (1024,)),)] * 6
    assert {n["one.BLOCK"] for n in table.tried[:6]} == {1024}
    assert {n["two.BLOCK"] for n in table.tried[6:]} == {1024}
    # what the first group gained is no gain of the second one
    nothing = Bench(tmp_path / "2", TWO, budget=12, order=(1, 0)).run(Table(lambda n: 50.0 + (n["two.BLOCK"] != 1024)))
    assert nothing.best == {1: (1024,)}


def test_the_same_machine_code_takes_over_what_its_twin_measured(bench):
    table = Table(by_block(), same=lambda n: "small" if n["copy.BLOCK"] <= 512 else repr(n))
    tuned = bench.run(table)
    trials = {t.setting[0]: t for t in tuned.trials}

    assert outcomes(tuned) == {
        128: "measured",
        256: "same",
        512: "same",
        2048: "measured",
        4096: "measured",
        8192: "measured",
    }
    assert (trials[512].ratio, trials[512].median_us) == (trials[128].ratio, trials[128].median_us)
    assert trials[512].note == "the machine code and grid of BLOCK=256"
    assert [job["known"] for job in table.jobs if "incumbent" in job][:2] == [[], ["small"]]


def test_an_autotuned_kernel_is_held_against_what_its_autotuner_chose(tmp_path):
    configs = "[triton.Config({'BLOCK': 64}, num_warps=2), triton.Config({'BLOCK': 256}, num_warps=2)]"
    code = file("copy[(1,)](x, y, n)", kernel(decorators=f"@triton.autotune({configs}, key=['n'])\n@triton.jit"))
    table = Table(lambda n: {64: 100.0, 256: 90.0, 512: 70.0}.get(n.get("tuned.BLOCK", 256), 120.0))
    tuned = Bench(tmp_path, code, budget=12).run(table)

    assert [t.setting for t in tuned.trials][:2] == [(64, 2), (256, 2)]
    assert tuned.trials[0].why == "one of its own configurations"
    assert tuned.best[0][0] == 512
    assert tuned.race.ratio == pytest.approx(90 / 70)


def test_what_compiling_ruled_out_is_not_run(bench):
    table = Table(by_block())
    tuned = bench.run(table, facts=(Facts(ruled_out={(4096,): "it spills"}),))

    assert 4096 not in [n["copy.BLOCK"] for n in table.tried]
    assert tuned.best == {0: (8192,)}


def test_what_the_findings_suggest_comes_first(bench):
    table = Table(by_block())
    tuned = bench.run(table, suggested=({(8192,): "LAT201"},))

    assert table.tried[0] == {"copy.BLOCK": 8192}
    assert tuned.trials[0].why == "LAT201"


# when it ends


def test_a_budget_is_for_all_groups_together(tmp_path):
    table = Table(lambda n: 100.0 - n["one.BLOCK"] / 1000 - n["two.BLOCK"] / 1000)
    tuned = Bench(tmp_path, TWO, budget=8).run(table)

    assert len(tuned.trials) == 8
    assert [t.group for t in tuned.trials] == [0] * 6 + [1] * 2
    assert tuned.stops == {
        0: "every setting was measured",
        1: "8 trials were made, as many as were allowed",
    }


def test_without_a_budget_a_quarter_of_a_groups_settings_is_tried(bench):
    tuned = bench.run(Table(by_block()), budget=None)

    assert len(tuned.trials) == search.budget_of(7) == 4
    assert tuned.stops == {0: "4 settings were measured, as many as were to be"}


def test_the_time_is_kept_to(bench, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(tune.time, "monotonic", lambda: now[0])
    table = Table(by_block())
    ask = table.ask

    def slow(*job):
        now[0] += 40.0
        return ask(*job)

    table.ask = slow
    tuned = bench.run(table, seconds=90.0)

    assert table.kinds == ["first", "trial", "trial"]  # 120 s, so no third one
    assert tuned.stops == {0: "1.5 minutes were up"}


# what is kept


def interrupting(table: Table, at: int) -> Table:
    """Ctrl-C while the job of this number runs."""
    ask = table.ask

    def ask_until(*job):
        if len(table.jobs) == at:
            table.running = False
            raise KeyboardInterrupt
        return ask(*job)

    table.ask = ask_until
    return table


@pytest.mark.parametrize("at", range(8))
def test_an_interrupted_search_goes_on_where_it_was(bench, at):
    whole = Bench(bench.path.parent.parent / "other").run(Table(by_block()))
    cut = bench.run(interrupting(Table(by_block()), at))

    assert cut.interrupted
    assert cut.race is None
    assert [t.setting for t in cut.trials] == [t.setting for t in whole.trials][: max(0, at - 1)]
    assert bench.record().trials == list(cut.trials)

    table = Table(by_block())
    found = bench.run(table)
    assert [t.setting for t in found.trials] == [t.setting for t in whole.trials]
    assert (found.best, found.race, found.interrupted, found.resumed) == (
        whole.best,
        whole.race,
        False,
        len(cut.trials),
    )
    missing = len(whole.trials) - len(cut.trials)
    assert table.kinds == (["first"] if missing else []) + ["trial"] * missing + ["race"]


def test_an_interrupted_search_has_the_best_so_far(bench):
    tuned = bench.run(interrupting(Table(by_block()), 6))

    assert [t.setting[0] for t in tuned.trials] == [128, 256, 512, 2048, 4096]
    assert tuned.best == {0: (4096,)}
    assert tuned.better
    assert tuned.code == ONE.replace("1024", "4096")
    assert tuned.stops == {}


def test_after_its_end_a_search_is_shown_again_without_measuring(bench):
    first = bench.run(Table(by_block()))
    table = Table(lambda _: pytest.fail("nothing is to be measured"))
    again = bench.run(table)

    assert table.jobs == []
    assert (again.best, again.race, again.code) == (first.best, first.race, first.code)
    assert (again.trials, again.resumed) == (first.trials, 6)


def test_a_search_of_two_groups_asks_nothing_that_it_knows(tmp_path):
    def time_of(n):
        return 50 + 50 * abs(math.log2(n["one.BLOCK"] / 2048)) + 30 * abs(math.log2(n["two.BLOCK"] / 1024))

    bench = Bench(tmp_path, TWO, budget=8)
    first = bench.run(Table(time_of))
    assert len(first.trials) == 8

    table = Table(time_of)
    assert bench.run(table).race == first.race
    assert table.jobs == [], "a budget is spent once"

    more = Table(time_of)
    assert len(bench.run(more, budget=12).trials) == 12
    assert more.kinds == ["first", *["trial"] * 4, "race"]


def test_a_result_that_was_edited_is_measured_again(bench):
    bench.run(Table(by_block()))
    text = bench.path.read_text()
    bench.path.write_text(text.replace('"ratio": 1.4, "low"', '"ratio": [], "low"').replace('"runs": 9', '"runs": "x"'))
    assert bench.path.read_text().splitlines()[-1] != text.splitlines()[-1]
    # a trial's own numbers are as they were
    lines = [*text.splitlines()[:-1], bench.path.read_text().splitlines()[-1]]
    bench.path.write_text("\n".join(lines) + "\n")
    table = Table(by_block())

    assert bench.run(table).race.ratio == 1.4
    assert table.kinds == ["race"]


def test_trials_beside_another_settled_setting_are_not_taken(tmp_path):
    bench = Bench(tmp_path, TWO, budget=12)
    bench.run(Table(lambda n: 100.0 - n["one.BLOCK"] / 1000))
    record = bench.record()
    others = [replace(t, before=((0, (2048,)),)) for t in record.trials if t.group == 1]
    assert others
    bench.path.unlink()
    kept = bench.record()
    for trial in others:
        kept.add(trial)

    tuned = bench.run(Table(lambda n: 100.0 - n["one.BLOCK"] / 1000))
    assert len([t for t in tuned.trials if t.group == 1 and t.before == ((0, (8192,)),)]) == 6


# the file as it stands


@pytest.mark.parametrize("what", ["ValueError: odd", Ended("crashed", "the process ended by signal 11", "core dumped")])
def test_a_file_that_does_not_run_is_an_error(bench, what):
    with pytest.raises(NcukitError, match=r"kernel\.py does not run as it stands") as caught:
        bench.run(Table(lambda _: what))

    assert caught.value.exit_code == Exit.ENVIRONMENT
    assert ("odd" in caught.value.message) or (caught.value.detail == "core dumped")
    assert not bench.path.exists()


def test_a_file_that_is_wrong_is_not_tuned(bench):
    with pytest.raises(
        NcukitError, match=r"kernel\.py is not right as it stands: it differs from Model by 2e\+03 times"
    ):
        bench.run(Table(lambda _: "wrong"))

    assert not bench.path.exists()


def test_a_last_comparison_that_fails_leaves_the_record(bench):
    table = Table(by_block())
    ask = table.ask

    def failing(job, *rest):
        if job["do"] == "race":
            raise Ended("memory", "the process took more than 32 GiB of host memory")
        return ask(job, *rest)

    table.ask = failing
    with pytest.raises(NcukitError, match="more than 32 GiB"):
        bench.run(table)
    assert len(bench.record().trials) == 6
