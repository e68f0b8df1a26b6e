"""One kernel file out of an answer and its problem: whole, of the problem's parts, and of the answer's code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from ncukit.collect.harness import load_module
from ncukit.collect.reference import reference
from ncukit.collect.target import constants, resolve
from ncukit.optimize.merge import merge
from ncukit.optimize.problem import Problem, read_problem
from ncukit.optimize.verdict import Reason

ROOT = Path(__file__).parents[3]
NAIVE = sorted((ROOT / "kernels/naive").glob("*.py"))
PROBLEM = '''"""A problem."""
import math

import torch
import torch.nn as nn

rows, columns = 4, 8
SCALE = 2.0  # of the result
torch.manual_seed(0)


def scaled(x):
    return x * SCALE


# the reference
class Model(nn.Module):
    def forward(self, x):
        return scaled(x)


class ModelNew(nn.Module):
    def forward(self, x):
        return slow_kernel(x)


def slow_kernel(x):
    return x * 2


def get_inputs():
    return [torch.rand(rows, columns)]


def get_init_inputs():
    return []


if __name__ == "__main__":
    print(ModelNew()(*get_inputs()))
'''
ANSWER = """import torch
import torch.nn as nn


def fast_kernel(x):
    return x + x


class ModelNew(nn.Module):
    def forward(self, x):
        return fast_kernel(x)
"""


def problem(text: str = PROBLEM) -> Problem:
    return Problem(path="kernels/problem.py", code=text, tree=ast.parse(text))


def merged(answer: str, text: str = PROBLEM) -> str:
    found = merge(problem(text), answer)
    assert isinstance(found, str), found
    return found


def clash(answer: str, text: str = PROBLEM) -> Reason:
    found = merge(problem(text), answer)
    assert isinstance(found, Reason), found
    assert found.code == "name-clash"
    assert found.instead
    return found


def test_the_file_is_the_answer_and_what_states_the_problem() -> None:
    found = merge(problem(), ANSWER, "round 3")
    assert (
        found
        == """# round 3
import torch
import torch.nn as nn


def fast_kernel(x):
    return x + x


class ModelNew(nn.Module):
    def forward(self, x):
        return fast_kernel(x)


rows, columns = 4, 8
SCALE = 2.0  # of the result
torch.manual_seed(0)


def scaled(x):
    return x * SCALE


# the reference
class Model(nn.Module):
    def forward(self, x):
        return scaled(x)


def get_inputs():
    return [torch.rand(rows, columns)]


def get_init_inputs():
    return []
"""
    )


@pytest.mark.parametrize("path", NAIVE, ids=lambda path: path.stem)
def test_the_fast_kernels_answer_the_naive_ones(path, tmp_path, monkeypatch) -> None:
    pytest.importorskip("triton")
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    stated = read_problem(str(path))
    answer = (ROOT / "kernels" / path.name).read_text()
    whole = tmp_path / "best.py"
    whole.write_text(merged_of(stated, answer))

    small = {"batch_size": "2", "features": "8", "dim": "64", "dim1": "16", "dim2": "16"}
    sizes = {name: value for name, value in small.items() if name in stated.constants}
    target = resolve(str(whole), None, tuple(f"{name}={value}" for name, value in sizes.items()))
    assert target.kind == "kernel"
    assert target.reference == reference(stated.tree), "Model, get_inputs and get_init_inputs are the problem's"
    assert {name: node.value for name, node in constants(ast.parse(answer)).items()}.items() <= {
        name: node.value for name, node in constants(ast.parse(whole.read_text())).items()
    }.items(), "the answer's own constants are what they were"
    module = load_module(
        whole, {"batch_size": "2", "features": "8", "dim1": "16", "dim2": "16"}, f"_merged_{path.stem}"
    )
    new = ast.parse(answer)
    kept = {node.name for node in new.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert kept <= set(vars(module))
    init = module.get_init_inputs()
    expected = module.Model(*init)(*module.get_inputs())
    assert expected.shape[0] == 2, "--size reaches the inputs"
    assert hasattr(module.ModelNew(*init), "forward")


def merged_of(stated: Problem, answer: str) -> str:
    found = merge(stated, answer)
    assert isinstance(found, str), found
    return found


def test_a_merged_file_can_be_the_answer_of_the_next_round() -> None:
    once = merged(ANSWER)
    again = merged(once)
    assert sorted(again.split("\n\n\n")) == sorted(once.split("\n\n\n"))


def test_lines_and_comments_of_the_answer_stay_as_they_are() -> None:
    answer = '''"""What it does.


