"""One case after another, on answers whose "kernels" are plain PyTorch: what is looked at is how results are judged."""

from __future__ import annotations

import contextlib
import types

import pytest
import torch
from torch import nn

from ncukit.optimize.worker.attempt import Place, attempt
from ncukit.optimize.worker.cases import Case


class Launches:
    """As if a kernel had been launched."""

    kernels = ("double_kernel",)
    programs = 0

    def begin(self, work=None) -> None:
        self.work = work


PLACE = Place(
    device="cpu",
    interpreter=True,
    inside=contextlib.nullcontext,
    launches=Launches(),
    allow_torch=True,
    runs=lambda who: None,
)


def problem(forward=lambda self, x: x * 2, make=lambda: [torch.rand(8, 16)]):
    model = type("Model", (nn.Module,), {"forward": forward})
    return types.SimpleNamespace(Model=model, get_inputs=make, get_init_inputs=list)


def answer(forward):
    return types.SimpleNamespace(ModelNew=type("ModelNew", (nn.Module,), {"forward": forward}))


def tried(forward, *, of=None, place=PLACE, **case):
    case = Case(**{"name": "own sizes, float32", "kind": "own", **case})
    return attempt(case, of or problem(), answer(forward), place, own_sizes=True)


def right(self, x):
    y = torch.empty_like(x)
    y.copy_(x * 2)
    return y


def codes(found):
    return [reason["code"] for reason in found.reasons]


@pytest.mark.parametrize(
    "case",
    [
        {},
        {"kind": "dtype", "dtype": "float16"},
        {"kind": "dtype", "dtype": "bfloat16"},
        {"kind": "layout", "layout": "transposed"},
        {"kind": "layout", "layout": "expanded"},
        {"kind": "values", "values": "large"},
    ],
)
def test_a_right_answer_is_right(case) -> None:
    found = tried(right, **case)
    assert (found.outcome, found.reasons, found.unproven) == ("right", [], "")
    assert found.error is not None
    assert found.error < 1


def half(self, x):
    y = torch.empty_like(x)
    y[:4] = x[:4] * 2
    return y


def overwritten(self, x):
    return x.mul_(2)


def beside(self, x):
    x.as_strided((1,), (1,), x.storage_offset() + x.numel()).fill_(3.0)
    return x * 2


def same_buffer(self, x):
    if not hasattr(self, "kept"):
        self.kept = torch.empty_like(x)
    return self.kept.copy_(x * 2)


def first_result(self, x):
    if not hasattr(self, "kept"):
        self.kept = x * 2
    return self.kept.clone()


def added_up(self, x):
    """As an autotuner's trials do that add to what they found: the first call alone is wrong."""
    factor = 2 if hasattr(self, "tuned") else 6
    self.tuned = True
    return x * factor


def leftover(self, x):
    """As a grid that does not cover the output, after a trial that did."""
    y = torch.empty_like(x)
    y[: 4 if hasattr(self, "tuned") else 8] = x[: 4 if hasattr(self, "tuned") else 8] * 2
    self.tuned = True
    return y


def worse_and_worse(self, x):
    self.calls = getattr(self, "calls", 0) + 1
    return x * (1 + self.calls)


class Lazy(torch.Tensor):
    pass


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        (lambda self, x: x * 2.001, "wrong-values"),
        (lambda self, x: torch.zeros_like(x), "wrong-values"),
        (lambda self, x: (x * 2).half(), "wrong-dtype"),
        (lambda self, x: (x * 2).half().float(), "wrong-values"),
        (lambda self, x: (x * 2)[None], "wrong-shape"),
        (lambda self, x: (x * 2, x), "wrong-shape"),
        (lambda self, x: None, "not-a-tensor"),
        (lambda self, x: (x * 2).as_subclass(Lazy), "not-a-tensor"),
        (lambda self, x: (x * 2).to_sparse(), "not-a-tensor"),
        (lambda self, x: torch.empty(8, 16, device="meta"), "wrong-device"),
        (lambda self, x: self.missing * x, "raised"),
        (half, "unwritten"),
        (overwritten, "input-changed"),
        (beside, "input-changed"),
        (same_buffer, "output-reused"),
        (first_result, "output-reused"),
        (added_up, "not-repeatable"),
        (worse_and_worse, "not-repeatable"),
        (leftover, "unwritten"),
    ],
)
def test_what_is_wrong_is_told_by_its_code(forward, expected) -> None:
    found = tried(forward)
    assert codes(found) == [expected]
    reason = found.reasons[0]
    assert reason["message"].startswith("own sizes, float32: ")
    assert reason["instead"]


def test_a_wrong_value_is_told_with_place_expected_found_and_error() -> None:
    def off(self, x):
        y = x * 2
        y[3, 7] += 1
        return y

    message = tried(off).reasons[0]["message"]
    assert "at [3, 7]: expected" in message
    assert "error 1," in message
    assert "1 of 128 values are wrong" in message
    assert "all values are 1.5 times" in tried(lambda self, x: x * 3).reasons[0]["message"]


