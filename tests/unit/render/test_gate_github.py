"""Annotations, read back by the runner's rules."""

from __future__ import annotations

from consumers import annotations
from judgements import EXAMPLE, RECORDED, judged, judgement, least, most, verdict

from ncukit.gate.codes import Code
from ncukit.model import Status
from ncukit.render import gate_github
from ncukit.render.annotation import command


def test_errors_for_what_keeps_the_gate_from_passing_and_warnings_for_the_rest() -> None:
    found = annotations(gate_github.render(EXAMPLE))

    assert [one.level for one in found] == ["error", "error", "error", "warning", "warning"]
    assert found[0].properties == {
        "file": "kernels/naive/instance_norm.py",
        "line": "52",
        "title": "ncukit gate: normalize_kernel dram_pct FAIL (below-min)",
    }
    assert found[0].message == (
        "RECORDED, not measured now: normalize_kernel: dram_pct 81.45 %, at least 85 % (3.55 points below): "
        "median of 1 launch [below-min] kernels/naive/instance_norm.py:52"
    )


def test_what_is_ambiguous_is_an_error_where_the_gate_is_strict() -> None:
    ambiguous = verdict("dram_pct", "min", 1, 2, Code.INTERVALS_OVERLAP)
    warned = verdict("dram_pct", "min", 3, 2, Code.BELOW_MIN, status=Status.WARN)

    loose, strict = (
        annotations(gate_github.render(judgement(judged("k", warned, ambiguous), strict=s))) for s in (0, 1)
    )

    assert [one.level for one in loose] == ["warning", "warning"]
    assert [one.level for one in strict] == ["error", "warning"]


def test_a_file_outside_the_checkout_is_not_named() -> None:
    for path in ("/home/me/x.py", "../x.py", "", "x\n.py"):
        (one,) = annotations(gate_github.render(judgement(judged("k", least(85, 80), path=path, line=3))))

        assert set(one.properties) == {"title"}
        assert "x.py" not in one.message


def test_never_more_than_ten_and_the_last_says_how_many_there_were() -> None:
    kernels = [judged(f"k{n}", least(85, 80)) for n in range(12)]

    ten = annotations(gate_github.render(judgement(*kernels[:10])))
    many = annotations(gate_github.render(judgement(*kernels, report_path="my runs/x")))

    assert (len(ten), len(many)) == (10, 10)
    assert "more" not in ten[-1].properties["title"]
    assert many[-1].level == "error"
    assert many[-1].properties == {"title": "ncukit gate: 3 more"}
    assert many[-1].message == (
        "3 more verdicts did not pass, and GitHub shows ten annotations a step; the job's summary has all of them"
    )


def test_a_pass_is_one_notice_so_that_it_differs_from_a_gate_that_never_ran() -> None:
    (one,) = annotations(gate_github.render(judgement(judged("k", least(85, 90), most(5, 1)), case="copy")))

    assert (one.level, one.message) == ("notice", "copy: 2 passed")


def test_a_passing_recording_is_labelled() -> None:
    (one,) = annotations(gate_github.render(judgement(judged("k", least(85, 90)), environment=RECORDED)))

    assert one.message.startswith("RECORDED, not measured now: ")


def test_nothing_judged_is_an_error() -> None:
    ignored = judged("k", verdict("dram_pct", "min", 1, 2, Code.IGNORED))

    for answer in (judgement(), judgement(ignored)):
        (one,) = annotations(gate_github.render(answer))
        assert (one.level, one.properties["title"]) == ("error", "ncukit gate: not judged")


def test_text_from_outside_starts_no_other_command() -> None:
    hostile = "k\n::add-mask::a\r::error file=/etc/passwd,line=1::x, title=y%0A::stop-commands::z"
    answer = judgement(judged(hostile, least(85, 80, reason=hostile)))

    (one,) = annotations(gate_github.render(answer))

    assert set(one.properties) == {"title"}
    assert one.message.startswith(r"k\x0a::add-mask::a\x0d::error file=/etc/passwd,line=1::x, title=y%0A::stop")


def test_a_command_is_escaped_as_the_toolkit_does() -> None:
    assert command("error", {"file": "a,b:c%.py", "line": "", "title": "t"}, "100 %: a,b") == (
        "::error file=a%2Cb%3Ac%25.py,title=t::100 %25: a,b"
    )


def test_a_message_fits_the_runner() -> None:
    many = "r" * 100_000

    (one,) = annotations(gate_github.render(judgement(judged(many, least(85, 80, many, many)))))

    assert len(one.message) <= 4096
