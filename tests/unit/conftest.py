"""Hand-made reports and programs that the tests of several rooms use."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ncukit.model import Environment, Report

MakeReport = Callable[..., Report]
MakeProgram = Callable[[str, str], Path]


@pytest.fixture
def make_report() -> MakeReport:
    """A report from rows of columns: ``make_report([{"kernel": "copy", "dram_pct": 91.0}])``."""

    def make(rows: Sequence[dict[str, Any]], **fields: Any) -> Report:
        frame = pd.DataFrame(list(rows))
        for name in ("kernel", "grid", "block"):
            frame[name] = (frame[name] if name in frame else pd.Series([""] * len(frame))).astype("category")
        values = {"path": "report.csv", "kind": "csv-raw", "environment": Environment(gpu="NVIDIA H200")}
        return Report(frame=frame, **(values | fields))

    return make


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeProgram:
    """Write shell scripts into the only folder of PATH that holds more than the system's own tools."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    for name in ("NCUKIT_NCU", "CUDA_HOME", "CUDA_PATH", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)

    def write(name: str, script: str) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return write
