"""Sandbox, Windows, memory and number formats."""

from __future__ import annotations

import pytest

from ncukit.collect.doctor import State, host


@pytest.mark.parametrize(
    ("version", "state"),
    [
        ("Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016\n", State.WARN),
        ("Linux version 6.8.0 (gVisor)\n", State.WARN),
        ("Linux version 6.8.0-45-generic (buildd@lcy02)\n", State.OK),
    ],
)
def test_gvisor_is_recognised(make, program, version: str, state: State) -> None:
    program("dmesg", "exit 1")

    found = host.sandbox(make({"proc/version": version}))

    assert state is found.state
    assert ("--recorded" in found.fix) == (state is State.WARN)


def test_gvisor_is_recognised_by_its_log(make, program) -> None:
    program("dmesg", "echo '[   0.000000] Starting gVisor...'")

    assert host.sandbox(make({"proc/version": "Linux version 6.1"})).state is State.WARN


@pytest.mark.parametrize(
    ("version", "state", "fix"),
    [
        ("Linux version 6.8.0-45-generic (buildd@lcy02)\n", State.OK, ""),
        ("Linux version 5.15.153.1-microsoft-standard-WSL2 (root@x)\n", State.WARN, "NVIDIA Control Panel"),
        ("Linux version 4.4.0-19041-Microsoft (Microsoft@Microsoft.com)\n", State.FAIL, "--set-version"),
        ("", State.SKIP, ""),
    ],
)
def test_windows(make, version: str, state: State, fix: str) -> None:
    found = host.wsl(make({"proc/version": version}))

    assert state is found.state
    assert fix in found.fix


def test_enough_memory(make) -> None:
    found = host.memory(make({"proc/meminfo": "MemTotal: 99 kB\nMemAvailable:   24115900 kB\n"}))

    assert (found.state, found.evidence) == (State.OK, "23.0 GiB available")


@pytest.mark.parametrize("limit", ["fs/cgroup/memory.max", "fs/cgroup/memory/memory.limit_in_bytes"])
def test_a_container_with_little_memory(make, limit: str) -> None:
    found = host.memory(make({"proc/meminfo": "MemAvailable:   24115900 kB\n", f"sys/{limit}": f"{2 << 30}\n"}))

    assert State.WARN is found.state
    assert found.evidence.startswith("2.0 GiB allowed by the container's limit")
    assert "free -h" in found.fix


def test_a_machine_with_little_memory(make) -> None:
    found = host.memory(make({"proc/meminfo": "MemAvailable:   1048576 kB\n", "sys/fs/cgroup/memory.max": "max\n"}))

    assert State.WARN is found.state
    assert found.evidence.startswith("1.0 GiB available")


def test_memory_is_unknown_without_proc(make) -> None:
    assert host.memory(make()).state is State.SKIP


@pytest.mark.parametrize(
    "environment", [{}, {"LANG": "C.UTF-8"}, {"LC_ALL": "POSIX", "LANG": "de_DE.UTF-8"}, {"LC_NUMERIC": "C"}]
)
def test_plain_numbers(make, environment: dict[str, str]) -> None:
    found = host.numbers(make(environment=environment))

    assert State.OK is found.state
    assert "plain numbers" in found.evidence


@pytest.mark.parametrize(("point", "state"), [(",", State.WARN), (".", State.OK)])
def test_the_system_tells_what_a_locale_writes(make, program, point: str, state: State) -> None:
    program("locale", f"""test "$LC_ALL" = de_DE.UTF-8 && echo 'decimal_point="{point}"'""")

    found = host.numbers(make(environment={"LANG": "en_US.UTF-8", "LC_NUMERIC": "de_DE.UTF-8"}))

    assert state is found.state
    assert "LC_NUMERIC=de_DE.UTF-8" in found.evidence
    assert found.fix == ("export LC_ALL=C.UTF-8" if state is State.WARN else "")


def test_a_locale_that_nobody_describes(make, program) -> None:
    program("locale", "exit 1")

    assert host.numbers(make(environment={"LANG": "de_DE.UTF-8"})).state is State.SKIP
