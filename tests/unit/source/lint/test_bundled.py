"""Rules TRI2 and TRI3 on the project's own kernels, with the launches that were recorded on an H200."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from ncukit.source.inspection import Argument, Launch
from ncukit.source.lint import lint
from ncukit.source.lint.module import Module
from ncukit.source.lint.ways import traces
from ncukit.source.text import read_text

ROOT = Path(__file__).parents[4]
FILES = sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "kernels").rglob("*.py"))
RECORDINGS = sorted(p.parent.name for p in (ROOT / "profiles/h200").glob("*/launches.json"))
TYPES = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16", "int32": "i32", "int64": "i64", "uint8": "u8"}
SICK = {"kernels/clinic/sick/atomic_contention.py": [("TRI301", "`BINS` is never used")]}
"""What is true of kernels that are sick on purpose: the sick one keeps the cured one's parameters."""


def recorded(name: str) -> tuple[str, list[Launch]]:
    """(kernel file, launches) of a recording."""
    document = json.loads((ROOT / "profiles/h200" / name / "launches.json").read_text())
    found = []
    for entry in document["launches"]:
        kernel = document["kernels"][entry["kernel"]]
        arguments = [Argument(name=n, type="constexpr", value=v) for n, v in kernel["constexprs"].items()]
        for n, v in entry["scalars"].items():
            type_ = "constexpr" if v is None else "fp32" if isinstance(v, float) else "i32" if abs(v) < 2**31 else "i64"
            arguments.append(Argument(name=n, type=type_, value=v))
        for t in entry["tensors"]:
            shape = tuple(t["shape"])
            arguments.append(Argument(name=t["name"], type="*" + TYPES[t["dtype"]], shape=shape, bytes=t["bytes"]))
        found.append(
            Launch(
                kernel=kernel["name"],
                file=kernel["file"],
                line=kernel["line"],
                launch_line=entry["launch_line"],
                grid=tuple(entry["grid"]),
                arguments=tuple(arguments),
                num_warps=kernel["num_warps"],
                num_stages=kernel["num_stages"],
            )
        )
    return document["target"], found


@pytest.mark.parametrize("file", FILES)
def test_bundled_kernels_are_clean(file):
    found = lint(read_text(str(ROOT / file)), select=["TRI2", "TRI3"])
    expected = SICK.get(file, [])
    assert [(v.code, v.message.split(" in ")[0]) for v in found] == expected


@pytest.mark.parametrize("name", RECORDINGS)
def test_bundled_kernels_are_clean_with_their_launches(name):
    target, launches = recorded(name)
    started = time.perf_counter()
    found = lint(read_text(str(ROOT / target)), launches, select=["TRI2", "TRI3"])
    assert [v.code for v in found] == [code for code, _ in SICK.get(target, [])]
    assert time.perf_counter() - started < 3


@pytest.mark.parametrize("name", ["layer_norm", "naive_instance_norm", "frobenius_norm", "clinic_cured_fusion"])
def test_every_address_of_plain_kernels_is_known(name):
    target, launches = recorded(name)
    module = Module(read_text(str(ROOT / target)), tuple(launches))
    accesses = [a for k in module.kernels.values() for _, trace in traces(module, k) for a in trace.accesses]
    assert accesses
    assert all(a.certain and a.pointer.line is not None and a.pointer.pointer for a in accesses)


def test_the_plain_instance_norm_overflows_without_its_64_bits():
    target, launches = recorded("naive_instance_norm")
    text = (ROOT / target).read_text()
    from ncukit.source.text import parse

    narrow = parse(text.replace("tl.program_id(0).to(tl.int64)", "tl.program_id(0)").encode(), target)
    assert lint(narrow, launches, select=["TRI204"]) == []  # 112 slices of 64 channels: 87 % of the range
    larger = [
        Launch(
            kernel=at.kernel, file=at.file, line=at.line, launch_line=at.launch_line, grid=(130 * 64, 1, 1),
            arguments=at.arguments, num_warps=at.num_warps, num_stages=at.num_stages,
        )
        for at in launches
    ]  # fmt: skip
    found = lint(narrow, larger, select=["TRI204"])
    assert {(v.kernel, v.severity) for v in found} == {
        ("compute_moments_kernel", "error"),
        ("normalize_kernel", "error"),
    }
    assert all(v.instead == "`tl.program_id(0).to(tl.int64) * size`" for v in found)
    assert lint(parse(text.encode(), target), larger, select=["TRI204"]) == []
