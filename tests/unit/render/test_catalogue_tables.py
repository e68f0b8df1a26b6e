"""The metric catalogue and the GPU table as people and programs see them."""

from __future__ import annotations

import json
from dataclasses import fields

from ncukit import gpus, metrics
from ncukit.render import catalogue


def entries(*names: str) -> list[metrics.Metric]:
    return [metrics.catalogue()[name] for name in names]


def test_a_metric_line_shows_what_ncu_is_asked_for_on_the_chip() -> None:
    hopper = catalogue.metrics_table(entries("dram_read_bytes"), "gh100").splitlines()
    blackwell = catalogue.metrics_table(entries("dram_read_bytes"), "gb202").splitlines()

    assert hopper[1].split() == [
        "dram_read_bytes",
        "byte",
        "lower",
        "quick,default,full",
        "dram__bytes_read.sum",
    ]
    assert blackwell[1].split()[-1] == "dram__bytes_op_read.sum"


def test_computed_and_recorded_metrics_say_so() -> None:
    table = catalogue.metrics_table(entries("duration_us", "dram_gbps", "compulsory_bytes"), "")

    assert "= duration_ns / 1000" in table
    assert "= dram_bytes / duration_ns" in table
    assert "= from the recorded tensor arguments" in table


def test_with_about_every_name_that_is_read_is_shown() -> None:
    table = catalogue.metrics_table(entries("dram_bytes"), "", about=True)

    assert "Bytes moved between DRAM and L2" in table
    assert "without that counter: dram_read_bytes + dram_write_bytes" in table


def test_every_metric_is_in_the_json_with_its_direction() -> None:
    document = json.loads(catalogue.metrics_json(list(metrics.catalogue().values()), "gh100"))

    assert list(metrics.catalogue()) == [entry["name"] for entry in document["metrics"]]
    assert {"higher", "lower", "neither"} == {entry["better"] for entry in document["metrics"]}


def test_the_gpu_table_has_a_line_for_each_gpu() -> None:
    lines = catalogue.gpus_table(gpus.all_gpus()).splitlines()

    assert [gpu.name for gpu in gpus.all_gpus()] == [line.split("  ")[0] for line in lines[1:-2]]


def test_a_gpu_page_shows_every_field_with_its_source() -> None:
    gpu = gpus.get("RTX 4090")
    page = catalogue.gpu_page(gpu)

    shown = {line.split(" ")[0] for line in page.splitlines()[1:]}
    assert {one.name for one in fields(gpu)} - {"name", "sources"} == shown
    assert gpu.sources.get("dram_gbps", gpu.sources.get("*")) in next(
        line for line in page.splitlines() if line.startswith("dram_gbps")
    )


def test_gpus_as_json_carry_their_sources() -> None:
    (entry,) = json.loads(catalogue.gpus_json([gpus.get("H200")]))["gpus"]

    assert entry["sources"]
    assert entry["compute_capability"] == "9.0"
