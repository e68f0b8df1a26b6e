"""Where text goes: formats by suffix, files written whole, and devices left in place."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import click
import pytest

from ncukit.cli import run
from ncukit.cli.output import chosen_format, emit, format_option
from ncukit.errors import Exit, NcukitError


@pytest.mark.parametrize(
    ("format_", "output", "chosen"),
    [
        (None, None, "console"),
        (None, "x.json", "json"),
        (None, "x.JSON", "json"),
        (None, "x.sarif", "sarif"),
        (None, "gate.xml", "junit"),
        (None, "x.txt", "console"),
        (None, "-", "console"),
        ("json", "x.sarif", "json"),
    ],
)
def test_the_suffix_names_the_format_unless_one_is_asked_for(format_, output, chosen) -> None:
    assert chosen_format(format_, Path(output) if output else None) == chosen


def test_a_suffix_of_a_format_that_the_verb_does_not_write_is_a_usage_error() -> None:
    seen = []

    @click.command()
    @format_option("console", "json")
    def verb(format_, output) -> None:
        seen.append(chosen_format(format_, output))

    verb.main(["-o", "x.json"], standalone_mode=False)
    verb.main(["-o", "x.sarif", "--format", "console"], standalone_mode=False)
    with pytest.raises(click.UsageError, match=r"x\.sarif: this verb writes console, json, not sarif"):
        verb.main(["-o", "x.sarif"], standalone_mode=False)

    assert seen == ["json", "console"]


def test_a_link_stays_a_link_and_what_it_names_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.txt").symlink_to("real/x.txt")
    emit("one", tmp_path / "link.txt")
    emit("two", tmp_path / "link.txt")

    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real/x.txt").read_text() == "two\n"
    assert [p.name for p in (tmp_path / "real").iterdir()] == ["x.txt"]


def test_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        emit("µ", tmp_path / "pipe")

        assert os.read(reader, 100) == "µ\n".encode()
        assert (tmp_path / "pipe").is_fifo()
    finally:
        os.close(reader)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_the_machines_fault_and_a_folder_the_users(tmp_path: Path) -> None:
    for place, code in ((Path("/dev/full"), Exit.ENVIRONMENT), (tmp_path, Exit.USAGE)):
        with pytest.raises(NcukitError, match=f"cannot write {place}: ") as caught:
            emit("text", place)
        assert caught.value.exit_code == code
    assert Path("/dev/full").is_char_device()


def test_what_cannot_be_written_whole_leaves_the_older_file_and_nothing_beside_it(tmp_path, monkeypatch) -> None:
    place = tmp_path / "x.json"
    emit("older", place)

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(NcukitError, match="No space left on device"):
        emit("newer", place)

    assert place.read_text() == "older\n"
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_a_name_that_is_no_text_can_be_written_down(tmp_path: Path) -> None:
    emit("caf\udce9", tmp_path / "x.txt")

    assert (tmp_path / "x.txt").read_text() == "caf?\n"


def test_without_a_word_the_help_is_shown_and_it_is_no_success(capsys) -> None:
    assert run([]) == Exit.USAGE

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Usage: ncukit")
    assert "diagnose" in err
