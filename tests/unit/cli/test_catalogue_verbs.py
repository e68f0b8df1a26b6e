"""``ncukit metrics`` and ``ncukit gpus``."""

from __future__ import annotations

import json

import pytest

from ncukit import gpus, metrics
from ncukit.cli import run
from ncukit.errors import Exit

DEAD = "smsp__warp_issue_stalled_memory_dependency_per_warp_active.pct"


def listed(capsys, *arguments: str) -> list[str]:
    assert run(["metrics", *arguments, "--format", "json"]) == Exit.OK
    return [entry["name"] for entry in json.loads(capsys.readouterr().out)["metrics"]]


def test_without_a_pattern_all_metrics_are_listed(capsys) -> None:
    assert list(metrics.catalogue()) == listed(capsys)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("DRAM_P", "dram_pct"),
        ("lts__t_sector_op_read_hit", "l2_read_hit_pct"),
        ("bank conflict", "shared_load_conflicts"),
    ],
)
def test_a_pattern_is_looked_for_in_names_and_descriptions(capsys, pattern: str, name: str) -> None:
    assert name in listed(capsys, pattern)


def test_a_dead_name_is_translated_with_a_note(capsys) -> None:
    assert run(["metrics", DEAD]) == Exit.OK

    out, err = capsys.readouterr()
    assert "stall_long_scoreboard_pct" in out
    assert "exists on no chip" in err


def test_a_translation_outside_the_catalogue_says_what_to_ask_for(capsys) -> None:
    assert run(["metrics", "ipc"]) == Exit.OK

    assert "--metrics smsp__inst_executed.avg.per_cycle_active" in capsys.readouterr().err.splitlines()[-1]


def test_an_unknown_word_names_the_nearest(capsys) -> None:
    assert run(["metrics", "dram_pcd"]) == Exit.USAGE

    assert "did you mean dram_pct" in capsys.readouterr().err


def test_names_follow_the_chip_or_the_gpu(capsys) -> None:
    for option in (["--chip", "GB202"], ["--gpu", "RTX 5090"]):
        run(["metrics", "dram_read_bytes", *option])
        assert "dram__bytes_op_read.sum\n" in capsys.readouterr().out


@pytest.mark.parametrize("options", [["--chip", "hopper"], ["--gpu", "H2000"], ["--chip", "gh100", "--gpu", "H200"]])
def test_a_wrong_chip_or_gpu_is_a_usage_error(options: list[str]) -> None:
    assert run(["metrics", *options]) == Exit.USAGE


def test_all_gpus(capsys) -> None:
    assert run(["gpus", "--format", "json"]) == Exit.OK

    assert [gpu.name for gpu in gpus.all_gpus()] == [gpu["name"] for gpu in json.loads(capsys.readouterr().out)["gpus"]]


def test_one_gpu_loosely_named(capsys) -> None:
    assert run(["gpus", "nvidia geforce rtx4090"]) == Exit.OK

    assert "dram_gbps" in capsys.readouterr().out


def test_an_unknown_gpu_names_the_nearest(capsys) -> None:
    assert run(["gpus", "H2000"]) == Exit.USAGE

    assert "H200" in capsys.readouterr().err
