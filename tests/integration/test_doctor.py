"""``ncukit doctor`` as a user runs it: without ncu and GPU, and with the recorded ones on PATH."""

from __future__ import annotations

import json
import re
import time

from ncukit.collect.doctor import CHECKS

SEVERITY = {"ok": "none", "skip": "none", "warn": "degrading", "fail": "blocking"}


def test_a_machine_without_ncu_and_gpu_is_told_what_to_do(bare) -> None:
    done = bare("doctor", "--format", "json")

    assert done.returncode == 3, done.stderr
    document = json.loads(done.stdout)
    assert (document["schema_version"], document["ready"]) == (1, False)
    checks = {check["id"]: check for check in document["checks"]}
    assert len(checks) == len(document["checks"]) == len(CHECKS)
    for slug, check in checks.items():
        assert re.fullmatch(r"[a-z0-9-]+", slug)
        assert check["name"]
        assert check["evidence"]
        assert check["severity"] == SEVERITY[check["status"]]
        assert check["fix"] or check["status"] in ("ok", "skip"), slug
    assert checks["nsight-compute"]["severity"] == checks["gpu-driver"]["severity"] == "blocking"
    assert "Traceback" not in done.stderr


def test_the_recorded_machine_is_described(shell) -> None:
    done = shell("doctor", "--format", "json", CUDA_INJECTION64_PATH="none", TRITON_INTERPRET="")

    document = json.loads(done.stdout)
    assert done.returncode == (0 if document["ready"] else 3), done.stderr
    assert "Traceback" not in done.stderr
    checks = {check["id"]: check for check in document["checks"]}
    assert checks["nsight-compute"]["evidence"].startswith("2025.3.1 at ")
    assert checks["gpu-driver"]["evidence"] == "NVIDIA H200, compute capability 9.0, driver 580.159.04, 140 GiB"
    assert checks["ncu-driver"]["evidence"] == "ncu 2025.3.1, driver 580.159.04"
    for slug in ("nsight-compute", "gpu-driver", "ncu-driver", "connection", "triton-interpreter", "mig"):
        assert checks[slug]["status"] == "ok", checks[slug]
    # the recorded nvidia-smi answers every question with its list of GPUs: nothing is made up from that
    for slug in ("throttling", "gpu-in-use", "virtual-gpu", "confidential-computing", "persistence-mode"):
        assert checks[slug]["status"] == "skip", checks[slug]


def test_the_page_names_what_is_wrong_and_the_next_step(shell) -> None:
    done = shell("doctor", TRITON_INTERPRET="1", CUDA_INJECTION64_PATH="/opt/libtool\x1b[31m.so")

    assert done.returncode == 3
    assert re.search(r"^FAIL +Triton interpreter +TRITON_INTERPRET=1", done.stdout, re.MULTILINE)
    assert "fix: unset TRITON_INTERPRET" in done.stdout
    assert r"CUDA_INJECTION64_PATH=/opt/libtool\x1b[31m.so" in done.stdout
    assert "\x1b" not in done.stdout
    assert re.search(r"before this is fixed: .*Triton interpreter", done.stdout)
    assert done.stderr.rstrip().splitlines()[-1].endswith("--recorded")


def test_a_program_that_hangs_does_not_hold_the_doctor_up(shell) -> None:
    (shell.path / "nvidia-smi").write_text("#!/bin/sh\nexec sleep 300\n")

    started = time.monotonic()
    done = shell("doctor", "--format", "json")

    assert time.monotonic() - started < 15.0
    assert done.returncode == 3
    (check,) = [check for check in json.loads(done.stdout)["checks"] if check["id"] == "gpu-driver"]
    assert check["evidence"] == "nvidia-smi does not answer in time"
