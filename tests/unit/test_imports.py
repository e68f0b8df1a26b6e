"""Help is quick because it loads nothing heavy; import-linter holds the layering."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("pandas", "numpy", "torch", "triton", "rich", "jinja2")
PROGRAM = f"""
import sys
from ncukit.cli import run
code = run(sys.argv[1:])
heavy = [name for name in {HEAVY!r} if name in sys.modules]
sys.exit(f"loaded {{heavy}}" if heavy else code)
"""


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["gate", "--help"], ["metrics"], ["gpus"], ["config"]],
    ids=" ".join,
)
def test_no_heavy_module_is_loaded(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr if done.returncode else "") == (0, "")


def test_importing_the_package_loads_nothing_heavy() -> None:
    program = f"import sys, ncukit; assert not [n for n in {HEAVY!r} if n in sys.modules]"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
