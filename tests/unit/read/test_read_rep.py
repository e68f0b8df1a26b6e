"""``.ncu-rep`` by the wheel and by ``ncu --import``; the file's frame."""

import builtins
import sys
from pathlib import Path

import numpy as np
import pytest
from read_support import GOLDEN, golden_bytes

from ncukit.errors import Exit, NcukitError
from ncukit.read import read
from ncukit.read.repfile import DamagedReportError, fields, summary

REP = GOLDEN / "three-metrics.ncu-rep"


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def importer(name: str, *args: object, **kwargs: object) -> object:
        if name == "ncu_report":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", importer)


@pytest.fixture
def fake_ncu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An ncu on PATH that prints what it is told and records how it was called."""

    def install(output: Path, code: int = 0) -> Path:
        calls = tmp_path / "calls"
        script = tmp_path / "bin" / "ncu"
        script.parent.mkdir()
        script.write_text(f'#!/bin/sh\necho "$LC_ALL $@" > {calls}\ncat {output}\nexit {code}\n')
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{script.parent}:/usr/bin:/bin")
        monkeypatch.delenv("NCUKIT_NCU", raising=False)
        return calls

    return install


def test_the_wheel_and_the_csv_of_one_run_agree() -> None:
    """The CSV is rounded to two decimals, the report is exact."""
    pytest.importorskip("ncu_report")
    report, csv = read(REP), read(GOLDEN / "three-metrics.csv")

    assert report.kind == "ncu-rep"
    assert list(report.frame.columns) == list(csv.frame.columns)
    for column in ("kernel", "grid", "block", "device", "stream", "process"):
        assert list(report.frame[column]) == list(csv.frame[column]), column
    np.testing.assert_allclose(report.frame.iloc[:, 6:], csv.frame.iloc[:, 6:], atol=0.005, rtol=1e-12)
    assert report.environment.attributes == csv.environment.attributes
    assert (report.environment.gpu, report.environment.compute_capability) == ("NVIDIA H200", "9.0")
    assert report.environment.ncu_version == "2025.3.1"
    assert report.frame["dram__bytes_read.avg"][0] != csv.frame["dram__bytes_read.avg"][0]


def test_without_the_wheel_ncu_imports(no_wheel: None, fake_ncu) -> None:
    """With auto units (base units would be rounded) and numbers in the C locale."""
    calls = fake_ncu(GOLDEN / "raw-imported.csv")
    report = read(REP)

    assert report.kind == "ncu-rep"
    assert len(report.frame) == 3
    assert calls.read_text().split() == [
        "C.UTF-8", "--import", str(REP.absolute()), "--csv", "--page", "raw", "--print-units", "auto",
    ]  # fmt: skip


def test_ncu_may_be_named_by_the_environment(no_wheel: None, fake_ncu, tmp_path, monkeypatch) -> None:
    fake_ncu(GOLDEN / "raw-imported.csv")
    moved = (tmp_path / "bin" / "ncu").rename(tmp_path / "my-ncu")
    monkeypatch.setenv("NCUKIT_NCU", str(moved))

    assert len(read(REP).frame) == 3


def test_neither_wheel_nor_ncu_names_both_ways(no_wheel: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv("NCUKIT_NCU", raising=False)

    with pytest.raises(NcukitError) as caught:
        read(REP)
    assert caught.value.exit_code == Exit.ENVIRONMENT
    assert "ncukit[rep]" in " ".join(caught.value.causes)
    assert "NCUKIT_NCU" in " ".join(caught.value.causes)


def test_a_failing_import_carries_ncus_words(no_wheel: None, fake_ncu, put) -> None:
    fake_ncu(put("==ERROR== Failed to load report file 'x'.\n"), code=1)

    with pytest.raises(NcukitError, match="could not import") as caught:
        read(REP)
    assert "Failed to load report file" in caught.value.detail


def test_an_import_without_a_table_is_an_error(no_wheel: None, fake_ncu, put) -> None:
    fake_ncu(put("nothing\n"))

    with pytest.raises(NcukitError, match="could not import"):
        read(REP)


@pytest.mark.parametrize("size", [4, 7, 100, 6000, 40000, 86000])
def test_a_cut_report_is_an_error_and_never_fewer_launches(put, size: int) -> None:
    """NVIDIA's reader returns what it finds without a word."""
    with pytest.raises(NcukitError, match="damaged") as caught:
        read(put(golden_bytes(REP.name)[:size]))
    assert caught.value.exit_code == Exit.USAGE


def test_the_name_does_not_matter(put) -> None:
    pytest.importorskip("ncu_report")

    assert read(put(golden_bytes(REP.name), "report.csv")).kind == "ncu-rep"


def test_a_compressed_report_goes_to_the_reader(no_wheel: None, fake_ncu, put) -> None:
    fake_ncu(GOLDEN / "raw-imported.csv")

    assert read(put(b"\x28\xb5\x2f\xfd" + b"anything")).kind == "ncu-rep"


def test_a_compressed_report_that_is_none_is_an_error(put) -> None:
    pytest.importorskip("ncu_report")

    with pytest.raises(NcukitError):
        read(put(b"\x28\xb5\x2f\xfd" + b"anything"))


def test_the_frame_of_a_report() -> None:
    found = summary(REP)

    assert (found.launches, found.process, found.ncu_version) == (3, 634, "2025.3.1")


@pytest.mark.parametrize("message", [b"\x08", b"\xff" * 12, b"\x0a\x05ab", b"\x0b", b"\x09abc"])
def test_damaged_fields(message: bytes) -> None:
    with pytest.raises(DamagedReportError):
        list(fields(message))


def test_fields_of_every_wire_type() -> None:
    message = b"\x08\x96\x01" + b"\x12\x02hi" + b"\x19" + bytes(8) + b"\x25" + bytes(4)

    assert list(fields(message)) == [(1, 150), (2, b"hi"), (3, bytes(8)), (4, bytes(4))]


def test_the_import_leaves_the_wheel_alone_until_needed() -> None:
    import subprocess

    code = "import sys, ncukit.read; sys.exit('ncu_report' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
