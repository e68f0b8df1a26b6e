"""The loop: what is asked, checked, raced and kept, when it stops, and that a kill costs one round at most."""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING

import pytest
from bench import EMPTY, ENDLESS, FAILED, LATE, START, Bench, answer, time_of

from ncukit.collect.reference import reference
from ncukit.errors import NcukitError
from ncukit.optimize.folder import Folder
from ncukit.optimize.journal import Limits, Outcome, against_start
from ncukit.optimize.tools import Known
from ncukit.optimize.verdict import Case, Checked

if TYPE_CHECKING:
    from pathlib import Path


def outcomes(outcome: Outcome) -> list[str]:
    return [entry.round.outcome for entry in outcome.entries]


def test_faster_answers_become_the_best_and_the_next_brief_starts_from_them(tmp_path) -> None:
    bench = Bench(tmp_path, answer(50), answer(60), answer(25))
    found = bench.run(Limits(rounds=3))

    assert outcomes(found) == ["faster", "no faster", "faster"]
    assert [entry.round.ratio for entry in found.entries] == [2.0, pytest.approx(50 / 60), 2.0]
    assert [entry.against for entry in found.entries] == [0, 1, 1]
    assert [time_of(moment.code) for moment in bench.briefs] == [100, 50, 50]
    assert found.best == 3
    assert bench.races == [(100, 100), (100, 50), (50, 60), (50, 25), (100, 25)]
    assert against_start(found.entries) == pytest.approx({0: 1, 1: 2, 2: 100 / 60, 3: 4})
    assert bench.file.read_text() == START
    best = (bench.place / "best.py").read_text()
    assert time_of(best) == 25
    assert reference(ast.parse(best)) == reference(ast.parse(START))
    assert best.startswith("# round 3 of ncukit optimize; Model, get_inputs, get_init_inputs are those of ")


def test_every_round_leaves_all_of_it_on_disk(tmp_path) -> None:
    bench = Bench(tmp_path, answer(50), answer(40, "wrong = 1"))
    bench.run(Limits(rounds=2))

    assert {path.name for path in (bench.place / "round-01").iterdir()} == {
        "answer.md", "brief.md", "kernel.py", "round.json", "stderr.txt", "timing.json", "verdict.json",
    }  # fmt: skip
    assert {path.name for path in (bench.place / "round-02").iterdir()} == {
        "answer.md", "brief.md", "round.json", "stderr.txt", "verdict.json",
    }  # fmt: skip
    assert (bench.place / "round-01/brief.md").read_text() == f"new\n{START}"
    assert (bench.place / "round-01/answer.md").read_text() == answer(50)
    assert (bench.place / "round-01/stderr.txt").read_text() == "thinking\n"
    verdict = json.loads((bench.place / "round-02/verdict.json").read_text())
    assert (verdict["verdict"], verdict["reasons"][0]["code"]) == ("refused", "wrong-values")
    assert json.loads((bench.place / "round-01/timing.json").read_text())["ratio"] == 2.0
    assert (bench.place / "start/kernel.py").read_text() == START


def test_a_refused_answer_is_never_run_and_goes_back_with_its_code_and_the_exact_reasons(tmp_path) -> None:
    bench = Bench(tmp_path, answer(10, "wrong = 1"), answer(50))
    found = bench.run(Limits(rounds=2))

    assert outcomes(found) == ["refused", "faster"]
    assert bench.races == [(100, 100), (100, 50), (100, 50)], "the refused one is in none"
    assert bench.briefs[0].repair is None
    code, reasons = bench.briefs[1].repair
    assert "wrong = 1" in code
    assert "I keep the row" not in code
    assert [(reason.code, reason.line, reason.message, reason.instead) for reason in reasons] == [
        ("wrong-values", 9, "half is missing", "write it")
    ]
    assert bench.briefs[1].stage == "stage-1", "it stays in its stage"
    assert [entry.repair for entry in found.entries] == [False, True]


