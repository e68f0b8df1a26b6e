"""From the seed's own inputs a brief with the seed's structure is rebuilt, and its facts are the same."""

from __future__ import annotations

import json
import re

import pytest
from briefs import SEED, seed

from ncukit.optimize.brief import brief
from ncukit.read import read

TITLES = (
    "# Target GPU",
    "[OPTIMIZATION STAGE]",
    "## Current Optimization Stage",
    "**Focus**: ",
    "**NCU Metrics to Check**:",
    "**Guidelines**:",
    "[CURRENT CODE]",
    "[NCU PROFILING METRICS]",
    "**Task**: ",
    "OUTPUT RULES (STRICT):",
    "```python\n# <optimized Triton code>\n```",
)
"""Titles of the seed, in its order."""
GPU = {
    "Compute Capability": 8.9,
    "Number of SMs": 128,
    "Memory Bandwidth": 1008,
    "TF32 Tensor Core TFLOPS": 82.6,
    "BFLOAT16 Tensor Core TFLOPS": 165.2,
    "FP16 Tensor Core TFLOPS": 165.2,
    "Maximum number of registers per thread": 255,
    "Maximum threads per block": 1024,
    "Maximum threads per SM": 1536,
    "Warp size": 32,
    "Maximum concurrent warps per SM": 48,
    "Shared memory capacity per SM": 100,
    "Maximum shared memory per thread block": 99,
    "L2 cache (global, all SM shared)": 72,
}
"""The seed's list, in its order."""


@pytest.fixture(scope="module")
def text() -> str:
    return brief(seed()).text


def test_the_seeds_sections_stand_in_the_seeds_order(text) -> None:
    places = [text.index(title) for title in TITLES]
    assert places == sorted(places)
    assert all(text.startswith(title) or f"\n{title}" in text for title in TITLES), "each begins a line"
    assert text.splitlines()[0].startswith("You ")
    assert text.endswith(f"{TITLES[-1]}\n")


def test_the_gpus_facts_are_the_seeds(text) -> None:
    assert "\nGPU Name: RTX 4090\nArchitecture: Ada Lovelace\n" in text
    rows = dict(re.findall(r"^• ([^:\n]+): ([\d.]+)", text, re.MULTILINE))
    assert {label: float(rows[label]) for label in GPU} == GPU
    assert [label for label in rows if label in GPU] == list(GPU)
    assert text.count(" dense\n") == 4
    assert "FP64" not in text, "the table does not know it"


def test_the_readings_are_the_seeds(text) -> None:
    (shown,) = re.findall(r"^\[NCU PROFILING METRICS\]\n(\{.*?^\})$", text, re.MULTILINE | re.DOTALL)
    given = json.loads((SEED / "metrics.json").read_text())
    assert json.loads(shown) == given
    assert [list(kernel) for kernel in json.loads(shown).values()] == [list(kernel) for kernel in given.values()]


def test_the_code_is_the_seeds(text) -> None:
    code = text.split("[CURRENT CODE]\n```python\n")[1].split("\n```\n")[0]
    assert code == (SEED / "instance_norm.py").read_text().rstrip()


def test_the_rules_say_what_the_seeds_say(text) -> None:
    rules = text.split("OUTPUT RULES (STRICT):\n")[1]
    order = ["Imports: torch, torch.nn, triton, triton.language as tl", "@triton.jit", "Wrapper function", "ModelNew"]
    places = [rules.index(word) for word in order]
    assert places == sorted(places)
    assert "Do NOT include: testing code, if __name__, get_inputs, get_init_inputs" in rules


def test_what_the_seed_got_wrong_is_not_repeated(text) -> None:
    assert "memory_dependency" not in text, "a metric that no chip has"
    assert "stage: advanced memory" in text, "both kernels are at the DRAM roof: a pass over memory is what is left"
    said = [line for line in text.splitlines() if "num_stages" in line]
    assert said
    assert all("tl.range(" in line or line.startswith("- num_stages: it pipelines loads that feed") for line in said)


def test_a_brief_can_be_read_back_as_the_report_that_it_shows(text, tmp_path) -> None:
    (tmp_path / "brief.txt").write_text(text)
    report = read(tmp_path / "brief.txt")
    assert list(report.frame["kernel"]) == ["compute_moments_kernel", "normalize_kernel"]
    assert list(report.frame["dram_pct"]) == [97.07, 87.63]
    assert report.environment.gpu == "RTX 4090"
