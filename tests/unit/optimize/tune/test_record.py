"""What a search keeps: whole at any time, only for the very same search, and never another file's end."""

from __future__ import annotations

import ast
import json
import os
from pathlib import Path

import pytest
from tunable import ABOUT, file, kernel, knobs_of

from ncukit.errors import Exit, NcukitError
from ncukit.optimize.problem import Problem
from ncukit.optimize.tune.record import Record, Trial, header, held

CODE = file("copy[(1,)](x, y, n, 1024)\nother[(1,)](x, y, n, 64)", kernel(), kernel("other"))


def head(code: str = CODE, sizes: dict[str, str] | None = None, **about: object) -> dict:
    problem = Problem(path="kernel.py", code=code, tree=ast.parse(code), sizes=sizes or {})
    return header(problem, {**ABOUT, **about}, knobs_of(code))


TRIAL = Trial(
    group=0, setting=(2048, 8), before=((1, (32, 1)),), outcome="measured", why="MEM301", ratio=1.5, low=1.4, high=1.6,
    median_us=3.5, runs=9, error=0.25, identity="abc", launches=({"kernel": "copy", "registers": 32, "spills": 0},),
)  # fmt: skip
FAILED = Trial(group=1, setting=(128, 4), outcome="failed", note="illegal access\x1b[2J ß\u2028")


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "runs" / "kernel.tune.jsonl"


def test_trials_and_result_come_back_as_they_were_kept(path):
    record = Record(path, head())
    record.add(TRIAL)
    record.add(FAILED)
    record.finish({"best": [[0, [2048, 8]]], "race": {"ratio": 1.5}})

    again = Record(path, head())
    assert again.trials == [TRIAL, FAILED]
    assert again.result == {"best": [[0, [2048, 8]]], "race": {"ratio": 1.5}}
    again.add(TRIAL)
    assert Record(path, head()).trials == [TRIAL, FAILED, TRIAL]


def test_a_file_is_there_with_the_first_trial_and_not_before(path):
    record = Record(path, head())
    assert not path.parent.exists()

    record.add(TRIAL)
    first, second = path.read_text().splitlines()
    assert json.loads(first) == head()
    assert json.loads(second)["trial"]["setting"] == [2048, 8]
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_what_is_there_stays_when_it_cannot_be_written(path, monkeypatch):
    record = Record(path, head())
    record.add(TRIAL)
    kept = path.read_bytes()

    def full(self, *_, **__):
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(NcukitError, match="No space left on device") as caught:
        record.add(FAILED)

    assert caught.value.exit_code == Exit.ENVIRONMENT
    assert path.read_bytes() == kept
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_an_error(path):
    path.parent.mkdir(mode=0o555)
    with pytest.raises(NcukitError, match="cannot write"):
        Record(path, head()).add(TRIAL)


def test_a_path_below_a_file_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NcukitError, match="cannot write"):
        Record(tmp_path / "file" / "record", head()).add(TRIAL)


@pytest.mark.parametrize(
    ("now", "name"),
    [
        (head(CODE + "\n"), "code"),
        (head(sizes={"size": "8"}), "sizes"),
        (head(gpu="NVIDIA H100"), "gpu"),
        (head(versions={**ABOUT["versions"], "triton": "3.7.1"}), "versions"),
        ({**head(), "knobs": [["copy: BLOCK"]]}, "knobs"),
        ({**head(), "schema_version": 2}, "schema_version"),
    ],
)
def test_the_record_of_another_search_is_refused_and_the_difference_named(path, now, name):
    Record(path, head()).add(TRIAL)
    kept = path.read_bytes()

    with pytest.raises(NcukitError) as caught:
        Record(path, now)
    assert f"another search: its {name} is " in caught.value.message
    assert repr(head()[name]) in caught.value.message
    assert repr(now[name]) in caught.value.message
    assert "--fresh" in caught.value.next_command

    # nothing is lost before there is something new
    record = Record(path, now, fresh=True)
    assert (record.trials, path.read_bytes()) == ([], kept)
    record.add(FAILED if name != "knobs" else Trial(group=0, setting=(8,), outcome="failed"))
    assert len(Record(path, now).trials) == 1


