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
        ("kernels.0.spills", "0"),
        ("kernels.0.spills", 10**400),
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
        ("sizes", [1]),
        ("sizes", {"n": 8}),
        ("problem", []),
        ("problem", {"inputs": "float32[4]"}),
        ("problem", {"inputs": [4]}),
        ("problem", {"init": {"a": 1}}),
        ("problem", {"reference": 7}),
    ],
)
def test_malformed_runs_are_one_clear_error(run, path: str, value: object) -> None:
    with pytest.raises(NcukitError, match=r"run\.json cannot be understood"):
        read(run(document=changed(RUN, path, value)))


PROBLEM = {"inputs": ["float32[112,64]", "mask=None"], "init": [], "reference": "3f1ac16755ab6ed1"}


def test_the_problem_is_read_as_texts(run) -> None:
    document = {**RUN, "sizes": {"n": "8", "eps": "0.5"}, "problem": PROBLEM}

    assert read(run(document=document)).problem == {
        "sizes": "n=8, eps=0.5",
        "inputs": "float32[112,64]; mask=None",
        "init": "",
        "reference": "3f1ac16755ab6ed1",
    }


@pytest.mark.parametrize("said", [{}, {"sizes": {}}, {"problem": {}}, {"sizes": None, "problem": {"reference": ""}}])
def test_a_run_that_does_not_say_has_no_problem(run, said: dict[str, Any]) -> None:
    assert read(run(document={**RUN, **said})).problem == {}


def test_spills_are_a_column_beside_the_registers(run) -> None:
    report = read(run(launches=changed(LAUNCHES, "kernels.0.spills", 6)))

    assert np.isnan(report.frame.spills[0]), "a fill is not Triton's"
    assert report.frame.spills[1] == 6


def test_spills_that_nobody_counted_are_missing_with_a_reason(run) -> None:
    report = read(run(launches=changed(LAUNCHES, "kernels.0.spills", None)))

    assert "spills" not in report.frame
    assert report.missing["spills"] == "the compiler's count was not recorded for any launch"


def several(*processes: int) -> dict[str, Any]:
    """The recorded launches of several processes, as ``collect.launches`` joins them."""
    return {
        **LAUNCHES,
        "kernels": {f"0@{number}" if number else "0": KERNEL for number in range(len(processes))},
        "launches": [
            {**LAUNCHES["launches"][0], "process": process, "kernel": f"0@{number}" if number else "0"}
            for number, process in enumerate(processes)
        ],
    }


CHATTER = "==PROF== Connected to process 1\n==WARNING== Note: Running with unmodified GPU clocks.\n"


def process_page(process: int, *, unit: str = "ns", time: str = "10") -> str:
    column = {"gpu__time_duration.sum": (unit, [time, time])}
    return raw_page(column, kernels=["fill", "copy_kernel"], grids=["(2, 1, 1)", "(8, 1, 1)"], process=process)


@pytest.mark.parametrize("numbers", [(780, 781, 782), (781, 12, 780), (780, 780, 780)])
def test_the_tables_of_several_processes_join_their_own_launches(run, numbers: tuple[int, ...]) -> None:
    tables = [CHATTER + process_page(number, time=str(10 + turn)) for turn, number in enumerate(numbers)]
    report = read(run("".join(tables), launches=several(*numbers)))

    assert list(report.frame.kernel) == ["fill", "copy_kernel"] * 3
    assert [None if x is None else x.kernel for x in report.launches] == [None, "copy_kernel"] * 3
    assert list(report.frame.process) == [number for number in numbers for _ in range(2)]
    assert list(report.frame.duration_ns) == [10, 10, 11, 11, 12, 12]
    assert (report.environment.clock_control, report.incomplete) == ("none", False)


def test_each_table_has_its_own_units(run) -> None:
    tables = process_page(780) + process_page(781, unit="us", time="0.5")

    assert list(read(run(tables, launches=several(780, 781))).frame.duration_ns) == [10, 10, 500, 500]


def test_a_process_whose_launches_are_not_the_recorded_ones_is_an_error(run) -> None:
    tables = process_page(780) + process_page(781).replace("(8, 1, 1)", "(9, 1, 1)")

    with pytest.raises(NcukitError, match="not the recorded ones"):
        read(run(tables, launches=several(780, 781)))
    with pytest.raises(NcukitError, match="not the recorded ones"):
        read(run(process_page(780), launches=several(780, 781)))


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


def test_options_and_aligned_addresses_are_read_where_they_were_recorded(run) -> None:
    launch = read(run()).launches[1]
    assert (launch.options, [t.aligned for t in launch.tensors]) == ({}, [None, None])

    tensors = [{**TENSORS[0], "aligned": False}, {**TENSORS[1], "aligned": True}]
    newer = changed(LAUNCHES, "kernels", {"0": {**KERNEL, "options": {"maxnreg": 64}}})
    newer["launches"] = [{**LAUNCHES["launches"][0], "tensors": tensors}]
    launch = read(run(launches=newer)).launches[1]
    assert (launch.options, [t.aligned for t in launch.tensors]) == ({"maxnreg": 64}, [False, True])


@pytest.mark.parametrize("options", [{"maxnreg": [64]}, ["maxnreg"]])
def test_options_that_are_no_plain_values_are_malformed(run, options: Any) -> None:
    with pytest.raises(NcukitError):
        read(run(launches=changed(LAUNCHES, "kernels", {"0": {**KERNEL, "options": options}})))
