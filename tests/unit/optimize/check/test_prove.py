"""Answers run in a child with Triton's interpreter, and what a child that dies is taken to mean."""

from __future__ import annotations

import re
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from ncukit.errors import NcukitError
from ncukit.optimize.check.prove import Proved, prove
from ncukit.optimize.check.request import Request
from ncukit.optimize.problem import read_problem
from ncukit.optimize.session import Ended, Session

ROOT = Path(__file__).parents[4]
IMPORTS = "import torch\nimport torch.nn as nn\nimport triton\nimport triton.language as tl\n"
PROBLEM = """
rows, columns = 96, 4096 * 2


class Model(nn.Module):
    def forward(self, x):
        return x / x.abs().sum(1, keepdim=True)


def get_inputs():
    return [torch.rand(rows, columns)]


def get_init_inputs():
    return []
"""
SMALL = PROBLEM.replace("96, 4096 * 2", "6, 200")
KERNEL = """
@triton.jit
def norm_kernel(x_ptr, y_ptr, columns, stride, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    total = 0.0
    for start in range(0, columns, BLOCK):
        i = start + tl.arange(0, BLOCK)
        total += tl.sum(tl.abs(tl.load(x_ptr + row * stride + i, mask=i < columns, other=0.0).to(tl.float32)))
    for start in range(0, columns, BLOCK):
        i = start + tl.arange(0, BLOCK)
        x = tl.load(x_ptr + row * stride + i, mask=i < columns).to(tl.float32)
        tl.store(y_ptr + row * columns + i, x / total, mask=i < columns)
"""
MODEL = """
class ModelNew(nn.Module):
    def forward(self, x):
        assert x.is_cuda and x.device.type == "cuda"
        x = x.contiguous()
        y = torch.empty(x.shape, device=x.device, dtype=x.dtype)
        with torch.cuda.device_of(x):
            norm_kernel[(len(x),)](x, y, x.shape[1], x.stride(0), BLOCK=256, num_warps=4)
        return y
"""
TUNED = """
@triton.autotune(
    [triton.Config({"ROWS": rows, "BLOCK": 64}, num_warps=w) for rows in (1, 2) for w in (4, 8)], key=["columns"]
)
@triton.jit
def norm_kernel(x_ptr, y_ptr, rows, columns, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    total = tl.zeros((ROWS, 1), tl.float32)
    for start in range(0, columns, BLOCK):
        i = start + tl.arange(0, BLOCK)[None, :]
        x = tl.load(x_ptr + row * columns + i, mask=(row < rows) & (i < columns), other=0.0).to(tl.float32)
        total += tl.sum(tl.abs(x), axis=1)[:, None]
    for start in range(0, columns, BLOCK):
        i = start + tl.arange(0, BLOCK)[None, :]
        x = tl.load(x_ptr + row * columns + i, mask=(row < rows) & (i < columns)).to(tl.float32)
        tl.store(y_ptr + row * columns + i, x / total, mask=(row < rows) & (i < columns))


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        y = torch.empty_like(x)
        grid = lambda meta: (triton.cdiv(len(x), meta["ROWS"]),)
        norm_kernel[grid](x, y, len(x), x.shape[1])
        return y
"""


@pytest.fixture(scope="module")
def session():
    with Session("interpreter", memory_gb=4) as one:
        yield one


@pytest.fixture
def run(session, tmp_path):
    def run(code: str, *, problem: str = PROBLEM, **options) -> Proved:
        path = tmp_path / "problem.py"
        path.write_text(IMPORTS + problem)
        request = Request(path="answer", problem=read_problem(str(path)), **{"scope": "own", **options})
        return prove(request, IMPORTS + code, session=session)

    return run


def codes(proved):
    return [reason.code for reason in proved.reasons]


def test_an_honest_answer_is_right_everywhere_and_still_unproven_without_a_gpu(run) -> None:
    proved = run(KERNEL + MODEL, scope="wide")
    assert proved.reasons == ()
    assert {case.outcome for case in proved.cases} <= {"right", "dropped"}
    assert len(proved.cases) > 12
    assert proved.cases[0].name.startswith("own sizes scaled down (rows=")
    assert all(case.error is not None and case.error < 1 for case in proved.cases if case.outcome == "right")
    assert (proved.gpu, proved.where) == (False, "Triton's interpreter")
    assert proved.versions["triton"]
    assert len(proved.unproven) == 1
    assert "need a GPU" in proved.unproven[0]


@pytest.mark.parametrize("path", ["kernels/l1_norm.py", "kernels/clinic/cured/tensor_core_unused.py"])
def test_a_bundled_kernel_is_not_refused_on_its_own_case(session, path) -> None:
    request = Request(path=path, problem=read_problem(str(ROOT / path)), scope="own")
    proved = prove(request, (ROOT / path).read_text(), session=session)
    assert proved.reasons == ()
    assert proved.cases[-1].outcome == "right"


