"""Run directories are put in place all together or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ncukit.collect.place import put_in_place
from ncukit.errors import NcukitError


@pytest.fixture
def stages(tmp_path):
    """Two staged runs, one to go where an older run lies."""
    found = {}
    for name in ("a", "b"):
        stage = tmp_path / "work" / name
        stage.mkdir(parents=True)
        (stage / "run.json").write_text(f"new {name}")
        found[tmp_path / "runs" / name] = stage
    older = tmp_path / "runs" / "a"
    older.mkdir(parents=True)
    (older / "run.json").write_text("old a")
    return found


def content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.json")}


def test_older_runs_are_replaced_and_nothing_else_is_left(stages, tmp_path):
    put_in_place(stages)
    assert content(tmp_path / "runs") == {"a/run.json": "new a", "b/run.json": "new b"}
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["a", "b"]


def test_what_an_interrupted_run_left_is_cleared(stages, tmp_path):
    (tmp_path / "runs" / ".a.new").mkdir()
    (tmp_path / "runs" / ".a.new" / "half.json").write_text("x")
    put_in_place(stages)
    assert content(tmp_path / "runs") == {"a/run.json": "new a", "b/run.json": "new b"}


def test_when_the_second_cannot_be_copied_the_first_stays_as_it_was(stages, tmp_path):
    shutil.rmtree(tmp_path / "work" / "b")
    with pytest.raises(NcukitError, match=r"cannot write .*b"):
        put_in_place(stages)
    assert content(tmp_path / "runs") == {"a/run.json": "old a"}
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["a"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_when_the_second_cannot_be_put_the_first_comes_back(stages, tmp_path, monkeypatch, error):
    rename = Path.rename

    def fails(path, target):
        if Path(target).name == "b":
            raise error
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises((NcukitError, KeyboardInterrupt)):
        put_in_place(stages)
    assert content(tmp_path / "runs") == {"a/run.json": "old a"}
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["a"]


def test_a_file_in_the_way_is_an_error_with_its_name(stages, tmp_path):
    stage = next(iter(stages.values()))
    (tmp_path / "file").write_text("x")
    with pytest.raises(NcukitError, match=r"cannot write .*file/run"):
        put_in_place({tmp_path / "file" / "run": stage})
