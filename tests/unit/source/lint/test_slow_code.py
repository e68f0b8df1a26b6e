"""TRI301, 302, 303, 304, 305, 307: code that is right and slower than it looks, or does nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from ncukit.source.inspection import Argument, Launch
from ncukit.source.lint import lint
from ncukit.source.text import read_text

ROOT = Path(__file__).parents[4]
SEED = ROOT.parent / "shared" / "seeds" / "rms_norm_answer.txt"
KERNEL = """
@triton.jit
def k(x_ptr, y_ptr, n, PARAMETERS):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    LINES
def launch(x, y, n):
    k[(4,)](x, y, n, GIVEN)
"""


def body(*lines: str) -> str:
    return "\n    ".join(lines)


def kernel(*lines: str, parameters: str = "BLOCK: tl.constexpr", given: str = "BLOCK=1024") -> str:
    return KERNEL.replace("PARAMETERS", parameters).replace("LINES", body(*lines)).replace("GIVEN", given)


STORE = "tl.store(y_ptr + at, tl.load(x_ptr + at, mask=at < n), mask=at < n)"
UNUSED = "BLOCK: tl.constexpr, NUM_STAGES: tl.constexpr = 3"


def test_a_constexpr_that_is_never_used_is_told_with_the_option_it_looks_like(said):
    (only,) = said(kernel(STORE, parameters=UNUSED, given="BLOCK=64, NUM_STAGES=2"), "TRI301")
    assert (only.rule, only.severity, only.line, only.kernel) == ("constexpr-unused", "warning", 7, "k")
    assert "`NUM_STAGES` is never used in `k` and is not the launch option `num_stages`" in only.message
    assert "`k[grid](…, num_stages=…)` in lower case is the launch option" in only.instead
    (only,) = said(kernel(STORE, parameters="BLOCK: tl.constexpr, D: tl.constexpr"), "TRI301")
    assert "each value compiles the same code again" in only.message


@pytest.mark.parametrize(
    ("lines", "parameters"),
    [
        ((STORE, "for i in tl.range(0, n, num_stages=NUM_STAGES):", "    tl.store(y_ptr + i, 0.0)"), UNUSED),
        ((STORE, "tl.static_assert(NUM_STAGES > 0)"), UNUSED),
        ((STORE, "other(y_ptr, NUM_STAGES)"), UNUSED),
        ((STORE,), "BLOCK: tl.constexpr, num_stages: tl.constexpr = 3"),  # Triton takes it as the option too
    ],
)
def test_a_constexpr_that_is_used_or_passed_on_is_left_alone(said, lines, parameters):
    assert said(kernel(*lines, parameters=parameters), "TRI301") == []


def test_keys_grids_and_helpers_may_have_parameters_that_they_do_not_read(said):
    code = kernel(STORE, parameters="BLOCK: tl.constexpr, CACHE_KEY: tl.constexpr")
    keyed = '@triton.autotune(configs=[], key=["CACHE_KEY"])\n@triton.jit\ndef k'
    assert len(said(code, "TRI301")) == 1
    assert said(code.replace("@triton.jit\ndef k", keyed), "TRI301") == []
    assert said(code.replace("(4,)", 'lambda META: (META["CACHE_KEY"],)'), "TRI301") == []
    helper = "@triton.jit\ndef inner(x, STAGE: tl.constexpr):\n    return x + 1\n"
    assert said(helper + kernel("y = inner(1, 2)", STORE), "TRI301") == []


LOOP = (
    "acc = tl.zeros((BLOCK,), tl.float32)",
    "for start in range(0, n, BLOCK):",
    "    acc += tl.load(x_ptr + start + at, mask=start + at < n, other=0.0)",
    "tl.store(y_ptr, tl.sum(acc))",
)


def test_stages_for_a_loop_that_is_not_pipelined_are_told(said):
    (only,) = said(kernel(*LOOP, given="BLOCK=1024, num_stages=4"), "TRI302")
    assert (only.rule, only.severity) == ("stages-without-pipeline", "warning")
    assert only.message.startswith("num_stages=4 changes nothing in `k`: its loops have no tl.dot")
    assert "`for start in tl.range(0, n, BLOCK, num_stages=3):` on line 10" in only.instead
    (only,) = said(kernel(STORE, given="BLOCK=1024, num_stages=4"), "TRI302")
    assert only.message.endswith("it has no loop")
    assert only.instead == "leave num_stages out"


def test_configurations_that_differ_in_stages_alone_are_told(said):
    configs = "[triton.Config({'BLOCK': 64}, num_stages=s) for s in (1, 2)]"
    written = "[triton.Config({'BLOCK': 64}, num_stages=1), triton.Config({'BLOCK': 64}, num_stages=2)]"
    code = kernel(*LOOP, given="").replace("@triton.jit", f"@triton.autotune(configs={written}, key=[])\n@triton.jit")
    (only,) = said(code, "TRI302")
    assert "autotune tries num_stages 1, 2 of `k`, and it changes nothing" in only.message
    assert said(code.replace(written, configs), "TRI302") == []  # a list that is computed


@pytest.mark.parametrize(
    ("lines", "given"),
    [
        (LOOP, "BLOCK=1024, num_stages=3"),  # the default
        (LOOP, "BLOCK=1024, num_stages=stages"),
        ((LOOP[0], "for start in tl.range(0, n, BLOCK, num_stages=2):", *LOOP[2:]), "BLOCK=64, num_stages=4"),
        ((*LOOP, "x = tl.dot(acc[:, None], acc[None, :])"), "BLOCK=64, num_stages=4"),
        ((*LOOP, "x = libdevice_like(acc)"), "BLOCK=64, num_stages=4"),  # nobody knows what it does
        (
            (*LOOP, "d = tl.make_tensor_descriptor(x_ptr, [n], [1], [BLOCK])", "y = d.load([0])"),
            "BLOCK=64, num_stages=4",
        ),
    ],
)
def test_stages_that_may_matter_are_left_alone(said, lines, given):
    assert said(kernel(*lines, given=given), "TRI302") == []


def test_a_dot_in_a_called_function_counts(said):
    helper = "@triton.jit\ndef mul(a, b):\n    return tl.dot(a, b)\n"
    code = helper + kernel(*LOOP, "z = mul(acc[:, None], acc[None, :])", given="BLOCK=64, num_stages=4")
    assert said(code, "TRI302") == []
    assert len(said(code.replace("tl.dot(a, b)", "a + b"), "TRI302")) == 1


CARRIED = {
    "sum": ("total += tl.sum(x)", "acc += x", "tl.zeros((BLOCK,), tl.float32)"),
    "of a product": ("total = total + tl.sum(x * x, axis=0)", "acc += x * x", "tl.zeros((BLOCK,), tl.float32)"),
    "through a name": ("part = tl.sum(x)\n        total += part", "acc += x", "tl.zeros"),
    "max": ("total = tl.maximum(total, tl.max(x))", "acc = tl.maximum(acc, x)", 'tl.full((BLOCK,), float("-inf")'),
    "min": ("total = min(tl.min(x, axis=0), total)", "acc = tl.minimum(acc, x)", 'tl.full((BLOCK,), float("inf")'),
}
SCALAR = (
    "total = 0.0",
    "for start in range(0, n, BLOCK):",
    "    x = tl.load(x_ptr + start + at, mask=start + at < n, other=0.0)",
)


@pytest.mark.parametrize(("step", "instead", "start"), CARRIED.values(), ids=list(CARRIED))
def test_a_reduction_that_is_carried_through_a_loop_is_told(said, step, instead, start):
    (only,) = said(kernel(*SCALAR, f"    {step}", "tl.store(y_ptr, total)"), "TRI303")
    assert (only.rule, only.severity) == ("scalar-reduction-in-loop", "warning")
    assert "`total` takes the" in only.message
    assert f"`{instead}` in it" in only.instead
    assert start in only.instead


def test_a_count_stays_a_whole_number(said):
    lines = ("total = 0", *SCALAR[1:], "    total += tl.sum((x > 0).to(tl.int32))", "tl.store(y_ptr, total)")
    (only,) = said(kernel(*lines), "TRI303")
    assert "tl.zeros((BLOCK,), tl.int32)" in only.instead


@pytest.mark.parametrize(
    "step",
    [
        "total = tl.maximum(total, tl.max(x))\n        tl.store(y_ptr + at, tl.exp(x - total))",  # online softmax
        "if tl.sum(x) > 5:\n            total = 1.0",
        "total = total * 0.5 + tl.sum(x)",
        "total += x0",
        "total = tl.sum(x)",
        "acc += tl.sum(tl.reshape(x, (BLOCK // 4, 4)), axis=1)",
        "tile += tl.sum(x[:, None] * x[None, :], axis=0)",  # a tile stays
        "total += tl.sum(x)\n        z = tl.dot(x[:, None], x[None, :])",
        "total += tl.max(x)",
    ],
)
def test_what_the_loop_needs_or_no_single_number_is_left_alone(said, step):
    assert said(kernel(*SCALAR, f"    {step}", "tl.store(y_ptr, total)"), "TRI303") == []


def test_a_helper_that_may_be_given_a_number_is_left_alone(said):
    code = (
        "@triton.jit\ndef f(x, n):\n    s = 0.0\n    for i in range(n):\n        s += tl.sum(x, axis=0)\n    return s\n"
    )
    assert said(code, "TRI303") == []


def launch(grid=(4096, 1, 1), *, name: str = "k", warps: int = 4, **given) -> Launch:
    arguments = tuple(
        Argument(name=n, type="constexpr" if n.isupper() else "i32", value=v)
        if isinstance(v, int)
        else Argument(name=n, type="*fp32", shape=v, bytes=4 * v[0])
        for n, v in given.items()
    )
    return Launch(
        kernel=name, file=None, line=None, launch_line=None, grid=grid, arguments=arguments, num_warps=warps,
        num_stages=3,
    )  # fmt: skip


WIDE = """
@triton.jit
def k(x_ptr, n, BLOCK: tl.constexpr):
    row = tl.program_id(0) * n
    lane = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + row + lane, mask=lane < n, other=0.0)
    tl.store(x_ptr + row + lane, x * 2, mask=lane < n)
