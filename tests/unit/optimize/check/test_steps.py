"""The order of the steps, and what each of them makes of the answer. Nothing is compiled or run here."""

from __future__ import annotations

from pathlib import Path

import pytest
from answers import answer, problem

from ncukit.errors import Exit, NcukitError
from ncukit.optimize import check as checking
from ncukit.optimize.check import Request, check, static
from ncukit.optimize.check.prove import Proved
from ncukit.optimize.check.static import Compiled
from ncukit.optimize.problem import read_problem
from ncukit.optimize.verdict import Case, Reason
from ncukit.source.inspect import Inspected
from ncukit.source.inspection import CompileError, Inspection, Launch, Note, Violation

WRONG = Reason(code="wrong-values", line=None, message="half of y", instead="cover all")
LAUNCH = Launch(kernel="double_kernel", file=None, line=7, launch_line=14, grid=(1, 1, 1), arguments=(), num_warps=4,
                num_stages=3)  # fmt: skip


@pytest.fixture
def steps(monkeypatch):
    """What the last two steps find, and which of them were taken."""

    class Steps:
        taken: list[str]
        compiled = Compiled(versions={"triton": "3.7.1"})
        proved = Proved(
            gpu=True, where="NVIDIA H200", versions={"torch": "2.13"}, cases=(Case(name="own", outcome="right"),)
        )

    found = Steps()
    found.taken = []

    def compiled(answer, request):
        found.taken.append("compile")
        return found.compiled

    def prove(request, code, **_):
        found.taken.append("run")
        found.asked = request
        return found.proved

    monkeypatch.setattr(static, "compiled", compiled)
    monkeypatch.setattr(checking, "prove", prove)
    return found


def asked(text: str, **options: object) -> Request:
    return Request(**{"path": "answer.md", "problem": problem("scaled_add"), "text": text, **options})


def test_all_four_steps_on_a_gpu_accept(steps) -> None:
    checked = check(asked(answer()))
    assert steps.taken == ["compile", "run"]
    assert (checked.verdict, checked.reasons, checked.unproven) == ("accepted", (), ())
    assert (checked.where, checked.versions) == ("NVIDIA H200", {"triton": "3.7.1", "torch": "2.13"})
    assert checked.code == answer()
    assert [case.name for case in checked.cases] == ["own"]


@pytest.mark.parametrize(
    "text",
    ["", "sorry", answer(imports="import os"), answer(forward="torch.cuda.Stream()\nreturn double(x)"),
     answer(kernel=answer().split("\n\n")[1].replace("mask=i < n)", "mask=i < q)"))],
)  # fmt: skip
def test_nothing_runs_once_form_or_lint_refuse(steps, text) -> None:
    checked = check(asked(text))
    assert checked.verdict == "refused"
    assert checked.reasons
    assert steps.taken == []


def test_form_does_not_hide_what_the_lint_says(steps) -> None:
    text = answer(imports="import os").replace("* 2, mask", "* tl.nosuch(2), mask")
    assert {reason.code for reason in check(asked(text)).reasons} == {"forbidden-import", "TRI102"}


def test_nothing_runs_when_it_does_not_compile(steps) -> None:
    steps.compiled = Compiled(reasons=(Reason(code="compile-error", line=7, message="no"),))
    checked = check(asked(answer()))
    assert steps.taken == ["compile"]
    assert (checked.verdict, checked.where) == ("refused", "")


def test_reasons_of_the_run_refuse(steps) -> None:
    steps.proved = Proved(gpu=True, where="NVIDIA H200", reasons=(WRONG, WRONG))
    assert check(asked(answer())).reasons == (WRONG,)


