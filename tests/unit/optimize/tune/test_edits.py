"""Places of numbers in a text, and one more argument for a call, however it is written."""

from __future__ import annotations

import ast
import io
import tokenize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncukit.optimize.tune.edits import Edit, Text


def numbers(code: str | bytes) -> list[ast.Constant]:
    nodes = [n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Constant) and type(n.value) is int]
    return sorted(nodes, key=lambda n: (n.lineno, n.col_offset))


@pytest.mark.parametrize(
    "code",
    [
        "a = 1024\nb = 7\n",
        "a = 1024\r\nb = 7\r\n",
        "a = 1024\rb = 7\r",
        "größe, µ = 'ß…', 1024  # ä\nb = 7  # ö\n",
        "x = '\x0c\u2028\x85'\nif x:\n    \x0c\n    a = 1024\nb = 7",
        "a = (1024,\n     # 12\n     'ß', 7)",
        "'''drei\nZeilen\r\nß''', 1024, 7",
    ],
)
def test_a_number_is_found_where_it_stands(code):
    text = Text(code)
    first, second = numbers(code)
    spans = [text.span(first), text.span(second)]

    assert [text.read(span) for span in spans] == ["1024", "7"]
    assert [span.line for span in spans] == [first.lineno, second.lineno]
    # the later one first: the order of edits does not matter
    edited = text.edited([Edit(span=spans[1], text="65536"), Edit(span=spans[0], text="8")])
    assert edited == code.replace("1024", "8").replace("7", "65536")


def test_a_byte_order_mark_moves_the_first_line():
    code = "\ufeffa = 1024\nb = 7\n"
    text = Text(code)
    first, second = numbers(code.encode())

    assert text.read(text.span(first)) == "1024"
    assert text.read(text.span(second)) == "7"
    assert text.edited([Edit(span=text.span(first), text="8")]) == "\ufeffa = 8\nb = 7\n"


def test_without_an_edit_the_text_is_as_it_was():
    code = "a = 1\r\n\tb = 'ß'  # \x00 not even Python\n"
    assert Text(code).edited([]) == code


def test_edits_that_overlap_are_a_mistake():
    text = Text("a = 1024\n")
    (number,) = numbers("a = 1024\n")
    with pytest.raises(ValueError, match="two edits of line 1 overlap"):
        text.edited([Edit(span=text.span(number), text="8"), Edit(span=text.span(number), text="16")])


CALLS = {
    "k[g](x, n)": "k[g](x, n, num_warps=8)",
    "k[g](x, (n))": "k[g](x, (n), num_warps=8)",
    "k[g](x, ((n) ) )": "k[g](x, ((n) ), num_warps=8 )",
    "k[g](x, (n, 2))": "k[g](x, (n, 2), num_warps=8)",
    "k[g](x, n,)": "k[g](x, n, num_warps=8,)",
    "k[g](x, (n), )": "k[g](x, (n), num_warps=8, )",
    "k[g](x, f(n, (2)))": "k[g](x, f(n, (2)), num_warps=8)",
    "k[g](x, B=(1024))": "k[g](x, B=(1024), num_warps=8)",
    "k[g](x, *more)": "k[g](x, *more, num_warps=8)",
    "k[g]()": "k[g](num_warps=8)",
    "k[g](  # nothing, so far\n)": "k[g](  # nothing, so far\nnum_warps=8)",
    "k[g](x, n  # why, how)\n)": "k[g](x, n, num_warps=8  # why, how)\n)",
    "k[g](\n    x,\n    n,  # why\n)": "k[g](\n    x,\n    n, num_warps=8,  # why\n)",
    "k[g](\r\n    x,\r\n    (n)  # ß)\r\n)": "k[g](\r\n    x,\r\n    (n), num_warps=8  # ß)\r\n)",
    "k[g](x, n  # one\n  ,  # two, )\n)": "k[g](x, n  # one\n  , num_warps=8,  # two, )\n)",
    "k[g](x, n \\\n)": "k[g](x, n, num_warps=8 \\\n)",
    "k[g](x, (n  # in\n) # out\n)": "k[g](x, (n  # in\n), num_warps=8 # out\n)",
    "(k[g](x, '#)', 'ß'))": "(k[g](x, '#)', 'ß', num_warps=8))",
}


@pytest.mark.parametrize("call", CALLS, ids=repr)
def test_an_argument_is_added_after_the_last_one(call):
    assert added(call) == CALLS[call]
    assert keywords(CALLS[call])[-1] == "num_warps"


GAPS = st.sampled_from(["", " ", "\n", "  # (why, ) how\n", "\r\n\t", " \\\n ", " # ß ' \"\n  # again,\n"])
VALUES = st.sampled_from(
    ["x", "(n)", "((n, ) )", "f(n, 2)", "x[1:]", "'#,)ß'", "lambda a: (a)", "-(1)", "B=1024", "B=(n)"]
)


@given(st.lists(st.tuples(GAPS, VALUES, GAPS), max_size=4), st.booleans(), GAPS)
def test_however_a_call_is_written_it_gets_the_argument_and_loses_nothing(arguments, comma, end):
    named = [a for a in arguments if a[1].startswith("B=")]
    arguments = [*(a for a in arguments if not a[1].startswith("B=")), *named[:1]]
    call = "k[g](" + ",".join("".join(a) for a in arguments) + ("," if comma and arguments else "") + end + ")"
    after = added(call)

    assert keywords(after) == [*keywords(call), "num_warps"]
    assert [ast.dump(a) for a in called(after).args] == [ast.dump(a) for a in called(call).args]
    assert comments(after) == comments(call)
    assert len(after) - len(call) in (len("num_warps=8"), len(", num_warps=8"))


def added(call: str) -> str:
    text = Text(call)
    return text.edited([text.added(called(call), "num_warps=8")])


def called(code: str) -> ast.Call:
    return next(n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Call) and isinstance(n.func, ast.Subscript))


def keywords(code: str) -> list[str | None]:
    return [k.arg for k in called(code).keywords]


def comments(code: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(code, newline="").readline)
    return [token.string for token in tokens if token.type == tokenize.COMMENT]
