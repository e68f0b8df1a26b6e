"""Whatever a report calls its kernels, each form reads back in its consumer with as many cases as there are."""

from __future__ import annotations

from consumers import annotations, bencher, benchmark_action, code_quality, junit, samples, tables
from hypothesis import given, settings
from hypothesis import strategies as st
from judgements import entry, judged, judgement, least, most, reading, verdict

from ncukit.gate.answer import Against, Difference, Judgement
from ncukit.gate.codes import Code
from ncukit.model import Environment, Status
from ncukit.render import (
    gate,
    gate_bencher,
    gate_benchmark_action,
    gate_github,
    gate_gitlab,
    gate_json,
    gate_junit,
    gate_markdown,
    gate_openmetrics,
)

PIECES = [
    *(
        "|",
        "\\",
        "`",
        "<b>",
        "&amp;",
        "@a",
        "#1",
        "[x](y)",
        "://",
        "www.",
        "\n",
        "\r\n",
        "%0A",
        "::",
        ",",
        "=",
        '"',
        "'",
    ),
    *(
        "\x00",
        "\x1b[2J",
        "\u2028",
        "\ufffe",
        "\ud800",
        "]]>",
        "{",
        "*",
        "_",
        "~~",
        "$",
        " ",
        "€",
        "🙂",
        "/",
        "../",
        "C:",
    ),
]
TEXT = st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=8).map("".join)
NUMBER = st.floats(allow_nan=True, allow_infinity=True)
WORSE = (Status.FAIL, Status.UNJUDGED, Status.AMBIGUOUS, Status.WARN)


@st.composite
def answers(draw: st.DrawFn) -> Judgement:
    """An answer whose every text and number is somebody else's."""
    kernels = []
    for _ in range(draw(st.integers(0, 4))):
        text, value = draw(TEXT), draw(st.none() | NUMBER)
        finite = draw(st.floats(-1e9, 1e9))
        verdicts = draw(
            st.lists(
                st.sampled_from(
                    [
                        least(85, finite, reason=text),
                        least(85, None, text, text),
                        most(85, finite, text),
                        verdict("duration_us", "max-rise", 0.03, value, Code.RISEN, relative=True, baseline=finite),
                        verdict("dram_pct", "max-drop", 2, finite, Code.FEWER_BYTES, baseline=value, reason=text),
                        verdict(text, "forbid", 0, None, Code.CAUSE_PRESENT, status=Status.WARN, origin=text),
                        verdict("dram_pct", "min", 2, finite, Code.IGNORED, reason=text),
                        verdict("dram_pct", "min", 2, finite, Code.WITHIN_LIMIT, unit=text),
                    ]
                ),
                max_size=4,
            )
        )
        line = draw(st.none() | st.integers(-1, 9))
        kernels.append(judged(draw(TEXT), *verdicts, grid=draw(TEXT), path=draw(TEXT), line=line))
    entries = [
        entry(draw(TEXT), {"duration_us": reading(draw(st.floats(0, 1e9))), "dram_pct": reading(50.0, 60.0, 70.0)})
        for _ in range(draw(st.integers(0, 4)))
    ]
    text = draw(TEXT)
    difference = Difference(
        field=text, before=draw(TEXT), after=text, code=draw(st.sampled_from([None, Code.OTHER_GPU]))
    )
    against = Against(name=text, path=text, found=draw(st.booleans()), differences=(difference,), save_command=text)
    return judgement(
        *kernels,
        entries=tuple(entries),
        report_path=draw(TEXT),
        case=draw(TEXT),
        target=text,
        environment=Environment(gpu=text, ncu_version=text, triton_version=text, recorded=draw(st.booleans())),
        against=draw(st.sampled_from([None, against])),
        strict=draw(st.booleans()),
        notes=(text,),
        collect_command=text,
    )


@settings(max_examples=150, deadline=None)
@given(answers())
def test_every_form_reads_back_with_as_many_cases(answer: Judgement) -> None:
    verdicts = answer.verdicts
    worse = sum(verdict.status in WORSE for verdict in verdicts)
    ignored = answer.count(Status.IGNORED)
    judged_none = len(verdicts) == ignored

    rows = [row for table in tables(gate_markdown.render(answer)) for row in table if len(row) == 7]
    assert len(rows) == (len(verdicts) if judged_none else len(verdicts) - ignored)
    assert len(annotations(gate_github.render(answer))) == max(1, min(worse, 10))
    (suite,) = junit(gate_junit.render(answer))
    assert len(list(suite)) == suite.tests == len(verdicts) + judged_none
    assert len({(case.classname, case.name) for case in suite}) == suite.tests
    assert len(code_quality(gate_gitlab.render(answer))) == worse + judged_none
    found = samples(gate_openmetrics.render(answer))
    assert len(found.get("ncukit_dram_ratio", [])) == len(answer.entries)
    assert len(bencher(gate_bencher.render(answer))) == len(answer.entries)
    assert len(benchmark_action(gate_benchmark_action.render(answer))) == len(answer.entries)


@settings(max_examples=150, deadline=None)
@given(answers())
def test_no_form_prints_a_control_character(answer: Judgement) -> None:
    for form in (gate, gate_json, gate_markdown, gate_github, gate_junit, gate_gitlab, gate_openmetrics, gate_bencher):
        text = form.render(answer)
        assert {c for c in text if not c.isprintable()} <= {"\n"}
        text.encode()
