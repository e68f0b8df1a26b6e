"""The code of an answer, out of whatever a model writes around it."""

from __future__ import annotations

import pytest
from answers import FORWARD, HONEST, answer, judged, taken

from ncukit.errors import NcukitError
from ncukit.optimize.check import Request
from ncukit.optimize.check.answer import Answer
from ncukit.optimize.check.reading import LARGEST, LONGEST, read
from ncukit.optimize.verdict import Reason

CODE = answer()


def code(text: str) -> str:
    found = taken(text)
    assert isinstance(found, Answer), found
    return found.code


def reason(text: str) -> Reason:
    found = taken(text)
    assert isinstance(found, Reason)
    return found


def test_a_whole_file_is_its_code() -> None:
    assert code(CODE) == CODE


def test_fenced_code_keeps_its_lines() -> None:
    text = f"Here it is.\n\n```python\n{CODE}\n```\nEnjoy!\n"
    lines = code(text).splitlines()
    assert lines[:4] == ["", "", "", "import torch"]
    assert [n for n, line in enumerate(text.splitlines()) if line == "import torch"] == [3]
    assert "Enjoy" not in code(text)


@pytest.mark.parametrize(
    "fence", ["```", "```py", "```Python", "~~~python", "````python", "   ```triton", "```python title=a.py"]
)
def test_fences_of_all_kinds(fence) -> None:
    mark = fence.strip()[:4].rstrip("pPt")
    assert "class ModelNew" in code(f"words\n{fence}\n{CODE}\n{mark}\nmore words, no code\n")


def test_a_fence_that_is_never_closed_reaches_to_the_end() -> None:
    assert "class ModelNew" in code(f"words\n```python\n{CODE}")


def test_of_several_whole_programs_the_last_one_counts() -> None:
    draft = CODE.replace(FORWARD, "return x")
    assert "return x\n" not in code(f"```python\n{draft}\n```\nNo, better:\n```python\n{CODE}\n```\n")


def test_snippets_beside_the_program_are_left_out() -> None:
    assert "oops" not in code(f"```python\nx = tl.load(oops\n```\nand all of it:\n```python\n{CODE}\n```\n")
    assert "oops" not in code(f"```python\n{CODE}\n```\nThe change was\n```python\noops = 1\n```\n")
    assert "nvcc" not in code(f"```bash\nnvcc\n```\n```python\n{CODE}\n```\n")


def test_a_program_in_pieces_is_put_together() -> None:
    head, tail = CODE.split("class ModelNew")
    text = f"Kernels:\n```python\n{head}\n```\nModel:\n```python\nclass ModelNew{tail}\n```\n"
    assert judged(text) == []
    assert code(text).count("class ModelNew") == 1


def test_code_without_fences_is_found_between_words() -> None:
    found = code(f"Sure, here it is:\n\n{CODE}\n\nThis should be faster, because it's fused.\n")
    assert "class ModelNew" in found
    assert "Sure" not in found
    assert "should be faster" not in found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no-code"),
        (" \n\t\n", "no-code"),
        ("Sorry", "no-code"),
        ("I cannot do that. The kernel is at its limit!", "no-code"),
        ("```bash\nls\n```", "no-code"),
        ("```\nRegisters: 64, spills: 0\n```", "no-code"),
        ("```python\ndef f(:\n```", "syntax-error"),
        (f"```python\n{CODE[:-20]} + (\n```", "syntax-error"),
        ("import torch\nx = \0", "syntax-error"),
        ("import torch\nx = " + "(" * 5000, "syntax-error"),
        ("import torch\n" + "x = 1\n" * (LONGEST // 5), "too-large"),
        ("I think that " * (LARGEST // 10), "too-large"),
        ("# -*- coding: utf-7 -*-\n" + CODE, "forbidden-name"),
        ("\n#!/usr/bin/python; vim: set fileencoding=cp037 :\n" + CODE, "forbidden-name"),
    ],
)
def test_what_holds_no_program_is_refused_not_an_error(text, expected) -> None:
    found = reason(text)
    assert found.code == expected
    assert found.message
    assert found.instead


def test_a_syntax_error_names_its_line_in_the_answer() -> None:
    assert reason(f"a\nb\n```python\nimport torch\nx = = 1\n{CODE}\n```\n").line == 5


@pytest.mark.parametrize("depth", [900, 20_000])
@pytest.mark.parametrize("shape", ["A = {dashes}1", "A = {sum}", "A = x{dots}"])
def test_deep_nesting_is_refused_not_a_crash(shape, depth) -> None:
    top = shape.format(dashes="-" * depth, sum="+".join(["1"] * depth), dots=".a" * depth)
    assert judged(answer(top=top)) in (["too-large"], ["syntax-error"])


def test_a_byte_order_mark_and_an_odd_escape_do_no_harm() -> None:
    assert judged("\ufeff" + answer(top='NOTE = "\\d"')) == []


def test_a_kernel_file_is_its_own_problem_only_as_a_file(tmp_path) -> None:
    whole = CODE + "\nclass Model(nn.Module): pass\ndef get_inputs(): return []\ndef get_init_inputs(): return []\n"
    (tmp_path / "k.py").write_text(whole)
    (tmp_path / "k.md").write_text(f"```python\n{whole}\n```")
    own = [read(Request(path=str(tmp_path / name), problem=None)).own for name in ("k.py", "k.md")]
    assert own == [True, False]
    assert taken(whole).own is False


def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path) -> None:
    for path in (tmp_path, tmp_path / "nosuch.md"):
        with pytest.raises(NcukitError, match="cannot read"):
            read(Request(path=str(path), problem=None))


def test_the_honest_corpus_is_written_in_many_ways() -> None:
    texts = [candidate.path.read_text() for candidate in HONEST]
    assert any("~~~" in text for text in texts)
    assert any("```" not in text and "~~~" not in text for text in texts)
    assert any(text.count("```python") > 1 for text in texts)