def launch(x, n):
    k[(4096,)](x, N, BLOCK=SIZE)
"""


def wide(n: str, size: int) -> str:
    return WIDE.replace("N,", f"{n},").replace("SIZE", str(size))


def test_a_tile_wider_than_its_extent_is_told_by_literals_and_by_launches(said):
    code = wide("n", 256)
    assert said(code, "TRI304") == []  # n is not known
    for only in (
        *said(wide("64", 256), "TRI304"),
        *said(code, "TRI304", launches=[launch(n=64, BLOCK=256, x_ptr=(1,))]),
    ):
        assert (only.rule, only.severity) == ("tile-wider-than-extent", "warning")
        assert "`BLOCK` is 256, and `lane < n` holds for 64 of its lanes at most: 75% of the tile" in only.message
        assert only.instead == "`BLOCK=triton.next_power_of_2(n)` at the launch: 64"
    assert len(said(wide("64", 256), "TRI304")) == 1


@pytest.mark.parametrize(
    ("n", "size"),
    [(64, 64), (65, 128), (100, 128), (33, 64), (200, 256), (1, 16)],
)
def test_the_next_power_of_two_is_fine(said, n, size):
    assert said(wide("n", size), "TRI304", launches=[launch(n=n, BLOCK=size, x_ptr=(1,))]) == []


def test_one_launch_that_fills_the_tile_is_enough_and_a_small_one_does_not_count(said):
    code = wide("n", 256)
    narrow, full = launch(n=64, BLOCK=256, x_ptr=(1,)), launch(n=200, BLOCK=256, x_ptr=(1,))
    assert said(code, "TRI304", launches=[narrow, full]) == []
    assert said(code, "TRI304", launches=[launch((8, 1, 1), n=64, BLOCK=256, x_ptr=(1,))]) == []
    unmasked = code.replace("tl.store(x_ptr + row + lane, x * 2, mask=lane < n)", "tl.store(x_ptr + row + lane, x)")
    assert said(unmasked, "TRI304", launches=[narrow]) == []


def test_walking_by_tiles_looks_at_the_fullest_trip(said):
    code = """
