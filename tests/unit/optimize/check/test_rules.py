"""Order, fallbacks, caches, the reference and libraries: what a text shows of them."""

from __future__ import annotations

import time

import pytest
from answers import FORWARD, IMPORTS, KERNEL, WRAPPER, answer, judged, taken

from ncukit.optimize.check.form import MOST, examine

MODEL = "\nclass ModelNew(nn.Module):\n    def forward(self, x):\n        return double(x)\n"
AUTOTUNED = "\n@triton.autotune(configs=[triton.Config({'BLOCK': 64})], key=['n'])" + KERNEL


@pytest.mark.parametrize(
    "text",
    [
        IMPORTS + KERNEL + WRAPPER + MODEL,
        '"""Doubles."""\n' + IMPORTS + "\nBLOCK = 64\nSIZES: list[int] = [1, 2]\n" + KERNEL + WRAPPER + MODEL,
        IMPORTS + "\ndef configs():\n    return [triton.Config({}, num_warps=4)]\n" + KERNEL + WRAPPER + MODEL,
        IMPORTS + KERNEL + "\nclass Plan:\n    block = 2\n" + KERNEL.replace("double", "other") + WRAPPER + MODEL,
        IMPORTS + KERNEL + "\nLIMIT = 3\n" + WRAPPER + "\ndef after(): return LIMIT\n" + MODEL,
        IMPORTS + KERNEL + MODEL.replace("return double(x)", "double_kernel[(1,)](x, x, 4, BLOCK=4)\n        return x"),
        IMPORTS + KERNEL + WRAPPER + MODEL + "\n__all__ = ['ModelNew']\n",
    ],
)
def test_the_order_of_good_answers(text) -> None:
    assert judged(text) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (MODEL + IMPORTS + KERNEL + WRAPPER, "order"),
        (IMPORTS + WRAPPER + KERNEL + MODEL, "order"),
        (IMPORTS + KERNEL + MODEL + WRAPPER, "order"),
        (IMPORTS + KERNEL + WRAPPER + MODEL + "\ndef helper(): return 1\n", "order"),
        (IMPORTS + KERNEL + WRAPPER + MODEL + "\nimport math\n", "order"),
        (IMPORTS + KERNEL + WRAPPER + MODEL + MODEL, "order"),
        (IMPORTS + KERNEL + WRAPPER, "no-model"),
        (IMPORTS + KERNEL + WRAPPER + "\nif True:\n" + MODEL.replace("\n", "\n    "), "no-model"),
        (IMPORTS + KERNEL + WRAPPER + MODEL.replace("forward", "run_it"), "no-model"),
        (IMPORTS + WRAPPER + MODEL, "no-triton-kernel"),
        (answer(top="def get_inputs(): return []"), "testing-code"),
        (answer(top="def get_init_inputs(): return []"), "testing-code"),
        (answer(top="def test_it(): pass"), "testing-code"),
        (answer() + "\nif __name__ == '__main__':\n    print(1)\n", "testing-code"),
        (answer(top="print(1)"), "testing-code"),
        (answer(top="while True: pass"), "testing-code"),
        (answer() + "\nmodel = ModelNew()\n", "testing-code"),
    ],
)
def test_what_stands_in_the_wrong_place(text, code) -> None:
    assert code in judged(text)


@pytest.mark.parametrize(
    "forward",
    [
        "try:\n    return double(x)\nexcept Exception:\n    return x * 2",
        "try:\n    double_kernel[(1,)](x, x, 4, BLOCK=4)\nexcept RuntimeError:\n    pass\nreturn x",
        "try:\n    return double(x)\nexcept RuntimeError:\n    raise\nexcept Exception as e:\n    return x",
        "try:\n    k = [double_kernel][0]\n    k[(1,)](x, x, 4, BLOCK=4)\nexcept:\n    return x",
    ],
)
def test_a_launch_that_may_fail_unseen(forward) -> None:
    assert "fallback" in judged(answer(forward=forward))


def test_a_context_that_hides_failure() -> None:
    top = "@contextmanager\ndef quiet():\n    try:\n        yield\n    except Exception:\n        pass"
    assert judged(answer(imports="from contextlib import contextmanager", top=top)) == ["fallback"]


@pytest.mark.parametrize(
    "forward",
    [
        'try:\n    return double(x)\nexcept RuntimeError as e:\n    raise ValueError("no") from e',
        "try:\n    return double(x)\nfinally:\n    self.done = True",
        "try:\n    n = torch.cuda.get_device_properties(0).multi_processor_count\nexcept Exception:\n    n = 80\n"
        + FORWARD,
    ],
)
def test_a_try_that_hides_nothing(forward) -> None:
    assert judged(answer(forward=forward)) == []


REFERENCE = "class Model(nn.Module):\n    def forward(self, x): return x * 2"


@pytest.mark.parametrize(
    "text",
    [
        answer(top=REFERENCE, init="self.ref = Model()", forward="return self.ref(x)"),
        answer(top=REFERENCE + "\ndef helper(x): return Model()(x)", forward="return helper(x)"),
        answer(top=REFERENCE, forward="return Model.forward(self, x)"),
        answer(forward="return super().forward(x)"),
    ],
)
def test_the_reference_is_not_called(text) -> None:
    assert "reference-called" in judged(text)


