"""Thousands of kernels in one report. Time and memory are measured by hand: tests/bench/diagnose.py."""

from __future__ import annotations

from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from typing import TYPE_CHECKING

import pytest
from recordings import PROFILES, ROOT, findings

from ncukit.diagnose import diagnose
from ncukit.read import read

if TYPE_CHECKING:
    from ncukit.model import Diagnosis

COUNT = 2000


def bench():
    spec = spec_from_file_location("bench_diagnose", ROOT / "tests" / "bench" / "diagnose.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def many(shape: str) -> Diagnosis:
    script = bench()
    return diagnose(script.tiled(read(PROFILES / script.SHAPES[shape][1]), COUNT, shape))


def test_each_of_two_thousand_kernels_gets_its_diagnosis() -> None:
    diagnosis = many("distinct")
    assert len(diagnosis.kernels) == COUNT
    assert [k.launches for k in diagnosis.kernels] == [1] * COUNT
    first = diagnosis.kernels[0]
    assert all([f.cause for f in k.findings] == [f.cause for f in first.findings] for k in diagnosis.kernels)
    assert first.findings


def test_two_thousand_launches_of_ten_kernels_are_ten_kernels() -> None:
    diagnosis = many("ten")
    assert [k.launches for k in diagnosis.kernels] == [COUNT // 10] * 10
    assert all(k.findings for k in diagnosis.kernels)


def test_every_pair_that_shares_data_is_a_finding_of_its_own() -> None:
    diagnosis = many("pairs")
    assert len(diagnosis.pipeline) == COUNT // 2
    assert {len(f.kernels) for f in diagnosis.pipeline} == {2}


@pytest.mark.parametrize("shape", ["distinct", "chain"])
def test_what_is_said_of_two_thousand_kernels_is_short_enough_to_read(shape: str) -> None:
    for finding in findings(many(shape)):
        said = (
            finding.title,
            *(e.compared_with for e in finding.evidence),
            *(s.location or "" for s in finding.suggestions),
        )
        assert max(map(len, said)) < 500
