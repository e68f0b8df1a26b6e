"""A brief within a number of tokens: what goes first, and what never goes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from briefs import kept, recorded, rounds, seed
from hypothesis import given
from hypothesis import strategies as st

from ncukit.errors import NcukitError
from ncukit.optimize.brief import Repair, brief
from ncukit.optimize.brief.budget import Part, Section, Value, fit, tokens
from ncukit.optimize.verdict import Reason

FACTS = replace(recorded("naive_instance_norm"), rounds=rounds())
WHOLE = brief(FACTS)
INDISPENSABLE = (
    "You write Triton kernels",
    "GPU Name: H200",
    "[OPTIMIZATION STAGE]",
    "Stage 4 of 4: advanced memory",
    "[CURRENT CODE]",
    "def normalize_kernel(",
    "**Task**: ",
    "OUTPUT RULES (STRICT):",
    "# <optimized Triton code>",
)


def least() -> int:
    """The size below which nothing can be written, as the error says it."""
    with pytest.raises(NcukitError) as error:
        brief(FACTS, max_tokens=1)
    return int(error.value.next_command.removeprefix("--max-tokens "))


def test_without_a_limit_nothing_is_left_out() -> None:
    assert WHOLE.left_out == ()
    assert WHOLE.tokens == tokens(WHOLE.text)
    assert brief(FACTS, max_tokens=WHOLE.tokens) == WHOLE


def test_an_estimate_counts_bytes_not_characters() -> None:
    assert (tokens(""), tokens("a"), tokens("abc"), tokens("abcd"), tokens("漢")) == (0, 1, 1, 2, 1)


def test_the_least_size_is_named_and_fits() -> None:
    smallest = brief(FACTS, max_tokens=least())
    assert smallest.tokens == least()
    assert all(words in smallest.text for words in INDISPENSABLE)
    assert "[NCU PROFILING METRICS]" not in smallest.text
    with pytest.raises(NcukitError, match=rf"cannot be shorter than {least():,} tokens, and {least() - 1:,} are"):
        brief(FACTS, max_tokens=least() - 1)


@pytest.mark.parametrize("part", range(11))
def test_whatever_the_limit_it_is_kept_and_the_indispensable_stays(part) -> None:
    limit = least() + part * (WHOLE.tokens - least()) // 10
    made = brief(FACTS, max_tokens=limit)
    assert made.tokens == tokens(made.text) <= limit
    assert all(words in made.text for words in INDISPENSABLE)
    assert bool(made.left_out) == (part < 10)


def test_more_room_never_shows_less() -> None:
    limits = range(least(), WHOLE.tokens + 1, 100)
    shown = [set(brief(FACTS, max_tokens=limit).text.splitlines()) for limit in limits]
    assert all(small <= large for small, large in pairwise(shown))


def test_the_least_useful_goes_first() -> None:
    order = []
    for limit in range(WHOLE.tokens, least() - 1, -20):
        order += [name for name in brief(FACTS, max_tokens=limit).left_out if name not in order]
    assert set(order[:2]) == {"causes that were not looked for", "causes that were not found"}
    assert order[2:4] == ["round 1", "tensors"]
    ranked = ["lower rungs of the ladder", "finding FUS601 fusion", "ladder", "traffic", "measurements", "focus"]
    assert [name for name in order if name in ranked] == ranked


def test_a_refused_answer_and_why_are_indispensable() -> None:
    reason = Reason(code="wrong-values", line=None, message="every value is wrong")
    facts = replace(seed(), repair=Repair(code="import torch\n", reasons=(reason,)))
    with pytest.raises(NcukitError) as error:
        brief(facts, max_tokens=1)
    text = brief(facts, max_tokens=int(error.value.next_command.split()[-1])).text
    assert "1. wrong-values: every value is wrong." in text
    assert "```python\nimport torch\n```" in text


def test_every_golden_is_longer_than_its_least() -> None:
    assert all(tokens(text) > 1000 for text in kept().values())


parts = st.lists(
    st.builds(
        Part, text=st.text("ab\n", min_size=1, max_size=12), value=st.sampled_from(Value), name=st.text(max_size=3)
    ),
    max_size=6,
)
sections = st.lists(st.builds(Section, title=st.sampled_from(["", "[A]"]), parts=parts.map(tuple)), max_size=5)


@given(sections.map(tuple), st.integers(1, 60))
def test_parts_go_in_the_order_of_their_value(document, most) -> None:
    every = [part for section in document for part in section.parts]
    indispensable = tuple(
        Section(title=s.title, parts=tuple(p for p in s.parts if p.value == Value.MUST)) for s in document
    )
    if tokens(fit(document).text) > most and tokens(fit(indispensable).text) > most:
        with pytest.raises(NcukitError):
            fit(document, most)
        return
    made = fit(document, most)
    assert made.tokens <= most
    assert all(part.text in made.text for part in every if part.value == Value.MUST)
    assert set(made.left_out) <= {part.name for part in every if part.value != Value.MUST}