Two blank lines are part of it.
"""

from __future__ import annotations

import torch
import torch.nn as nn  # noqa

# the block
BLOCK = 1024
WARPS = 4
TEXT = """
    # no comment
"""
@torch.no_grad()
def fast(x): return x + x
class ModelNew(nn.Module):
    forward = staticmethod(fast)
'''
    found = merged(answer)
    assert found.startswith(answer.partition("\nimport torch\n")[0])
    for part in (
        "# the block\nBLOCK = 1024\nWARPS = 4\n",
        '"""\n    # no comment\n"""',
        "@torch.no_grad()\ndef fast(x): ",
    ):
        assert part in found
    assert found.index("import torch.nn as nn  # noqa") < found.index("# the block")


def test_what_the_answer_repeats_of_the_problem_is_the_problems() -> None:
    answer = (
        ANSWER
        + """

class Model(nn.Module):
    def forward(self, x):
        return x  # easier to match

def get_inputs():
    return [torch.zeros(1)]

if __name__ == "__main__":
    print("test passed")
"""
    )
    found = merged(answer)
    assert reference(ast.parse(found)) == reference(ast.parse(PROBLEM))
    assert "easier" not in found
    assert "zeros" not in found
    assert "test passed" not in found


def test_equal_constants_and_imports_may_stand_in_both() -> None:
    answer = (
        "from torch import nn\nimport torch.nn.functional\nrows = 4\nSCALE: float = 2.0\n" + ANSWER.partition("nn\n")[2]
    )
    found = merged(answer)
    assert found.count("nn\n") == 1, "one import of nn"
    assert "rows, columns = 4, 8" in found, "columns is needed"
    assert found.count("SCALE") == 2


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("rows = 5", "the answer defines rows, and so does kernels/problem.py, where get_inputs needs it"),
        ("rows = 4.0", "the answer defines rows"),
        ("import numpy as torch", "the answer defines torch"),
        ("def scaled(x): return x", "the answer defines scaled, and so does kernels/problem.py, where Model needs it"),
        ("print = len", "takes that name from Python or a library"),
    ],
)
def test_a_name_that_would_change_its_meaning_is_a_reason_to_mend(line, says) -> None:
    text = PROBLEM.replace("return []", "return [] if print else []")
    found = clash(f"{ANSWER}\n{line}\n", text)
    assert says in found.message
    assert found.line == len(ANSWER.splitlines()) + 2


def test_an_answer_that_builds_on_the_reference_is_refused_unless_it_is_the_same() -> None:
    answer = ANSWER.replace("ModelNew(nn.Module)", "ModelNew(Model)")
    assert "uses Model" in clash(answer).message
    own = "class Model(nn.Module):\n    def forward(self, x):\n        return x\n\n"
    assert "uses Model" in clash(answer.replace("class ModelNew", f"{own}class ModelNew")).message
    same = PROBLEM[PROBLEM.index("class Model(") : PROBLEM.index("class ModelNew")]
    shared = f"SCALE = 2.0\n\n\ndef scaled(x):\n    return x * SCALE\n\n\n{same}"
    assert "class ModelNew(Model)" in merged(answer.replace("class ModelNew", f"{shared}class ModelNew"))


def test_what_the_problem_takes_over_from_python_must_not_reach_the_answer() -> None:
    text = PROBLEM.replace("import math", "from math import pow").replace("* SCALE", "* pow(SCALE, 1)")
    answer = ANSWER.replace("x + x", "pow(x, 1) * 2")
    assert "uses pow" in clash(answer, text).message
    assert merged(ANSWER.replace("def fast_kernel(x):", "def fast_kernel(x, pow=1):"), text), "a parameter is its own"


