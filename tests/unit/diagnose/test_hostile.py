"""Numbers that no device gives: counters of zero, negative, infinite, huge. Nothing crashes, nothing promises them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recordings import BY_NAME, SICK, Recording, bare, faults, report

from ncukit import metrics
from ncukit.diagnose import diagnose

if TYPE_CHECKING:
    from ncukit.model import Diagnosis, Report

HOSTILE = (0.0, -1.0, -1e30, 1e30, math.inf, -math.inf, 1e-300)


def sane(run: Report) -> Diagnosis:
    diagnosis = diagnose(run)
    for kernel in diagnosis.kernels:
        assert faults((*kernel.findings, *kernel.silences), kernel.metrics) == []
        assert all(math.isfinite(rung.time_us) and rung.time_us >= 0 for rung in kernel.ladder)
        assert kernel.duration_us is None or 0 < kernel.duration_us < math.inf
    assert faults(diagnosis.pipeline, run.frame.columns) == []
    assert all(math.isfinite(rung.time_us) for rung in diagnosis.ladder)
    return diagnosis


def columns(run: Report) -> list[str]:
    return sorted(set(run.frame) & set(metrics.catalogue()))


@pytest.mark.parametrize("value", [0.0, -1.0, 1e30, math.inf])
@pytest.mark.parametrize("recording", [r for r in SICK if r.name.startswith("sick-")], ids=str)
def test_each_metric_may_be_the_absurd_one(recording: Recording, value: float) -> None:
    """One kernel a metric, told apart by their grids: the last launch of the recording, with that metric absurd."""
    run = report(recording)
    names = columns(run)
    frame = pd.concat([run.frame.tail(1)] * len(names), ignore_index=True)
    frame["grid"] = [f"({i + 1}, 1, 1)" for i in range(len(names))]
    for row, name in enumerate(names):
        frame[name] = frame[name].astype("float64")
        frame.loc[row, name] = value
    launches = run.launches[-1:] * len(names)
    assert len(sane(replace(run, frame=frame, launches=launches)).kernels) == len(names)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    recording=st.sampled_from(SICK),
    masks=st.lists(st.integers(0, 2**128 - 1), min_size=1, max_size=4),
    values=st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=7),
    alone=st.booleans(),
)
def test_several_metrics_may_be_absurd(
    recording: Recording, masks: list[int], values: list[float], alone: bool
) -> None:
    run = report(recording)
    frame = run.frame.copy()
    chosen = [name for i, name in enumerate(columns(run)) if all(mask >> i & 1 for mask in masks)]
    for i, name in enumerate(chosen):
        frame[name] = values[i % len(values)]
    sane(bare(replace(run, frame=frame)) if alone else replace(run, frame=frame))


@pytest.mark.parametrize("value", [*HOSTILE, math.nan])
def test_everything_may_be_absurd(value: float) -> None:
    run = report(BY_NAME["sick-fusion"])
    frame = run.frame.copy()
    frame[columns(run)] = value
    for absurd in (replace(run, frame=frame), bare(replace(run, frame=frame))):
        assert [f for k in sane(absurd).kernels for f in k.findings if f.gain and f.gain.best > 1e6] == []


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf])
def test_a_time_that_cannot_be_promises_no_time(value: float) -> None:
    run = report(BY_NAME["sick-barrier"])
    (kernel,) = sane(replace(run, frame=run.frame.assign(duration_ns=value, duration_us=value))).kernels
    assert kernel.duration_us is None
    assert kernel.ladder == ()


def test_one_absurd_launch_does_not_spoil_the_median_of_the_others() -> None:
    run = bare(report(BY_NAME["sick-barrier"]))
    frame = pd.concat([run.frame] * 3, ignore_index=True)
    (healthy,) = diagnose(replace(run, frame=frame)).kernels
    frame.loc[1, "duration_us"] = math.inf
    frame.loc[1, "stall_barrier_pct"] = -1.0
    (kernel,) = sane(replace(run, frame=frame)).kernels
    assert kernel.duration_us == healthy.duration_us
    assert [f.cause for f in kernel.findings] == [f.cause for f in healthy.findings]
