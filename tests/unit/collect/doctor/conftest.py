"""Made-up machines for the doctor's checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from ncukit.collect import machine
from ncukit.collect.doctor.check import Machine
from ncukit.collect.machine import GpuSeen

if TYPE_CHECKING:
    from pathlib import Path

MakeMachine = Callable[..., Machine]


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No ncu of an install folder and no choice of GPU from outside."""
    monkeypatch.setattr(machine, "INSTALL_FOLDERS", ())
    for name in ("CUDA_VISIBLE_DEVICES", "NCUKIT_NCU", "CUDA_HOME", "CUDA_PATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def h200() -> GpuSeen:
    """The GPU of the recordings."""
    return GpuSeen(
        index=0,
        name="NVIDIA H200",
        compute_capability="9.0",
        driver_version="580.159.04",
        memory_mb=143771,
        uuid="GPU-a",
    )


@pytest.fixture
def make(tmp_path: Path) -> MakeMachine:
    """A machine of the files given: ``make({"proc/version": "Linux"}, gpus=(h200,))``."""

    def build(files: dict[str, str] | None = None, **fields: Any) -> Machine:
        for name, text in (files or {}).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        places = {name: tmp_path / name for name in ("proc", "dev", "sys")}
        return Machine(**{"environment": {}, **places, **fields})

    return build