def test_local_names_are_nobodys_business() -> None:
    answer = ANSWER.replace("return x + x", "rows = 7\n    for SCALE in range(rows): pass\n    return x + x")
    assert "rows, columns = 4, 8" in merged(answer)


def test_several_statements_on_one_line_go_together() -> None:
    text = PROBLEM.replace("rows, columns = 4, 8", "rows = 4; columns = 8; unused = 9")
    assert "rows = 4; columns = 8; unused = 9" in merged(ANSWER, text)


def test_conditional_definitions_and_what_changes_them_come_along() -> None:
    text = PROBLEM.replace(
        "SCALE = 2.0  # of the result",
        "if math.pi > 3:\n    SCALE = 1.0\nelse:\n    SCALE = 3.0\nSCALE += 1.0\nOPTIONS = {}\nOPTIONS['a'] = 1",
    )
    found = merged(ANSWER, text)
    assert "import math" in found
    assert "SCALE += 1.0" in found
    assert "OPTIONS" not in found, "nothing that states the problem reads it"
    scope: dict[str, object] = {"__name__": "merged"}
    exec(compile(found.replace("import torch\n", "").replace("import torch.nn as nn\n", ""), "m", "exec"), {
        **scope, "torch": FakeTorch, "nn": FakeTorch,
    })  # fmt: skip


class FakeTorch:
    """As much of torch as the problem's text touches."""

    Module = object

    @staticmethod
    def manual_seed(_: int) -> None:
        pass


def test_a_byte_order_mark_and_carriage_returns_do_no_harm() -> None:
    found = merged("\ufeff" + ANSWER.replace("\n", "\r\n"), PROBLEM)
    assert "\r" not in found
    assert found == merged(ANSWER)


def test_annotations_that_the_problem_leaves_unevaluated_stay_so() -> None:
    text = PROBLEM.replace("import math", "from __future__ import annotations\nimport math").replace(
        "def get_inputs():", "def get_inputs() -> list[Tensor]:"
    )
    found = merged('"""Fast."""\n' + ANSWER, text)
    assert found.startswith('"""Fast."""\n\nfrom __future__ import annotations\nimport torch\n')


@pytest.mark.parametrize(
    "lines",
    [
        "SCALE = 2.0\nSCALE += 1",
        "SCALE = 2.0\ndel SCALE",
        "SCALE = 2.0\nfor SCALE in (3.0,): pass",
        "SCALE = 2.0\nif torch: SCALE = 3.0",
        "def tune():\n    global SCALE\n    SCALE = 64.0",
        "OTHERS = [(SCALE := value) for value in (3.0, 4.0)]",
    ],
)
def test_an_answer_that_binds_a_constant_of_the_problem_once_more_is_refused(lines) -> None:
    assert "defines SCALE" in clash(f"{ANSWER}\n{lines}\n").message


def test_a_constant_that_the_problem_binds_anew_is_not_equal_by_its_first_value() -> None:
    text = PROBLEM.replace("SCALE = 2.0  # of the result", "SCALE = 2.0\nSCALE *= 2")
    assert "defines SCALE" in clash(f"{ANSWER}\nSCALE = 2.0\n", text).message
    assert merged(merged(ANSWER, text), text).count("SCALE *= 2") == 1, "the same statements mean the same"


@pytest.mark.parametrize(
    "line",
    [
        "for i in range(3): SHAPE.append(i)",
        "more = [5]\nSHAPE.extend(more)",
        "_ = SHAPE.pop()",
        "def grown(x): return x\nSHAPE[0] = grown(3)",
    ],
)
def test_what_changes_a_value_of_the_problem_in_place_comes_along(line) -> None:
    text = PROBLEM.replace("rows, columns = 4, 8", f"SHAPE = [4, 8]\n{line}").replace("rows, columns)", "*SHAPE)")
    found = merged(ANSWER, text)
    assert all(part in found for part in line.splitlines())
    assert "defines SHAPE" in clash(f"{ANSWER}\nSHAPE = [4, 8]\n", text).message