@pytest.mark.parametrize(
    ("compiled", "proved", "archs", "expected"),
    [
        (Compiled(), Proved(unproven=("speed",)), (), ("unproven", ("speed",))),
        (Compiled(), Proved(gpu=False), (), ("unproven", ())),
        (
            Compiled(),
            Proved(gpu=True, unproven=("bfloat16 was declined",)),
            (),
            ("unproven", ("bfloat16 was declined",)),
        ),
        (Compiled(unproven=("a",)), Proved(gpu=False, unproven=("b", "a")), (), ("unproven", ("a", "b"))),
        # what ran on a GPU did compile for it
        (Compiled(unproven=("a",)), Proved(gpu=True), (), ("accepted", ())),
        (Compiled(unproven=("a",)), Proved(gpu=True), ("sm_80",), ("unproven", ("a",))),
    ],
)
def test_accepted_only_when_everything_was_looked_at(steps, compiled, proved, archs, expected) -> None:
    steps.compiled, steps.proved = compiled, proved
    checked = check(asked(answer(), archs=archs))
    assert (checked.verdict, checked.unproven) == expected


def test_the_run_gets_the_time_that_is_left_and_is_told_of(steps) -> None:
    said: list[str] = []
    check(asked(answer(), timeout_s=50.0), said.append)
    assert 45.0 < steps.asked.timeout_s <= 50.0
    assert said == ["compiling without a GPU"]


def test_an_answers_comment_does_not_switch_the_lint_off(steps, tmp_path) -> None:
    text = (
        answer()
        .replace("* 2, mask", "* tl.nosuch(2), mask")
        .replace("mask=i < n)\n", "mask=i < n)  # ncukit: ignore[TRI102] I know\n")
    )
    assert "ncukit: ignore[" in text
    assert [reason.code for reason in check(asked(text)).reasons] == ["TRI102"]
    own = tmp_path / "k.py"
    own.write_text(
        text + "\nclass Model(nn.Module): pass\ndef get_inputs(): return []\ndef get_init_inputs(): return []\n"
    )
    assert check(Request(path=str(own), problem=read_problem(str(own)))).verdict == "accepted", "an engineer's may"
    layout_alone = check(Request(path=str(own), problem=problem("scaled_add")))
    assert [reason.code for reason in layout_alone.reasons] == ["TRI102"], "held to another file, it is an answer"


def test_lint_rules_can_be_left_out(steps) -> None:
    text = answer().replace("* 2, mask", "* tl.nosuch(2), mask")
    assert check(asked(text, ignore=("TRI102",))).verdict == "accepted"
    assert check(asked(text, select=("TRI101",))).verdict == "accepted"
    with pytest.raises(NcukitError, match="no lint rule"):
        check(asked(text, ignore=("TRI999",)))


# the compile step, on what the inspection may find


@pytest.fixture
def inspected(monkeypatch):
    """Sets what the inspection finds; what it was asked is kept."""
    kept = {}

    def play(found) -> None:
        def inspect(request):
            kept["request"] = request
            kept["code"] = Path(request.path).read_text()
            if isinstance(found, Exception):
                raise found
            return Inspected(inspection=found, tables={})

        monkeypatch.setattr(static, "inspect", inspect)

    monkeypatch.setattr(static, "visible_gpu", lambda: None)
    return play, kept


def inspection(**fields: object) -> Inspection:
    return Inspection(path="answer.py", archs=("sm_90",), source="host code", **{"launches": (LAUNCH,), **fields})


def compiled(text: str = "", **options: object) -> Compiled:
    request = asked(text or answer(), **options)
    return static.compiled(checking.read(request), request)


def test_what_is_compiled_is_the_code_that_was_read(inspected) -> None:
    play, kept = inspected
    play(inspection())
    assert compiled(f"words\n```python\n{answer()}\n```\n").reasons == ()
    assert kept["code"].startswith("\n\nimport torch")
    request = kept["request"]
    assert (request.archs, request.probe, request.use_cache) == (("sm_80", "sm_90"), False, False)
    assert not request.path.startswith("answer.md")


@pytest.mark.parametrize(
    ("capability", "archs"), [("9.0", ("sm_90",)), ("7.5", ("sm_80", "sm_90")), ("", ("sm_80", "sm_90"))]
)
def test_the_gpu_in_sight_is_compiled_for(inspected, monkeypatch, capability, archs) -> None:
    from ncukit.collect.machine import GpuSeen

    gpu = GpuSeen(index=0, name="x", compute_capability=capability, driver_version="", memory_mb=None)
    monkeypatch.setattr(static, "visible_gpu", lambda: gpu)
    play, kept = inspected
    play(inspection())
    compiled()
    assert kept["request"].archs == archs
    compiled(archs=("sm_120",))
    assert kept["request"].archs == ("sm_120",)