@pytest.mark.parametrize(
    ("repairs", "expected"), [(0, "new " * 4), (1, "new repair " * 2), (2, "new repair repair new ")]
)
def test_after_so_many_repairs_the_next_brief_is_a_new_one(tmp_path, repairs, expected) -> None:
    bench = Bench(tmp_path, answer(10, "wrong = 1"))
    found = bench.run(Limits(rounds=4), repairs=repairs)
    assert "".join("repair " if moment.repair else "new " for moment in bench.briefs) == expected
    assert outcomes(found) == ["refused"] * 4


def test_a_brief_knows_all_rounds_before_it(tmp_path) -> None:
    bench = Bench(tmp_path, answer(50), EMPTY, answer(40, "wrong = 1"), answer(45))
    bench.run(Limits(rounds=4))
    last = bench.briefs[-1].rounds
    assert [(one.number, one.outcome, one.ratio) for one in last] == [
        (1, "faster", 2.0), (2, "no answer", None), (3, "refused", None),
    ]  # fmt: skip
    assert last[0].summary == "I keep the row in registers."
    assert last[2].reasons[0].message == "half is missing"


@pytest.mark.parametrize(
    ("given", "outcome", "code"),
    [
        (EMPTY, "no answer", "empty"),
        (LATE, "late", "late"),
        (FAILED, "failed", "failed"),
        (ENDLESS, "failed", "endless"),
        ("I cannot help with that.", "refused", "no-code"),
    ],
)
def test_what_is_no_answer_is_recorded_and_the_loop_goes_on(tmp_path, given, outcome, code) -> None:
    bench = Bench(tmp_path, given, answer(50))
    found = bench.run(Limits(rounds=2))
    assert outcomes(found) == [outcome, "faster"]
    assert found.entries[0].round.reasons[0].code == code
    text = given if isinstance(given, str) else given.text
    assert (bench.place / "round-01/answer.md").read_text() == text
    assert bench.checked.count("answer.md") == (2 if isinstance(given, str) else 1), "no text is looked at in vain"


def test_the_gain_is_one_measurement_of_start_and_best_and_no_product(tmp_path) -> None:
    bench = Bench(tmp_path, answer(50), answer(25))
    bench.final_us = 26.0
    found = bench.run(Limits(rounds=2))
    assert against_start(found.entries)[2] == 4.0
    assert found.gain.ratio == pytest.approx(100 / 26)
    assert found.holds
    assert found.again.verdict == "accepted"
    assert bench.checked[-1] == "best.py", "the whole file was checked"


def test_a_gain_that_is_gone_when_measured_again_does_not_hold(tmp_path) -> None:
    bench = Bench(tmp_path, answer(90))
    bench.final_us = 100.0
    found = bench.run(Limits(rounds=1))
    assert (found.best, found.gain.ratio, found.holds) == (1, 1.0, False)
    assert found.exit_code == 0


def test_a_best_that_is_refused_as_a_whole_file_does_not_hold(tmp_path) -> None:
    bench = Bench(tmp_path, answer(50))
    bench.file.write_text(START.replace("size = 8", "size = 8\nnote = 'wrong'").replace("[size]", "[size, note]"))
    found = bench.run(Limits(rounds=1))
    assert (found.again.verdict, found.gain.faster, found.holds) == ("refused", True, False)


def test_unproven_on_the_gpu_may_race_and_keeps_its_doubts(tmp_path) -> None:
    bench = Bench(tmp_path, answer(50))
    right = Case(name="own sizes", outcome="right")
    bench.check_says = Checked(
        path="", verdict="unproven", unproven=("bfloat16 was declined",), cases=(right,), where="NVIDIA H200"
    )
    found = bench.run(Limits(rounds=1))
    assert outcomes(found) == ["faster"]
    assert (found.entries[0].verdict, found.entries[0].unproven) == ("unproven", ("bfloat16 was declined",))


@pytest.mark.parametrize(
    ("where", "seen"), [("Triton's interpreter", "right"), ("", "right"), ("NVIDIA H200", "declined")]
)
def test_what_was_never_right_on_a_gpu_is_not_raced(tmp_path, where, seen) -> None:
    bench = Bench(tmp_path, answer(50))
    bench.check_says = Checked(
        path="", verdict="unproven", unproven=("no GPU",), cases=(Case(name="own", outcome=seen),), where=where
    )
    found = bench.run(Limits(rounds=1))
    assert outcomes(found) == ["refused"]
    assert found.entries[0].round.reasons[0].code == "not-proven"
    assert bench.races == [(100, 100)]
    assert found.exit_code == 4


