"""The H200's readings told of as another GPU's: the rules ask the device, never the recording, what it can do."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import pytest
from recordings import HEALTHY, SICK, Recording, advice, bare, faults, findings, report

from ncukit import gpus
from ncukit.diagnose import diagnose
from ncukit.model import Diagnosis, Environment

GPUS = ("V100 SXM2 32GB", "T4", "A100 SXM4 80GB", "RTX 4090", "H100 SXM5 80GB", "B200", "a chip of tomorrow")
PRODUCTS = [r for r in SICK if r.cause == "tensor-core-unused"]


@cache
def told_as(recording: Recording, gpu: str) -> Diagnosis:
    run = report(recording)
    return diagnose(replace(run, environment=Environment(gpu=gpu)), source=str(recording.source))


@pytest.mark.parametrize("gpu", GPUS)
@pytest.mark.parametrize("recording", [*SICK, *HEALTHY], ids=str)
def test_every_answer_holds_on_every_chip(recording: Recording, gpu: str):
    diagnosis = told_as(recording, gpu)
    for kernel in diagnosis.kernels:
        assert faults((*kernel.findings, *kernel.silences), kernel.metrics) == []
        assert all(math.isfinite(rung.time_us) and rung.time_us >= 0 for rung in kernel.ladder)


@pytest.mark.parametrize("gpu", [gpu for gpu in GPUS if (known := gpus.find(gpu)) and not known.tf32_tflops])
def test_tf32_is_promised_only_where_it_is(gpu: str):
    """Recorded arguments tell half precision; without them the operands may be float32."""

    def rates(name: str) -> str:
        runs = [(replace(bare(report(r)), environment=Environment(gpu=name)), str(r.source)) for r in PRODUCTS]
        found = [f for run, source in runs for f in findings(diagnose(run, source=source))]
        return " ".join(s.why for f in found if f.cause == "tensor-core-unused" for s in f.suggestions)

    assert "multiply FP16 at" in rates(gpu)
    assert "multiply TF32 at" not in rates(gpu)
    assert "multiply TF32 at" in rates("A100 SXM4 80GB")
    assert "multiply FP16 at" not in rates("A100 SXM4 80GB")


def test_a_healthy_h200_is_no_roof_for_a_faster_chip():
    """The same bytes in the same time are 60 % of a B200's bandwidth: nothing may call that its roof."""
    for recording in HEALTHY:
        for kernel in told_as(recording, "B200").kernels:
            assert "dram-roof" not in {f.cause for f in kernel.findings}
    assert all(f.gain is None or f.gain.best >= 1.0 for r in HEALTHY for f in advice(told_as(r, "B200")))
