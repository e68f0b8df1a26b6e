"""What an answer says of itself."""

from __future__ import annotations

import pytest

from ncukit.optimize.summary import LONGEST, summary

CODE = "import torch\nx = 1\n"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("One read. Then more.\n\n```python\nimport torch\n```\n", "One read."),
        ("```py\nx = 1\n```\n\n# Change\nOne **read** of `x`\nin all; no more", "Change One read of x in all; no more"),
        ("```python\nimport torch\n```\n", ""),
        ("", ""),
        ("<think>\nHm. Let me see.\n</think>\n\n- Fused both.", "Fused both."),
        ("<thinking>never closed", ""),
        ("* * *\n\nReal words here", "Real words here"),
        ("a\u202eb\x1b[31mc\x00", "a?b?[31mc?"),
        ("w" * 500, "w" * (LONGEST - 1) + "…"),
    ],
)  # fmt: skip
def test_the_first_sentence_outside_the_code(answer, says) -> None:
    assert summary(answer, "") == says


def test_code_without_fences_is_not_prose() -> None:
    answer = f"{CODE}\nThis keeps x in registers."
    assert summary(answer, f"{CODE}\n\n") == "This keeps x in registers."