def test_an_error_elsewhere_declines_and_a_wrong_value_elsewhere_does_not() -> None:
    def picky(self, x):
        assert x.dtype == torch.float32, "float32 only"
        return x * 2

    found = tried(picky, kind="dtype", dtype="float16")
    assert (found.outcome, codes(found)) == ("declined", [])
    assert "float32 only" in found.note
    careless = tried(lambda self, x: x.float() * 2, kind="dtype", dtype="float16")
    assert codes(careless) == ["wrong-dtype"]


def test_what_the_reference_cannot_judge_is_dropped() -> None:
    notes = [
        tried(right, of=problem(lambda self, x: nn.functional.dropout(x, 0.5))).note,
        tried(right, of=problem(lambda self, x: x / 0)).note,
        tried(right, of=problem(lambda self, x: x - x)).note,
        tried(right, of=problem(lambda self, x: x.view(3, -1))).note,
    ]
    assert [text.split("(")[0].split(":")[0].strip() for text in notes] == [
        "the reference draws random numbers",
        "the reference's result is not finite",
        "the reference's result is zero, or as good as",
        "the reference cannot do it",
    ]


def test_which_of_equal_values_is_picked_decides_nothing() -> None:
    largest = problem(lambda self, x: x.argmax(1), lambda: [torch.rand(8, 1024)])

    def last(self, x):
        return x.shape[1] - 1 - x.flip(1).argmax(1)

    assert tried(last, of=largest).outcome == "right"
    assert tried(last, of=largest, kind="dtype", dtype="bfloat16").outcome == "dropped"
    assert tried(last, of=largest, kind="values", values="constant").outcome == "dropped"
    assert codes(tried(lambda self, x: x.argmin(1), of=largest)) == ["wrong-values"]
    assert codes(tried(lambda self, x: x.argmin(1), of=largest, kind="layout", layout="shifted")) == ["wrong-values"]


def test_a_reference_that_writes_to_its_inputs_lets_the_answer_do_so_too() -> None:
    found = tried(overwritten, of=problem(lambda self, x: x.mul_(2)))
    assert "input-changed" not in codes(found)


def test_a_problem_that_always_makes_the_same_inputs_gets_others_all_the_same() -> None:
    fixed = problem(make=lambda: [torch.arange(128.0).view(8, 16) + 1])
    assert codes(tried(first_result, of=fixed)) == ["output-reused"]
    assert tried(right, of=fixed).outcome == "right"


def test_drawn_parameters_show_who_ignores_them() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.LayerNorm(16)

        def forward(self, x):
            return self.norm(x)

    class Ignores(Model):
        def forward(self, x):
            return nn.functional.layer_norm(x, (16,))

    class Renamed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bias = nn.Parameter(torch.zeros(16))
            self.weight = nn.Parameter(torch.ones(16))

        def forward(self, x):
            return nn.functional.layer_norm(x, (16,), self.weight, self.bias)

    class Without(nn.Module):
        def forward(self, x):
            return nn.functional.layer_norm(x, (16,))

    there = types.SimpleNamespace(Model=Model, get_inputs=lambda: [torch.rand(8, 16)], get_init_inputs=list)

    def found(new, **case):
        case = Case(**{"name": "parameters", "kind": "parameters", "parameters": True, **case})
        return attempt(case, there, types.SimpleNamespace(ModelNew=new), PLACE, own_sizes=True)

    assert found(Model).outcome == "right"
    assert codes(found(Ignores)) == ["wrong-values"]
    assert "keep nothing" in found(Ignores).reasons[0]["instead"]
    assert found(Renamed).outcome == "right", "by shape and the value that they start with"
    assert (found(Without).outcome, codes(found(Without))) == ("declined", [])
    assert found(Without, parameters=False, kind="own").outcome == "right"


def test_statistics_start_over_in_every_call() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(16)

        def forward(self, x):
            y = self.norm(x)
            return y + self.norm.running_mean

    there = types.SimpleNamespace(Model=Model, get_inputs=lambda: [torch.rand(8, 16)], get_init_inputs=list)
    case = Case(name="own", kind="own")
    assert attempt(case, there, types.SimpleNamespace(ModelNew=Model), PLACE, own_sizes=True).outcome == "right"


def test_without_a_launch_or_with_torch_computing_it_is_no_triton_answer() -> None:
    class NoLaunches(Launches):
        kernels = ()

    strict = Place(**{**vars(PLACE), "launches": NoLaunches(), "allow_torch": False})
    assert codes(tried(right, place=strict)) == ["no-triton-kernel"]
    torch_works = Place(**{**vars(PLACE), "allow_torch": False})
    found = tried(right, place=torch_works)
    assert codes(found) == ["library-compute"]
    assert "mul on 128 values" in found.reasons[0]["message"]


def test_a_result_that_no_kernel_was_given_is_none_of_its_kernels() -> None:
    decoy = Place(**{**vars(PLACE), "allow_torch": False})
    transposed = problem(lambda self, x: x.t().contiguous())
    found = tried(lambda self, x: x.t().contiguous(), of=transposed, place=decoy)
    assert codes(found) == ["no-triton-kernel"]
    assert "was given to one of its Triton kernels" in found.reasons[0]["message"]