def test_a_kernel_that_fails_when_it_is_timed_is_refused(tmp_path) -> None:
    bench = Bench(tmp_path, answer(-1), answer(50))
    found = bench.run(Limits(rounds=2))
    assert outcomes(found) == ["refused", "faster"]
    assert found.entries[0].round.reasons[0].code == "fails-when-timed"
    assert "out of memory" in bench.briefs[1].repair[1][0].message


def test_an_answer_that_takes_the_problems_names_is_told_so(tmp_path) -> None:
    bench = Bench(tmp_path, answer(50).replace("TIME = 50", "size = 9\nTIME = 50"), answer(50))
    found = bench.run(Limits(rounds=2))
    assert outcomes(found) == ["refused", "faster"]
    assert "the answer defines size" in found.entries[0].round.reasons[0].message


# stopping


def test_rounds_are_used_up(tmp_path) -> None:
    found = Bench(tmp_path, answer(120)).run(Limits(rounds=2))
    assert (found.stop.code, found.stop.reason) == ("rounds", "2 rounds are used up")
    assert (found.best, found.gain, found.exit_code) == (0, None, 0)


def test_nothing_is_asked_of_a_kernel_at_its_roof(tmp_path) -> None:
    bench = Bench(tmp_path, answer(50))
    bench.left_at = 100
    found = bench.run()
    assert (found.stop.code, found.stop.reason) == ("nothing-left", "it runs at the DRAM roof")
    assert (bench.briefs, found.entries, found.exit_code) == ([], (), 0)


def test_the_loop_ends_when_the_best_reaches_the_roof(tmp_path) -> None:
    bench = Bench(tmp_path, answer(80), answer(50), answer(10))
    bench.left_at = 60
    found = bench.run()
    assert (found.stop.code, len(found.entries), found.best) == ("nothing-left", 2, 2)
    assert [time_of(code) for code in bench.studied] == [100, 80, 50], "each best once"


def test_minutes_are_used_up(tmp_path, monkeypatch) -> None:
    clock = Clock(monkeypatch, 40)
    bench = Bench(tmp_path, answer(120))
    found = bench.run(Limits(minutes=2))
    assert found.stop.code == "minutes"
    assert 1 <= len(found.entries) < 4
    assert clock.now > 120


class Clock:
    """Time that passes by so much with each look."""

    def __init__(self, monkeypatch, step: float) -> None:
        self.now, self.step = 0.0, step
        monkeypatch.setattr("ncukit.optimize.loop.time.monotonic", self)

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def test_the_agent_gets_no_more_time_than_there_is_and_is_not_blamed_for_it(tmp_path) -> None:
    bench = Bench(tmp_path, LATE)
    found = bench.run(Limits(minutes=0.002, agent_timeout_s=300))
    assert bench.asked_s
    assert max(bench.asked_s) < 300
    assert found.entries == ()
    assert found.stop.code == "minutes"


def test_an_agent_that_gives_no_answer_three_times_in_a_row_is_given_up(tmp_path) -> None:
    bench = Bench(tmp_path, EMPTY, FAILED, answer(120), FAILED, LATE, FAILED)
    found = bench.run(Limits(rounds=20))
    assert outcomes(found) == ["no answer", "failed", "no faster", "failed", "late", "failed"]
    assert found.stop.code == "agent"
    assert found.stop.reason == "the agent gave no answer 3 times in a row: exit code 1: no credit"


def test_a_run_in_which_nothing_was_measured_judges_nothing(tmp_path) -> None:
    assert Bench(tmp_path, FAILED).run().exit_code == 4


def test_ctrl_c_keeps_all_and_the_same_call_goes_on(tmp_path) -> None:
    bench = Bench(tmp_path, answer(50), KeyboardInterrupt())
    found = bench.run(Limits(rounds=3))
    assert (found.stop.code, found.exit_code, found.best, found.gain) == ("interrupted", 130, 1, None)
    assert outcomes(found) == ["faster"]

    bench.script = (answer(50), answer(25), answer(30))
    found = bench.run(Limits(rounds=3))
    assert outcomes(found) == ["faster", "faster", "no faster"]
    assert found.gain.ratio == 4.0
    assert bench.races.count((100, 100)) == 1, "the start is timed once"
    assert "going on with" in bench.told[bench.told.index("round 1: faster, 2.000x the speed of the start") + 2 :][1]