def test_a_fresh_start_forgets_the_result_too(path):
    record = Record(path, head())
    record.add(TRIAL)
    record.finish({"best": []})

    assert Record(path, head(), fresh=True).result is None


OTHERS = {
    "python": "import torch\n",
    "torn": '{"schema_version": 1, "code"',
    "a list": "[1, 2]\n",
    "a number": "7\n",
    "bytes": b"\x00\xff\xfe\x80",
    "deep": "[" * 100_000,
    "other lines": '{"lr": 0.1}\n{"loss": 3}\n',
}


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("name", OTHERS)
def test_another_file_is_never_written_over(tmp_path, name, fresh):
    path = tmp_path / "thesis"
    content = OTHERS[name]
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = path.read_bytes()

    with pytest.raises(NcukitError) as caught:
        Record(path, head(), fresh=fresh)

    assert caught.value.exit_code == Exit.USAGE
    assert str(path) in caught.value.message
    assert "--fresh" not in caught.value.next_command
    assert path.read_bytes() == before


def test_a_folder_is_no_record(tmp_path):
    with pytest.raises(NcukitError, match="is no record of a search"):
        Record(tmp_path, head())


@pytest.mark.parametrize(
    "change",
    [
        {"group": 2}, {"group": -1}, {"group": "0"}, {"group": None}, {"group": [0]},
        {"setting": [2048]}, {"setting": [2048, 8, 3]}, {"setting": "ab"}, {"setting": None},
        {"before": [[7, [32, 1]]]}, {"before": [[1, [32]]]}, {"before": [1]}, {"before": None},
        {"ratio": "fast"}, {"ratio": -1}, {"ratio": True}, {"ratio": float("nan")}, {"ratio": float("inf")},
        {"launches": ["copy"]}, {"launches": None}, {"runs": "many"}, {"outcome": ...}, {"median_us": {}},
    ],
    ids=str,
)  # fmt: skip
def test_a_line_that_was_edited_is_a_clear_error(path, change):
    Record(path, head()).add(TRIAL)
    first, second = path.read_text().splitlines()
    trial = {k: v for k, v in {**json.loads(second)["trial"], **change}.items() if v is not ...}
    path.write_text(f"{first}\n{json.dumps({'trial': trial})}\n")

    with pytest.raises(NcukitError, match="holds a line that is no trial") as caught:
        Record(path, head())
    assert "--fresh" in caught.value.next_command


def test_a_record_that_was_cut_off_names_the_way_out(path):
    Record(path, head()).add(TRIAL)
    path.write_text(path.read_text()[:-30])

    with pytest.raises(NcukitError, match="is no record of a search") as caught:
        Record(path, head())
    assert "--fresh" in caught.value.next_command
    Record(path, head(), fresh=True).add(FAILED)
    assert Record(path, head()).trials == [FAILED]


def test_an_empty_file_is_a_record_without_trials(path):
    path.parent.mkdir()
    path.touch()
    Record(path, head()).add(TRIAL)

    assert Record(path, head()).trials == [TRIAL]


def test_two_searches_do_not_write_one_record(path):
    with held(path):
        with pytest.raises(NcukitError, match="is being written by another ncukit tune"), held(path):
            pass
        Record(path, head()).add(TRIAL)
    with held(path):
        assert Record(path, head()).trials == [TRIAL]
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_place_that_cannot_be_held_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NcukitError, match="cannot write") as caught, held(tmp_path / "file" / "record"):
        pass
    assert caught.value.exit_code == Exit.ENVIRONMENT


def test_a_huge_file_is_not_read(path, monkeypatch):
    monkeypatch.setattr("ncukit.optimize.tune.record.LARGEST", 100)
    Record(path, head()).add(TRIAL)

    with pytest.raises(NcukitError, match="it is too large"):
        Record(path, head())
