"""The page for people: a real inspection as it looks, then each statement for itself."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from inspections import HOSTILE, NAMES, compiled, error, examined, hostile, launch, real, violation

from ncukit.render import inspect
from ncukit.source.inspection import Access, Argument, Loop, Narrow, Note, Spill, Stages
from ncukit.source.whatif import as_it_is, kept, refused, trials

NAIVE = """\
kernels/naive/instance_norm.py   compiled, not measured · Triton 3.7.1
launches from the model's host code, run on tensors without data

compute_moments_kernel  kernels/naive/instance_norm.py:22 · launched at :72
  grid 7168 · 4 warps · 3 stages · BLOCK_SIZE=1024
  arch    regs  spills  shared  occupancy  blocks/SM  waves       tail  on              code
  sm_80     38       0    16 B  75 % regs         12   5.53  53 % full  A100 SXM4 80GB  5 KB
  sm_90     40       0    16 B  75 % regs         12   4.53  53 % full  H100 SXM5 80GB  5 KB
  sm_120    40       0    16 B  100 %             12   3.51  51 % full  RTX 5090        5 KB
  loop      :34, 96 instructions (sm_80): 74 % fp32, 7 % integer, 7 % move
  global    loads 128 bit :36, 32 bit :33; stores 32 bit :47 :48
  stages    num_stages 1, 3 and 4 give the same code

normalize_kernel  kernels/naive/instance_norm.py:52 · launched at :73
  grid 7168 · 4 warps · 3 stages · BLOCK_SIZE=1024
  arch    regs  spills  shared  occupancy  blocks/SM  waves       tail  on                code
  sm_80     32       0     0 B  100 %             16   4.15  15 % full  A100 SXM4 80GB  4.9 KB
  sm_90     32       0     0 B  100 %             16   3.39  39 % full  H100 SXM5 80GB    5 KB
  sm_120    36       0     0 B  100 %             12   3.51  51 % full  RTX 5090        4.9 KB
  loop      :57, 123 instructions (sm_80): 52 % fp32, 21 % integer, 13 % global
  global    loads 128 bit :59, 32 bit :55 :56; stores 128 bit :60
  stages    num_stages 1, 3 and 4 give the same code

budgets
  registers at most 128: kept by 6 (highest 40)
  spills at most 0: kept by 6 (highest 0)

