"""A run on disk: what it may be written into, what it continues, and what it refuses to touch."""

from __future__ import annotations

import errno
import json
import os
import stat

import pytest
from bench import START, Bench, answer, raced

from ncukit.errors import NcukitError
from ncukit.optimize.folder import Folder, check_folder
from ncukit.optimize.journal import Entry, Limits
from ncukit.optimize.verdict import Reason, Round


@pytest.fixture
def settings(tmp_path):
    return Bench(tmp_path).settings()


@pytest.fixture
def held(tmp_path, settings):
    with Folder(tmp_path / "run", settings) as folder:
        folder.begin(Limits(), START)
        yield folder


def entry(number: int, outcome: str = "no faster", ratio: float | None = 0.9) -> Entry:
    reason = Reason(code="late", line=None, message="it was late")
    return Entry(
        round=Round(number=number, stage="memory", outcome=outcome, ratio=ratio, reasons=(reason,)), spent_s=number
    )


def test_nothing_is_written_before_it_is_entered(tmp_path, settings) -> None:
    folder = Folder(tmp_path / "a/b", settings)
    assert not check_folder(tmp_path / "a/b", settings)
    assert not (tmp_path / "a").exists()
    with folder:
        assert (tmp_path / "a/b").is_dir()


def test_rounds_are_read_back_as_they_were_kept(held) -> None:
    kept = [entry(1, "late", None), entry(2)]
    for one in kept:
        held.clear(one.round.number)
        held.finish(one)
    assert held.entries() == kept


def test_a_race_is_read_back_as_it_was_kept(held) -> None:
    held.keep_race(0, raced(100, 50))
    assert held.race(0) == raced(100, 50)
    assert held.race(7) is None
    (held.place / "start/timing.json").write_text('{"before": 3}')
    assert held.race(0) is None


def test_a_round_without_its_last_file_does_not_count_and_neither_do_later_ones(held) -> None:
    for number in (1, 2, 3):
        held.clear(number)
        held.finish(entry(number))
    (held.place / "round-02/round.json").unlink()
    assert [one.round.number for one in held.entries()] == [1]
    held.clear(2)
    assert sorted(path.name for path in held.place.glob("round-*")) == ["round-01", "round-02"]
    assert list((held.place / "round-02").iterdir()) == []


def test_best_follows_the_finished_rounds(held) -> None:
    held.clear(1)
    held.write(held.place / "round-01/kernel.py", "fast")
    held.keep_best(1)  # and here the process was killed
    held.settle()
    assert not (held.place / "best.py").exists()
    held.finish(entry(1, "faster", 2.0))
    (held.place / "best.py").unlink()
    held.settle()
    assert (held.place / "best.py").read_text() == "fast"


def test_a_damaged_round_is_told_and_not_done_again_in_silence(held) -> None:
    held.clear(1)
    held.finish(entry(1))
    (held.place / "round-01/round.json").write_text("{")
    with pytest.raises(NcukitError, match=r"round-01/round\.json is damaged") as caught:
        held.entries()
    assert caught.value.next_command.startswith("rm -r ")


@pytest.mark.parametrize("what", ["thesis.tex", "optimize.txt", "round-01/x"])
def test_a_folder_with_other_things_is_left_alone(tmp_path, settings, what) -> None:
    (tmp_path / "run" / what).parent.mkdir(parents=True)
    (tmp_path / "run" / what).touch()
    with pytest.raises(NcukitError, match="is no run of ncukit optimize"):
        Folder(tmp_path / "run", settings)
    (tmp_path / "file").touch()
    with pytest.raises(NcukitError, match="is no run of ncukit optimize"):
        Folder(tmp_path / "file", settings)


def test_a_folder_that_a_call_left_at_once_is_as_good_as_new(tmp_path, settings) -> None:
    with Folder(tmp_path / "run", settings):
        pass
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]
    assert not check_folder(tmp_path / "run", settings)


