"""The step summary: a table that stands, whatever the names in it are."""

from __future__ import annotations

import pytest
from consumers import tables
from judgements import EXAMPLE, judged, judgement, least, most

from ncukit.render import gate_markdown
from ncukit.render.markdown_text import MOST_BYTES, code, prose

HOSTILE = [
    "a|b",
    r"a\|b",
    r"a\\|b",
    "`code`",
    "``",
    "<script>alert(1)</script>",
    "<!-- ",
    "&lt;b&gt;",
    "![x](https://example.com/x.png)",
    "[x](javascript:alert(1))",
    "https://example.com www.example.com me@example.com",
    "@everyone closes #1",
    "# heading\n## two",
    "a\r\n| b | c |",
    "**bold** _it_ ~~gone~~ $x$",
    "\\",
    "` | `",
]


def test_worst_first_with_what_is_ignored_below() -> None:
    text = gate_markdown.render(EXAMPLE)
    verdicts, differences = tables(text)

    assert text.startswith("### ncukit gate: FAIL\n\n**RECORDED, not measured now.**\n\n2 failed, ")
    assert [row[0] for row in verdicts] == [
        "FAIL below-min",
        "FAIL risen",
        "not judged metric-missing",
        "ambiguous fewer-bytes",
        "warn cause-present",
        "pass",
        "pass",
        "pass",
    ]
    assert verdicts[1][1:6] == ["normalize_kernel", "duration_us", "3,830 us", "3,706 us (+3.35 %)", "max-rise 3 %"]
    assert differences[1] == ["triton_version", "3.5.1", "3.6.0", "only noted"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_stays_one_cell_of_text(text: str) -> None:
    answer = judgement(
        judged(text, least(85, 80, reason=text), most(5, 6, text)),
        case=text,
        report_path=text,
        notes=(text,),
        collect_command=text,
    )

    (rows,) = tables(gate_markdown.render(answer))

    assert [len(row) for row in rows] == [7, 7]
    assert [row[5] for row in rows] == ["min 85 %", "max 5"]


def test_a_pattern_with_a_pipe_keeps_it() -> None:
    (rows,) = tables(gate_markdown.render(judgement(judged("regex:norm|softmax", least(85, None)))))

    assert rows[0][1] == "regex:norm|softmax"


def test_code_is_one_span() -> None:
    assert code("a`b") == r"`a\x60b`"
    assert code(r"a\|b") == r"`a\x5c\|b`"
    assert code("") == "-"


def test_words_are_defused_but_readable() -> None:
    assert prose("dram_bytes of k_1") == "dram_bytes of k_1"
    assert prose("a<b> & c") == "a&lt;b&gt; &amp; c"
    assert prose("_x_ @me #1") == r"\_x\_ @&#8203;me #&#8203;1"


def test_the_summary_stays_below_githubs_limit_and_says_what_is_left_out() -> None:
    kernels = [judged(f"{n:05}" + "€" * 190, least(85, 80)) for n in range(4000)]

    text = gate_markdown.render(judgement(*kernels))
    rows = text.count("| **FAIL** `below-min` |")

    assert 900_000 < len(text.encode()) < MOST_BYTES
    assert f"\n\n{4000 - rows} more rows left out: GitHub takes 1 MiB a step.\n" in text
    assert all(line.endswith("|") for line in text.splitlines() if line.startswith("|"))


def test_long_lists_below_the_table_are_cut_too() -> None:
    text = gate_markdown.render(judgement(judged("k", least(85, 90)), notes=tuple("note" * 1000 for _ in range(5000))))

    assert "- and 4980 more\n" in text
    assert len(text.encode()) < 100_000