def test_a_finished_run_goes_on_with_more_rounds(tmp_path) -> None:
    bench = Bench(tmp_path, answer(50), answer(25))
    assert len(bench.run(Limits(rounds=1)).entries) == 1
    assert len(bench.run(Limits(rounds=1)).entries) == 1, "with the same, it only ends again"
    found = bench.run(Limits(rounds=2))
    assert outcomes(found) == ["faster", "faster"]
    assert found.entries[1].spent_s >= found.entries[0].spent_s


def test_an_agent_that_was_given_up_gets_three_new_chances(tmp_path) -> None:
    bench = Bench(tmp_path, FAILED)
    bench.run()
    bench.script = (FAILED, FAILED, FAILED, answer(50))
    found = bench.run(Limits(rounds=4))
    assert outcomes(found) == ["failed", "failed", "failed", "faster"]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"scope": "own"}, "scope was wide and is own"),
        ({"agent": "another"}, "agent was agent and is another"),
        ({"sizes": {"size": "9"}}, "sizes was nothing and is size=9"),
        ({"versions": {"triton": "3.7.1"}}, "versions was triton=3.6.0 and is triton=3.7.1"),
    ],
)
def test_a_run_does_not_go_on_with_other_settings(tmp_path, changed, says) -> None:
    bench = Bench(tmp_path, answer(50))
    bench.run(Limits(rounds=1))
    with pytest.raises(NcukitError, match="other settings") as caught:
        bench.run(Limits(rounds=2), **changed)
    assert says in caught.value.message
    assert caught.value.exit_code == 2
    assert len(bench.briefs) == 1


def test_a_run_does_not_go_on_from_a_changed_file(tmp_path) -> None:
    bench = Bench(tmp_path, answer(50))
    bench.run(Limits(rounds=1))
    bench.file.write_text(START + "# changed\n")
    with pytest.raises(NcukitError, match=r"kernel\.py was changed since"):
        bench.run(Limits(rounds=2))


def test_an_agent_that_edits_the_file_is_found_out_before_its_answer_is_looked_at(tmp_path) -> None:
    bench = Bench(tmp_path, answer(50))
    ask = bench._ask

    def edit(brief: str, seconds: float) -> object:
        bench.file.write_text(START.replace("[size]", "[0]"))
        return ask(brief, seconds)

    bench._ask = edit  # type: ignore[method-assign]
    with pytest.raises(NcukitError, match="was changed while the agent ran"):
        bench.run()
    assert bench.checked == []
    bench.file.write_text(START)
    bench._ask = ask  # type: ignore[method-assign]
    assert outcomes(bench.run(Limits(rounds=1))) == ["faster"]


def test_a_start_that_cannot_be_timed_leaves_nothing_behind(tmp_path) -> None:
    bench = Bench(tmp_path, answer(50))
    bench.file.write_text(START.replace("TIME = 100.0", "TIME = -1.0"))
    with pytest.raises(Exception, match="timing ended in an error"):
        bench.run()
    assert not bench.place.exists()
    assert bench.briefs == []


def test_a_tool_that_breaks_ends_the_call_and_not_the_run(tmp_path) -> None:
    bench = Bench(tmp_path, answer(50), answer(25))
    check = bench._check

    def broken(path: Path) -> Checked:
        if len(bench.briefs) == 2:
            raise NcukitError("the GPU is gone", exit_code=3)
        return check(path)

    bench._check = broken  # type: ignore[method-assign]
    with pytest.raises(NcukitError, match="the GPU is gone"):
        bench.run(Limits(rounds=2))
    bench._check = check  # type: ignore[method-assign]
    found = bench.run(Limits(rounds=2))
    assert outcomes(found) == ["faster", "faster"]
    assert len(bench.briefs) == 3, "only the round that broke was asked again"