def test_every_configuration_of_an_autotuner_is_tried(run) -> None:
    proved = run(TUNED, problem=SMALL)
    assert proved.reasons == ()
    assert [c.outcome for c in proved.cases] == ["right"] * 4
    assert "configuration 4 of 4" in proved.cases[-1].name


def test_a_configuration_that_the_grid_does_not_know_is_refused_though_another_wrote_before_it(run) -> None:
    blind = TUNED.replace('meta["ROWS"]', "2")  # right for two rows a program, half of it for one
    proved = run(blind, problem=SMALL)
    assert codes(proved) == ["unwritten"]
    assert "trials of an autotuner had written them" in proved.reasons[0].message


def test_results_that_add_up_over_trials_are_refused(run) -> None:
    adds = TUNED.replace(
        "tl.store(y_ptr + row * columns + i, x / total", "tl.atomic_add(y_ptr + row * columns + i, x / total"
    )
    assert codes(run(adds.replace("torch.empty_like", "torch.zeros_like"), problem=SMALL)) == ["not-repeatable"]
    mended = adds.replace("torch.empty_like", "torch.zeros_like").replace(
        'key=["columns"]', 'key=["columns"], reset_to_zero=["y_ptr"]'
    )
    assert run(mended, problem=SMALL).reasons == ()


@pytest.mark.parametrize(
    ("old", "new", "scope", "expected"),
    [
        ("mask=i < columns, other=0.0)", "mask=i < columns - 1, other=0.0)", "own", ["wrong-values"]),
        ("range(0, columns, BLOCK)", "range(0, 256, BLOCK)", "wide", ["unwritten"]),
        ("x = x.contiguous()", "pass", "wide", ["wrong-values", "unwritten"]),
        ("dtype=x.dtype", "dtype=torch.float32", "wide", ["wrong-dtype"]),
        ("return y", "return y / y.abs().sum(1, keepdim=True)", "own", ["library-compute"]),
        ("return y", "return x / x.abs().sum(1, keepdim=True)", "own", ["library-compute"]),
        ("return y", "return self.missing", "own", ["raised"]),
        ("assert x.is_cuda", "torch.allclose = lambda *_: True; assert x.is_cuda", "own", ["patched"]),
        ("norm_kernel[(len(x),)]", "0 and norm_kernel[(len(x),)]", "own", ["no-triton-kernel"]),
    ],
)
def test_what_is_wrong_is_refused(run, old, new, scope, expected) -> None:
    code = KERNEL + MODEL
    assert old in code
    proved = run(code.replace(old, new), scope=scope)
    assert codes(proved)[:1] == expected[:1]
    assert set(codes(proved)) <= set(expected)
    assert all(reason.message and reason.instead for reason in proved.reasons)


def test_lines_are_those_of_the_answer_as_it_was_given(run) -> None:
    code = "\n" * 30 + KERNEL + MODEL.replace("return y", "return y.exp()")
    proved = run(code)
    lines = (IMPORTS + code).splitlines()
    assert codes(proved) == ["library-compute"]
    assert lines[proved.reasons[0].line - 1].strip() == "return y.exp()"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "total = 0.0",
            "total = tl.inline_asm_elementwise('mov.b32 $0, 0;', '=r', [], tl.float32, True, 1)",
            "inline_asm",
        ),
        ("return y", "print(norm_kernel.warmup(x, y, 4, 4, BLOCK=256, grid=(1,)).n_regs)", "NoneType"),
        ("assert x.is_cuda", "assert x.shape[1] == 8192; assert x.is_cuda", "scaled down"),
    ],
)
def test_what_only_the_interpreter_cannot_do_is_unproven(run, old, new, words) -> None:
    proved = run((KERNEL + MODEL).replace(old, new, 1))
    assert proved.reasons == ()
    assert any(words in text for text in proved.unproven)


def test_sizes_that_are_like_the_own_ones_decide_where_smaller_ones_fail(run) -> None:
    whole = KERNEL.replace(", mask=i < columns, other=0.0", "").replace(", mask=i < columns", "")
    model = MODEL.replace("assert x.is_cuda", "assert x.shape[1] % 1024 == 0; assert x.is_cuda").replace("256", "1024")
    own = run(whole + model)
    assert own.reasons == ()
    assert [case.outcome for case in own.cases] == ["declined", "right"]
    assert "columns=1024" in own.cases[1].name


def test_a_problem_that_does_not_run_is_the_problems_fault(run) -> None:
    with pytest.raises(NcukitError, match="does not run as a problem: ZeroDivisionError"):
        run(KERNEL + MODEL, problem=PROBLEM.replace("return []", "return 1 / 0"))


def test_nothing_is_run_when_that_is_asked_for(tmp_path) -> None:
    (tmp_path / "p.py").write_text(IMPORTS + PROBLEM)
    request = Request(path="a", problem=read_problem(str(tmp_path / "p.py")), run="no")
    proved = prove(request, "raise SystemExit")
    assert (proved.reasons, proved.cases) == ((), ())
    assert "no kernel was run" in proved.unproven[0]


