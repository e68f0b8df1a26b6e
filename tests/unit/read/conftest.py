"""Golden files, and a place to put made-up ones."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# pytest's importlib mode puts no test folder on the path; the helpers beside this file are imported by name.
sys.path.insert(0, str(Path(__file__).parent))

from read_support import GOLDEN


@pytest.fixture
def golden() -> Path:
    return GOLDEN


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str | bytes], Path]:
    """Write text or bytes to a file and return its path."""

    def write(content: str | bytes, name: str = "report.out") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write
