"""Baseline files: what is written is read back, what is damaged or newer is refused, what is older is brought up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncukit.errors import NcukitError
from ncukit.gate import baseline, baseline_format
from ncukit.gate.baseline_format import Baseline, Kept, dumped, load
from ncukit.gate.budget import parse
from ncukit.gate.compare import measured
from ncukit.gate.judge import judge, needed
from ncukit.gate.readings import Entry, Reading
from ncukit.gate.reference import find
from ncukit.gate.side import Side
from ncukit.model import Status
from ncukit.read import read

REPEATS = Path(__file__).parents[2] / "golden" / "repeats"


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A saved baseline of the naive InstanceNorm, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    side = measured(read(REPEATS / "naive_instance_norm_1"))
    one = baseline.with_case(baseline.empty("main", "NVIDIA H200"), side, "2026-11-21", "first")
    path = baseline.path_of(one)
    path.parent.mkdir(parents=True)
    path.write_text(dumped(one))
    return path


def test_it_stands_under_its_name_and_gpu_and_names_no_path_of_the_machine(kept: Path, tmp_path: Path) -> None:
    assert kept == Path("profiles/baselines/main/h200.json")
    assert str(tmp_path) not in kept.read_text()
    assert str(REPEATS) not in kept.read_text()


def test_what_was_measured_comes_back_with_six_digits(kept: Path) -> None:
    side = baseline.of("main", "NVIDIA H200").cases["naive_instance_norm"].side

    assert [entry.kernel for entry in side.entries] == ["compute_moments_kernel", "normalize_kernel"]
    assert side.entries[1].median("duration_us") == 3825.47
    assert side.entries[1].readings["duration_us"].count == 5
    assert side.entries[1].causes == ("fusion",)
    assert side.identity["ncu_version"] == "2025.3.1"
    assert side.recorded


def test_every_reading_is_one_line_of_json(kept: Path) -> None:
    lines = kept.read_text().splitlines()

    assert '      "duration_us": [5, 3807.14, 3817.12, 3825.47, 3834.3, 3837.89],' in lines
    assert '      "registers": [5, 32],' in lines
    assert len(lines) < 200


def test_saving_again_is_the_same_file(kept: Path) -> None:
    assert dumped(load(kept)) == kept.read_text()


def test_replacing_a_case_keeps_the_others_and_writes_the_history(kept: Path) -> None:
    one = load(kept)
    other = replace(one.cases["naive_instance_norm"].side, case="other")
    two = baseline.with_case(one, other, "2026-11-22", "")

    three = baseline.with_case(two, replace(other, entries=other.entries[1:]), "2026-11-23", "fused")

    assert list(three.cases) == ["naive_instance_norm", "other"]
    assert [line["reason"] for line in three.history] == ["first", "", "fused"]
    assert three.history[-1]["total_us"] == [5555.81, 3825.47]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("[1]", "names no schema_version"),
        ('{"schema_version": true}', "names no schema_version"),
        ('{"schema_version": 1}', "not the shape of a baseline: KeyError"),
        ('{"schema_version": 1, "cases": [], "history": []}', "not the shape"),
        ('{"schema_version": 1, "cases": {"a": 3}, "history": []}', "not the shape"),
        ("<<<<<<< HEAD\n{}", "not JSON"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_damaged_file_is_one_clear_error(kept: Path, text: str, words: str) -> None:
    kept.write_text(text)

    with pytest.raises(NcukitError, match=words) as caught:
        baseline.of("main", "NVIDIA H200")

    assert "git checkout profiles/baselines/main/h200.json" in caught.value.next_command


@pytest.mark.parametrize("row", [[5], [5, 1, 2, 3], [1, 5, 4, 3, 2, 1], [1, None], [1, "x"], ["NaN", 1]])
def test_a_reading_that_cannot_be_one_is_refused(kept: Path, row: list[object]) -> None:
    document = json.loads(kept.read_text())
    document["cases"]["naive_instance_norm"]["kernels"][0]["readings"]["duration_us"] = row
    kept.write_text(json.dumps(document))

    with pytest.raises(NcukitError, match="not the shape"):
        load(kept)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("launches", 1e400),
        ("launches", 0),
        ("buffers", [1e400]),
        ("per_run", float("nan")),
        ("per_run", 10**400),
        ("per_run", 0.2),
        ("kernel", "normalize_kernel"),
    ],
)
def test_a_kernel_that_cannot_be_one_is_refused(kept: Path, key: str, value: object) -> None:
    document = json.loads(kept.read_text())
    kernels = document["cases"]["naive_instance_norm"]["kernels"]
    kernels[0] = {**kernels[1], key: value} if key == "kernel" else {**kernels[0], key: value}
    kept.write_text(json.dumps(document))

    with pytest.raises(NcukitError, match="not the shape"):
        load(kept)


@pytest.mark.parametrize("history", [[{}], [{"case": "a", "saved": "b", "reason": "c", "total_us": ["x", 1]}], [3]])
def test_a_history_that_cannot_be_one_is_refused(kept: Path, history: list[object]) -> None:
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "history": history}))

    with pytest.raises(NcukitError, match="not the shape"):
        load(kept)


def test_a_newer_format_asks_for_a_newer_ncukit(kept: Path) -> None:
    kept.write_text(kept.read_text().replace('"schema_version": 1', '"schema_version": 2'))

    with pytest.raises(NcukitError, match="is of format 2; this ncukit reads up to 1"):
        load(kept)


def test_an_older_format_is_brought_up_step_by_step(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseline_format, "SCHEMA_VERSION", 3)
    steps = {
        1: lambda document: {**document, "schema_version": 2, "cases": {"renamed": {}}, "was": document["cases"]},
        2: lambda document: {**document, "schema_version": 3, "cases": document["was"]},
    }
    monkeypatch.setattr(baseline_format, "MIGRATIONS", steps)

    assert list(load(kept).cases) == ["naive_instance_norm"]


def test_an_unknown_name_names_the_nearest(kept: Path) -> None:
    error = baseline.missing("mian")

    assert "did you mean main?" in error.causes
    assert error.exit_code == 4


words = st.text(st.characters(codec="utf-8"), max_size=12)
values = st.floats(0, 1e12).map(lambda value: float(f"{value:.6g}"))
readings = st.lists(values, min_size=5, max_size=5).map(sorted)


kernels_ = st.tuples(words, words, words, readings, st.integers(1, 99))


@given(st.lists(kernels_, max_size=4, unique_by=lambda k: k[:3]), words, words)
def test_any_case_survives_the_file(tmp_path_factory, kernels: list, target: str, reason: str) -> None:
    entries = tuple(
        Entry(
            kernel=kernel,
            grid=grid,
            constexprs=text,
            launches=count,
            causes=(text,),
            readings={
                "duration_us": Reading(count=count, low=five[0], q1=five[1], median=five[2], q3=five[3], high=five[4])
            },
        )
        for kernel, grid, text, five, count in kernels
    )
    side = Side(path="x", case="case", target=target, identity={"gpu": "NVIDIA H200"}, entries=entries)
    kept = Kept(side=side, saved="2026-11-21", reason=reason)
    path = tmp_path_factory.mktemp("b") / "h200.json"
    one = Baseline(name=path.parent.name, gpu="h200", cases={"case": kept})
    path.write_text(dumped(one), encoding="utf-8")

    back = load(path).cases["case"]

    assert (back.side.entries, back.side.target, back.reason) == (entries, target, reason)


def test_the_projects_own_baseline_holds_for_its_recordings() -> None:
    """Eight kernels, saved from five launches each; the recordings are single launches of another job."""
    root = Path(__file__).parents[3]
    kept = load(root / "profiles/baselines/main/h200.json")

    for case, one in kept.cases.items():
        report = read(root / "profiles/h200" / case)
        budgets = [parse(text, "max-rise") for text in ("duration_us=3%", "dram_bytes=1%")]
        budgets += [parse("useful_dram_pct=3%", "max-drop"), parse("local-memory", "forbid"), parse("spills=0", "max")]
        reference = find(str(root / "profiles/baselines/main/h200.json"), report, needed(budgets))
        judgement = judge(report, budgets, reference=reference)
        assert judgement.status is Status.PASS, [v for v in judgement.verdicts if v.status is not Status.PASS]
        assert one.side.entries
    assert len(kept.cases) == 8


def test_a_kernel_of_no_weight_keeps_little_and_a_budgets_metric_is_kept() -> None:
    side = measured(read(REPEATS / "instance_norm_1"))

    fill, norm = baseline.trimmed(side, ["l2_write_sectors"]).entries

    assert set(fill.readings) == {"duration_us", "dram_bytes", "registers", "l2_write_sectors"}
    assert {"useful_dram_pct", "gain_left", "l2_write_sectors"} <= set(norm.readings)
    assert "conversion_instructions" not in norm.readings