def test_what_could_not_be_had_is_said_once(tmp_path) -> None:
    bench = Bench(tmp_path, answer(80), answer(50))
    bench.known = Known(notes=("going on without metrics: no permission",))
    found = bench.run(Limits(rounds=2))
    assert bench.told.count("note: going on without metrics: no permission") == 1
    assert found.notes == ("going on without metrics: no permission",)
    assert len(bench.studied) == 3


# killed


class Killed(BaseException):
    """The process is gone."""


SCRIPT = (answer(50, "wrong = 1"), answer(50), EMPTY, answer(60), answer(25))


def test_a_kill_at_any_write_leaves_a_folder_that_the_same_call_finishes(tmp_path, monkeypatch) -> None:
    (tmp_path / "whole").mkdir()
    expected = essence(Bench(tmp_path / "whole", *SCRIPT).run(Limits(rounds=5)))
    write = Folder.write
    for after in (False, True):
        for victim in range(1, 200):
            folder = tmp_path / f"{victim}-{after}"
            folder.mkdir()
            bench = Bench(folder, *SCRIPT)
            position = 0

            def killing(self: Folder, path: Path, text: str, victim: int = victim, after: bool = after) -> None:
                nonlocal position
                position += 1
                if position == victim and not after:
                    raise Killed
                write(self, path, text)
                if position == victim:
                    raise Killed

            with monkeypatch.context() as patched:
                patched.setattr(Folder, "write", killing)
                try:
                    bench.run(Limits(rounds=5))
                except Killed:
                    pass
                else:
                    break  # there are no more writes
            assert essence(bench.run(Limits(rounds=5))) == expected, (
                f"killed {'after' if after else 'at'} write {victim}"
            )
            best = bench.place / "best.py"
            assert time_of(best.read_text()) == 25
            assert not list(bench.place.rglob(".*.json*"))
        assert victim > 20


def essence(outcome: Outcome) -> object:
    """What a run ended with, without its times and folder."""
    rounds = [
        (e.round.number, e.round.stage, e.round.outcome, e.round.ratio, e.repair, e.against, e.verdict, e.round.summary)
        for e in outcome.entries
    ]
    return rounds, outcome.best, outcome.gain, outcome.stop, outcome.holds


def test_rounds_that_a_kill_left_half_done_are_swept_away(tmp_path) -> None:
    bench = Bench(tmp_path, answer(50), answer(40))
    bench.run(Limits(rounds=1))
    half = bench.place / "round-02"
    half.mkdir()
    (half / "answer.md").write_text("half an ans")
    (half / "profile").mkdir()
    bench.run(Limits(rounds=2))
    assert (half / "answer.md").read_text() == answer(40)
    assert not (half / "profile").exists()


def test_answers_are_hostile_text_until_the_end(tmp_path) -> None:
    evil = answer(50).replace("I keep the row in registers.", "\x1b]0;owned\x07\x1b[2J::error::x")
    found = Bench(tmp_path, evil).run(Limits(rounds=1))
    assert found.entries[0].round.summary == "?]0;owned??[2J::error::x That saves a pass."


def test_a_repair_that_does_not_fit_is_not_sent_and_a_new_brief_is(tmp_path) -> None:
    bench = Bench(tmp_path, answer(10, "wrong = 1"), answer(50))
    write = bench._brief

    def bounded(moment):
        if moment.repair:
            raise NcukitError("the brief cannot be shorter than 900 tokens, and 800 are allowed")
        return write(moment)

    bench._brief = bounded
    found = bench.run(Limits(rounds=2))
    assert outcomes(found) == ["refused", "faster"]
    assert [entry.repair for entry in found.entries] == [False, False]
    assert "900 tokens" in found.notes[0]


def test_a_run_goes_on_with_another_bound_of_its_briefs(tmp_path) -> None:
    bench = Bench(tmp_path, answer(50))
    bench.run(Limits(rounds=1), max_tokens=800)
    assert len(bench.run(Limits(rounds=2), max_tokens=2000).entries) == 2


def test_a_call_that_the_minutes_cut_short_is_told_and_judges_nothing(tmp_path) -> None:
    found = Bench(tmp_path, LATE).run(Limits(minutes=0.002, agent_timeout_s=300))
    assert (found.entries, found.cut_short, found.exit_code) == ((), True, 4)
    assert "cut short" in found.stop.reason
