"""One answer with every status, in every form: a change of any of them is seen here."""

from __future__ import annotations

import pytest
from judgements import EXAMPLE, FORMS, GOLDEN


@pytest.mark.parametrize("name", FORMS)
def test_the_form_is_as_recorded(name: str) -> None:
    assert FORMS[name](EXAMPLE) == (GOLDEN / name).read_text(encoding="utf-8")


def test_there_is_no_other_golden() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == {*FORMS, "README.md"}