def test_compile_errors_refuse_once_for_all_architectures(inspected) -> None:
    play, _ = inspected
    error = {"kernel": "double_kernel", "message": "no", "line": 8, "instead": "yes"}
    play(inspection(errors=(
        CompileError(arch="sm_80", **error), CompileError(arch="sm_90", **error),
        CompileError(arch="sm_90", kernel="k", message="too large", config="BLOCK: 2", tolerated=True),
    )))  # fmt: skip
    (reason,) = compiled().reasons
    assert (reason.code, reason.line, reason.instead) == ("compile-error", 8, "yes")
    assert "double_kernel does not compile for sm_80: no" in reason.message


def test_host_code_that_fails_without_real_tensors_is_left_to_the_run(inspected) -> None:
    play, _ = inspected
    play(inspection(launches=(), errors=(CompileError(kernel="", arch="", message="host code, run: no data"),)))
    found = compiled()
    assert found.reasons == ()
    assert found.unproven == ("not all of it was compiled: host code, run: no data",)


def test_notes_stay_open(inspected) -> None:
    play, _ = inspected
    play(inspection(notes=(Note(code="host-read", message="reads a value", line=9),)))
    assert compiled().unproven == ("not all of it was compiled: reads a value (line 9)",)


def test_no_launch_on_the_problems_inputs_refuses_only_when_that_is_certain(inspected) -> None:
    play, _ = inspected
    play(inspection(launches=()))
    (reason,) = compiled().reasons
    assert (reason.code, reason.line) == (
        "no-triton-kernel",
        answer().split("\n").index("class ModelNew(nn.Module):") + 1,
    )
    play(inspection(launches=(), notes=(Note(code="host-read", message="reads a value"),)))
    assert compiled().reasons == ()


def test_what_the_lint_says_of_launches_counts_too(inspected) -> None:
    play, _ = inspected
    place = {"path": "", "column": 1, "end_line": 1, "end_column": 1, "rule": "x", "message": "overflow", "line": 8}
    play(inspection(lint=(
        Violation(code="TRI204", severity="error", **place), Violation(code="TRI300", severity="warning", **place),
        Violation(code="TRI205", severity="error", suppressed="no", **place),
    )))  # fmt: skip
    assert [reason.code for reason in compiled().reasons] == ["TRI204", "TRI205"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("a.py: no result after 20 s: its host code or the compiler was ended", "out-of-time"),
        ("a.py: its host code wants more than 8 GiB", "out-of-memory"),
        ("a.py: the process that ran its host code ended with exit code 1 and no answer", "crashed"),
        ("what came out of a.py cannot be read", "crashed"),
    ],
)
def test_host_code_that_breaks_its_process_refuses(inspected, message, code) -> None:
    play, _ = inspected
    play(NcukitError(message, exit_code=Exit.ENVIRONMENT))
    (reason,) = compiled().reasons
    assert reason.code == code
    assert reason.instead


def test_many_configurations_that_take_long_are_no_fault(inspected) -> None:
    play, _ = inspected
    play(NcukitError("a.py: no result after 20 s: ended", exit_code=Exit.ENVIRONMENT))
    text = answer().replace(
        "@triton.jit", "@triton.autotune(configs=[triton.Config({'BLOCK': 64})], key=['n'])\n@triton.jit"
    )
    found = compiled(text, timeout_s=20.0)
    assert found.reasons == ()
    assert "more than 20 s" in found.unproven[0]


def test_a_machine_that_cannot_compile_is_the_machines_error(inspected) -> None:
    play, _ = inspected
    play(NcukitError("nosuch does not run as a Python", exit_code=Exit.ENVIRONMENT))
    with pytest.raises(NcukitError, match="does not run") as error:
        compiled()
    assert error.value.exit_code is Exit.ENVIRONMENT
