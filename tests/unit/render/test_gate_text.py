"""A verdict in words."""

from __future__ import annotations

import pytest
from judgements import EXAMPLE, judged, judgement, least, most, verdict

from ncukit.gate.answer import Against
from ncukit.gate.codes import Code
from ncukit.model import Status, Verdict
from ncukit.render.gate_text import blocks, bounded, cells, compared, counts, nothing_judged, sentence, statement


def rise(measured: float | None, baseline: float | None, limit: float = 0.03, code: Code = Code.RISEN) -> Verdict:
    return verdict("duration_us", "max-rise", limit, measured, code, relative=True, baseline=baseline)


def drop(measured: float | None, baseline: float | None, limit: float = 2, relative: bool = False) -> Verdict:
    return verdict("dram_pct", "max-drop", limit, measured, Code.DROPPED, relative=relative, baseline=baseline)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (least(85, 81.56), "dram_pct 81.56 %, at least 85 % (3.44 points below)"),
        (least(85, 90.25), "dram_pct 90.25 %, at least 85 %"),
        (most(3000, 3244), "duration_us 3,244 us, at most 3,000 us (244 us above)"),
        (least(85, None), "dram_pct not measured, at least 85 %"),
        (least(85, 81.56, reason="3.44 points below the limit"), "dram_pct 81.56 %, at least 85 %"),
        (
            most(32, 40, "registers"),
            "registers 40 register/thread, at most 32 register/thread (8 register/thread above)",
        ),
        (rise(3825, 3706), "duration_us 3,825 us, 3.21 % above the baseline's 3,706 us, at most 3 % above"),
        (rise(3600, 3706), "duration_us 3,600 us, 2.86 % below the baseline's 3,706 us, at most 3 % above"),
        (rise(3706, 3706), "duration_us 3,706 us, equal to the baseline's 3,706 us, at most 3 % above"),
        (rise(5, 0), "duration_us 5 us, 5 us above the baseline's 0 us, at most 3 % above"),
        (rise(None, 3706), "duration_us not measured, the baseline has 3,706 us, at most 3 % above"),
        (rise(3825, None), "duration_us 3,825 us, no baseline value, at most 3 % above"),
        (drop(81.45, 84.02), "dram_pct 81.45 %, 2.57 points below the baseline's 84.02 %, at most 2 points below"),
        (drop(81, 84, 1), "dram_pct 81 %, 3 points below the baseline's 84 %, at most 1 point below"),
        (drop(80, 84, 0.07, True), "dram_pct 80 %, 4.76 % below the baseline's 84 %, at most 7 % below"),
        (verdict("local-memory", "forbid", 0, None, Code.CAUSE_PRESENT), "forbidden cause local-memory found"),
        (verdict("local-memory", "forbid", 0, None, Code.CAUSE_ABSENT), "forbidden cause local-memory not found"),
        (verdict("local-memory", "forbid", 0, None, Code.CAUSE_UNKNOWN), "forbidden cause local-memory not judged"),
        (verdict("", "min", 0, None, Code.NOTHING_MEASURED), "the report holds no launch"),
    ],
)
def test_a_verdict_as_a_sentence(said: Verdict, text: str) -> None:
    assert sentence(said) == text


def test_what_the_reason_says_is_not_said_twice() -> None:
    reason = "119 us (3.21 %) above the baseline's 3706"
    risen = verdict("duration_us", "max-rise", 0.03, 3825, Code.RISEN, relative=True, baseline=3706, reason=reason)

    assert statement("k", risen) == f"k: duration_us 3,825 us, at most 3 % above the baseline: {reason}"


def test_a_change_just_above_what_is_allowed_does_not_look_like_it() -> None:
    assert "3.0004 % above" in sentence(rise(103.0004, 100))
    assert cells(rise(103.0004, 100))[1:] == ("100 us (+3.0004 %)", "max-rise 3 %")


def test_a_statement_names_the_kernel_and_the_reason() -> None:
    said = least(85, 81.56, reason="median of 3 launches")

    assert statement("k", said) == "k: dram_pct 81.56 %, at least 85 % (3.44 points below): median of 3 launches"


def test_what_is_not_judged_always_has_a_reason() -> None:
    assert statement("k", least(85, None)).endswith(
        "at least 85 %: the metric has no value in some launch of this kernel"
    )


def test_counts_come_worst_first() -> None:
    assert counts(EXAMPLE) == "2 failed, 1 not judged, 1 ambiguous, 1 warned, 1 ignored, 3 passed"


@pytest.mark.parametrize(
    ("status", "strict", "kept"),
    [
        (Status.FAIL, False, True),
        (Status.UNJUDGED, False, True),
        (Status.AMBIGUOUS, False, False),
        (Status.AMBIGUOUS, True, True),
        (Status.WARN, True, False),
        (Status.PASS, True, False),
    ],
)
def test_what_keeps_the_gate_from_passing(status: Status, strict: bool, kept: bool) -> None:
    said = verdict("dram_pct", "min", 1, 2, Code.WITHIN_LIMIT, status=status)

    assert blocks(judgement(judged("k", said), strict=strict), said) is kept


def test_nothing_judged_is_a_statement_of_its_own() -> None:
    ignored = judged("k", verdict("dram_pct", "min", 1, 2, Code.IGNORED))

    assert nothing_judged(judgement(ignored)) == "nothing was judged: everything is ignored"
    assert nothing_judged(judgement(notes=("no launch",))) == "nothing was judged: no launch"
    assert nothing_judged(judgement(ignored, judged("k", least(1, 2)))) == ""


def test_text_from_outside_is_bounded_and_printable() -> None:
    assert bounded("a\nb") == r"a\x0ab"
    assert len(bounded("\x00" * 1000)) == 200
    assert bounded("x" * 201) == "x" * 199 + "…"
    assert bounded("x" * 200) == "x" * 200


def test_what_it_was_compared_with() -> None:
    saved = Against(name="main", path="", found=True, saved="2026-11-14", reason="after the fusion")

    assert compared(saved) == "compared with baseline main, saved 2026-11-14: after the fusion"
    assert compared(Against(name="old.csv", path="old.csv", found=True)) == "compared with old.csv"
