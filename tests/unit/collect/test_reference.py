"""The hash of a problem: equal for two solutions of it, another for another problem."""

from __future__ import annotations

import ast
import copy
from pathlib import Path

import pytest

from ncukit.collect.reference import code_of, reference
from ncukit.collect.target import resolve

ROOT = Path(__file__).parents[3]
NAIVE = ROOT / "kernels/naive/instance_norm.py"

FILE = '''
import torch
from torch import nn
size = 8
class Model(nn.Module):
    """The reference."""
    def __init__(self, features, eps=1e-5):
        super().__init__()
        self.eps = eps
    @torch.no_grad()
    def forward(self, x, *, scale=None):
        """Normalise."""
        return x / (x.norm(dim=(1, 2), keepdim=True) + self.eps)  # slow
class ModelNew(nn.Module):
    def forward(self, x): return fast(x)
def get_inputs():
    return [torch.rand(size, 4)]
def get_init_inputs():
    return [4]
'''


def hashed(text: str) -> str:
    return reference(ast.parse(text))


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "kernels/naive").glob("*.py")))
def test_the_two_versions_of_a_bundled_norm_solve_one_problem(name):
    naive, fast = (resolve(str(ROOT / folder / name), None) for folder in ("kernels/naive", "kernels"))
    assert len(naive.reference) == 16
    assert naive.reference == fast.reference


def test_different_norms_are_different_problems():
    found = [resolve(str(path), None).reference for path in (ROOT / "kernels").glob("*.py")]
    assert len(found) == len(set(found)) == 8


def test_the_hash_is_the_same_under_every_python():
    """Written down: 3.11, 3.12 and 3.13 print the same tree differently, and this must not depend on it."""
    assert resolve(str(NAIVE), None).reference == "3f1ac16755ab6ed1"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  # slow", "  # fast"),
        ('    """The reference."""\n', ""),
        ('        """Normalise."""\n', '        """Normalise,\n\n        slowly."""\n'),
        ("return [4]", "return [\n        4,\n    ]"),
        ("return fast(x)", "return faster(x)"),
        ("size = 8", "size = 16\nblock = 4"),
        ("1e-5", "0.00001"),
    ],
)
def test_what_does_not_change_the_problem_does_not_change_the_hash(old, new):
    assert old in FILE
    assert hashed(FILE.replace(old, new)) == hashed(FILE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("eps=1e-5", "eps=1e-6"),
        ("torch.rand(size, 4)", "torch.rand(size, 4).half()"),
        ("return [4]", "return [5]"),
        ("return [4]", "return [4.0]"),
        ("return [4]", "return [True]"),
        ("return [4]", "return [4, []]"),
        ("return [4]", "return [None]"),
        ("    @torch.no_grad()\n", ""),
        ("nn.Module):\n    \"\"\"", "Base):\n    \"\"\""),
        ("scale=None", "scale"),
        (", *, scale", ", scale"),
        ("x / (x.norm", "x * (x.norm"),
        ("(1, 2)", "[1, 2]"),
    ],
)  # fmt: skip
def test_what_changes_the_problem_changes_the_hash(old, new):
    assert old in FILE
    assert hashed(FILE.replace(old, new)) != hashed(FILE)


def test_the_order_of_the_definitions_does_not_matter():
    tree = ast.parse(FILE)
    turned = copy.deepcopy(tree)
    turned.body.reverse()
    assert reference(turned) == reference(tree)


def test_fields_that_newer_pythons_add_do_not_matter():
    tree = ast.parse(FILE)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            node.type_params = []
    assert reference(tree) == hashed(FILE)


def test_a_file_that_defines_none_of_them_has_no_hash():
    assert hashed("from elsewhere import Model, get_inputs, get_init_inputs\nclass ModelNew: ...") == ""
    assert hashed("def get_inputs(): return []") != ""


def test_a_long_sum_and_a_huge_number_are_no_trouble():
    assert len(hashed(f"def get_inputs(): return {' + '.join('x' * 900)}")) == 16
    assert len(hashed(f"def get_inputs(): return 0x{'f' * 20_000}")) == 16


def test_a_script_has_no_reference():
    assert resolve(str(NAIVE), ("--n", "4")).reference == ""


def test_the_code_of_a_file_changes_with_what_it_does_and_not_with_its_comments(tmp_path: Path) -> None:
    path = tmp_path / "k.py"
    path.write_text('"""One."""\nBLOCK = 4  # small\n')
    one = code_of(path)

    path.write_text('"""Two."""\n\nBLOCK = 4\n')
    assert code_of(path) == one
    path.write_text("BLOCK = 8\n")
    assert code_of(path) != one
    assert code_of(tmp_path / "absent.py") == ""
