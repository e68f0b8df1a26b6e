"""Which constants of a problem may be set, and to what, without running it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ncukit.optimize.worker import sizes

ROOT = Path(__file__).parents[4]
PROBLEM = """
import torch

rows, columns = 4096, 1024 * 2
bins = 16
shape = (rows_again, 3)
grid = [512, 256]
wide = rows * 2
steps: int = 2000
scale = 0.5


class Model(torch.nn.Module):
    def forward(self, x):
        rows, n = x.shape  # not the constant of that name
        return helper(x)


def helper(x):
    return torch.bincount(x, minlength=bins)


def get_inputs(n=steps):
    return [torch.rand(wide, columns), torch.rand(*grid)]


def get_init_inputs():
    return [bins]
"""


def test_what_only_the_inputs_read_may_be_set() -> None:
    found = sizes.scalable(PROBLEM)
    assert found == {"rows": 4096, "columns": 2048, "grid[0]": 512, "grid[1]": 256, "steps": 2000}
    # `bins` is read by the model through a function, `rows` in the model is a variable of its own


def test_lines_stay_where_they_were_and_strangers_are_left_out() -> None:
    text = sizes.resized(PROBLEM, {"rows": 7, "columns": 9, "grid[1]": 3, "scale": 0.25, "nobody": 1})
    assert text.count("\n") == PROBLEM.count("\n")
    assert "rows, columns = 7, 9\n" in text
    assert "grid = [512, 3]\n" in text
    assert "scale = 0.25\n" in text
    assert sizes.slots(text)["bins"] == 16
    long = "size = (1024 *\n        2)\nafter = 1\n"
    assert sizes.resized(long, {"size": 5}).splitlines()[2] == "after = 1"
    assert sizes.resized("ä, b = 'ö', 64\n", {"b": 2}) == "ä, b = 'ö', 2\n"


def test_shrunk_constants_keep_their_divisors_while_they_can() -> None:
    own = {"batch": 112, "features": 64, "groups": 8, "width": 393216, "odd": 65535}
    assert sizes.shrunk(own, 64) == {"batch": 8 - 1, "features": 64, "groups": 8, "width": 48, "odd": 63}


def test_the_largest_that_fit_are_taken_from_below() -> None:
    tried = []

    def fits(settings):
        tried.append(settings["n"])
        return settings["n"] <= 1000

    assert sizes.fitting({"n": 1 << 20}, fits) == {"n": 512}
    assert max(tried) == 1024, "what is far too large is not even made"
    assert sizes.fitting({"n": 100}, fits) == {"n": 100}
    assert sizes.fitting({"n": 100}, lambda _: False) is None
    assert sizes.fitting({}, lambda _: True) == {}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("BLOCK = 1024", {"rows": 32, "columns": 32}),  # divides the product of both, and goes on to
        ("BLOCK = 64", {"rows": 64, "columns": 64}),
        ("y.view(512, -1)", {"rows": 512, "columns": 8}),  # equals a constant, which stays
        ("y.view(131072)", None),  # equals the product of both, which cannot stay
        ("f(x, num_warps=512)", {"rows": 8, "columns": 8}),
        ("TILE = 16\nrows = 512", {"rows": 16, "columns": 16}),  # its own statement of the constant is no tile
    ],
)
def test_faithful_constants_stand_to_the_answers_numbers_as_the_own_ones(code, expected) -> None:
    own = {"rows": 512, "columns": 256}
    assert sizes.faithful(own, code, lambda s: s["rows"] * s["columns"] <= 1 << 14) == expected


def test_every_bundled_problem_can_be_scaled_down() -> None:
    paths = sorted((ROOT / "kernels").rglob("*.py"))
    assert len(paths) > 50
    for path in paths:
        code = path.read_text()
        own = sizes.scalable(code)
        assert own, path
        small = sizes.fitting(own, lambda s: max(s.values()) <= 64)
        assert small is not None
        assert {k: v for k, v in sizes.slots(sizes.resized(code, small)).items() if k in own} == small, path
