"""The folders that ncu and ncukit write to."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING, NamedTuple

import pytest

from ncukit.collect.doctor import State, folders

if TYPE_CHECKING:
    from pathlib import Path


class Usage(NamedTuple):
    """What ``shutil.disk_usage`` returns."""

    total: int
    used: int
    free: int


@pytest.fixture
def disks(monkeypatch):
    """Free bytes of every folder: the given amount where the path ends so, else plenty."""

    def set_to(**free: int) -> None:
        def usage(place: Path) -> Usage:
            return Usage(0, 0, next((left for end, left in free.items() if str(place).endswith(end)), 1 << 40))

        monkeypatch.setattr(shutil, "disk_usage", usage)

    return set_to


def named(make, folder: Path, **files: str):
    return make({name.replace("__", "/"): text for name, text in files.items()}, environment={"TMPDIR": str(folder)})


def test_the_temporary_folder_must_be_there(make, tmp_path) -> None:
    found = folders.temporary(named(make, tmp_path / "absent"))

    assert (found.state, found.fix) == (State.FAIL, "export TMPDIR=/tmp")
    assert str(tmp_path / "absent") in found.evidence


def test_the_temporary_folder_is_found_as_ncu_finds_it(make, tmp_path) -> None:
    assert str(tmp_path) in folders.temporary(make(environment={"TMPDIR": "", "TEMP": str(tmp_path)})).evidence


def test_without_a_variable_the_folder_is_ncukits_own(make, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "nsight-compute-lock").mkdir()  # somebody else's, in the shared folder: not ours to open

    assert "a folder of its own" in folders.temporary(make()).evidence
    own = tmp_path / f"ncukit-{os.getuid()}"
    own.mkdir()
    assert folders.temporary(make()).evidence == f"{own} is writable; no lock file yet"
    own.rmdir()
    own.touch()
    assert (folders.temporary(make()).state, folders.temporary(make()).fix) == (State.FAIL, folders.OWN)


def test_a_lock_that_can_be_written(make, tmp_path) -> None:
    (tmp_path / "nsight-compute-lock").touch()

    found = folders.temporary(named(make, tmp_path))

    assert State.OK is found.state
    assert "nsight-compute-lock is writable" in found.evidence


def test_a_lock_that_cannot_be_written(make, tmp_path, monkeypatch) -> None:
    (tmp_path / "nsight-compute-lock").touch(mode=0o444)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write every file

    found = folders.temporary(named(make, tmp_path))

    assert (found.state, found.fix) == (State.FAIL, folders.OWN)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_somebody_elses_lock_in_a_sticky_folder_is_refused_even_to_root(make, tmp_path) -> None:
    (tmp_path / "nsight-compute-lock").touch(mode=0o666)
    os.chown(tmp_path / "nsight-compute-lock", 12345, 12345)
    here = named(make, tmp_path, proc__sys__fs__protected_regular="2\n")

    assert State.OK is folders.temporary(here).state
    tmp_path.chmod(0o1777)
    assert State.FAIL is folders.temporary(here).state


def test_the_output_folder(make, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert folders.output(make()).evidence == f"{tmp_path} can be written"

    monkeypatch.setattr(os, "access", lambda *_: False)
    found = folders.output(make())
    assert State.WARN is found.state
    assert "-o " in found.fix


def test_a_working_directory_that_is_gone(make, tmp_path, monkeypatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()

    found = folders.output(make())

    assert (found.state, found.fix) == (State.WARN, "cd ~")


def test_enough_room(make, tmp_path, monkeypatch, disks) -> None:
    monkeypatch.chdir(tmp_path)
    disks()

    found = folders.disk(make())

    assert State.OK is found.state
    assert "1024.0 GiB free for runs" in found.evidence


@pytest.mark.parametrize(("left", "state"), [(200 << 20, State.WARN), (3 << 20, State.FAIL)])
@pytest.mark.parametrize(
    ("full", "fix"), [("scratch", "export TMPDIR="), ("work", "-o "), ("triton", "export TRITON_CACHE_DIR=")]
)
def test_little_room_anywhere(make, tmp_path, monkeypatch, disks, full: str, fix: str, left: int, state: State) -> None:
    for name in ("scratch", "work", "triton"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    disks(**{full: left})

    found = folders.disk(
        make(environment={"TMPDIR": str(tmp_path / "scratch"), "TRITON_CACHE_DIR": str(tmp_path / "triton")})
    )

    assert state is found.state
    assert f"{left >> 20} MiB free" in found.evidence
    assert f"df -h {tmp_path / full}" in found.fix
    assert fix in found.fix
