"""Names that no two kernels share, and paths that a CI service may follow."""

from __future__ import annotations

import pytest
from judgements import EXAMPLE, entry, judged, judgement, least, verdict

from ncukit.gate.codes import Code
from ncukit.model import Status
from ncukit.render.annotation import relative
from ncukit.render.gate_rows import any_file, folded, identities, place, rows, subject, unique, worst_first


def test_a_kernel_is_told_apart_by_no_more_than_it_takes() -> None:
    kernels = [
        entry("copy", {}, grid="(4, 1, 1)", block="(32, 1, 1)"),
        entry("copy", {}, grid="(8, 1, 1)", block="(32, 1, 1)", tensors="x float32 4 B"),
        entry("copy", {}, grid="(8, 1, 1)", block="(32, 1, 1)", tensors="x float32 8 B"),
        entry("sum", {}, grid="(8, 1, 1)"),
    ]

    assert identities(kernels) == [
        {"kernel": "copy", "grid": "(4, 1, 1)"},
        {"kernel": "copy", "grid": "(8, 1, 1)", "block": "(32, 1, 1)", "tensors": "x float32 4 B"},
        {"kernel": "copy", "grid": "(8, 1, 1)", "block": "(32, 1, 1)", "tensors": "x float32 8 B"},
        {"kernel": "sum"},
    ]


def test_kernels_that_nothing_tells_apart_are_numbered() -> None:
    assert identities([entry("copy", {}), entry("copy", {})]) == [
        {"kernel": "copy"},
        {"kernel": "copy", "entry": "#2"},
    ]


def test_names_stay_apart_when_they_are_cut_or_run_together() -> None:
    long = [entry("k" * 300 + end, {}) for end in "ab"]
    alike = [{"kernel": "a", "grid": "b"}, {"kernel": "a b"}, {"kernel": "a b #2"}]

    assert len(set(unique(identities(long)))) == 2
    assert unique(alike) == ["a b", "a b #2", "a b #2 #2"]


def test_rows_come_worst_first_and_keep_their_order_within_a_status() -> None:
    statuses = [row.verdict.status for row in worst_first(rows(EXAMPLE))]

    assert statuses == [
        Status.FAIL,
        Status.FAIL,
        Status.UNJUDGED,
        Status.AMBIGUOUS,
        Status.WARN,
        Status.IGNORED,
        Status.PASS,
        Status.PASS,
        Status.PASS,
    ]


def test_ignored_rows_are_folded_only_beside_others() -> None:
    ignored = judged("k", verdict("dram_pct", "min", 1, 2, Code.IGNORED, reason="known"))

    assert [row.name for row in folded(rows(judgement(ignored)))[0]] == ["k"]
    shown, lines = folded(rows(judgement(ignored, judged("l", least(1, 2)))))
    assert ([row.name for row in shown], lines) == (["l"], ["1 ignored (ignored): known: k dram_pct"])


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("kernels/x.py", "kernels/x.py"),
        ("./kernels//x.py", "kernels/x.py"),
        (r"kernels\x.py", "kernels/x.py"),
        ("/etc/passwd", ""),
        ("../x.py", ""),
        ("a/../../x.py", ""),
        (r"C:\x.py", ""),
        ("C:x.py", ""),
        (r"\\host\share\x.py", ""),
        ("a\nb.py", ""),
        ("", ""),
        (".", ""),
        ("x" * 5000, ""),
    ],
)
def test_a_path_is_relative_or_not_named_at_all(path: str, kept: str) -> None:
    assert relative(path) == kept


def test_a_place_has_a_line_only_with_a_file() -> None:
    assert place(judged("k", path="x.py", line=3)) == "x.py:3"
    assert place(judged("k", path="x.py")) == "x.py"
    assert place(judged("k", path="/tmp/x.py", line=3)) == ""


@pytest.mark.parametrize(
    ("target", "report", "file"),
    [
        ("kernels/x.py", "runs/x", "kernels/x.py"),
        ("python train.py", "runs/x", "runs/x"),
        ("/home/me/x.py", "/home/me/run/report.csv", "report.csv"),
        ("", "-", "ncukit"),
    ],
)
def test_there_is_always_a_relative_file(target: str, report: str, file: str) -> None:
    assert any_file(judgement(target=target, report_path=report)) == file


def test_a_recording_is_another_subject() -> None:
    assert subject(EXAMPLE) == "naive_instance_norm (recorded)"
    assert subject(judgement(case="copy[n=4096]")) == "copy[n=4096]"
    assert subject(judgement(target="x.py")) == "x.py"
