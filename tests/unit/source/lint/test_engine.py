"""The lint around its rules: selection, comments that accept, places in the text, and input that means harm."""

from __future__ import annotations

import time

import pytest

from ncukit.errors import NcukitError
from ncukit.source.lint import SECTIONS, codes, every_rule, lint, page
from ncukit.source.text import parse

KERNEL = """\
import triton
import triton.language as tl


@triton.jit
def k(x_ptr, n):
    for i in range(n):
        if i == 3:
            continue{after}
        tl.store(x_ptr + i, tl.tanh(1.0))
"""


def found(text: str, **options: list[str]) -> list[tuple[int, str]]:
    """(line, code) of what is not accepted by a comment."""
    violations = lint(parse(text.encode(), "k.py"), **options)
    return [(v.line, v.code) for v in violations if v.suppressed is None]


def with_comment(after: str = "") -> str:
    """The kernel, with something behind its ``continue``."""
    return KERNEL.format(after=after)


# selection


def test_without_selectors_every_rule_speaks():
    assert found(with_comment()) == [(9, "TRI101"), (10, "TRI102")]


@pytest.mark.parametrize("selector", ["TRI101", "tri101", "TRI10", "TRI1", "loop-exit"])
def test_a_code_its_beginning_and_the_slug_select(selector):
    assert (9, "TRI101") in found(with_comment(), select=[selector])
    assert (9, "TRI101") not in found(with_comment(), ignore=[selector])


def test_ignore_wins_over_select():
    assert found(with_comment(), select=["TRI1"], ignore=["TRI101"]) == [(10, "TRI102")]


@pytest.mark.parametrize("options", [{"select": ["TRI9999"]}, {"ignore": ["lop-exit"]}, {"select": [""]}])
def test_a_selector_of_no_rule_is_an_error_that_names_the_nearest(options):
    with pytest.raises(NcukitError) as error:
        found(with_comment(), **options)
    assert "no lint rule is called" in error.value.message
    assert error.value.exit_code == 2
    if options.get("ignore"):
        assert "loop-exit" in error.value.causes[0]


# comments


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        ("  # ncukit: ignore[TRI101] never reached", "never reached"),
        ("  # ncukit: ignore[tri101]: never reached", "never reached"),
        ("  # ncukit:ignore[loop-exit] - by hand", "by hand"),
        ("  # ncukit: ignore[TRI105, TRI101] two codes", "two codes"),
        ("  # ncukit: ignore[TRI101]", "no reason given"),
    ],
)
def test_a_comment_in_the_line_accepts_with_its_reason(after, reason):
    violations = lint(parse(with_comment(after).encode(), "k.py"), select=["TRI101"])
    assert [v.suppressed for v in violations] == [reason]


@pytest.mark.parametrize(
    "after",
    [
        "  # ncukit: ignore[TRI102] another rule",
        "  # ncukit: ignore",
        "  # ncukit: ignore[] nothing",
        "  # ignore[TRI101]",
    ],
)
def test_another_code_or_none_accepts_nothing(after):
    assert found(with_comment(after), select=["TRI101"]) == [(9, "TRI101")]


def test_a_comment_alone_on_the_line_above_accepts_and_one_behind_code_does_not():
    lines = with_comment().splitlines()
    alone = [*lines[:8], "            # ncukit: ignore[TRI101] known", *lines[8:]]
    assert found("\n".join(alone), select=["TRI101"]) == []
    behind = [*lines[:7], lines[7] + "  # ncukit: ignore[TRI101] known", *lines[8:]]
    assert found("\n".join(behind), select=["TRI101"]) == [(9, "TRI101")]


# places


def test_columns_are_characters_not_bytes():
    text = 'import triton\nimport triton.language as tl\n@triton.jit\ndef k(x_ptr):\n    "größe µ"; tl.tanh(1.0)\n'
    (violation,) = lint(parse(text.encode(), "k.py"), select=["TRI102"])
    line = text.splitlines()[violation.line - 1]
    assert line[violation.column - 1 : violation.end_column - 1] == "tl.tanh"


@pytest.mark.parametrize("break_", ["\r\n", "\r"])
def test_lines_are_those_of_the_parser_whatever_ends_them(break_):
    assert found(with_comment().replace("\n", break_)) == [(9, "TRI101"), (10, "TRI102")]


def test_a_form_feed_or_a_unicode_separator_begins_no_line():
    text = with_comment("  # ncukit: ignore[TRI101] known").replace(
        "import triton\n", "import triton\f  # a\u2028b\x85c\n", 1
    )
    assert found(text) == [(10, "TRI102")]


def test_code_between_fences_keeps_the_lines_of_its_file():
    prose = "Here is the kernel:\u2028\f\n\n```python\n"
    assert found(prose + with_comment() + "```\nIt is fast.\n") == [(9 + 3, "TRI101"), (10 + 3, "TRI102")]


def test_equal_input_gives_equal_violations_in_the_order_of_the_file():
    source = parse(
        (with_comment() + KERNEL.format(after="").split("\n\n\n")[1].replace("def k", "def j")).encode(), "k.py"
    )
    first = lint(source)
    assert first == lint(source)
    assert [v.line for v in first] == sorted(v.line for v in first)
    assert [v.kernel for v in first] == ["k", "k", "j", "j"]


# input that means harm


@pytest.mark.parametrize("depth", [100, 400, 700, 900])
@pytest.mark.parametrize("more", [" + n", ".a", "[0]"])
def test_expressions_nested_too_deep_are_passed_over(depth, more):
    text = with_comment() + f"        v = n{more * depth}\n"
    try:
        source = parse(text.encode(), "k.py")
    except NcukitError:  # Python's own parser gives up first
        assert depth > 400
        return
    assert "TRI101" in {v.code for v in lint(source, select=["TRI1"])} or depth > 400


