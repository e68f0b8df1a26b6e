"""Annotations of an inspection, read back by the runner's rules."""

from __future__ import annotations

from pathlib import Path

import pytest
from consumers import annotations
from inspections import HOSTILE, compiled, error, examined, hostile, real, violation

from ncukit.render import inspect_github
from ncukit.source.inspection import Note


def test_errors_first_each_at_its_line_and_column() -> None:
    found = annotations(inspect_github.render(real("refused", "spills=0")))

    assert [one.level for one in found] == ["error", "error", "error", "warning", "warning"]
    assert found[0].properties == {
        "file": "tests/golden/inspect/refused.py",
        "line": "16",
        "col": "13",
        "title": "ncukit inspect: compile-error rms_kernel",
    }
    assert found[0].message.startswith(
        "rms_kernel on sm_80, sm_90: unsupported AST node type: Continue [compile-error] "
        "tests/golden/inspect/refused.py:16:13 Instead: drop the `if`"
    )
    assert found[1].properties == {
        **found[0].properties,
        "endColumn": "20",
        "title": "ncukit inspect: TRI101 loop-exit",
    }


def test_columns_enclose_what_is_wrong() -> None:
    line = Path(__file__).parents[3].joinpath("tests/golden/inspect/refused.py").read_text().splitlines()[15]
    _, found, *_ = annotations(inspect_github.render(real("refused")))

    start, end = int(found.properties["col"]), int(found.properties["endColumn"])
    assert line[start - 1 : end] == "continue"


def test_no_more_than_ten_and_the_last_says_how_many() -> None:
    lint = tuple(violation(line=n + 1, end_line=n + 1) for n in range(12))

    ten = annotations(inspect_github.render(examined(compiled(), lint=lint[:10])))
    many = annotations(inspect_github.render(examined(compiled(), lint=lint)))

    assert (len(ten), len(many)) == (10, 10)
    assert many[-1].properties == {"title": "ncukit inspect: 3 more"}
    assert many[-1].message.startswith("3 more problems, and GitHub shows ten")


def test_a_pass_is_one_notice() -> None:
    (one,) = annotations(inspect_github.render(real("naive_instance_norm")))

    assert (one.level, one.properties) == ("notice", {"title": "ncukit inspect: pass"})
    assert one.message == "kernels/naive/instance_norm.py: 2 kernels compiled for 3 architectures, lint clean"


def test_nothing_compiled_is_an_error() -> None:
    (one,) = annotations(inspect_github.render(examined(notes=(Note(code="x", message="why"),))))

    assert (one.level, one.properties) == ("error", {"title": "ncukit inspect: not judged"})
    assert one.message == "x.py: nothing was compiled, which is no pass: why"


def test_a_broken_budget_stands_at_the_kernel_with_all_architectures() -> None:
    other = compiled(arch="sm_80", registers=40, grids={"A100 SXM4 80GB": (1, 1, 1)})

    (one,) = annotations(inspect_github.render(examined(compiled(), other, budgets=("registers=16",))))

    assert one.properties == {"file": "x.py", "line": "8", "title": "ncukit inspect: budget copy_kernel"}
    assert one.message == "copy_kernel: registers at most 16: 32 on sm_90 and 40 on sm_80 [budget] x.py:8"


def test_what_is_accepted_or_dropped_has_none() -> None:
    found = examined(compiled(), lint=(violation(suppressed="fine"),), errors=(error(tolerated=True, config="B: 1"),))

    (one,) = annotations(inspect_github.render(found))

    assert one.level == "notice"


def test_a_warning_is_an_error_where_it_fails() -> None:
    lint = (violation(severity="warning"),)

    levels = [
        annotations(inspect_github.render(examined(compiled(), lint=lint, fail_on=fail_on)))[0].level
        for fail_on in ("error", "warning", "never")
    ]

    assert levels == ["warning", "error", "warning"]


def test_a_file_is_named_from_the_checkout_on_or_not_at_all() -> None:
    for path, named in (("/srv/x.py", None), ("/srv/checkout/k/x.py", "k/x.py"), ("../x.py", None)):
        found = examined(lint=(violation(path=path),), lint_only=True)
        (one,) = annotations(inspect_github.render(found, Path("/srv/checkout")))

        assert one.properties.get("file") == named
        assert ("line" in one.properties) == (named is not None)
        assert "/srv" not in one.message


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_text_from_outside_starts_no_other_command(text: str) -> None:
    found = annotations(inspect_github.render(hostile(text)))

    assert {one.level for one in found} <= {"error", "warning"}
    assert all(one.properties.keys() <= {"file", "line", "col", "endColumn", "title"} for one in found)
    assert all(one.message.isprintable() and len(one.message) <= 4096 for one in found)