inspect: pass   2 kernels compiled for 3 architectures, lint clean, budgets: 12 kept
"""


def page(*args, **fields) -> str:
    return inspect.render(examined(*args, **fields))


def test_a_plain_kernel_file() -> None:
    assert inspect.render(real("naive_instance_norm", "registers=128", "spills=0")) == NAIVE


def test_a_file_that_does_not_compile_says_where_why_and_what_to_write() -> None:
    lines = inspect.render(real("refused", "spills=0")).splitlines()

    assert lines[0] == "tests/golden/inspect/refused.py   nothing was compiled · Triton 3.7.1 · sm_80, sm_90"
    at = lines.index("errors")
    assert lines[at + 1 : at + 4] == [
        "  tests/golden/inspect/refused.py:16:13  rms_kernel on sm_80, sm_90: unsupported AST node type:",
        "      Continue",
        "      instead: see TRI101 below",
    ]
    assert lines[at + 6].startswith("  tests/golden/inspect/refused.py:16:13  TRI101 error: `continue` inside")
    assert "note: not compiled, since no launch is known: tanh_kernel" in lines
    assert "  not judged  rms_kernel  sm_80  spills  -  at most 0" in lines
    assert lines[-1] == "inspect: FAIL   1 compile error, 2 lint errors, 2 budgets not judged"


def test_lint_errors_stand_before_warnings_and_then_by_line() -> None:
    text = inspect.render(real("refused"))

    assert re.findall(r"refused.py:(\d+):\d+  TRI\d+ (\w+)", text) == [
        ("16", "error"),
        ("28", "error"),
        ("10", "warning"),
        ("18", "warning"),
    ]


def test_autotune_configurations_are_rows_of_one_table() -> None:
    text = inspect.render(real("tuned"))

    assert "  4 autotune configurations on sm_80, sm_90 · BLOCK_K=32\n" in text
    assert "  BLOCK_M  BLOCK_N  warps  stages   grid    regs   spills      shared  occupancy" in text
    assert "      128      256      4       3  32x16     255  130–264    48–72 KB  12.5 % regs" in text
    assert "num_stages=3: 2 buffers, 12 asynchronous copies in loops" in text
    assert "(4 of 8\n            compilations)" in text


def test_a_budget_that_some_configurations_break_is_told_and_passes() -> None:
    lines = inspect.render(real("tuned", "spills=0")).splitlines()

    assert "  ambiguous  linear_kernel BLOCK_M=128 BLOCK_N=256 4 warps 3 stages  sm_80  spills  130  at most 0" in lines
    assert sum(line.startswith("  ambiguous: ") for line in lines) == 1
    assert "budgets: 8 kept, 4 ambiguous" in " ".join(lines[-2:])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [80, 100, 120])
def test_lines_fit_the_page(name: str, width: int) -> None:
    text = inspect.render(real(name, "registers=40"), width=width, all_gpus=width == 100)

    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("name", NAMES)
def test_colour_adds_nothing_but_colour(name: str) -> None:
    found = real(name, "spills=0", "registers=40")
    coloured = inspect.render(found, color=True)

    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[\d*m", "", coloured) == inspect.render(found)


def test_several_launches_of_a_kernel_differ_in_what_the_columns_say() -> None:
    wide = launch(launch_line=30, num_warps=8)
    text = page(compiled(), compiled(launch=wide), compiled(launch=wide))

    assert "copy_kernel  x.py:8 · launched at :20 :30\n  3 launches · grid 100 · 3 stages · BLOCK=1024\n" in text
    assert re.findall(r"^ +(:\d+) +(\d) +(#\d)?", text, re.MULTILINE) == [
        (":20", "4", ""),
        (":30", "8", "#1"),
        (":30", "8", "#2"),
    ]


def test_what_prevents_a_wider_access_stands_at_its_line() -> None:
    narrow = Narrow(line=27, kind="load", bits=8, cause="n = 3 is not divisible by 16", argument="n", wider_bits=64)
    alone = Narrow(line=30, kind="store", bits=32, cause="a thread has 1 element of 4 bytes here")

    text = page(compiled(narrow=(narrow, replace(narrow, line=25), alone)))

    assert "  narrow    :25 :27 load 8 bit a thread: n = 3 is not divisible by 16; with it 64 bit\n" in text
    assert "            :30 stores 32 bit a thread: a thread has 1 element of 4 bytes here\n" in text


def test_what_num_stages_does() -> None:
    same = Stages(tried=(1, 3, 4), changes=False)
    deep = Stages(tried=(1, 3), changes=True, async_copies=8, depth=3)

    assert "stages    num_stages 1, 3 and 4 give the same code\n" in page(compiled(stages=same))
    assert "stages    num_stages=3: 3 buffers, 8 asynchronous copies in loops; 1 and 3 do not" in page(
        compiled(stages=deep)
    )


def test_a_loop_says_what_it_is_made_of_and_what_it_waits_for() -> None:
    mix = {"fp32": 50, "shared": 30, "shuffle": 10, "barrier": 2, "local": 1, "integer": 7}
    loops = (
        Loop(line=9, depth=1, parent=None, instructions=100, mix=mix),
        Loop(line=11, depth=2, parent=0, instructions=10, mix={"fp32": 10}),
        Loop(line=None, depth=1, parent=None, instructions=3, mix={"async": 3}, waits=True),
    )

    text = page(compiled(loops=loops), archs=("sm_90",))

    assert "loop      :9, 100 instructions: 50 % fp32, 30 % shared, 10 % shuffle; 2 barriers, 10 shuffles, 1" in text
    assert "access to local memory in it" in text
    assert "            :11 in that of :9, 10 instructions: 100 % fp32\n" in text
    assert "async" not in text, "a loop that only waits is the compiler's"


def test_integer_arithmetic_is_named_where_nothing_is_more_frequent() -> None:
    most = Loop(line=9, depth=1, parent=None, instructions=10, mix={"integer": 5, "fp32": 5})
    less = Loop(line=9, depth=1, parent=None, instructions=10, mix={"integer": 4, "fp32": 6})

    assert "  integer   50 % of the loop in :9 is integer arithmetic" in page(compiled(loops=(most,)))
    assert "  integer " not in page(compiled(loops=(less,)))


def test_integer_arithmetic_of_long_code_without_a_loop() -> None:
    mix = {"integer": 150, "fp32": 100}

    assert "  integer   60 % of the code is integer arithmetic" in page(compiled(instructions=250, mix=mix))
    short = {kind: count // 10 for kind, count in mix.items()}
    assert "  integer " not in page(compiled(instructions=25, mix=short))


def test_less_than_a_wave_says_how_many_sms_get_a_block() -> None:
    text = page(compiled(grid=(33, 1, 1)))

    assert re.search(r"^  sm_90 .* 0\.0156 +25 % SMs +H200", text, re.MULTILINE)


def test_spills_by_the_line_that_computed_the_value() -> None:
    spills = (Spill(line=20, bytes=832, in_loop=False), Spill(line=22, bytes=336, in_loop=True))

    text = page(compiled(spills=spills))

    assert "  spilled   stored to local memory by a thread: 336 B from :22 in a loop, 832 B from :20\n" in text
    assert "16 B a thread in local memory; the lines are not known" in page(compiled(spills=4, stack_bytes=16))


def test_double_precision_and_a_dot_without_tensor_cores() -> None:
    text = page(compiled(has_dot=True, fp64_lines=(23, 24)))

    assert "  fp64      double-precision arithmetic in :23 :24\n" in text
    assert "  dot       a tl.dot without tensor-core instructions" in text
    assert "tl.dot" not in page(compiled(has_dot=True, tensor_core=4))


def test_widths_of_global_accesses_by_line() -> None:
    accesses = (
        Access(space="global", kind="load", line=9, bits=32, count=1),
        Access(space="global", kind="load", line=8, bits=128, count=2),
        Access(space="global", kind="async-copy", line=7, bits=128, count=2),
        Access(space="global", kind="bulk-copy", line=6, bits=None, count=2),
        Access(space="shared", kind="load", line=5, bits=64, count=2),
    )

    assert "global    loads 128 bit :8, 32 bit :9; asynchronous copies 128 bit :7; bulk copies :6\n" in page(
        compiled(accesses=accesses)
    )


def test_a_problem_that_only_one_architecture_has_says_which() -> None:
    other = compiled(arch="sm_80", grids={"A100 SXM4 80GB": (100, 1, 1)}, fp64_lines=(7,))

    text = page(compiled(), other, archs=("sm_90", "sm_80"))

    assert "double-precision arithmetic in :7 (sm_80)\n" in text


def test_what_cannot_run_names_the_gpu_and_the_reason() -> None:
    text = page(compiled(shared_bytes=300 * 1024))

    assert "does not fit" in text
    assert "  cannot run on H200: asks for 300 KB shared memory a block, 227 KB allowed\n" in text


def test_a_grid_that_only_a_gpu_knows_has_no_waves() -> None:
    text = page(compiled(grid=None, origin="assumed"))

    assert "grid unknown" in text
    assert "waves" not in text
    assert "  assumed launch: the host code went on with values that only a GPU computes\n" in text
    assert "recorded launch\n" in page(compiled(origin="recorded"))


def test_a_grid_that_follows_the_gpu_has_a_column() -> None:
    other = compiled(arch="sm_80", launch=launch(grid=(7, 2, 1)), grids={"A100 SXM4 80GB": (7, 2, 1)})

    text = page(compiled(), other)

    assert re.search(r"^  sm_80 +7x2 ", text, re.MULTILINE)
    assert re.search(r"^  sm_90 +100 ", text, re.MULTILINE)


def test_every_gpu_of_the_architecture_on_demand() -> None:
    found = real("naive_instance_norm")

    assert "H200" not in inspect.render(found)
    assert len(re.findall(r" H200\n", inspect.render(found, all_gpus=True))) == 2


def test_an_error_of_a_configuration_that_the_autotuner_drops_does_not_fail() -> None:
    text = page(compiled(), errors=(error("out of resource", config="BLOCK: 4096, maxnreg: None", tolerated=True),))

    assert "x.py:9:5  copy_kernel on sm_90 with BLOCK=4096 (the autotuner drops this" in text
    assert "\ninspect: pass " in text


def test_errors_of_the_host_code_and_of_several_architectures() -> None:
    errors = (error(kernel="", arch="", message="host code, forward: boom"), error(arch="sm_80"), error(arch="sm_90"))

    text = page(errors=errors)

    assert "  x.py:9:5  host code, forward: boom\n  x.py:9:5  copy_kernel on sm_80, sm_90: no such thing\n" in text
    assert text.endswith("inspect: FAIL   1 error in the host code, 1 compile error\n")


def test_what_a_comment_accepts_is_counted_with_its_reason() -> None:
    text = page(compiled(), lint=(violation(suppressed="the loop runs once"),))

    assert "  1 accepted by a comment: :12 TRI101 (the loop runs once)\n" in text
    assert "`break` in a loop" not in text
    assert text.endswith("lint clean\n")


@pytest.mark.parametrize(
    ("fail_on", "last"),
    [
        (
            "error",
            "inspect: pass 1 kernel compiled for 1 architecture, 1 lint warning (no failure at --fail-on error)",
        ),
        ("warning", "inspect: FAIL 1 lint warning"),
    ],
)
def test_a_warning_fails_where_it_is_asked_to(fail_on: str, last: str) -> None:
    text = page(compiled(), lint=(violation(severity="warning"),), fail_on=fail_on)

    assert " ".join(text[text.index("\ninspect: ") :].split()) == last


def test_nothing_compiled_is_no_pass() -> None:
    note = Note(code="host-read", message="the host code reads a value", line=7)

    lines = page(notes=(note,)).splitlines()

    assert "note: the host code reads a value (x.py:7)" in lines
    assert "note: not compiled, since no launch is known: copy_kernel" in lines
    assert lines[-1] == "inspect: not judged   nothing was compiled, which is no pass: the host code reads a value"


def test_the_text_alone() -> None:
    lines = page(lint_only=True).splitlines()

    assert lines == ["x.py   lint only", "", "inspect: pass   lint clean, nothing was compiled"]


def test_a_budget_held_against_nothing_is_no_pass() -> None:
    lines = page(compiled(), budgets=("other_*:registers=8",)).splitlines()

    assert "  not judged  other_*    registers  -  at most 8" in lines
    assert "  other_*: no kernel of the file matches; it has copy_kernel" in lines
    assert lines[-2].startswith("inspect: not judged   1 budget held against nothing: no kernel of the file matches")


def test_other_warps_and_tiles_beside_the_launch_as_it_is() -> None:
    one = compiled()
    trial = trials(one.launch)[-1]
    table = (as_it_is(one), *kept(one), refused(trial, "shape mismatch"))

    text = page(one, tables={0: table})

    assert re.search(r"^  as it is +32 +0 +0 B +100 %$", text, re.MULTILINE)
    assert re.search(r"^  num_warps=1 +32 +0 +0 B +50 % +occupancy -50 points, estimate$", text, re.MULTILINE)
    assert "does not compile: shape mismatch" in text
    assert "on sm_90; an order to look at: only a GPU tells the speed\n" in text


def test_long_lists_end_with_how_many_more() -> None:
    kernels = [compiled(kernel=f"k{n}") for n in range(20)]
    configs = [compiled(kernel="t", config=f"B: {n}", arguments=(Argument(name="B", type="constexpr", value=n),))
               for n in range(30)]  # fmt: skip
    found = examined(
        *configs,
        *kernels,
        lint=tuple(violation(line=n + 1) for n in range(40)),
        errors=tuple(error(line=n + 1) for n in range(31)),
        notes=tuple(Note(code="x", message=f"note {n}") for n in range(14)),
        kernels=(),
        budgets=("registers=1",),
    )

    lines = inspect.render(found).splitlines()

    assert [line.strip() for line in lines if "… and" in line] == [
        "… and 6 more rows (--format json has all)",
        "… and 9 more kernels (--format json has all)",
        "… and 1 more error (--format json has all)",
        "… and 10 more violations (--format json has all)",
        "… and 2 more notes (--format json has all)",
        "… and 21 more verdicts (--format json has all)",
    ]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_names_from_outside_are_shown_and_not_obeyed(text: str) -> None:
    shown = inspect.render(hostile(text))

    assert {c for c in shown if not c.isprintable()} == {"\n"}
    assert not re.search(r"(^|\s)(::|##\[)", shown)
    assert len(shown) < 30_000
    assert shown.splitlines()[-1]