def test_blocks_nested_deep_take_no_time():
    loops = (
        "".join(f"{'    ' * (d + 1)}for i{d} in tl.static_range(2):\n" for d in range(40))
        + "    " * 41
        + "x_ptr += 1\n"
    )
    text = f"import triton\nimport triton.language as tl\n@triton.jit\ndef k(x_ptr):\n{loops}"
    start = time.perf_counter()
    found(text)
    assert time.perf_counter() - start < 10


def test_a_large_file_takes_time_in_proportion():
    many = "".join(f"G{i} = {i}\n" for i in range(1_500)) * 2
    body = "".join(f"    v{i} = tl.load(x_ptr + {i}) + n\n" for i in range(1_500))
    text = f"import triton\nimport triton.language as tl\n{many}@triton.jit\ndef k(x_ptr, n):\n{body}"
    start = time.perf_counter()
    assert [code for _, code in found(text, select=["TRI1"])] == []
    assert time.perf_counter() - start < 20


def test_more_than_the_largest_file_is_refused():
    with pytest.raises(NcukitError, match="no more than"):
        parse(b"#" * 4_000_001, "k.py")


@pytest.mark.parametrize(
    "raw", [b"\0\0", b"import os\0", b"\xff\xfe\x00a", b"def f(:\n", b"x = 1e999**9**9**9\n" + b"(" * 5_000]
)
def test_what_is_no_python_is_an_error_with_a_next_command(raw):
    with pytest.raises(NcukitError) as error:
        parse(raw, "k.py")
    assert error.value.next_command


def test_names_with_strange_characters_do_not_reach_the_terminal_raw():
    body = "    y = {'\\x1b[31m': '\u202e', **tl.ａｎｙ}\n    z = x_ptr['\x7f']\n"
    text = f"import triton\nimport triton.language as tl\n@triton.jit\ndef k(x_ptr):\n{body}"
    for violation in lint(parse(text.encode(), "k.py"), select=["TRI1"]):
        shown = violation.message + violation.instead
        assert all(c.isprintable() for c in shown)


@pytest.mark.parametrize(
    "line",
    [
        "x = 2 ** 10 ** 10 ** 10",
        "x = 1 << (1 << 40)",
        "x: tl.constexpr = 'a' * 10 ** 9",
        "x: tl.constexpr = 7 // 0",
        "x = tl.arange(0, 10 ** 40)",
        "x = tl.arange()",
        "x = tl.arange(*n, **n)",
        "x = tl.zeros((*n,), tl.float32)[()]",
        "x = tl.sum(n, axis='a')",
        "x = n[*n]",
        "(yield)",
        "for [a, *b] in tl.static_range(*n): pass",
        "tl.load(x_ptr)[0] += 1",
        "x = -'a' + ~None if not ... else tl",
        "del x_ptr[0], x_ptr.a",
        "x_ptr.y = tl.load.a.b = 1",
        "match n:\n        case [1, *rest] | {'a': rest}: pass",
        "async def g(): pass",
        "x = [i async for i in n]",
        "while (y := n): y = y + [1] * 10 ** 9",
    ],
)
def test_odd_statements_never_raise(line):
    head = "import triton\nimport triton.language as tl\n@triton.jit\n"
    head += "def k(x_ptr, n, *args, B: tl.constexpr = 3, **more):\n"
    text = f"{head}    {line}\n    return\n\ndef host(x):\n    k[(1,)](x, *x, **x)\n    k[(1,)]()\n"
    assert isinstance(found(text), list)


@pytest.mark.parametrize(
    "text",
    [
        "import triton\n@triton.jit\ndef k(): pass\n@triton.jit\ndef k(x): pass\n",
        "@triton.jit\nclass A: pass\n",
        "import triton\nk = triton.jit(lambda x: x)\n",
        "import triton\nclass A:\n    @triton.jit\n    def k(self): return self.x[0]\n",
        "import triton\n@triton.autotune(*a, **b)\n@triton.heuristics()\n@triton.jit(noinline=True)\n"
        "def k(x=1, /, *, y: 'tl.constexpr' = 2): pass\n",
        "import triton as t, triton.language\n@t.jit\ndef k(x):\n    triton.language.store(x, 1)\n",
        "",
        "# nothing\n",
    ],
)
def test_odd_kernels_never_raise(text):
    assert isinstance(found(text), list)


# pages


def test_every_rule_has_its_own_code_slug_and_whole_page():
    rules = every_rule()
    assert len({r.CODE for r in rules}) == len({r.NAME for r in rules}) == len(rules)
    assert [c for c, _, _ in codes()] == [r.CODE for r in rules]
    for rule in rules:
        text = page(rule.CODE)
        assert text is not None
        assert text == page(rule.NAME)
        headings = [line for line in text.splitlines() if line in SECTIONS]
        assert tuple(headings) == SECTIONS, rule.CODE
        assert rule.SEVERITY in ("error", "warning")
    assert page("TRI000") is None


def test_only_comments_accept_and_a_beginning_of_a_code_will_do() -> None:
    text = """import triton
import triton.language as tl
@triton.jit
def k(x, n):
    for i in range(n):
        s = "# ncukit: ignore[TRI101] no comment"; continue
    for i in range(n):
        continue  # ncukit: ignore[TRI1] generated code
"""
    found = [v for v in lint(parse(text.encode(), "k.py")) if v.code == "TRI101"]
    assert [(v.line, v.suppressed) for v in found] == [(6, None), (8, "generated code")]
