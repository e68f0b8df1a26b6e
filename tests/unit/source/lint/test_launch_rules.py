"""TRI201, 202, 203, 208: what the host does to an autotuned kernel, and Triton's language called in host code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ncukit.source.lint import lint
from ncukit.source.text import parse

TUNED = """
import torch, triton, triton.language as tl
@triton.autotune(configs=[triton.Config({"BLOCK": 64}), triton.Config({"BLOCK": 128})], key=["n"])
@triton.jit
def k(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + at, tl.load(x_ptr + at, mask=at < n), mask=at < n)
def launch(x, n):
    y = torch.empty_like(x)
    LAUNCH
    return y
"""


def tuned(launch: str) -> str:
    return TUNED.replace("LAUNCH", launch)


# grid and launch; what part of the message must be there; severity
IGNORED = [
    pytest.param("k[(triton.cdiv(n, 128),)](x, y, n)", "leaves 50% of the output unwritten", "error", id="literal"),
    pytest.param("SIZE = 128; k[(triton.cdiv(n, SIZE),)](x, y, n)", "leaves 50%", "error", id="named"),
    pytest.param("grid = ((n + 127) // 128,); k[grid](x, y, n)", "leaves 50%", "error", id="by-hand"),
    pytest.param("k[lambda META: (triton.cdiv(n, 128),)](x, y, n)", "leaves 50%", "error", id="lambda"),
    pytest.param("k[(triton.cdiv(n, 64),)](x, y, n)", "does not read `BLOCK`", "warning", id="smallest"),
    pytest.param("k[(n // size(),)](x, y, n)", "does not read `BLOCK`", "warning", id="unknown"),
    pytest.param("k[lambda m: (n // m['OTHER'],)](x, y, n)", "does not read `BLOCK`", "warning", id="other-name"),
]


@pytest.mark.parametrize(("launch", "message", "severity"), IGNORED)
def test_a_grid_that_ignores_the_block_size_is_told(said, launch, message, severity):
    (only,) = said(tuned(launch), "TRI201")
    assert (only.rule, only.severity) == ("autotuned-grid", severity)
    assert message in only.message
    assert 'META["BLOCK"]' in only.instead


def test_the_grid_to_write_is_spelled_out(said):
    (only,) = said(tuned("k[(triton.cdiv(n, 128),)](x, y, n)"), "TRI201")
    assert only.instead == '`grid = lambda META: (triton.cdiv(n, META["BLOCK"]),)`'
    assert "`tl.program_id(0) * BLOCK`, line 10" in only.message


@pytest.mark.parametrize(
    "launch",
    [
        'k[lambda META: (triton.cdiv(n, META["BLOCK"]),)](x, y, n)',
        'grid = lambda META: (triton.cdiv(n, META["BLOCK"]), 1); k[grid](x, y, n)',
        "k[lambda META: cover(META)](x, y, n)",  # whatever it does
        "k[lambda META: (cover(**META),)](x, y, n)",
        "k[cover(n)](x, y, n)",
        "k[(*cover(n),)](x, y, n)",
    ],
)
def test_a_grid_that_reads_it_or_may_is_not(said, launch):
    assert said(tuned(launch), "TRI201") == []


def test_a_grid_function_with_a_name_is_read(said):
    code = tuned('def grid(META):\n        return (triton.cdiv(n, META["{}"]),)\n    k[grid](x, y, n)')
    assert said(code.replace("{}", "BLOCK"), "TRI201") == []
    assert len(said(code.replace("{}", "OTHER"), "TRI201")) == 1


PERSISTENT = """
@triton.autotune(configs=[triton.Config({"BLOCK": 64}), triton.Config({"BLOCK": 128})], key=["n"])
@triton.jit
def k(x_ptr, n, BLOCK: tl.constexpr, GROUP: tl.constexpr):
BODY
def launch(x, n):
    k[(132,)](x, n, GROUP=8)
