"""Programs are run to their end, or ended with everything they started."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from ncukit.collect.process import run
from ncukit.errors import Exit, NcukitError


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def go(tmp_path, code, **options):
    return run(python(code), env=dict(os.environ), folder=tmp_path, timeout_s=options.pop("timeout_s", 30), **options)


def test_output_and_exit_code_come_back(tmp_path):
    done = go(tmp_path, "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)")
    assert (done.exit_code, done.stdout, done.stderr) == (7, "out\n", "err\n")


def test_only_the_tail_of_long_output_is_kept(tmp_path):
    done = go(tmp_path, "print('x' * 1_000_000); print('end')")
    assert len(done.stdout) <= 20_000
    assert done.stdout.endswith("end\n")


def test_progress_lines_are_handed_on_once_and_junk_is_passed_over(tmp_path):
    log = tmp_path / "progress"
    seen = []
    code = f'f = open({str(log)!r}, \'w\'); f.write(\'{{"a": 1}}\\njunk\\n[2]\\n{{"a": 2}}\\n{{"a": 3\'); f.flush()'
    go(tmp_path, code, progress_file=log, on_progress=seen.append)
    assert seen == [{"a": 1}, {"a": 2}]


def test_a_timeout_ends_grandchildren_in_groups_of_their_own(tmp_path):
    pid_file = tmp_path / "pid"
    grandchild = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    start = f"subprocess.Popen([sys.executable, '-c', {grandchild!r}], start_new_session=True)"
    child = f"import subprocess, sys, time; {start}; time.sleep(600)"
    with pytest.raises(NcukitError, match="no result after") as error:
        go(tmp_path, child, timeout_s=3)
    assert error.value.exit_code == Exit.ENVIRONMENT
    pid = int(pid_file.read_text())
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and alive(pid):
        time.sleep(0.05)
    assert not alive(pid)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_program_that_ignores_the_polite_signal_is_ended_all_the_same(tmp_path, monkeypatch):
    from ncukit.collect import process

    monkeypatch.setattr(process.end, "__defaults__", (0.3,))
    with pytest.raises(NcukitError, match="no result after"):
        go(
            tmp_path,
            "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
            timeout_s=1,
        )


def test_a_missing_program_is_an_environment_error(tmp_path):
    with pytest.raises(NcukitError, match="cannot start") as error:
        run(["/no/such/ncu"], env={}, folder=tmp_path, timeout_s=1)
    assert error.value.exit_code == Exit.ENVIRONMENT
