"""The whole of `ncukit inspect`: real host code, real compilations by the installed Triton, no GPU."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

pytest.importorskip("triton")

ROOT = Path(__file__).parents[2]
NAIVE = str(ROOT / "kernels/naive/instance_norm.py")
HEAD = """import os
import torch
import torch.nn as nn
import triton
import triton.language as tl

@triton.jit
def scale_kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + at, tl.load(x_ptr + at, mask=at < n) * 2, mask=at < n)
"""
MODEL = """
class Model(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        {launch}
        return y

def get_inputs():
    return [torch.rand(1000, 1001)]

def get_init_inputs():
    return []
"""
LAUNCH = "scale_kernel[(triton.cdiv(x.numel(), 1024),)](x, y, x.numel(), BLOCK=1024)"


def written(folder: Path, text: str, name: str = "kernel.py") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return name


@pytest.fixture
def ask(shell, monkeypatch, tmp_path_factory):
    """Call it, and read its JSON; answers are kept away from the user's own."""
    monkeypatch.setenv("NCUKIT_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))

    def call(*words: str, code: int = 0):
        done = shell("inspect", *words, "--format", "json")
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return json.loads(done.stdout)

    return call


def test_two_kernels_on_two_architectures_and_again_from_the_cache(ask) -> None:
    first = ask(NAIVE, "--arch", "sm_80,90")
    assert [(k["name"], k["arch"], k["grid"]) for k in first["kernels"]] == [
        ("compute_moments_kernel", "sm_80", [7168, 1, 1]),
        ("normalize_kernel", "sm_80", [7168, 1, 1]),
        ("compute_moments_kernel", "sm_90", [7168, 1, 1]),
        ("normalize_kernel", "sm_90", [7168, 1, 1]),
    ]
    for kernel in first["kernels"]:
        assert 16 <= kernel["registers"] <= 128
        assert kernel["spills"] == 0
        assert kernel["occupancy"] > 50
        assert kernel["stages"]["changes"] is False, "no dot: num_stages changes no instruction"
        assert kernel["narrow"] == []
        widths = {a["bits"] for a in kernel["sass"]["accesses"] if a["space"] == "global" and a["loop"] is not None}
        assert widths == {128}
        lines = [loop["line"] for loop in kernel["sass"]["loops"]]
        assert lines == [34 if kernel["name"] == "compute_moments_kernel" else 57]
    assert first["cached"] is False
    again = ask(NAIVE, "--arch", "sm_80,90")
    assert again["cached"] is True
    assert again["kernels"] == first["kernels"]


def test_the_grid_follows_the_gpu_that_the_host_code_sees(ask) -> None:
    answer = ask(str(ROOT / "kernels/clinic/sick/tail_effect.py"), "--arch", "sm_80", "--no-probe")
    [kernel] = answer["kernels"]
    grids = {gpu["gpu"]: (gpu["grid"], gpu["sm_count"]) for gpu in kernel["gpus"]}
    assert len({count for _, count in grids.values()}) > 1
    assert {grid * 4 // sms for grid, sms in grids.values()} == {5}, "five quarters of a wave on every one"


def test_host_code_that_goes_by_the_architecture_is_followed_on_each_and_read_from_standard_input(shell) -> None:
    ways = "SIZE = 2048 if triton.runtime.driver.active.get_current_target().arch >= 90 else 512\n"
    launch = LAUNCH.replace("BLOCK=1024", "BLOCK=SIZE")
    words = ("inspect", "-", "--arch", "sm_80,sm_90", "--no-probe", "--no-cache", "--format", "json")
    done = shell(*words, stdin=HEAD + ways + MODEL.format(launch=launch))
    assert done.returncode == 0, done.stderr
    kernels = json.loads(done.stdout)["kernels"]
    assert {(k["arch"], k["constexprs"]["BLOCK"]) for k in kernels} == {("sm_80", 512), ("sm_90", 2048)}
    assert {k["path"] for k in kernels} == {"-"}


def test_a_budget_fails_and_holds(ask) -> None:
    path = str(ROOT / "kernels/clinic/sick/local_memory.py")
    answer = ask(path, "--arch", "sm_90", "--no-probe", "--max", "spills=0", "--max", "registers=64", code=1)
    assert {(v["metric"], v["status"]) for v in answer["verdicts"]} == {("spills", "fail"), ("registers", "pass")}
    [kernel] = answer["kernels"]
    assert kernel["spills"] * 4 == kernel["stack_bytes"] > 0
    assert sum(s["bytes"] for s in kernel["sass"]["spills"]) > 0
    assert ask(path, "--arch", "sm_90", "--no-probe", "--max", "registers=64")["exit_code"] == 0


def test_why_accesses_are_narrow_is_found_by_compiling_again(ask, shell) -> None:
    answer = ask(written(shell.folder, HEAD + MODEL.format(launch=LAUNCH)), "--arch", "sm_90")
    [kernel] = answer["kernels"]
    for access in kernel["narrow"]:
        assert (access["line"], access["bits"], access["wider_bits"]) == (10, 32, 128)
        assert access["argument"] == "n"
        assert "1001000 is not divisible by 16" in access["cause"]
    assert {access["kind"] for access in kernel["narrow"]} == {"load", "store"}


def test_autotune_configurations_are_all_compiled(ask, shell) -> None:
    tuned = HEAD.replace(
        "@triton.jit",
        "@triton.autotune(configs=[triton.Config({'BLOCK': b}, num_warps=w)\n"
        "                          for b in (256, 1000, 4096) for w in (1, 8)], key=['n'])\n@triton.jit",
    )
    launch = "scale_kernel[lambda meta: (triton.cdiv(x.numel(), meta['BLOCK']),)](x, y, x.numel())"
    path = written(shell.folder, tuned + MODEL.format(launch=launch))
    answer = ask(path, "--arch", "sm_90", "--no-probe", code=1)
    shapes = {(k["constexprs"]["BLOCK"], k["num_warps"], k["grid"][0]) for k in answer["kernels"]}
    assert shapes == {(256, 1, 3911), (256, 8, 3911), (4096, 1, 245), (4096, 8, 245)}
    assert {e["config"] is not None for e in answer["errors"]} == {True}
    assert all("power of 2" in e["message"] for e in answer["errors"]), "1000 is none"


def test_compile_errors_name_the_line_and_what_to_write(ask, shell) -> None:
    broken = HEAD.replace("* 2,", ".flatten() * 2,")
    answer = ask(written(shell.folder, broken + MODEL.format(launch=LAUNCH)), "--arch", "sm_80,sm_90", code=1)
    assert [(e["kernel"], e["arch"], e["line"]) for e in answer["errors"]] == [
        ("scale_kernel", "sm_80", 10),
        ("scale_kernel", "sm_90", 10),
    ]
    assert all("flatten" in e["message"] and e["instead"] for e in answer["errors"])
    assert answer["kernels"] == []


def test_an_answer_with_prose_is_compiled_on_a_problem_s_inputs(ask, shell) -> None:
    answer = "Sure!\n```python\n" + HEAD + MODEL.split("def get_inputs")[0].format(launch=LAUNCH)
    answer = answer.replace("class Model", "class ModelNew").replace("def forward(self, x):", "def forward(self, x):")
    path = written(shell.folder, answer + "```\nIt is fast.\n", "answer.md")
    problem = written(shell.folder, "import torch\nimport torch.nn as nn\n" + MODEL.format(launch="pass"), "problem.py")
    nothing = ask(path, "--arch", "sm_90", code=4)
    assert "get_inputs" in nothing["nothing"], "without inputs no launch is known, which is no pass"
    found = ask(path, "--arch", "sm_90", "--problem", problem)
    [kernel] = found["kernels"]
    assert (kernel["path"], kernel["line"], kernel["grid"]) == ("answer.md", 10, [978, 1, 1])


def test_a_recorded_run_is_compiled_without_its_host_code(ask, shell) -> None:
    source = (ROOT / "kernels/clinic/sick/narrow_access.py").read_text()
    path = written(shell.folder, source + "\nraise SystemExit('host code ran')\n")
    run = str(ROOT / "profiles/h200/clinic_sick_narrow_access")
    answer = ask(path, "--arch", "sm_90", "--launches", run)
    [kernel] = answer["kernels"]
    assert kernel["origin"] == "recorded"
    assert {n["argument"] for n in kernel["narrow"]} == {"x_stride", "y_stride"}


@pytest.mark.parametrize(
    ("last", "code", "says"),
    [
        ("os._exit(0)", 1, "ended the process"),
        ("raise ValueError('no \\x1b[31m luck')", 1, "ValueError"),
        ("undefined_name", 1, "undefined_name"),
        ("if x.max() > 0: pass", 4, "host code reads a value"),
        ("pass", 4, "launches no kernel"),
    ],
)
def test_host_code_that_goes_wrong(ask, shell, last, code, says) -> None:
    path = written(shell.folder, HEAD + MODEL.format(launch=last))
    answer = ask(path, "--arch", "sm_90", "--no-probe", code=code)
    said = [e["message"] for e in answer["errors"]] + [n["message"] for n in answer["notes"]] + [answer["nothing"]]
    assert any(says in text for text in said), said


def test_what_is_launched_after_a_read_is_only_assumed(ask, shell) -> None:
    launch = f"{LAUNCH}\n        if x.max() >= 0: {LAUNCH.replace('1024', '2048')}"
    answer = ask(written(shell.folder, HEAD + MODEL.format(launch=launch)), "--arch", "sm_90", "--no-probe")
    assert [(k["constexprs"]["BLOCK"], k["origin"]) for k in answer["kernels"]] == [(1024, "run"), (2048, "assumed")]


def test_endless_host_code_is_ended(shell) -> None:
    path = written(shell.folder, HEAD + "while True: pass\n")
    done = shell("inspect", path, "--arch", "sm_90", "--timeout", "8", "--no-cache")
    assert done.returncode == 3
    assert "no result after 8 s" in done.stderr
    assert "next: " in done.stderr


def test_host_code_that_wants_too_much_memory_fails_alone(shell) -> None:
    path = written(shell.folder, HEAD + "big = bytearray(40 << 30)\nbig[::4096] = big[::4096]\n")
    done = shell("inspect", path, "--arch", "sm_90", "--no-cache")
    assert done.returncode == 3
    assert "more than 8 GiB" in done.stderr


def test_the_body_of_a_function_that_is_passed_as_a_constant_counts(ask, shell) -> None:
    text = HEAD.replace("n, BLOCK", "n, ACT: tl.constexpr, BLOCK").replace(
        "tl.load(x_ptr + at, mask=at < n) * 2", "ACT(at)"
    )
    text = text.replace("@triton.jit", "@triton.jit\ndef act(x):\n    return x * 2\n\n@triton.jit", 1)
    whole = text + MODEL.format(launch=LAUNCH.replace("x.numel(), BLOCK", "x.numel(), act, BLOCK"))
    [first] = ask(written(shell.folder, whole), "--arch", "sm_90", "--no-probe")["kernels"]
    edited = whole.replace("return x * 2", "return tl.sin(tl.exp(x.to(tl.float32)))")
    [second] = ask(written(shell.folder, edited), "--arch", "sm_90", "--no-probe")["kernels"]
    assert second["code_bytes"] > 2 * first["code_bytes"]


def test_a_repaired_helper_is_seen_and_damaged_answers_are_made_again(ask, shell) -> None:
    whole = (
        "from helper import BLOCK_SIZE\n" + HEAD + MODEL.format(launch=LAUNCH.replace("BLOCK=1024", "BLOCK=BLOCK_SIZE"))
    )
    path = written(shell.folder, whole)
    written(shell.folder, "def broken(:\n", "helper.py")
    assert "SyntaxError" in ask(path, "--arch", "sm_90", "--no-probe", code=1)["errors"][0]["message"]
    for size in (1024, 2048):
        written(shell.folder, f"BLOCK_SIZE = {size}\n", "helper.py")
        [kernel] = ask(path, "--arch", "sm_90", "--no-probe")["kernels"]
        assert kernel["constexprs"]["BLOCK"] == size
    for kept in Path(os.environ["NCUKIT_CACHE_DIR"]).rglob("*.json"):
        kept.write_text('{"files": {}, "answer": {"sessions": []}}')
    [again] = ask(path, "--arch", "sm_90", "--no-probe")["kernels"]
    assert again["registers"] == kernel["registers"]
    for kept in Path(os.environ["NCUKIT_CACHE_DIR"]).rglob("*.json"):
        kept.write_text("[]")
    [again] = ask(path, "--arch", "sm_90", "--no-probe")["kernels"]
    assert again["registers"] == kernel["registers"]


def test_what_the_host_code_starts_ends_with_it(ask, shell) -> None:
    started = 'import subprocess\nprint(subprocess.Popen(["sleep", "3331"]))\n'
    ask(written(shell.folder, HEAD + started + MODEL.format(launch=LAUNCH)), "--arch", "sm_90", "--no-probe")
    running = [p.read_bytes() for p in Path("/proc").glob("[0-9]*/cmdline") if p.exists()]
    assert b"sleep\x003331\x00" not in running


def test_a_host_that_prints_and_lies_does_not_reach_the_answer(ask, shell) -> None:
    loud = 'print("{}" * 1000000)\nprint("::error::x")\nos.write(1, b"{")\nos.write(2, b"noise")\n'
    answer = ask(written(shell.folder, HEAD + loud + MODEL.format(launch=LAUNCH)), "--arch", "sm_90", "--no-probe")
    assert len(answer["kernels"]) == 1


def test_without_triton_the_lint_still_speaks(shell, tmp_path) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho \'{"python": "3.12"}\'\n')
    python.chmod(0o755)
    path = written(shell.folder, HEAD + MODEL.format(launch=LAUNCH))
    done = shell("inspect", path, "--python", str(python), "--format", "json")
    answer = json.loads(done.stdout)
    assert done.returncode == 4
    assert "no torch and triton" in answer["nothing"]
    assert shell("inspect", path, "--python", str(python), "--lint-only").returncode == 0


def test_what_if_compiles_other_warps_and_tiles(ask, shell) -> None:
    path = written(shell.folder, HEAD + MODEL.format(launch=LAUNCH))
    [kernel] = ask(path, "--arch", "sm_90", "--no-probe", "--what-if")["kernels"]
    rows = {(row["num_warps"], row["constexprs"].get("BLOCK", 1024)): row for row in kernel["what_if"]}
    assert (4, 1024) in rows, "the launch as it is stands there too"
    assert {(8, 1024), (4, 2048), (4, 512)} <= set(rows)
    assert rows[1, 1024]["registers"] > rows[8, 1024]["registers"], "fewer warps hold more values a thread"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((NAIVE, "--arch", "sm_75"), "no architecture"),
        ((NAIVE, "--arch", "sm_9000"), "no architecture"),
        ((NAIVE, "--gpu", "H2000"), "no GPU called"),
        ((NAIVE, "--arch", "sm_80", "--gpu", "H200"), "not among"),
        ((NAIVE, "--select", "TRI999"), "no lint rule"),
        ((NAIVE, "--max", "dram_pct=3"), "measured"),
        ((NAIVE, "--max", "registers"), "no budget"),
        ((NAIVE, "--max", "spills=0", "--lint-only"), "compiles nothing"),
        ((NAIVE, "--launches", "nosuch"), "no launches can be read"),
        ((NAIVE, "--problem", "nosuch.py"), "cannot read"),
        ((NAIVE, "--size", "batch"), "--size takes"),
        ((NAIVE, "--size", "batch_siz=4"), "batch_size"),
        ((NAIVE, "--size", "batch_size=many"), "--size takes"),
        ((NAIVE, "--also", "xml=x"), "FORMAT=FILE"),
        (("nosuch.py",), "cannot read"),
    ],
)
def test_bad_input_is_one_clear_error(shell, words, says) -> None:
    done = shell("inspect", *words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert says in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
