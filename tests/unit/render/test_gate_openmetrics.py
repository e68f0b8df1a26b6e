"""GitLab's metrics report, read back by prometheus_client's OpenMetrics parser."""

from __future__ import annotations

import math

import pytest
from consumers import samples
from judgements import EXAMPLE, entry, judged, judgement, least, reading

from ncukit.metrics import catalogue
from ncukit.render import gate_openmetrics


def test_medians_in_base_units() -> None:
    found = samples(gate_openmetrics.render(EXAMPLE))
    labels = {"case": "naive_instance_norm", "recorded": "true"}

    assert found["ncukit_duration_seconds"] == [
        (labels | {"kernel": "compute_moments_kernel"}, 0.00172912),
        (labels | {"kernel": "normalize_kernel"}, 0.0038304),
    ]
    assert found["ncukit_dram_ratio"][1] == (labels | {"kernel": "normalize_kernel"}, 0.8145)
    assert found["ncukit_dram_bytes"][0][1] == 7518753792
    assert found["ncukit_traffic_ratio"][0][1] == 1.0003331


def test_verdicts_are_counted_by_status() -> None:
    counts = samples(gate_openmetrics.render(judgement(judged("k", least(85, 80), least(85, 90)))))

    assert counts["ncukit_gate_verdicts"] == [
        ({"status": "fail"}, 1),
        ({"status": "unjudged"}, 0),
        ({"status": "ambiguous"}, 0),
        ({"status": "warn"}, 0),
        ({"status": "ignored"}, 0),
        ({"status": "pass"}, 1),
    ]


def test_a_live_run_has_no_label_of_a_recording() -> None:
    text = gate_openmetrics.render(judgement(entries=(entry("k", {"dram_gbps": reading(4348.25)}),), case="copy"))

    assert 'ncukit_dram_bytes_per_second{case="copy",kernel="k"} 4348250000000\n' in text
    assert "recorded" not in text


def test_a_metric_outside_the_catalogue_keeps_its_name() -> None:
    found = samples(gate_openmetrics.render(EXAMPLE))

    assert found["ncukit_smsp__inst_executed_sum"][0][1] == 1234567


def test_every_metric_of_the_catalogue_has_a_valid_name_and_unit() -> None:
    readings = {name: reading(1.0) for name in catalogue()}

    found = samples(gate_openmetrics.render(judgement(entries=(entry("k", readings),))))

    # duration_ns and duration_us are one time
    assert len(found) == len(catalogue()) - 1 + 1


def test_a_kernel_that_repeats_carries_its_grid() -> None:
    kernels = [entry("k", {"dram_pct": reading(50.0)}, grid=f"({n}, 1, 1)") for n in (1, 2)]

    found = samples(gate_openmetrics.render(judgement(entries=tuple(kernels))))

    assert [labels["grid"] for labels, _ in found["ncukit_dram_ratio"]] == ["(1, 1, 1)", "(2, 1, 1)"]


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_what_is_missing_is_left_out(odd: float) -> None:
    text = gate_openmetrics.render(judgement(entries=(entry("k", {"dram_pct": reading(odd)}),)))

    assert list(samples(text)) == ["ncukit_gate_verdicts"]


def test_labels_are_escaped() -> None:
    name = 'k"\\\n{x="y"} 1 # EOF'

    found = samples(gate_openmetrics.render(judgement(entries=(entry(name, {"registers": reading(40)}),))))

    assert found["ncukit_registers"] == [({"kernel": 'k"\\\\x0a{x="y"} 1 # EOF'}, 40)]


def test_it_ends_as_openmetrics_must() -> None:
    assert gate_openmetrics.render(judgement()).endswith("\n# EOF\n")
