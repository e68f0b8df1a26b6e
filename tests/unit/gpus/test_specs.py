"""The GPU table: it agrees with the seed prompt and a real device, and obeys what the hardware makes true."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from ncukit import gpus
from ncukit.errors import Exit, NcukitError

if TYPE_CHECKING:
    from ncukit.gpus import Gpu

KB = 1024
MB = 1024 * 1024

ALL = pytest.mark.parametrize("gpu", gpus.all_gpus(), ids=lambda gpu: gpu.name)

# Data rate per pin (Gbit/s) and bus width (bits); their product over 8 is the peak, up to rounding.
MEMORY = {
    "V100 SXM2 32GB": (1.754, 4096),
    "V100 SXM2 16GB": (1.754, 4096),
    "V100 PCIe 32GB": (1.754, 4096),
    "V100 PCIe 16GB": (1.754, 4096),
    "RTX 2080 Ti": (14, 352),
    "T4": (10, 256),
    "A100 SXM4 80GB": (3.186, 5120),
    "A100 SXM4 40GB": (2.430, 5120),
    "A100 PCIe 80GB": (3.024, 5120),
    "A100 PCIe 40GB": (2.430, 5120),
    "A30": (2.430, 3072),
    "RTX 3090": (19.5, 384),
    "RTX A6000": (16, 384),
    "A40": (14.5, 384),
    "A10": (12.5, 384),
    "RTX 4090": (21, 384),
    "RTX 6000 Ada": (20, 384),
    "L40S": (18, 384),
    "L40": (18, 384),
    "RTX 4080": (22.4, 256),
    "L4": (12.5, 192),
    "H100 SXM5 80GB": (5.238, 5120),
    "H100 PCIe": (3.186, 5120),
    "H100 NVL": (5.238, 6016),
    "H200": (6.402, 6016),
    "GH200 96GB": (5.238, 6144),
    "B200": (7.992, 7680),
    "RTX 5090": (28, 512),
    "RTX PRO 6000 Blackwell Workstation Edition": (28, 512),
    "RTX 5080": (30, 256),
}

# Per capability: FP32 and dense FP16 tensor operations per SM and clock, and the highest boost clock in GHz.
SM_RATES = {
    "7.0": (128, 1024, 1.6),
    "7.5": (128, 1024, 1.6),
    "8.0": (128, 2048, 1.5),
    "8.6": (256, 1024, 1.9),
    "8.9": (256, 1024, 2.6),
    "9.0": (256, 4096, 2.0),
    "10.0": (256, 8192, 2.0),
    "12.0": (256, 1024, 2.7),
}

# Cards whose tensor cores run at half rate when they accumulate in FP32.
HALF_RATE = {"RTX 2080 Ti", "RTX 3090", "A10G", "RTX 4090", "RTX 4080", "L40", "RTX 5090", "RTX 5080"}


def numbers(gpu: Gpu) -> dict[str, float]:
    """The fields of ``gpu`` that hold a number."""
    values = {f.name: getattr(gpu, f.name) for f in dataclasses.fields(gpu)}
    return {name: value for name, value in values.items() if isinstance(value, int | float)}


def test_rtx_4090_equals_the_seed_prompt() -> None:
    gpu = gpus.get("4090")
    assert gpu.architecture == "Ada Lovelace"
    assert gpu.compute_capability == "8.9"
    assert gpu.sm_count == 128
    assert gpu.dram_gbps == 1008
    assert gpu.tf32_tflops == 82.6
    assert gpu.bf16_tflops == 165.2
    assert gpu.fp16_tflops == 165.2
    assert gpu.max_registers_per_thread == 255
    assert gpu.max_threads_per_block == 1024
    assert gpu.max_threads_per_sm == 1536
    assert gpu.max_warps_per_sm == 48
    assert gpu.shared_per_sm == 100 * KB
    assert gpu.shared_per_block == 99 * KB
    assert gpu.l2_bytes == 72 * MB


def test_h200_equals_a_real_device() -> None:
    gpu = gpus.get("NVIDIA H200")
    # device attributes of an H200, ncu 2025.3.1
    assert gpu.compute_capability == "9.0"
    assert gpu.sm_count == 132
    assert gpu.l2_bytes == 62_914_560
    assert gpu.max_threads_per_sm == 2048
    assert gpu.max_warps_per_sm == 64
    assert gpu.max_blocks_per_sm == 32
    assert gpu.registers_per_sm == 65_536
    assert gpu.max_registers_per_thread == 255
    assert gpu.max_threads_per_block == 1024
    assert gpu.shared_per_sm == 233_472
    assert gpu.shared_per_block == 232_448
    memory_clock_khz, bus_bits = 3_201_000, 6016
    assert gpu.dram_gbps == pytest.approx(2 * memory_clock_khz * 1e3 * bus_bits / 8 / 1e9, rel=0.005)


def test_h200_measured_bandwidth_is_bytes_over_time() -> None:
    gpu = gpus.get("h200")
    assert gpu.dram_copy_gbps == pytest.approx(17.16 / 4.018e-3, rel=0.001)
    assert gpu.dram_read_gbps == pytest.approx(8.59 / 1.888e-3, rel=0.001)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("4090", "RTX 4090"),
        ("RTX 4090", "RTX 4090"),
        ("rtx-4090", "RTX 4090"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("h200", "H200"),
        ("NVIDIA H200", "H200"),
        ("h100", "H100 SXM5 80GB"),
        ("NVIDIA H100 80GB HBM3", "H100 SXM5 80GB"),
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("NVIDIA H100 NVL", "H100 NVL"),
        ("NVIDIA GH200 480GB", "GH200 96GB"),
        ("NVIDIA B200", "B200"),
        ("v100", "V100 SXM2 32GB"),
        ("a100", "A100 SXM4 80GB"),
        ("NVIDIA A100-SXM4-80GB", "A100 SXM4 80GB"),
        ("NVIDIA A100-SXM4-40GB", "A100 SXM4 40GB"),
        ("NVIDIA A100 80GB PCIe", "A100 PCIe 80GB"),
        ("NVIDIA A100-PCIE-40GB", "A100 PCIe 40GB"),
        ("Tesla V100-SXM2-32GB", "V100 SXM2 32GB"),
        ("Tesla V100-PCIE-16GB", "V100 PCIe 16GB"),
        ("Tesla T4", "T4"),
        ("NVIDIA GeForce RTX 2080 Ti", "RTX 2080 Ti"),
        ("NVIDIA A10", "A10"),
        ("NVIDIA A10G", "A10G"),
        ("NVIDIA RTX A6000", "RTX A6000"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA L40", "L40"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX PRO 6000 Blackwell Server Edition"),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "RTX PRO 6000 Blackwell Workstation Edition"),
    ],
)
def test_a_gpu_is_found_by_what_cuda_prints_and_people_type(spelling: str, name: str) -> None:
    assert gpus.get(spelling).name == name


@pytest.mark.parametrize(
    "ambiguous",
    [
        "RTX 6000",
        "Quadro RTX 6000",
        "NVIDIA GeForce RTX 4090 D",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA GeForce RTX 4080 SUPER",
        "A1000",
        "NVIDIA",
        "",
    ],
)
def test_another_card_with_a_similar_name_is_not_found(ambiguous: str) -> None:
    assert gpus.find(ambiguous) is None


def test_unknown_name_raises_an_error_that_names_near_ones() -> None:
    with pytest.raises(NcukitError) as caught:
        gpus.get("RTX 4091")
    assert "RTX 4091" in caught.value.message
    assert "RTX 4090" in caught.value.causes[0]
    assert caught.value.exit_code is Exit.USAGE
    assert caught.value.next_command


def test_name_like_no_other_raises_an_error_that_names_all() -> None:
    with pytest.raises(NcukitError) as caught:
        gpus.get("quantum")
    assert all(gpu.name in caught.value.causes[0] for gpu in gpus.all_gpus())


def test_no_name_or_alias_belongs_to_two_gpus() -> None:
    owners: dict[str, set[str]] = defaultdict(set)
    for gpu in gpus.all_gpus():
        for name in (gpu.name, *gpu.aliases):
            owners[gpus._key(name)].add(gpu.name)
    assert "" not in owners
    assert {key: names for key, names in owners.items() if len(names) > 1} == {}
    assert len({gpu.name for gpu in gpus.all_gpus()}) == len(gpus.all_gpus())


@pytest.mark.parametrize(
    ("capability", "chip"),
    [
        ("7.0", "gv100"),
        ("7.5", "tu102"),
        ("8.0", "ga100"),
        ("8.6", "ga102"),
        ("8.9", "ad102"),
        ("9.0", "gh100"),
        ("10.0", "gb100"),
        ("12.0", "gb202"),
        ("3.5", ""),
    ],
)
def test_a_compute_capability_stands_for_its_best_known_chip(capability: str, chip: str) -> None:
    assert gpus.chip_of(capability) == chip


@ALL
def test_every_number_has_a_source(gpu: Gpu) -> None:
    unsourced = [name for name in numbers(gpu) if not gpu.sources.get(name, gpu.sources.get("*", "")).strip()]
    assert unsourced == []


@ALL
def test_every_source_belongs_to_a_number(gpu: Gpu) -> None:
    assert set(gpu.sources) - {"*"} <= set(numbers(gpu))
    assert "*" in gpu.sources


@ALL
def test_every_measured_number_says_how_it_was_measured(gpu: Gpu) -> None:
    for name in ("dram_copy_gbps", "dram_read_gbps"):
        if getattr(gpu, name) is not None:
            assert gpu.sources[name].startswith(("measured", "computed from"))


@ALL
def test_limits_fit_together(gpu: Gpu) -> None:
    assert gpu.max_warps_per_sm * 32 == gpu.max_threads_per_sm
    assert gpu.max_threads_per_block <= gpu.max_threads_per_sm
    assert gpu.max_blocks_per_sm <= gpu.max_warps_per_sm
    assert gpu.registers_per_sm == 65_536
    assert gpu.max_registers_per_thread == 255
    assert gpu.shared_per_block <= gpu.shared_per_sm
    # from Ampere on the driver keeps 1 KB of shared memory per block
    kept = KB if float(gpu.compute_capability) >= 8 else 0
    assert gpu.shared_per_block == gpu.shared_per_sm - kept
    assert gpu.l2_bytes % (512 * KB) == 0
    assert gpu.l2_bytes > gpu.shared_per_sm


@ALL
def test_measured_bandwidth_stays_below_the_peak(gpu: Gpu) -> None:
    for measured in (gpu.dram_copy_gbps, gpu.dram_read_gbps):
        assert measured is None or 0.8 * gpu.dram_gbps < measured < gpu.dram_gbps


@pytest.mark.parametrize("name", MEMORY)
def test_bandwidth_is_data_rate_times_bus_width(name: str) -> None:
    gbit_per_pin, bits = MEMORY[name]
    assert gpus.get(name).dram_gbps == pytest.approx(gbit_per_pin * bits / 8, rel=0.006)


@ALL
def test_rates_imply_a_possible_clock(gpu: Gpu) -> None:
    # A rate with sparsity would need twice the clock, a shader rate in the tensor column half of it.
    fp32_per_clock, fp16_per_clock, highest = SM_RATES[gpu.compute_capability]
    assert 1.35 <= gpu.fp32_tflops * 1e3 / gpu.sm_count / fp32_per_clock <= highest
    if gpu.fp16_tflops is not None:
        per_clock = fp16_per_clock / 2 if gpu.name in HALF_RATE else fp16_per_clock
        assert 1.35 <= gpu.fp16_tflops * 1e3 / gpu.sm_count / per_clock <= highest


@ALL
def test_tensor_rates_fit_together(gpu: Gpu) -> None:
    supports = float(gpu.compute_capability)
    assert (gpu.tf32_tflops is None) or supports >= 8
    assert (gpu.fp8_tflops is None) or supports >= 8.9
    assert gpu.bf16_tflops == (gpu.fp16_tflops if supports >= 8 else None)
    if gpu.fp16_tflops is not None and gpu.tf32_tflops is not None:
        assert gpu.fp16_tflops == pytest.approx(2 * gpu.tf32_tflops, rel=0.025)
    if gpu.fp16_tflops is not None and gpu.fp8_tflops is not None:
        assert gpu.fp8_tflops == pytest.approx(2 * gpu.fp16_tflops, rel=0.015)
    if gpu.fp64_tflops is not None:
        assert gpu.fp64_tflops == pytest.approx(gpu.fp32_tflops / 2, rel=0.015)
