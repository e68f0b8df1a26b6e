"""A recorded launches.json is looked at before anything is made of it."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from ncukit.errors import Exit, NcukitError
from ncukit.source.recording import check

RUNS = sorted((Path(__file__).parents[3] / "profiles").rglob("launches.json"))
RECORD = {
    "kernels": {"k": {"name": "k", "num_warps": 4, "constexprs": {"B": 64}, "options": None}},
    "launches": [
        {
            "kernel": "k",
            "grid": [1, 1, 1],
            "scalars": {"n": 64, "eps": 1e-5, "flag": None},
            "tensors": [{"name": "x", "dtype": "torch.float32", "shape": [4, 16], "aligned": None}],
        }
    ],
}


@pytest.mark.parametrize("path", RUNS, ids=lambda p: p.parent.name)
def test_what_profile_recorded_is_fine(path) -> None:
    record = json.loads(path.read_text(encoding="utf-8"))
    assert check(record, str(path)) is record


def test_no_launches_are_fine() -> None:
    assert check({"kernels": {}, "launches": []}, "x")["launches"] == []
    assert check(RECORD, "x") is RECORD


@pytest.mark.parametrize("record", [None, 1, "x", [], {}, {"kernels": {}}, {"launches": []}], ids=str)
def test_what_is_no_record_is_refused(record) -> None:
    with pytest.raises(NcukitError, match=r"run/launches\.json holds no launches"):
        check(record, "run/launches.json")


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("kernels",), [], "kernels: an object expected, found []"),
        (("kernels", "k"), 3, "kernels['k']: an object expected, found 3"),
        (("kernels", "k", "name"), None, "kernels['k'].name: a name expected"),
        (("kernels", "k", "constexprs"), [1], "kernels['k'].constexprs: an object expected"),
        (("kernels", "k", "constexprs"), {"B": [1]}, "kernels['k'].constexprs.B: a plain value expected"),
        (("kernels", "k", "options"), "x", "kernels['k'].options: an object expected"),
        (("kernels", "k", "num_warps"), "4", "kernels['k'].num_warps: a number from 0"),
        (("launches",), {}, "launches: a list expected"),
        (("launches",), [1, "x", None], "launches[0]: an object expected, found 1"),
        (("launches",), [RECORD["launches"][0]] * 10_001, "10,001 launches are too many"),
        (("launches", 0, "kernel"), 5, "launches[0].kernel: 5 is none of the kernels"),
        (("launches", 0, "kernel"), "other", "launches[0].kernel: 'other' is none of the kernels"),
        (("launches", 0, "kernel"), [], "launches[0].kernel: [] is none of the kernels"),
        (("launches", 0, "grid"), [], "a grid has one to three sizes, found 0"),
        (("launches", 0, "grid"), [1] * 4, "a grid has one to three sizes, found 4"),
        (("launches", 0, "grid"), [True], "launches[0].grid: a number from 0"),
        (("launches", 0, "grid"), [-1], "launches[0].grid: a number from 0"),
        (("launches", 0, "grid"), [1 << 31], "launches[0].grid: a number from 0"),
        (("launches", 0, "grid"), None, "launches[0].grid: a list expected"),
        (("launches", 0, "scalars"), {"n": {}}, "launches[0].scalars.n: a plain value expected"),
        (("launches", 0, "scalars"), {"n": 1 << 64}, "launches[0].scalars.n: a number beyond 64 bits"),
        (("launches", 0, "tensors"), {}, "launches[0].tensors: a list expected"),
        (("launches", 0, "tensors", 0), "x", "launches[0].tensors[0]: an object expected"),
        (("launches", 0, "tensors", 0, "dtype"), "__class__", "tensors[0].dtype: '__class__' is no type"),
        (("launches", 0, "tensors", 0, "shape"), [1.5], "tensors[0].shape: a number from 0"),
        (("launches", 0, "tensors", 0, "shape"), [1 << 40, 0, 1 << 40], "is larger than any tensor"),
        (("launches", 0, "tensors", 0, "shape"), [1] * 65, "65 dimensions are too many"),
        (("launches", 0, "tensors", 0, "aligned"), 1, "tensors[0].aligned: true or false expected"),
    ],
)
def test_a_wrong_field_is_named_with_its_place(place, value, said) -> None:
    record = copy.deepcopy(RECORD)
    holder = record
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value
    with pytest.raises(NcukitError) as caught:
        check(record, "run/launches.json")
    assert caught.value.message.startswith("run/launches.json holds no launches that can be made again: ")
    assert said in caught.value.message
    assert len(caught.value.message) < 250
    assert caught.value.exit_code == Exit.USAGE


@pytest.mark.parametrize(
    "place",
    [
        ("kernels", "k", "name"),
        ("kernels", "k", "constexprs"),
        *(("launches", 0, name) for name in ("kernel", "grid", "scalars", "tensors")),
        *(("launches", 0, "tensors", 0, name) for name in ("name", "dtype", "shape")),
    ],
)
def test_a_missing_field_is_named(place) -> None:
    record = copy.deepcopy(RECORD)
    holder = record
    for step in place[:-1]:
        holder = holder[step]
    del holder[place[-1]]
    with pytest.raises(NcukitError, match=f"{place[-1]} is missing"):
        check(record, "x")
