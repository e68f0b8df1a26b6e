"""A run directory: three files, one report; ``launches.json`` is not trusted."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from read_support import raw_page

from ncukit.errors import Exit, NcukitError
from ncukit.read import read
from ncukit.read.launches import read_launches

KERNEL = {
    "name": "copy_kernel",
    "num_warps": 4,
    "num_stages": 3,
    "num_ctas": 1,
    "registers": 18,
    "spills": 0,
    "shared_bytes": 0,
    "cooperative": False,
    "constexprs": {"BLOCK": 1024},
    "has_dot": False,
    "file": "k.py",
    "line": 9,
    "arguments": {"x_ptr": {"loads": [12], "stores": []}, "y_ptr": {"loads": [], "stores": [13]}},
}
TENSORS = [
    {"name": "x_ptr", "dtype": "float32", "shape": [1024], "bytes": 4096, "buffer": 0},
    {"name": "y_ptr", "dtype": "float32", "shape": [1024], "bytes": 4096, "buffer": 1},
]
LAUNCHES: dict[str, Any] = {
    "schema_version": 1,
    "versions": {"python": "3.12.3", "torch": "2.11.0", "triton": "3.6.0"},
    "target": "k.py",
    "kernels": {"0": KERNEL},
    "launches": [{"kernel": "0", "grid": [8, 1, 1], "launch_line": 30, "scalars": {"n": 1024}, "tensors": TENSORS}],
}
RUN: dict[str, Any] = {
    "schema_version": 1,
    "ncukit_version": "0.1.0",
    "created": "2026-11-21T07:34:52Z",
    "target": "k.py",
    "command": ["ncu", "--csv", "python", "-c", "pass"],
    "environment": {
        "gpu": "NVIDIA H200",
        "compute_capability": "9.0",
        "sm_count": 132,
        "ncu_version": "2025.3.1",
        "driver_version": "580",
        "triton_version": "",
        "torch_version": "2.11.0",
        "clock_control": "none",
        "cache_control": "all",
    },
    "requested": {"preset": "quick", "metrics": ["gpu__time_duration.sum", "dram__bytes.sum", "x__y.sum"]},
    "missing": {"dram_bytes": "not on this chip"},
    "notes": ["a note"],
}


def page(*rows: tuple[str, str]) -> str:
    return raw_page(
        {"gpu__time_duration.sum": ("ns", ["10"] * len(rows))},
        kernels=[k for k, _ in rows],
        grids=[g for _, g in rows],
    )


MEASURED = page(("fill", "(2, 1, 1)"), ("copy_kernel", "(8, 1, 1)"))


@pytest.fixture
def run(tmp_path: Path):
    def make(metrics: str | None = MEASURED, launches: object = LAUNCHES, document: object = RUN) -> Path:
        for name, content in (("launches.json", launches), ("run.json", document)):
            if content is not None:
                text = content if isinstance(content, str) else json.dumps(content)
                (tmp_path / name).write_text(text)
        if metrics is not None:
            (tmp_path / "metrics.csv").write_text(metrics)
        return tmp_path

    return make


def changed(document: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """A copy with the value at a dotted path replaced, or removed when it is ``...``."""
    whole = copy.deepcopy(document)
    # Keys of "kernels" are text, entries of "launches" and "tensors" have positions, written #0.
    *steps, last = [int(step[1:]) if step.startswith("#") else step for step in path.split(".")]
    place: Any = whole
    for step in steps:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return whole


def test_three_files_become_one_report(run) -> None:
    report = read(run())
    fill, copied = report.launches

    assert report.kind == "run-directory"
    assert fill is None
    assert copied is not None
    assert (copied.kernel, copied.grid, copied.registers, copied.launch_line) == (
        "copy_kernel",
        (8, 1, 1),
        18,
        30,
    )
    assert copied.constexprs == {"BLOCK": 1024}
    assert [(t.loaded, t.stored, t.load_lines) for t in copied.tensors] == [
        (True, False, (12,)),
        (False, True, ()),
    ]
    assert np.isnan(report.frame.compulsory_bytes[0])
    assert report.frame.compulsory_bytes[1] == 8192
    assert report.target == "k.py"
    assert "a note" in report.notes


def test_the_environment_is_the_runs(run) -> None:
    environment = read(run()).environment

    assert environment.ncu_version == "2025.3.1"
    assert (environment.clock_control, environment.cache_control) == ("none", "all")
    assert environment.triton_version == "3.6.0", "run.json is silent, launches.json is not"
    assert environment.sm_count == 132


def test_what_was_asked_for_and_not_returned_is_missing_with_a_reason(run) -> None:
    report = read(run())

    assert report.missing["dram_bytes"] == "not on this chip"
    assert report.missing["x__y.sum"] == "asked for, not in ncu's output"
    assert "duration_ns" not in report.missing


def test_bare_names_groups_and_device_facts_are_not_called_missing_by_mistake(run) -> None:
    asked = ["gpu__time_duration", "group:memory__chart", "nvlink__bandwidth", "dram__bytes_read"]
    missing = read(run(document=changed(RUN, "requested.metrics", asked))).missing

    assert missing["nvlink__bandwidth"] == "no reading of a launch: look it up in metrics.csv"
    assert missing["dram__bytes_read"] == "asked for, not in ncu's output"
    assert "gpu__time_duration" not in missing
    assert "group:memory__chart" not in missing


def test_a_run_of_any_command_has_no_launches(run) -> None:
    report = read(run(launches=None))

    assert report.launches == ()
    assert "compulsory_bytes" not in report.frame


def test_a_mismatch_is_an_error(run) -> None:
    with pytest.raises(NcukitError, match="not the recorded ones"):
        read(run(page(("copy_kernel", "(9, 1, 1)"))))


def test_a_run_that_ncu_stopped_early_may_have_recorded_more(run) -> None:
    twice = changed(LAUNCHES, "launches", LAUNCHES["launches"] * 2)

    with pytest.raises(NcukitError):
        read(run(launches=twice))
    stopped = changed(RUN, "command", ["ncu", "--launch-count", "1", "python", "k.py"])
    assert read(run(launches=twice, document=stopped)).launches[1] is not None


def test_a_cut_table_may_have_recorded_more(run) -> None:
    twice = changed(LAUNCHES, "launches", LAUNCHES["launches"] * 2)
    cut = page(("copy_kernel", "(8, 1, 1)"), ("copy_kernel", "(8, 1, 1)"))[:-3]

    assert len(read(run(cut, launches=twice)).launches) == 1


def test_an_argument_that_could_not_be_followed_is_neither_loaded_nor_not(run) -> None:
    unknown = changed(LAUNCHES, "kernels.0.arguments", {"x_ptr": None})
    report = read(run(launches=unknown))

    assert report.launches[1] is not None
    assert [(t.loaded, t.stored) for t in report.launches[1].tensors] == [(None, None), (None, None)]
    assert "compulsory_bytes" in report.missing


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("kernels", ...),
        ("kernels", []),
        ("launches", {}),
        ("kernels.0", 3),
        ("kernels.0.name", 3),
        ("kernels.0.num_warps", "4"),
        ("kernels.0.num_warps", True),
        ("kernels.0.shared_bytes", None),
        ("kernels.0.arguments", [1]),
        ("kernels.0.arguments.x_ptr", {"loads": [1]}),
        ("kernels.0.arguments.x_ptr.loads", ["a"]),
        ("kernels.0.constexprs", {"B": [1]}),
        ("launches.#0.kernel", "9"),
        ("launches.#0.kernel", [1]),
        ("launches.#0.grid", [1, 1]),
        ("launches.#0.grid", 3),
        ("launches.#0.tensors", None),
        ("launches.#0.tensors.#0.bytes", 1.5),
        ("launches.#0.tensors.#0.buffer", ...),
        ("target", 3),
        ("versions", "x"),
        ("schema_version", ...),
        ("schema_version", "1"),
    ],
)
def test_malformed_launches_are_one_clear_error(run, path: str, value: object) -> None:
    with pytest.raises(NcukitError, match=r"launches\.json cannot be understood") as caught:
        read(run(launches=changed(LAUNCHES, path, value)))
    assert caught.value.exit_code == Exit.USAGE


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("environment", []),
        ("requested.metrics", [1]),
        ("command", "ncu"),
        ("missing", 3),
        ("notes", [None]),
        ("target", 7),
    ],
)
def test_malformed_runs_are_one_clear_error(run, path: str, value: object) -> None:
    with pytest.raises(NcukitError, match=r"run\.json cannot be understood"):
        read(run(document=changed(RUN, path, value)))


@pytest.mark.parametrize("text", ["", "{", "[" * 100000, "\x00", '{"schema_version": 1'])
@pytest.mark.parametrize("part", ["launches", "document"])
def test_broken_json(run, part: str, text: str) -> None:
    with pytest.raises(NcukitError):
        read(run(**{part: text}))


@pytest.mark.parametrize("part", ["launches", "document"])
def test_a_newer_schema_is_named(run, part: str) -> None:
    document = {"launches": LAUNCHES, "document": RUN}[part]

    with pytest.raises(NcukitError, match="schema version 2"):
        read(run(**{part: changed(document, "schema_version", 2)}))


@pytest.mark.parametrize(("part", "missing"), [("metrics", "metrics.csv"), ("document", "run.json")])
def test_a_directory_that_lacks_a_file(run, part: str, missing: str) -> None:
    with pytest.raises(NcukitError, match=f"has no {missing}") as caught:
        read(run(**{part: None}))
    assert caught.value.exit_code == Exit.USAGE


def test_launches_can_be_read_alone(run) -> None:
    recording = read_launches(run() / "launches.json", name="launches.json")

    assert recording.versions["torch"] == "2.11.0"
    assert recording.target == "k.py"
    assert len(recording.launches) == 1
