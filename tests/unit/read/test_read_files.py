"""What the user may name: files, folders, standard input, and things that are none of them."""

import io
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from read_support import GOLDEN, golden_bytes

import ncukit
from ncukit.errors import Exit, NcukitError
from ncukit.read import read
from ncukit.read.chatter import Chatter

NAME = "raw-base-units.csv"


@pytest.mark.parametrize("statement", [
    "import ncukit; read = ncukit.read",
    "from ncukit import read",
    "from ncukit.read import read",
    "import ncukit.read; read = ncukit.read",
    "import ncukit.read as read",
    "from ncukit.read import read as f; import ncukit; read = ncukit.read",
])  # fmt: skip
def test_every_way_to_import_it_works(statement: str) -> None:
    code = f"{statement}\nprint(len(read({str(GOLDEN / NAME)!r}).frame))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "3\n"


def test_importing_ncukit_loads_no_pandas() -> None:
    code = "import sys, ncukit; sys.exit('pandas' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_name_is_still_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'reed'"):
        _ = ncukit.reed


@pytest.mark.parametrize("path", [GOLDEN / NAME, str(GOLDEN / NAME)])
def test_paths_and_strings(path: str | Path) -> None:
    assert read(path).path == str(path)


@pytest.mark.parametrize("name", [NAME, "three-metrics.ncu-rep", "details-six-metrics.txt"])
def test_standard_input(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name.endswith("ncu-rep"):
        pytest.importorskip("ncu_report")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(golden_bytes(name))))
    report = read("-")

    assert report.path == "-"
    assert list(report.frame.columns) == list(read(GOLDEN / name).frame.columns)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\x00" * 1000, "binary"),
        (b"\x7f" + os.urandom(1 << 16) + b"\0", "binary"),  # never the first byte of a JSON document
        (b"hello\nworld\n", "nothing that ncukit reads"),
        (b"x" * (9 << 20), "nothing that ncukit reads"),
        (golden_bytes(NAME).decode().encode("utf-16-le"), "binary"),
        (golden_bytes("raw-set-full.csv.gz")[:3000] + b"\0" * 50, "binary"),
    ],
    ids=["empty", "zeros", "random", "text", "one huge line", "utf-16 without mark", "cut into a hole"],
)
def test_what_is_no_report_is_one_clear_error(put, content: bytes, words: str) -> None:
    with pytest.raises(NcukitError, match=words) as caught:
        read(put(content))
    error = caught.value
    assert error.exit_code == Exit.USAGE
    assert error.causes
    assert error.next_command
    assert "report.out" in error.message


def test_a_missing_file() -> None:
    with pytest.raises(NcukitError, match="no such file"):
        read("/nonexistent/report.csv")


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000])
def test_names_that_no_file_can_have(name: str) -> None:
    with pytest.raises(NcukitError) as caught:
        read(name)
    assert caught.value.exit_code == Exit.USAGE


def test_an_unreadable_file(put, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = put(b"x")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(NcukitError, match="Permission denied"):
        read(path)


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(NcukitError, match=r"has no run\.json"):
        read(tmp_path)


def test_no_kernel_matched_lists_those_that_ran() -> None:
    with pytest.raises(NcukitError, match="profiled no kernel") as caught:
        read(GOLDEN / "no-kernel-matched.log")

    assert caught.value.exit_code == Exit.NOTHING
    assert caught.value.detail.splitlines()[-3:] == ["1. copy_kernel", "2. empty_kernel", "3. sum_kernel"]


def test_a_program_that_failed_is_told_from_an_ncu_that_failed() -> None:
    with pytest.raises(NcukitError, match=r"error code \(3\)") as program:
        read(GOLDEN / "program-exits-3.log")
    with pytest.raises(NcukitError) as ncu:
        read(GOLDEN / "failed-launch.log")

    assert program.value.exit_code == Exit.NOTHING
    assert any("program failed" in cause for cause in program.value.causes)
    assert not any("program failed" in cause for cause in ncu.value.causes)


def test_a_flood_of_log_lines_is_bounded() -> None:
    chatter = Chatter()
    for number in range(10_000):
        chatter.hear(f"==ERROR== {number} " + "x" * 10_000)

    assert len("\n".join(chatter.lines)) < 50_000