@triton.jit
def k(x_ptr, n, BLOCK: tl.constexpr):
    for start in range(0, n, BLOCK):
        at = start + tl.arange(0, BLOCK)
        tl.store(x_ptr + tl.program_id(0) * n + at, 0.0, mask=at < n)
"""
    assert said(code, "TRI304", launches=[launch(n=1030, BLOCK=1024, x_ptr=(1,))]) == []
    (only,) = said(code, "TRI304", launches=[launch(n=100, BLOCK=1024, x_ptr=(1,))])
    assert "holds for 100 of its lanes" in only.message


def test_an_epsilon_that_is_a_constexpr_is_told(said):
    code = kernel(STORE, "e = {0}", parameters="BLOCK: tl.constexpr, {0}: tl.constexpr")
    for name in ("eps", "epsilon", "EPS", "norm_eps"):
        (only,) = said(code.format(name).replace("{0}", name), "TRI305")
        assert (only.rule, only.severity, only.line) == ("epsilon-constexpr", "warning", 7)
        assert only.instead == f"`{name},` without the annotation"
    assert said(kernel(STORE, "e = eps", parameters="eps, BLOCK: tl.constexpr"), "TRI305") == []
    assert said(kernel(STORE, "e = steps", parameters="steps: tl.constexpr, BLOCK: tl.constexpr"), "TRI305") == []
    wide_ = kernel(STORE, "e = eps + tl.zeros((1,), tl.float64)", parameters="eps: tl.constexpr, BLOCK: tl.constexpr")
    assert said(wide_, "TRI305") == []


def test_more_threads_than_values_are_told(said):
    (only,) = said(kernel(STORE, given="BLOCK=64, num_warps=8"), "TRI307")
    assert (only.rule, only.severity) == ("num-warps-for-tile", "warning")
    assert "`k` runs 256 threads (8 warps) on tiles of 64 values: 4 threads hold each value" in only.message
    assert only.instead == "`num_warps=2`"
    (only,) = said(kernel(STORE, given="BLOCK=32"), "TRI307")  # 4 warps when nothing is said
    assert only.instead == "`num_warps=1`"
    code = kernel(STORE, given="BLOCK=b")
    (only,) = said(code, "TRI307", launches=[launch(n=64, BLOCK=64, warps=4, x_ptr=(1,), y_ptr=(1,))])
    assert "128 threads (4 warps) on tiles of 64 values" in only.message


@pytest.mark.parametrize(
    ("lines", "given"),
    [
        ((STORE,), "BLOCK=1024, num_warps=8"),
        ((STORE,), "BLOCK=128"),
        ((STORE,), "BLOCK=64, num_warps=warps"),
        ((STORE,), "BLOCK=block"),
        ((STORE, "x = tl.load(x_ptr + tl.arange(0, 4096))"), "BLOCK=64, num_warps=8"),
        ((STORE, "x = at[:, None] + at[None, :]"), "BLOCK=64, num_warps=8"),
        ((STORE, "x = elsewhere(at)"), "BLOCK=64, num_warps=8"),
    ],
)
def test_tiles_that_fill_the_threads_or_are_not_known_are_left_alone(said, lines, given):
    assert said(kernel(*lines, given=given), "TRI307") == []


@pytest.mark.skipif(not SEED.exists(), reason="the seed answer is beside the checkout")
def test_the_seed_answer():
    source = read_text(str(SEED))
    unused = [v for v in lint(source, select=["TRI3"]) if v.code == "TRI301"]
    text = SEED.read_text().splitlines()
    assert [(v.kernel, text[v.line - 1].strip()) for v in unused] == [
        ("rms_norm_kernel_optimized_v2", "NUM_STAGES: tl.constexpr = 3,"),
        ("rms_norm_kernel_optimized_v3", "NUM_STAGES: tl.constexpr = 2,"),
    ]
    assert all("is not the launch option `num_stages`" in v.message for v in unused)
    assert all("changes nothing here: its loops have no tl.dot" in v.instead for v in unused)
    sizes = {"features": 64, "dim_h": 512, "dim_w": 512}
    strides = {"stride_batch": 2**24, "stride_feat": 2**18, "stride_h": 512, "stride_w": 1}
    blocks = {"BLOCK_SIZE_FEAT": 256, "BLOCK_SIZE_SPATIAL": 8, "NUM_STAGES": 2}

    def at(batch: int) -> Launch:
        given = {"batch_size": batch, **sizes, **strides, **blocks}
        arguments = [Argument(name=n, type="constexpr" if n.isupper() else "i32", value=v) for n, v in given.items()]
        tensors = ("input_ptr", "output_ptr")
        arguments += [Argument(name=n, type="*fp32", shape=(batch, 64, 512, 512), bytes=batch << 26) for n in tensors]
        return Launch(
            kernel="rms_norm_kernel_optimized_v3", file=None, line=None, launch_line=None, grid=(batch * 4096, 1, 1),
            arguments=tuple(arguments), num_warps=8, num_stages=3,
        )  # fmt: skip

    wide = lint(source, [at(112)], select=["TRI304"])
    assert [v.message.split(" of its lanes")[0] for v in wide] == [
        "`BLOCK_SIZE_FEAT` is 256, and `feat_offsets < feat_end` holds for 64",
        "the tile has 512 lanes, and `feat_offsets < features` holds for 64",  # BLOCK_SIZE_FEAT * 2
    ]
    assert lint(source, [at(112)], select=["TRI204"]) == []  # 87 % of the range
    first, second = lint(source, [at(129)], select=["TRI204"])
    assert first.message.startswith("`batch_idx * stride_batch` reaches 2,147,483,648 in program (528383, 0, 0)")
    assert first.instead == second.instead == "`batch_idx.to(tl.int64) * stride_batch`"