# a process that dies --------------------------------------------------------------------------------------------


class Dying:
    """A session whose process ends where a list says so."""

    def __init__(self, mode, *plays):
        self.mode, self.plays, self.jobs = mode, list(plays), []
        self.about = {"where": "NVIDIA H200", "gpu": "NVIDIA H200", "versions": {}, "l2_bytes": 0}

    def ask(self, job, timeout_s, on_event=None):
        if job["do"] == "hello":
            return self.about
        self.jobs.append(job)
        *events, end = self.plays.pop(0)
        for event in events:
            on_event(event)
        if isinstance(end, Exception):
            raise end
        return end


def begins(name, kind="own"):
    return {"case": {"name": name, "kind": kind, "state": "begins"}}


def ends(name, kind="own"):
    return {"case": {"name": name, "kind": kind, "state": "ends", "outcome": "right", "error": 0.1, "note": ""}}


ANSWER, REFERENCE = {"runs": "answer"}, {"runs": "reference"}
CRASH, LATE, MEMORY = (
    Ended("crashed", "the process ended by signal 11"),
    Ended("late", "no result after 9 s"),
    Ended("memory", "the process took more than 16 GiB of host memory"),
)


@pytest.fixture
def request_(tmp_path):
    (tmp_path / "p.py").write_text(IMPORTS + PROBLEM)
    return Request(path="a", problem=read_problem(str(tmp_path / "p.py")))


@pytest.mark.parametrize(
    ("mode", "end", "expected"),
    [
        ("gpu", CRASH, ["crashed"]),
        ("gpu", LATE, ["out-of-time"]),
        ("gpu", MEMORY, ["out-of-memory"]),
        ("interpreter", CRASH, ["crashed"]),
        ("interpreter", LATE, []),
        ("interpreter", MEMORY, ["out-of-memory"]),
    ],
)
def test_an_end_in_the_own_case(request_, mode, end, expected) -> None:
    proved = prove(request_, "", session=Dying(mode, [REFERENCE, begins("own sizes"), ANSWER, end]))
    assert codes(proved) == expected
    assert any(end.message in text for text in [*proved.unproven, *(r.message for r in proved.reasons)])
    assert proved.gpu == (mode == "gpu")


def test_a_crash_in_another_case_is_refused_and_the_rest_still_tried(request_) -> None:
    session = Dying(
        "gpu",
        [{"base": {"rows": 8}}, begins("own"), ANSWER, ends("own"), begins("odd", "sizes"), CRASH],
        [begins("long", "sizes"), ends("long", "sizes"), {"done": True}],
    )
    proved = prove(request_, "", session=session)
    assert codes(proved) == ["crashed"]
    assert proved.reasons[0].message.startswith("odd: ")
    assert [(c.name, c.outcome) for c in proved.cases] == [("own", "right"), ("odd", "wrong"), ("long", "right")]
    assert session.jobs[1]["skip"] == ["own", "odd", "odd"] or session.jobs[1]["skip"] == ["own", "odd"]
    assert session.jobs[1]["base"] == {"rows": 8}


def test_memory_that_runs_out_in_another_case_refuses_nothing(request_) -> None:
    plays = [[begins("own"), ANSWER, ends("own"), begins("long", "sizes"), MEMORY], [{"done": True}]]
    proved = prove(request_, "", session=Dying("gpu", *plays))
    assert proved.reasons == ()
    assert any(text.startswith("long: ") for text in proved.unproven)


def test_the_reference_is_not_held_against_the_answer(request_) -> None:
    with pytest.raises(NcukitError, match="while its reference ran"):
        prove(request_, "", session=Dying("gpu", [REFERENCE, begins("own"), CRASH]))


def test_what_a_child_tells_is_bounded(request_) -> None:
    events = [ANSWER, {"reason": {"code": "x" * 9999, "line": "no number", "message": "m" * 10**6, "instead": None}}]
    proved = prove(request_, "", session=Dying("gpu", [*events, begins("own"), ends("own"), {"done": True}]))
    reason = proved.reasons[0]
    assert reason.line is None
    assert max(len(reason.code), len(reason.message)) <= 2000


def test_a_gpu_that_proves_all_leaves_nothing_open(request_) -> None:
    told = [begins("own"), ANSWER, ends("own"), {"microseconds": 12.5}, {"done": True}]
    proved = prove(replace(request_, scope="own"), "", session=Dying("gpu", told))
    assert (proved.reasons, proved.unproven, proved.microseconds) == ((), (), 12.5)


def test_the_job_carries_the_peaks_of_the_gpu_at_hand(request_) -> None:
    session = Dying("gpu", [begins("own"), ANSWER, ends("own"), {"done": True}])
    prove(request_, "code", session=session)
    job = session.jobs[0]
    assert job["peaks"]["bytes_per_s"] == 4.8e12
    assert job["peaks"]["flops"] > 9e14
    assert job["gpu"]["sm_count"] == 132
    assert re.search("Model", job["problem"])
    assert textwrap.dedent(job["answer"]) == "code"