"""
BODIES = {
    "strides": """
    for tile in range(tl.program_id(0), tl.cdiv(n, BLOCK), tl.num_programs(0)):
        at = tile * BLOCK + tl.arange(0, BLOCK)
        tl.store(x_ptr + at, 0.0, mask=at < n)""",
    "from its own block on": """
    first = tl.program_id(0) * BLOCK
    for start in range(first, n, BLOCK * 132):
        at = start + tl.arange(0, BLOCK)
        tl.store(x_ptr + at, 0.0, mask=at < n)""",
    "while": """
    tile = tl.program_id(0)
    while tile * BLOCK < n:
        at = tile * BLOCK + tl.arange(0, BLOCK)
        tl.store(x_ptr + at, 0.0, mask=at < n)
        tile += 132""",
    "split-k": """
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    for _ in range(0, tl.cdiv(n, BLOCK * 132)):
        tl.store(x_ptr + at, 0.0, mask=at < n)
        at += BLOCK * 132""",
    "a row a program": """
    at = tl.program_id(0) * n + tl.arange(0, BLOCK)
    tl.store(x_ptr + at, 0.0, mask=tl.arange(0, BLOCK) < n)""",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=list(BODIES))
def test_kernels_that_cover_everything_with_any_grid_are_left_alone(said, body):
    assert said(PERSISTENT.replace("BODY", body), "TRI201") == []


def test_blocks_with_one_value_and_group_sizes_are_left_alone(said):
    one = tuned("k[(triton.cdiv(n, 64),)](x, y, n)").replace('{"BLOCK": 128}', '{"BLOCK": 64}, num_warps=8')
    assert said(one, "TRI201") == []
    body = """
    pid = tl.program_id(0)
    wide = tl.cdiv(n, BLOCK)
    group = pid // (GROUP * wide)
    first = group * GROUP
    row = first + pid % GROUP
    column = pid % wide
    at = row * BLOCK + column * BLOCK + tl.arange(0, BLOCK)
    tl.store(x_ptr + at, 0.0, mask=at < n)"""
    code = PERSISTENT.replace("BODY", body).replace('{"BLOCK": 64}', '{"BLOCK": 64, "GROUP": 4}')
    code = code.replace("k[(132,)](x, n, GROUP=8)", 'k[lambda META: (triton.cdiv(n, META["BLOCK"]),)](x, n)')
    assert said(code, "TRI201") == []  # the order of programs is no number of them


def test_two_axes_are_told_apart(said):
    code = """
@triton.autotune(configs=[triton.Config({"BC": 32, "BP": 64}), triton.Config({"BC": 128, "BP": 32})], key=["n"])
@triton.jit
def apply_kernel(x_ptr, n, BC: tl.constexpr, BP: tl.constexpr):
    pid_c = tl.program_id(0)
    pid_p = tl.program_id(axis=1)
    c = pid_c * BC + tl.arange(0, BC)
    p = pid_p * BP * 2 + tl.arange(0, BP * 2)
    tl.store(x_ptr + c[:, None] * n + p[None, :], 0.0, mask=(c < n)[:, None] & (p < n)[None, :])
def launch(x, n):
    grid = (triton.cdiv(n, 64), triton.cdiv(n, 64 * 2))
    apply_kernel[grid](x, n)
