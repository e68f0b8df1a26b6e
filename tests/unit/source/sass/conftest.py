"""Real disassemblies: see tests/golden/sass/make.py for how they were made."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ncukit.source.sass import read_sass

if TYPE_CHECKING:
    from collections.abc import Callable

    from ncukit.source.inspection import Sass

FOLDER = Path(__file__).parents[3] / "golden" / "sass"
RESOURCES: dict[str, dict[str, int | str]] = json.loads((FOLDER / "resources.json").read_text())


@dataclass(frozen=True)
class Golden:
    name: str
    text: str
    ptx: str
    file: str
    stack: int

    def read(self, span: tuple[int, int] | None = None) -> Sass:
        return read_sass(self.text, self.file, span, ptx=self.ptx)


def unpacked(name: str, kind: str) -> str:
    return gzip.decompress((FOLDER / f"{name}.{kind}.gz").read_bytes()).decode()


def load(name: str) -> Golden:
    known = RESOURCES[name]
    return Golden(name, unpacked(name, "sass"), unpacked(name, "ptx"), str(known["file"]), int(known["stack"]))


@pytest.fixture(scope="session")
def golden() -> Callable[..., Golden]:
    """``golden("moments", 90)``: the disassembly of a kernel for an architecture."""

    def find(kernel: str, capability: int = 90, triton: str = "3.7.1") -> Golden:
        return load(f"{kernel}.sm_{capability}.triton-{triton}")

    return find


@pytest.fixture(params=sorted(RESOURCES))
def any_golden(request: pytest.FixtureRequest) -> Golden:
    return load(request.param)
