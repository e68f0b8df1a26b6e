from __future__ import annotations

import pytest

from ncukit.errors import NcukitError
from ncukit.source.text import LARGEST, parse, read_text

ANSWER = b"""Here is the kernel:

```python
import triton
x = 1
```

and a test:

```bash
python -m pytest
```

~~~py
y = 2
~~~
"""


def test_python_is_read_as_it_is() -> None:
    found = parse(b"a = 1\n", "k.py")
    assert (found.code, found.fenced) == ("a = 1\n", False)


def test_fenced_code_keeps_its_lines() -> None:
    found = parse(ANSWER, "answer.md")
    lines = found.code.splitlines()
    assert found.fenced
    assert (lines[3], lines[4], lines[14]) == ("import triton", "x = 1", "y = 2")
    assert [line for line in lines if line] == ["import triton", "x = 1", "y = 2"], "bash is no Python"


def test_an_unclosed_fence_reaches_to_the_end() -> None:
    assert parse(b"text it is\n```python\na = 1\n", "a.md").code.splitlines() == ["", "", "a = 1"]


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"def f(:\n", "k.py:1: not Python"),
        (b"no code here at all\n", "not Python"),
        (b"words first\n```python\nx = 1\ndef f(:\n```\n", "k.py:4: not Python"),
        (b"\x00\x01", "not Python"),
        (b"(" * 5000, "not Python"),
        (b"x" * (LARGEST + 1), "no more than"),
    ],
)
def test_what_is_no_python_is_said_with_its_line(raw, says) -> None:
    with pytest.raises(NcukitError, match=says) as error:
        parse(raw, "k.py")
    assert error.value.next_command


def test_a_folder_or_a_missing_file(tmp_path) -> None:
    for path in (tmp_path, tmp_path / "no.py"):
        with pytest.raises(NcukitError, match="cannot read"):
            read_text(str(path))


def test_a_longer_fence_holds_shorter_ones() -> None:
    text = "````python\nx = '''\n```\n'''\n````\nprose\n"

    found = parse(text.encode(), "answer.md")

    assert found.code.splitlines()[1:4] == ["x = '''", "```", "'''"]
    assert "prose" not in found.code
