"""docs/kernels.md is what docs/kernels.json and the recordings say, and the bench counts bytes as it claims to."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from pathlib import Path

import kernel_page
import kernel_runs
import pytest
import torch

from ncukit import gpus

ROOT = Path(__file__).parents[2]
FULL = 112 * 64 * 512 * 512 * 4
PARAMETERS = 2 * 64 * 256 * 256 * 4


def load(path: Path):
    spec = importlib.util.spec_from_file_location("bench_kernels", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bench = load(ROOT / "tests" / "bench" / "kernels.py")


def gpu(name: str):
    return next(g for g in gpus.all_gpus() if g.name == name)


def row(variant: str, ms: float | None, **fields):
    where = {"problem": "l1_norm", "size": "bench", "shape": [32768, 65535], "dtype": "float32"}
    figures = {"low": ms, "high": ms, "gbps": 3000.0, "of_copy": 0.9, "of_bound": 0.8, "error": 0.0, "how": ""}
    return {**where, "variant": variant, "ms": ms, **figures, **fields}


def run(*rows: dict, **fields):
    machine = {"device": "NVIDIA H200", "sms": 132, "driver": "580", "torch": "2.11", "triton": "3.6", "clocks": "free"}
    return {**machine, "rounds": 21, "notes": [], "bounds": [], "results": list(rows), **fields}


def line(page: str, *words: str) -> str:
    return next(text for text in page.splitlines() if all(word in text for word in words))


# The page


def test_the_page_is_up_to_date():
    assert kernel_page.PAGE.read_text(encoding="utf-8") == kernel_page.page(), "run: make kernels-page"


def test_the_saved_measurements_are_of_every_problem():
    saved = json.loads(kernel_page.DATA.read_text(encoding="utf-8"))
    assert {r["problem"] for r in saved["results"] if r["size"] == "bench"} == set(kernel_page.PROBLEMS)
    assert kernel_page.FIGURE.exists() == any(r["size"] == "sweep" for r in saved["results"])


def test_the_page_and_the_bench_know_the_same_problems():
    assert list(kernel_page.PROBLEMS) == list(bench.NORMS) == list(bench.SETS)


def test_what_was_not_measured_is_said_and_not_left_out():
    page = kernel_page.page({})
    for name in kernel_page.PROBLEMS.values():
        assert kernel_page.MISSING in line(page, f"| [{name}](") or kernel_page.MISSING in line(page, f"| {name} ")
        assert line(page, f"- **{name}**").endswith(kernel_page.MISSING)


def test_what_was_not_recorded_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(kernel_page.cases, "RECORDED", tmp_path)
    said = kernel_page.page({}).partition("## What the diagnosis said")[2]
    for name in kernel_page.PROBLEMS.values():
        assert line(said, name).count(kernel_page.MISSING) == 4  # cause, promise, measured, ours


def test_ratios_are_the_rivals_time_over_ours():
    rows = [row(v, ms) for v, ms in (("copy", 3.0), ("ours", 4.0), ("eager", 10.0), ("max-autotune", 6.0))]
    page = kernel_page.page(run(*rows, row("naive", 7.0)))
    cells = [cell.strip() for cell in line(page, "38 L1 norm", "32768x65535").split("|")[3:-1]]
    assert cells == ["4.00", "7.00", "10.00", "–", "6.00", "3.00", "3,000", "90.0%", "80.0%", "1.50x", "2.50x"]
    assert "1.75x" in line(page.partition("## What the diagnosis said")[2], "38 L1 norm")
    assert "nothing that was measured" in page


def test_a_faster_rival_and_a_variant_that_failed_are_named():
    failed = row("max-autotune", None, failed="RuntimeError: no room")
    page = kernel_page.page(run(row("ours", 4.0), row("eager", 3.5), failed))
    assert "eager on 38 L1 norm (fp32, 3.50 ms, ours 4.00)" in line(page, "Faster than ours")
    assert "`RuntimeError: no room`" in line(page, "- max-autotune on 38 L1 norm, fp32")
    assert "not timed" in line(page, "38 L1 norm", "32768x65535")


def test_a_later_run_replaces_the_tables_that_it_measured_again():
    sweep = row("ours", 2.0, size="sweep", shape=[8, 65535])
    first, second = run(row("ours", 4.0), row("eager", 9.0), sweep), run(row("ours", 3.0), rounds=15, notes=["n"])
    both = kernel_runs.merged([first, second])
    assert [(r["size"], r["variant"], r["ms"]) for r in both["results"]] == [
        ("bench", "ours", 3.0),
        ("sweep", "ours", 2.0),
    ]
    assert (both["rounds"], both["notes"]) == (15, ["n"])
    assert json.loads(kernel_runs.dumped(both)) == both


def test_runs_of_two_machines_are_not_merged():
    with pytest.raises(SystemExit, match="driver 580 and 570"):
        kernel_runs.merged([run(), run(driver="570")])


# What the bench counts


@pytest.mark.parametrize(
    ("problem", "least"),
    [
        ("batch_norm", 3 * 64 * 64 * 512 * 512 * 4),  # a channel is 67.1 MB, registers and shared memory 65.4
        ("instance_norm", 2 * FULL),
        ("group_norm", 2 * FULL),
        ("rms_norm", 2 * FULL),
        ("frobenius_norm", 3 * FULL),
        ("l1_norm", 2 * 32768 * 65535 * 4),
        ("l2_norm", 2 * 32768 * 65535 * 4),
        ("layer_norm", 2 * 16 * 64 * 256 * 256 * 4 + PARAMETERS),
    ],
)
def test_the_fewest_bytes_on_an_h200(problem, least):
    shape, parameters = bench.NORMS[problem].shape, PARAMETERS if problem == "layer_norm" else 0
    found, why = bench.bound(problem, shape, "float32", gpu("H200"), parameters)
    assert found == least
    assert ("two reads" in why) == (problem in ("batch_norm", "frobenius_norm"))


def test_a_set_of_half_the_bytes_may_fit_where_the_whole_does_not():
    shape = bench.NORMS["batch_norm"].shape
    assert bench.bound("batch_norm", shape, "bfloat16", gpu("H200"))[0] == 2 * 64 * 64 * 512 * 512 * 2
    found, why = bench.bound("batch_norm", shape, "bfloat16", gpu("T4"))
    assert found == 3 * 64 * 64 * 512 * 512 * 2
    assert "two reads" in why


def test_half_the_bytes_for_half_precision():
    assert bench.bound("rms_norm", (2, 64, 8, 8), "bfloat16", gpu("H200"))[0] == 2 * 2 * 2 * 64 * 8 * 8


def test_fractions_are_of_a_copy_of_as_many_bytes():
    # 8 GB copied in 2 ms: 4000 GB/s. 12 GB would take it 3 ms, the 16 GB that the problem needs at least 4 ms.
    found = bench.fractions(ms=5.0, copy_ms=2.0, copied=8 * 10**9, compulsory=12 * 10**9, least=16 * 10**9)
    assert found == pytest.approx({"gbps": 2400.0, "of_copy": 0.6, "of_bound": 0.8})


def test_the_copy_moves_as_many_bytes_as_the_problem_where_parameters_weigh():
    assert bench.copied(1000, 0) == 1000
    assert bench.copied(1000, 4) == 1000
    assert bench.copied(1000, 2000) == 2000


@pytest.mark.parametrize("problem", bench.NORMS)
def test_the_sweep_goes_from_kernelbenchs_shape_to_a_megabyte(problem):
    shapes = bench.sweep(bench.NORMS[problem].shape)
    sizes = [4 * math.prod(shape) for shape in shapes]
    assert shapes[0] == bench.NORMS[problem].shape
    assert 5 <= len(shapes) <= 7
    assert sizes == sorted(sizes, reverse=True)
    assert 1e6 <= sizes[-1] < 4e6
    assert bench.shapes_of("bench", shapes[0]) == shapes[:1]
    assert 4 * math.prod(bench.shapes_of("small", shapes[0])[0]) < 32e6


@pytest.mark.parametrize("problem", bench.NORMS)
def test_parts_of_a_large_result_are_as_exact_as_the_whole(problem, monkeypatch):
    x = torch.rand((6, 40) if len(bench.NORMS[problem].shape) == 2 else (4, 8, 5, 6))
    parameters = bench.NORMS[problem].parameters(x)
    whole = bench.NORMS[problem].exact(x, parameters)
    monkeypatch.setattr(bench, "WHOLE", 0)
    parts = list(bench.exact(problem, x, parameters))
    assert len(parts) == 2
    for at, part in parts:
        torch.testing.assert_close(part, whole[at], rtol=1e-12, atol=1e-12)
    assert bench.error(bench.NORMS[problem].theirs(x, parameters), x, parts) < 1e-5


def test_wrong_results_have_an_error():
    x = torch.rand(4, 10)
    wanted = [((slice(None),), x.double())]
    assert bench.error(x, x, wanted) == 0
    assert bench.error(x + 0.5, x, wanted) == pytest.approx(0.5 / x.max().item(), rel=1e-2)
    assert bench.error(x.half(), x, wanted) == math.inf
    assert bench.error(x.view(2, 20), x, wanted) == math.inf
    assert bench.error(torch.full_like(x, math.nan), x, wanted) == math.inf


def test_without_a_gpu_the_bench_says_so(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["kernels.py"])
    assert bench.main() == 4
    assert "no CUDA device" in capsys.readouterr().err
