"""What an error of an answer's means."""

from __future__ import annotations

import pytest
import torch

from ncukit.optimize.worker.faults import fault
from ncukit.optimize.worker.guards import TooLongError


def raised(code: str, file: str, error_of=None):
    names = {"torch": torch, "inner": error_of}
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - any error is what is looked at
        exec(compile(code, file, "exec"), names)
    return caught.value


@pytest.mark.parametrize(
    ("code", "means", "deliberate"),
    [
        ("\nassert False, 'rows'", "raised", True),
        ("raise ValueError('rows')", "raised", False),  # no line to read: only what stands in a file is seen to say no
        ("torch.zeros(6).view(4)", "raised", False),
        ("nobody", "raised", False),
        ("raise MemoryError()", "memory", False),
        ("raise RuntimeError('CUDA out of memory. Tried to allocate 2 GiB')", "memory", False),
        ("raise RuntimeError('Triton Error [CUDA]: an illegal memory access was encountered')", "crashed", False),
        ("raise RuntimeError('CUDA error: device-side assert triggered')", "crashed", False),
    ],
)
def test_on_a_gpu(code, means, deliberate) -> None:
    found = fault(raised(code, "/tmp/x/answer_1.py"), "answer_", interpreter=False)
    assert (found.means, found.deliberate) == (means, deliberate)
    assert found.line == code.count("\n") + 1


def test_what_torch_says_of_a_shape_is_deliberate() -> None:
    assert fault(raised("torch.nn.functional.pad(torch.zeros(3), (1,))", "/x/answer_1.py"), "answer_", interpreter=True)
    error = raised("torch.nn.Linear(3, 4)(torch.zeros(2))", "/x/answer_1.py")
    assert fault(error, "answer_", interpreter=True).deliberate


@pytest.mark.parametrize(
    ("code", "means"),
    [
        ("raise RuntimeError('Found no NVIDIA driver on your system')", "limit"),
        ("None.n_regs", "limit"),
        ("nobody", "raised"),
        ("assert False", "raised"),
    ],
)
def test_in_the_interpreter(code, means) -> None:
    assert fault(raised(code, "/x/answer_1.py"), "answer_", interpreter=True).means == means


def test_what_fails_inside_triton_is_the_interpreters_limit_and_elsewhere_not() -> None:
    inner = compile(
        "def inner():\n    raise NotImplementedError('inline_asm')", "/lib/triton/runtime/interpreter.py", "exec"
    )
    names: dict[str, object] = {}
    exec(inner, names)
    error = raised("inner()", "/x/answer_1.py", names["inner"])
    assert fault(error, "answer_", interpreter=True).means == "limit"
    assert fault(error, "answer_", interpreter=False).means == "raised"


def test_time_that_host_code_takes_is_told_from_time_in_a_kernel() -> None:
    try:
        raise TooLongError("no result after 20 s")
    except TooLongError as error:
        found = fault(error, "answer_", interpreter=True)
    assert found.endless
    assert found.means == "limit"