def test_settings_that_nobody_can_read_are_told(tmp_path, settings) -> None:
    (tmp_path / "run").mkdir()
    for text in ("", "{}", '{"settings": {"file": 3}}', '{"settings": {"colour": "red"}}', "[]"):
        (tmp_path / "run/optimize.json").write_text(text)
        with pytest.raises(NcukitError, match=r"optimize\.json cannot be read"):
            check_folder(tmp_path / "run", settings)


def test_the_machine_is_not_compared_before_it_is_known(tmp_path, settings) -> None:
    bench = Bench(tmp_path)
    with Folder(tmp_path / "run", settings) as folder:
        folder.begin(Limits(), START)
    assert check_folder(tmp_path / "run", bench.settings(gpu="", versions={}))
    with pytest.raises(NcukitError, match="gpu was NVIDIA H200 and is NVIDIA L4"):
        check_folder(tmp_path / "run", bench.settings(gpu="NVIDIA L4"))


def test_two_calls_do_not_share_a_folder(held, settings) -> None:
    with pytest.raises(NcukitError, match="in use by another"), Folder(held.place, settings):
        pass


def test_a_call_that_ended_lets_go(tmp_path, settings) -> None:
    entered = 0
    for _ in range(2):
        with Folder(tmp_path / "run", settings):
            entered += 1

    assert entered == 2


def test_files_appear_whole_or_not_at_all(held, monkeypatch) -> None:
    held.write(held.place / "a.txt", "before")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(NcukitError, match="No space left on device"):
            held.write(held.place / "a.txt", "after")
    assert (held.place / "a.txt").read_text() == "before"
    assert {path.name for path in held.place.iterdir()} == {".lock", "a.txt", "optimize.json", "start"}
    assert stat.S_IMODE((held.place / "a.txt").stat().st_mode) == 0o644


def test_texts_are_kept_byte_by_byte(held) -> None:
    held.write(held.place / "answer.md", "a\r\nb\ud800µ\n")
    assert (held.place / "answer.md").read_bytes() == b"a\r\nb?\xc2\xb5\n"


def test_what_the_run_is_stands_in_its_first_file(tmp_path) -> None:
    Bench(tmp_path, answer(50)).run(Limits(rounds=1, minutes=2), agent="claude -p", sizes={"size": "4"})
    document = json.loads((tmp_path / "run/optimize.json").read_text())
    assert document["schema_version"] == 1
    assert document["settings"]["agent"] == "claude -p"
    assert document["settings"]["sizes"] == {"size": "4"}
    assert document["settings"]["versions"] == {"triton": "3.6.0"}
    assert document["limits"] == {"rounds": 1, "minutes": 2, "agent_timeout_s": 300.0}


@pytest.mark.parametrize(
    ("name", "value"),
    [("median_us", "x"), ("ratio", None), ("ratio", float("nan")), ("low", -1.0), ("ratio", 10**400)],
)
def test_an_edited_race_is_no_race(held, name, value) -> None:
    held.keep_race(0, raced(100, 50))
    path = held.place / "start/timing.json"
    document = json.loads(path.read_text())
    (document["before"] if name == "median_us" else document)[name] = value
    path.write_text(json.dumps(document))
    assert held.race(0) is None


@pytest.mark.parametrize("ratio", [float("nan"), float("inf"), -3.0, 0.0, None])
def test_a_round_with_a_ratio_that_cannot_be_is_damaged(held, ratio) -> None:
    held.clear(1)
    held.finish(entry(1))
    path = held.place / "round-01/round.json"
    document = json.loads(path.read_text())
    document["round"]["ratio"] = ratio
    path.write_text(json.dumps(document))
    with pytest.raises(NcukitError, match=r"round-01/round\.json is damaged: .*ratio"):
        held.entries()


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, 3), (errno.EDQUOT, 3), (errno.EACCES, 2)])
def test_a_full_disk_is_the_machines_fault(held, monkeypatch, number, code) -> None:
    def full(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("ncukit.optimize.folder.os.fsync", full)
    with pytest.raises(NcukitError, match="cannot write") as caught:
        held.write(held.place / "x", "text")
    assert caught.value.exit_code == code
