"""ncu's words become one error each. Logs named in GOLDEN are real; the others are texts NVIDIA documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from ncukit.collect.failures import explain, from_record, own_words
from ncukit.errors import Exit, NcukitError

GOLDEN = Path(__file__).parents[2] / "golden" / "ncu-2025.3.1-h200"


def golden(name: str) -> str:
    return (GOLDEN / name).read_text()


@pytest.mark.parametrize(
    ("log", "code", "says", "exit_code"),
    [
        ("failed-launch.log", 9, "a kernel crashed on the GPU", Exit.ENVIRONMENT),
        ("bare-throughput-name.txt", 9, "ncu knows no metric", Exit.USAGE),
        ("temp-folder-read-only.txt", 1, "cannot write its temporary file", Exit.ENVIRONMENT),
        ("temp-folder-missing.txt", 1, "cannot write its temporary file", Exit.ENVIRONMENT),
        ("no-such-program.txt", 1, "no program './nosuch'", Exit.USAGE),
        ("program-exits-3.log", 3, "the program exited with 3", Exit.ENVIRONMENT),
        ("segfault.log", 11, "SEGV", Exit.ENVIRONMENT),
        ("no-kernel-matched.log", 0, "no kernel matched", Exit.NOTHING),
    ],
)
def test_real_output_has_its_own_error(log, code, says, exit_code):
    error = explain(golden(log), "", "", code)
    assert isinstance(error, NcukitError)
    assert says in error.message
    assert error.exit_code == exit_code
    assert error.causes
    assert error.next_command


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "==ERROR== ERR_NVGPUCTRPERM - The user does not have permission to access NVIDIA GPU",
            "no permission",
        ),
        ("==ERROR== Ensure that no other tool (like DCGM) is concurrently collecting", "in use by another tool"),
        ("==ERROR== Failed to open/create lock file /tmp/nsight-compute-lock.", "lock file"),
        ("==ERROR== Cuda driver is not compatible with Nsight Compute.", "newer than the driver"),
        ("==ERROR== Failed to initialize the profiler: LibraryNotLoaded.", "counter library"),
        ("==ERROR== Profiling is not supported on device 0.", "cannot profile this GPU"),
        ("==ERROR== Cannot lock GPU clock frequencies on MIG!", "MIG"),
        ('==ERROR== Failed to profile "k" in process 3', "could not profile a kernel"),
    ],
)
def test_documented_texts(text, says):
    error = explain(text, "", "", 9)
    assert error is not None
    assert says in error.message


def test_no_driver_is_said_on_stderr():
    words = "==ERROR== Nsight Compute failed to connect to the CUDA driver (stub libcuda.so[.1] on path?)."
    error = explain("==ERROR== The application returned an error code (1).", "", words, 1)
    assert error is not None
    assert "no NVIDIA driver" in error.message


def test_out_of_memory_in_the_target_is_told_apart_from_other_failures():
    error = explain(
        "==ERROR== The application returned an error code (1).",
        "",
        "torch.OutOfMemoryError: CUDA out of memory",
        1,
    )
    assert error is not None
    assert "out of memory" in error.message


def test_success_is_no_error():
    assert explain(golden("raw-base-units.csv"), "", "", 0) is None


def test_the_table_is_not_among_ncus_own_words():
    assert '"' not in own_words(golden("raw-base-units.csv"))[:1]
    assert "==PROF==" in own_words(golden("raw-base-units.csv"))


@pytest.mark.parametrize(
    ("stage", "kind", "message", "says", "exit_code"),
    [
        ("import", "ModuleNotFoundError", "ModuleNotFoundError: No module named 'x'", "does not import", Exit.USAGE),
        ("inputs", "ValueError", "ValueError: no", "get_inputs()", Exit.USAGE),
        ("warm-up", "CompilationError", "a\nunsupported AST node type: Continue", "cannot compile", Exit.USAGE),
        ("warm-up", "OutOfMemoryError", "CUDA out of memory. Tried", "out of memory", Exit.ENVIRONMENT),
        ("warm-up", "AcceleratorError", "an illegal memory access", "crashed on the GPU", Exit.ENVIRONMENT),
        ("set-up", "ModuleNotFoundError", "No module named 'torch'", "harness cannot start", Exit.ENVIRONMENT),
        ("run", "E", "", "second time", Exit.ENVIRONMENT),
        ("unheard of", "", "", "fails", Exit.ENVIRONMENT),
    ],
)
def test_an_error_of_the_users_file_names_the_stage(stage, kind, message, says, exit_code):
    record = {"stage": stage, "type": kind, "message": message, "where": ["/home/me/k.py", 7]}
    error = from_record(record, "k.py")
    assert says in error.message
    assert error.exit_code == exit_code
    assert stage == "set-up" or "k.py:7" in error.message


def test_a_record_without_anything_is_still_an_error():
    assert "k.py" in from_record({}, "k.py").message