"""
    (only,) = said(code, "TRI201")
    assert only.severity == "error"
    assert "the grid counts blocks of 64, and a configuration has 32" in only.message
    assert only.instead == ('`grid = lambda META: (triton.cdiv(n, META["BC"]), triton.cdiv(n, META["BP"] * 2))`')


ADDING = """
import triton, triton.language as tl
@triton.autotune(configs=[triton.Config({}, num_warps=4), triton.Config({}, num_warps=8)], key=["n"]OPTIONS)
@triton.jit
def norm(x_ptr, sum_ptr, lock_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    total = tl.sum(tl.load(x_ptr + at, mask=at < n, other=0.0))
    tl.atomic_add(sum_ptr + 1, total)
    WRITE
"""


def test_atomics_add_up_over_trials(said):
    (only,) = said(ADDING.replace("OPTIONS", "").replace("WRITE", "pass"), "TRI202")
    assert (only.severity, only.line, only.kernel) == ("error", 8, "norm")
    assert "`tl.atomic_add` into `sum_ptr`" in only.message
    assert only.instead == '@triton.autotune(…, reset_to_zero=["sum_ptr"])'


@pytest.mark.parametrize(
    ("options", "write"),
    [
        (', reset_to_zero=["sum_ptr"]', "pass"),
        (', restore_value=["sum_ptr"]', "pass"),
        (', reset_to_zero=["sum_" + "ptr"]', "pass"),  # not read: nothing is said
        (", pre_hook=zero", "pass"),
        ("", "tl.store(sum_ptr + 1, 0.0)"),
        ("", "tl.atomic_xchg(sum_ptr + 1, 0.0)"),
    ],
)
def test_what_is_put_back_or_written_anyway_does_not(said, options, write):
    assert said(ADDING.replace("OPTIONS", options).replace("WRITE", write), "TRI202") == []


def test_another_argument_that_is_reset_does_not_help(said):
    code = ADDING.replace("OPTIONS", ', reset_to_zero=["lock_ptr"]').replace("WRITE", "tl.atomic_max(lock_ptr, 1)")
    assert [v.message.split("`")[3] for v in said(code, "TRI202")] == ["sum_ptr"]


def test_one_configuration_is_no_tuning_and_a_hook_of_a_configuration_may_reset(said):
    code = ADDING.replace("OPTIONS", "").replace("WRITE", "pass")
    assert said(code.replace(", triton.Config({}, num_warps=8)", ""), "TRI202") == []
    assert said(code.replace("num_warps=8", "num_warps=8, pre_hook=zero"), "TRI202") == []


def test_an_atomic_in_a_called_function_counts_for_the_argument(said):
    code = """
@triton.jit
def put(where_ptr, value):
    tl.atomic_add(where_ptr, value)
@triton.autotune(configs=[triton.Config({"B": 1}), triton.Config({"B": 2})], key=[])
@triton.jit
def k(out_ptr, B: tl.constexpr):
    place = out_ptr + tl.program_id(0)
    put(place, B)
"""
    (only,) = said(code, "TRI202")
    assert "`out_ptr`" in only.message


@pytest.mark.parametrize(
    ("call", "name", "error"),
    [
        ("x, y, n, BLOCK=64", "BLOCK", "ValueError: Conflicting meta-parameters"),
        ("x, y, n, 64", "BLOCK", "TypeError"),
        ("x, y, n, num_warps=8", "num_warps", "TypeError"),
        ("x, y, n, num_stages=2", "num_stages", "TypeError"),
    ],
)
def test_what_is_tuned_and_passed_raises(said, call, name, error):
    code = tuned(f'k[lambda META: (triton.cdiv(n, META["BLOCK"]),)]({call})')
    (only,) = said(code, "TRI203")
    assert only.severity == "error"
    assert f"`{name}`" in only.message
    assert error in only.message
    assert f"leave `{name}` out" in only.instead


def test_what_configurations_do_not_set_may_be_passed(said):
    code = tuned('k[lambda META: (triton.cdiv(n, META["BLOCK"]),)](x, y, n, maxnreg=128)')
    assert said(code, "TRI203") == []
    set_there = code.replace('{"BLOCK": 64})', '{"BLOCK": 64}, maxnreg=64)')
    assert [v.code for v in said(set_there, "TRI203")] == ["TRI203"]
    assert said(tuned("k[grid](x, y, n, num_warps=8)").replace("@triton.autotune(", "@tuned("), "TRI203") == []


def test_heuristics_replace_what_is_passed_unless_they_read_it(said):
    code = """
@triton.heuristics({"EVEN": lambda args: HOW})
@triton.jit
def k(x_ptr, n, EVEN: tl.constexpr):
    tl.store(x_ptr, 1.0 if EVEN else 0.0)
def launch(x, n):
    k[(1,)](x, n, PASSED)
"""
    blind = code.replace("HOW", 'args["n"] % 2 == 0')
    (only,) = said(blind.replace("PASSED", "EVEN=True"), "TRI203")
    assert only.severity == "warning"
    assert "is ignored" in only.message
    (only,) = said(blind.replace("PASSED", "True"), "TRI203")
    assert only.severity == "error"
    assert said(code.replace("HOW", 'bool(args["EVEN"])').replace("PASSED", "EVEN=True"), "TRI203") == []


@pytest.mark.parametrize(
    ("host", "instead"),
    [
        ("def launch(x, n):\n    k[(tl.cdiv(n, 128),)](x)", "`triton.cdiv(n, 128)`"),
        ("def launch(x, n):\n    grid = lambda META: (tl.cdiv(n, 128),)\n    k[grid](x)", "`triton.cdiv(n, 128)`"),
        (
            "class M(torch.nn.Module):\n    def forward(self, x):\n        return torch.relu(x) + tl.sqrt(2.0)",
            "`math.sqrt(2.0)`",
        ),
        ("SIZE = tl.cdiv(1000, 128)", "`triton.cdiv(1000, 128)`"),
        (
            "def launch(x):\n    y = torch.empty_like(x)\n    z = tl.zeros((4,), tl.float32)",
            "`torch.zeros((4,), tl.float32)`",
        ),
        ("def launch(x):\n    k[(1,)](x, tl.math.log2(8.0))", "`math.log2(8.0)`"),
    ],
)
def test_language_in_host_code_is_told(said, host, instead):
    code = "import torch, triton, triton.language as tl\n@triton.jit\ndef k(x_ptr):\n    tl.store(x_ptr, 0.0)\n" + host
    (only,) = said(code, "TRI208")
    assert (only.rule, only.severity) == ("language-on-host", "error")
    assert only.instead == instead


@pytest.mark.parametrize(
    "host",
    [
        "def launch(x, n):\n    k[(triton.cdiv(n, 128),)](x, tl.float32, tl.constexpr(3))",
        "TYPES = {torch.float16: tl.float16}\nSIZE = tl.constexpr(128)",
        "def combine(a, b):\n    return tl.maximum(a, b)",  # may be given to triton.jit elsewhere
        "@wrapped.jit\ndef other(x_ptr):\n    tl.store(x_ptr, torch.zeros(1))",
        "def body(x_ptr, N: tl.constexpr):\n    tl.store(x_ptr, torch.zeros(1))",
        "def launch(x, n):\n    for i in tl.range(0, n):\n        k[(1,)](x)",  # odd, and it does not raise
    ],
)
def test_types_and_functions_that_may_be_compiled_are_left_alone(said, host):
    code = "import torch, triton, triton.language as tl\n@triton.jit\ndef k(x_ptr):\n    tl.store(x_ptr, 0.0)\n" + host
    assert said(code, "TRI208") == []


def test_every_name_that_is_said_to_raise_does():
    triton_language = pytest.importorskip("triton.language")
    from ncukit.source.lint.rules.language_on_host import RAISE

    for name in sorted(RAISE):
        function = triton_language
        for part in name.split("."):
            function = getattr(function, part, None)
        if function is not None:
            with pytest.raises((RuntimeError, ValueError), match=r"outside of|Did you forget"):
                function()


def test_triton_does_what_the_rules_say():
    """Run, in Triton's interpreter: the errors of TRI203, the sum of TRI202, the gap of TRI201, the wrap of TRI204."""
    pytest.importorskip("triton")
    pytest.importorskip("torch")
    script = Path(__file__).with_name("as_triton_runs_it.py")
    env = os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=env, timeout=120)
    facts = json.loads(done.stdout.splitlines()[-1])
    assert facts["several configurations, by name"].startswith("ValueError: Conflicting meta-parameters: BLOCK")
    assert facts["one configuration, by name"].startswith("TypeError")
    assert facts["several configurations, by position"].startswith("TypeError")
    for option in ("num_warps", "num_stages", "num_ctas"):
        assert f"multiple values for keyword argument '{option}'" in facts[f"one configuration, {option}"]
        assert f"multiple values for keyword argument '{option}'" in facts[f"several configurations, {option}"]
    assert facts["several configurations, maxnreg"] == "fine"
    assert facts["heuristic, by name"] == 32  # 16 was passed
    assert facts["heuristic, by position"].startswith("TypeError")
    assert facts["heuristic that reads it"] == 16
    assert facts["sum of 64 ones, tuned"] == 64 * 3  # two trials and the launch
    assert facts["sum of 64 ones, reset"] == 64
    assert facts["written with a grid for 128 and blocks of 64"] == 0.5
    assert facts["offset 2**31 in 32 bits"] < 0
    assert facts["offset 2**31 in 64 bits"] == 2**31


