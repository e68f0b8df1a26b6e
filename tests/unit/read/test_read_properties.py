"""Whatever the bytes: a report with at least one launch and float64 metrics, or one clear error."""

import csv
import io
import json
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from read_support import IDENTITY, golden_bytes

from ncukit.errors import NcukitError
from ncukit.model import Report
from ncukit.read import read

GOLDENS = {
    name: golden_bytes(name)
    for name in (
        "raw-with-program-output.txt",
        "raw-auto-units.csv",
        "details-six-metrics.txt",
        "raw-five-metrics-en_US.txt",
        "details-set-detailed-en_US.csv.gz",
        "no-kernel-matched.log",
        "failed-launch.log",
        "three-metrics.ncu-rep",
    )
}
SEED_JSON = b'{"k": {"sm__throughput.avg.pct_of_peak_sustained_elapsed": 16.02, "launch__grid_size": 7168}}'
RELAXED = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


def _checked(error: NcukitError) -> None:
    assert error.message
    assert int(error.exit_code) in (2, 3, 4)


def report_or_error(content: bytes) -> Report | None:
    """Read, and hold the outcome to the promise."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "report")
        path.write_bytes(content)
        try:
            report = read(path)
        except NcukitError as error:
            return _checked(error)
    assert len(report.frame) >= 1
    assert {str(dtype) for dtype in report.frame.dtypes.iloc[6:]} <= {"float64"}
    assert not set(report.missing) & set(report.frame.columns)
    assert "(0, 0, 0)" not in set(report.frame.grid)
    return report


@RELAXED
@given(st.binary(max_size=2000))
def test_any_bytes(content: bytes) -> None:
    report_or_error(content)


@RELAXED
@given(
    st.sampled_from([b"NVR\0", b"{", b"[", b'"ID",', b"\xff\xfe", b"\xef\xbb\xbf", b"==ERROR== "]),
    st.binary(max_size=500),
)
def test_any_bytes_behind_a_known_beginning(head: bytes, content: bytes) -> None:
    report_or_error(head + content)


@RELAXED
@given(st.sampled_from(sorted(GOLDENS)), st.floats(0, 1))
def test_real_output_cut_anywhere(name: str, where: float) -> None:
    if name.endswith("ncu-rep"):
        pytest.importorskip("ncu_report")
    content = GOLDENS[name]
    report_or_error(content[: int(where * len(content))])


@RELAXED
@given(
    st.sampled_from(sorted(GOLDENS)),
    st.integers(0, 2**32),
    st.sampled_from(["flip", "drop", "insert", "repeat"]),
)
def test_real_output_damaged_anywhere(name: str, seed: int, how: str) -> None:
    if name.endswith("ncu-rep"):
        pytest.importorskip("ncu_report")
    rng = random.Random(seed)
    content = bytearray(GOLDENS[name])
    for _ in range(rng.choice((1, 5, 40))):
        at, size = rng.randrange(len(content) or 1), rng.randrange(1, 40)
        if how == "flip":
            content[at : at + 1] = [rng.choice((rng.randrange(256), ord('"'), ord(","), ord("\n")))]
        elif how == "drop":
            del content[at : at + size]
        elif how == "insert":
            content[at:at] = rng.choice((rng.randbytes(size), b"\n==PROF== hello\n", b'"', b",", b"\r\n"))
        else:
            content[at:at] = content[at : at + size * 100]
    report_or_error(bytes(content))


@RELAXED
@given(st.integers(0, 2**32))
def test_damaged_json(seed: int) -> None:
    rng = random.Random(seed)
    content = bytearray(SEED_JSON)
    for _ in range(rng.randrange(1, 6)):
        content[rng.randrange(len(content))] = rng.choice(b'{}[]",:0123456789eE.-n\x00\xff ')
    report_or_error(bytes(content))


@RELAXED
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json(value: object) -> None:
    report_or_error(json.dumps({"k": value}).encode())


NAMES = st.text(
    alphabet=st.one_of(st.sampled_from('",\n\r();<> a'), st.characters(exclude_categories=["Cs"])),
    max_size=30,
)
CELLS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(str),
    st.integers(0, 10**18).map(str),
    st.sampled_from(["", "n/a", "nan", "no data", "(!) n/a", "1,741,024", "1.741.024", "22,60", "12 (5; 7)", "words"]),
)


@RELAXED
@given(st.lists(st.tuples(NAMES, CELLS), min_size=1, max_size=8))
def test_any_kernel_names_and_cells(rows: list[tuple[str, str]]) -> None:
    """A well-formed table loses no launch, and each keeps its name but for bytes that no text has."""
    out = io.StringIO(newline="")
    table = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    table.writerow([*IDENTITY, "gpu__time_duration.sum", "a__b.sum"])
    table.writerow([*[""] * len(IDENTITY), "ns", ""])
    for row, (kernel, cell) in enumerate(rows):
        identity = [row, 780, "python", "127.0.0.1", kernel, 1, 7, "(128, 1, 1)", "(8, 1, 1)", 0, "9.0"]
        table.writerow([*identity, row + 1, cell])
    content = out.getvalue().encode()
    report = report_or_error(content)

    if b"\0" in content:
        return  # no text: refused, or read without the byte; either way nothing broke
    assert report is not None
    assert list(report.frame.kernel) == [kernel for kernel, _ in rows]
    assert list(report.frame.duration_ns) == [float(row + 1) for row in range(len(rows))]