def test_a_reference_that_is_only_quoted_or_derived_from_is_fine() -> None:
    assert judged(answer(top=REFERENCE)) == []
    assert judged(answer(top=REFERENCE).replace("class ModelNew(nn.Module)", "class ModelNew(Model)")) == []


@pytest.mark.parametrize(
    "forward",
    [
        "if x.data_ptr() not in CACHE:\n    CACHE[x.data_ptr()] = double(x)\nreturn CACHE[x.data_ptr()]",
        "key = (id(x), x.shape)\nreturn CACHE.setdefault(key, double(x))",
        "return CACHE.get(hash(x)) or double(x)",
    ],
)
def test_results_kept_by_address(forward) -> None:
    assert set(judged(answer(top="CACHE = {}", forward=forward))) == {"cached-result"}


def test_a_cached_function_of_tensors_and_one_of_numbers() -> None:
    top = "@functools.cache\ndef f(x: {}): return x"
    codes = [judged(answer(imports="import functools", top=top.format(kind))) for kind in ("torch.Tensor", "int")]
    assert codes == [["cached-result"], []]


@pytest.mark.parametrize(
    "forward",
    [
        f"assert x.data_ptr() % 16 == 0\n{FORWARD}",
        "key = (x.shape, x.dtype)\nif key not in CACHE:\n    CACHE[key] = triton.cdiv(x.numel(), 64)\n" + FORWARD,
    ],
)
def test_addresses_and_caches_that_do_no_harm(forward) -> None:
    assert judged(answer(top="CACHE = {}", forward=forward)) == []


@pytest.mark.parametrize(
    "text",
    [
        answer(forward="return x @ x"),
        answer(forward="return torch.matmul(x, double(x))"),
        answer(forward="y = x.contiguous().view(-1, 4)\nreturn y.softmax(-1)"),
        answer(imports="import torch.nn.functional as F", forward="return F.relu(x)"),
        answer(imports="from torch.nn.functional import layer_norm as ln", forward="return ln(x, (4,))"),
        answer(init="self.norm = nn.LayerNorm(4)", forward="return self.norm(x)"),
        answer(init="self.seq = nn.Sequential(nn.ReLU())", forward="return double(self.seq(x))"),
        answer(forward="return nn.ReLU()(x)"),
        answer(top="def helper(x): return torch.softmax(x, -1)", forward="return double(helper(x))"),
        answer(imports="import torch.nn.functional as F", forward="a = x\nb = a.float()\nreturn F.gelu(b)"),
    ],
)
def test_a_librarys_kernels_on_the_inputs(text) -> None:
    assert set(judged(text)) == {"library-compute"}
    assert judged(text, allow_torch=True) == []


@pytest.mark.parametrize(
    "text",
    [
        answer(init="self.w = nn.Parameter(torch.ones(4))", forward=f"s = torch.softmax(self.w, 0)\n{FORWARD}"),
        answer(init="self.norm = nn.LayerNorm(4)", forward=f"w = self.norm.weight\n{FORWARD}"),
        answer(forward="partial = double(x)\nreturn torch.softmax(partial, 0)"),
        answer(imports="import torch.nn.functional as F", forward="return double(F.pad(x, (0, 1)))"),
        answer(forward="y = x.transpose(0, 1).contiguous().to(torch.float16).clone()\nreturn double(y)"),
        answer(forward="out = torch.zeros(x.shape[0])\nreturn torch.softmax(out, 0) + double(x)"),
        answer(forward="if not x.is_cuda:\n    return torch.softmax(x, -1)\nreturn double(x)"),
        answer(forward="if x.device.type == 'cpu':\n    return x @ x\nreturn double(x)"),
        answer(forward="if x.is_cuda:\n    return double(x)\nelse:\n    return x @ x"),
    ],
)
def test_what_may_be_small_or_never_runs_on_a_gpu_is_left_to_the_run(text) -> None:
    assert judged(text) == []


def test_a_branch_that_does_run_on_a_gpu_is_no_excuse() -> None:
    assert judged(answer(forward="if x.is_cuda:\n    return x @ x\nreturn double(x)")) == ["library-compute"]


def test_reasons_come_by_line_once_each_and_not_without_end() -> None:
    lines = "\n".join("torch.manual_seed(0); torch.manual_seed(0)" for _ in range(100))
    found = examine(taken(answer(init=lines)))
    assert len(found) == MOST
    assert [reason.line for reason in found] == sorted({reason.line for reason in found})


@pytest.mark.parametrize(
    "top",
    [
        "\n".join(f"def f{n}(x): return f{n + 1}(x)" for n in range(1500)),
        "\n".join(f"a{n} = a{n + 1}" for n in range(3000)) + "\na3000 = a0",
        "\n".join("a = torch\na = b\nb = a" for _ in range(800)),
        "\n".join(f"a = torch\na = a.x{n}\nb = a" for n in range(800)),
    ],
    ids=["calls in a chain", "aliases in a ring", "aliases of each other", "aliases without end"],
)
def test_a_text_made_to_be_slow_is_read_in_seconds(top) -> None:
    start = time.process_time()
    judged(answer(top=top))
    assert time.process_time() - start < 10
