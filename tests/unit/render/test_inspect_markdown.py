"""The step summary, read back as Markdown."""

from __future__ import annotations

import pytest
from consumers import tables
from inspections import HOSTILE, compiled, error, examined, hostile, real, violation

from ncukit.render import inspect_markdown
from ncukit.render.markdown_text import MOST_BYTES
from ncukit.source.inspection import Note


def test_a_kernel_file_is_one_table_with_a_row_an_architecture() -> None:
    text = inspect_markdown.render(real("naive_instance_norm", "spills=0"))
    (rows,) = tables(text)

    assert text.startswith("### ncukit inspect: pass\n\n2 kernels compiled for 3 architectures, lint clean, ")
    assert "compiled, not measured" in text
    assert "Budgets kept: 6\n" in text
    assert rows[1] == [
        *("compute_moments_kernel", "sm_90", "40", "0", "16 B", "75 % regs", "4.53", "53 % full", "H100 SXM5 80GB"),
        "5 KB",
    ]
    assert [row[1] for row in rows] == ["sm_80", "sm_90", "sm_120"] * 2


def test_what_fails_comes_first() -> None:
    problems, budgets = tables(inspect_markdown.render(real("refused", "spills=0")))

    assert [row[1] for row in problems] == ["compile-error", "TRI101", "TRI102", "TRI301", "TRI303"]
    assert problems[0][:4] == [
        *("error", "compile-error", "tests/golden/inspect/refused.py:16:13"),
        "rms_kernel on sm_80, sm_90: unsupported AST node type: Continue",
    ]
    assert problems[2][4].startswith("libdevice.tanh(x), with from triton.language.extra import libdevice")
    assert budgets[0][:3] == ["not judged", "rms_kernel", "sm_80"]


def test_configurations_have_names_that_tell_them_apart() -> None:
    *_, kernels = tables(inspect_markdown.render(real("tuned")))

    names = [row[0] for row in kernels if row[1] == "sm_90"]
    assert len(set(names)) == len(names) == 6
    assert "linear_kernel BLOCK_M=128 BLOCK_N=256 4 warps 3 stages" in names


def test_accepted_violations_notes_and_what_was_not_compiled() -> None:
    note = Note(code="many-launches", message="7 more launches were not looked at", line=3)
    found = examined(compiled(), lint=(violation(suppressed="fine"),), notes=(note,), kernels=("copy_kernel", "other"))

    text = inspect_markdown.render(found)

    assert "1 accepted by a comment:\n\n- `TRI101` `x.py:12:9`: fine\n" in text
    assert "- not compiled, since no launch is known: `other`\n- 7 more launches were not looked at (line 3)\n" in text


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_stays_text_in_its_cell(text: str) -> None:
    problems, budgets, kernels = tables(inspect_markdown.render(hostile(text)))

    assert {len(row) for row in problems} == {5}
    assert {len(row) for row in budgets} == {7}
    assert [len(row) for row in kernels] == [10, 10]


def test_it_stays_below_what_github_takes() -> None:
    many = tuple(error("€" * 1000, line=n + 1, instead="€" * 1000) for n in range(1000))

    text = inspect_markdown.render(examined(compiled(), errors=many))

    assert len(text.encode()) < MOST_BYTES
    assert text.endswith("More is left out: GitHub takes 1 MiB a step.\n")
    assert tables(text)
