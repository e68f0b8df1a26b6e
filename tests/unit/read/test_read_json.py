"""The metrics JSON of prompts, whole briefs, and JSON from outside in general."""

import json
import math
from pathlib import Path

import pytest

from ncukit.errors import Exit, NcukitError
from ncukit.read import jsonfile, read

SEED = {
    "compute_moments_kernel": {
        "sm__throughput.avg.pct_of_peak_sustained_elapsed": 16.02,
        "launch__grid_size": 7168,
        "sm__warps_active.avg.pct_of_peak_sustained_active": 96.25,
        "dram__throughput.avg.pct_of_peak_sustained_elapsed": 97.07,
        "lts__t_sector_hit_rate.pct": 0.01,
    },
    "normalize_kernel": {"launch__grid_size": 7168, "lts__t_sector_hit_rate.pct": None},
}


def test_kernels_and_metrics(put) -> None:
    report = read(put(json.dumps(SEED)), gpu="RTX 4090")
    frame = report.frame

    assert report.kind == "metrics-json"
    assert list(frame.kernel) == ["compute_moments_kernel", "normalize_kernel"]
    assert frame.dram_pct[0] == 97.07
    assert math.isnan(frame.dram_pct[1])
    assert (frame.grid[0], frame.process[0], frame.device[0]) == ("", 0, 0)
    assert report.environment.sm_count == 128
    assert report.environment.compute_capability == "8.9"


def test_short_names_are_in_the_catalogues_unit_and_ncus_names_in_ncus(put) -> None:
    by_short = read(put(json.dumps({"k": {"dram_gbps": 900.0}}))).frame
    by_ncu = read(put(json.dumps({"k": {"dram__bytes.sum.per_second": 9e11}}))).frame

    assert by_short.dram_gbps[0] == 900
    assert by_ncu.dram_gbps[0] == pytest.approx(900)


def test_a_whole_brief_with_its_gpu(put) -> None:
    brief = "You are a specialist.\n# Target GPU\nGPU Name: 4090\n```python\nx = {'a': 1}\n```\n\n"
    brief += "[NCU PROFILING METRICS]\n" + json.dumps(SEED, indent=2) + "\n\n**Task**: make it faster {quickly}.\n"
    report = read(put(brief))

    assert report.frame.dram_pct[0] == 97.07
    assert report.environment.gpu == "RTX 4090"


def test_the_gpu_that_the_report_names_wins(golden: Path) -> None:
    report = read(golden / "raw-base-units.csv", gpu="RTX 4090")

    assert report.environment.gpu == "NVIDIA H200"
    assert any("RTX 4090" in note for note in report.notes)


def test_an_unknown_gpu_names_the_nearest(put) -> None:
    with pytest.raises(NcukitError, match="no GPU called"):
        read(put(json.dumps(SEED)), gpu="RTX 40900")


def test_a_name_that_is_no_metric_is_noted(put) -> None:
    assert any("speed" in note for note in read(put('{"k": {"speed": 3, "dram_pct": 1}}')).notes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "line 1"),
        ("[1, 2]", "shape"),
        ('{"k": 3}', "shape"),
        ('{"k": {"dram_pct": true}}', "no number"),
        ('{"k": {"dram_pct": [1]}}', "no number"),
        ('{"k": {"dram_pct": "fast"}}', "no number"),
        ('{"k": {"dram_pct": 1}, "k": {"dram_pct": 2}}', "twice"),
        ('{"k": {"dram_pct": ' + "9" * 5000 + "}}", "digits"),
        ("[" * 200_000, "deep"),
        ('{"a":' * 100_000, "deep"),
        ('{"schema_version": 1, "kernels": []}', "ncukit itself"),
        ("[NCU PROFILING METRICS]\nnone today", "understood"),
    ],
)
def test_what_cannot_be_understood_is_an_error(put, text: str, words: str) -> None:
    with pytest.raises(NcukitError, match=words) as caught:
        read(put(text))
    assert caught.value.exit_code == Exit.USAGE
    assert caught.value.next_command


@pytest.mark.parametrize("text", ["{}", '{"k": {}}'])
def test_no_metric_at_all_is_nothing_to_judge(put, text: str) -> None:
    with pytest.raises(NcukitError) as caught:
        read(put(text))
    assert caught.value.exit_code == Exit.NOTHING


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", '"n/a"', "null", "1" + "0" * 400])
def test_values_that_are_no_reading_are_missing(put, value: str) -> None:
    report = read(put(f'{{"k": {{"dram_pct": {value}, "l2_hit_pct": 1}}}}'))

    assert "dram_pct" not in report.frame
    assert "dram_pct" in report.missing


def test_a_lone_surrogate_in_a_name_can_be_printed_later(put) -> None:
    frame = read(put('{"\\ud800": {"dram_pct": 1}}')).frame

    assert frame.kernel[0].encode("utf-8")


def test_a_large_file_is_refused_before_it_is_read(put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonfile, "SIZE_LIMIT", 100)

    with pytest.raises(NcukitError, match="larger than"):
        read(put("{" + " " * 200 + "}"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_encodings(put, encoding: str) -> None:
    assert len(read(put(json.dumps(SEED).encode(encoding))).frame) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "object"),
        ("{}", "schema_version"),
        ('{"schema_version": true}', "schema_version"),
        ('{"schema_version": 2}', "newer"),
    ],
)
def test_documents_with_a_version(text: str, words: str) -> None:
    with pytest.raises(NcukitError) as caught:
        jsonfile.versioned(text, "run.json")
    assert words in caught.value.message + " ".join(caught.value.causes)