ONE_LAUNCH = """
import triton
import triton.language as tl

{decorator}
@triton.jit
def k(x, y, n, BLOCK: tl.constexpr, EVEN: tl.constexpr = True):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + at, tl.load(x + at, mask=at < n), mask=at < n)

def run(x, y, n, rest):
    k[(triton.cdiv(n, 1024),)]({given})
"""
TWO_SIZES = "@triton.autotune([triton.Config({'BLOCK': 1024}), triton.Config({'BLOCK': 2048})], key=['n'])"


@pytest.mark.parametrize(
    ("given", "decorator", "says"),
    [
        ("x, y, n", "", "does not give `BLOCK`"),
        ("x, y, BLOCK=1024", "", "does not give `n`"),
        ("x, y, n, 1024, True, 3", "", "gives 6 arguments, and it takes 5"),
        ("x, y", TWO_SIZES, "does not give `n`"),
        ("x, y, n, BLOCK=1024", "", ""),
        ("x, y, n, 1024, False, num_warps=8", "", ""),
        ("x, y, n", TWO_SIZES, ""),
        ("x, y, n", "@triton.heuristics({'BLOCK': lambda args: 1024})", ""),
        ("x, y", "@triton.autotune(listed(), key=['n'])", ""),
        ("x, y", "@library.entry()", ""),
        ("x, y", "@triton.autotune([triton.Config(SIZES)], key=['n'])", ""),
        ("x, y", "@triton.heuristics(TABLE)", ""),
        ("x, y", "@triton.heuristics({'EVEN': lambda args: True, **TABLE})", ""),
        ("*rest", "", ""),
        ("x, y, n, **rest", "", ""),
    ],
)
def test_a_launch_gives_what_the_kernel_needs(given, decorator, says) -> None:
    text = ONE_LAUNCH.format(given=given, decorator=decorator)
    found = [v for v in lint(parse(text.encode(), "k.py")) if v.code == "TRI112"]
    assert [says in v.message for v in found] == ([True] if says else [])
