"""Settings: found upwards, read strictly, every value with its origin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ncukit import config, metrics
from ncukit.errors import Exit, NcukitError

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    settings = config.load(tmp_path)

    assert config.ProfileSettings() == settings.profile
    assert settings.path is None
    assert {"default"} == set(settings.origins.values())


def test_presets_are_those_of_the_metric_room() -> None:
    assert set(metrics.presets()) == set(config.PRESETS)


def test_the_nearest_file_upwards_counts_and_others_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", "[tool.ncukit.profile]\npreset = 'full'\n")
    near = write(tmp_path / "a/ncukit.toml", "[profile]\nlaunches = 3\n")
    write(tmp_path / "a/b/pyproject.toml", "[tool.other]\nx = 1\n")

    settings = config.load(tmp_path / "a/b")

    assert near == settings.path
    assert (settings.profile.launches, settings.profile.preset) == (3, "default")
    assert str(near) == settings.origins["profile.launches"]
    assert settings.origins["profile.preset"] == "default"


def test_budgets_keep_the_name_in_the_file_and_their_origin(tmp_path: Path) -> None:
    path = write(
        tmp_path / "pyproject.toml",
        "[tool.ncukit.gate]\nmin = { dram_pct = 70 }\n[tool.ncukit.gate.max]\nduration_us = 6e3\n",
    )

    settings = config.load(tmp_path)

    assert settings.gate.minimum == {"dram_pct": 70.0}
    assert settings.gate.maximum == {"duration_us": 6000.0}
    assert str(path) == settings.origins["gate.min.dram_pct"]


def test_what_is_inspected_and_its_origins(tmp_path: Path) -> None:
    path = write(
        tmp_path / "pyproject.toml",
        """[tool.ncukit.inspect]
arch = ["sm_80", "sm_90a", "sm_80"]
max = { registers = 128, "softmax_*:spills" = 0 }
min = { occupancy = 25 }
select = ["TRI1"]
ignore = ["TRI203", "loop-exit"]
strict = true
""",
    )

    settings = config.load(tmp_path)

    assert settings.inspect == config.InspectSettings(
        arch=("sm_80", "sm_90a"),
        minimum={"occupancy": 25.0},
        maximum={"registers": 128.0, "softmax_*:spills": 0.0},
        select=("TRI1",),
        ignore=("TRI203", "loop-exit"),
        strict=True,
    )
    assert {key for key, origin in settings.origins.items() if origin == str(path)} == {
        "inspect.arch", "inspect.select", "inspect.ignore", "inspect.strict",
        "inspect.max.registers", "inspect.max.softmax_*:spills", "inspect.min.occupancy",
    }  # fmt: skip
    assert settings.origins["gate.strict"] == "default"


def test_the_sections_keep_their_lists_apart(tmp_path: Path) -> None:
    write(tmp_path / "ncukit.toml", "[inspect]\nignore = ['TRI101']\n[[gate.ignore]]\nreason = 'x'\n")

    settings = config.load(tmp_path)

    assert settings.inspect.ignore == ("TRI101",)
    assert [one.reason for one in settings.gate.ignore] == ["x"]
    assert {"inspect.ignore", "gate.ignore.1"} <= settings.origins.keys()


def test_program_paths_count_from_the_file_and_bare_names_stay(tmp_path: Path) -> None:
    write(tmp_path / "ncukit.toml", "[profile]\nncu = 'tools/ncu'\npython = 'python3'\n")

    profile = config.load(tmp_path).profile

    assert (str(tmp_path / "tools/ncu"), "python3") == (profile.ncu, profile.python)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[profil]\n", ["unknown key 'profil'", "did you mean 'profile'?"]),
        (
            "[profile]\nclock-contrl = 'none'\n",
            ["'profile.clock-contrl'", "did you mean 'profile.clock_control'?"],
        ),
        ("[profile]\nzzz = 1\n", ["'profile.zzz'", "known here: preset"]),
        ("profile = 3\n", ["profile must be a table"]),
        ("[profile]\npreset = 'ful'\n", ["profile.preset = 'ful'", "did you mean 'full'?"]),
        ("[profile]\npreset = 1\n", ["profile.preset = 1", "one of quick, default, full"]),
        ("[profile]\ntimeout_s = 0\n", ["profile.timeout_s = 0", "above 0"]),
        ("[profile]\ntimeout_s = inf\n", ["profile.timeout_s = inf"]),
        ("[profile]\ntimeout_s = true\n", ["profile.timeout_s = True"]),
        ("[profile]\nlaunches = 1.5\n", ["profile.launches = 1.5", "whole number"]),
        ("[profile]\nlaunches = false\n", ["profile.launches = False"]),
        ("[profile]\nncu = ''\n", ["profile.ncu = ''"]),
        ("[gate]\nmin = 70\n", ["gate.min = 70", "table of metric = number"]),
        ("[gate]\nmin = { dram_pct = '70' }\n", ["finite number for dram_pct"]),
        ("[gate]\nmax = { dram_pct = nan }\n", ["finite number for dram_pct"]),
        ("[gate]\nmin = { dram_pct = true }\n", ["finite number for dram_pct"]),
        ("[inspect]\nmx = { spills = 0 }\n", ["unknown key 'inspect.mx'", "did you mean 'inspect.max'?"]),
        ("[inspct]\n", ["unknown key 'inspct'", "did you mean 'inspect'?"]),
        ("inspect = 1\n", ["inspect must be a table"]),
        ("[inspect]\narch = 'sm_90'\n", ["inspect.arch = 'sm_90'", "list of architectures"]),
        ("[inspect]\narch = ['90']\n", ["inspect.arch = ['90']", "sm_80"]),
        ("[inspect]\narch = ['sm_90; rm']\n", ["inspect.arch"]),
        ("[inspect]\nmax = { spills = '0' }\n", ["finite number for spills"]),
        ("[inspect]\nmax-rise = { spills = 1 }\n", ["unknown key 'inspect.max-rise'"]),
        ("[inspect]\nselect = 'TRI101'\n", ["inspect.select", "list of words"]),
        ("[inspect]\nignore = [1]\n", ["inspect.ignore = [1]"]),
        ("[inspect]\nstrict = 1\n", ["inspect.strict = 1", "true or false"]),
        ("[[inspect.ignore]]\nreason = 'x'\n", ["inspect.ignore"]),
        ("[gate\n", ["is not TOML"]),
        ("x = " + "[" * 5000, ["ncukit.toml"]),
    ],
)
def test_a_wrong_file_is_a_usage_error_that_names_file_and_key(tmp_path: Path, text: str, words: list[str]) -> None:
    path = write(tmp_path / "ncukit.toml", text)

    with pytest.raises(NcukitError) as caught:
        config.load(tmp_path)

    said = " ".join((caught.value.message, *caught.value.causes))
    assert Exit.USAGE is caught.value.exit_code
    assert str(path) in said
    assert [word for word in words if word not in said] == []


def test_a_wrong_key_in_pyproject_is_named_with_its_full_path(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", "[tool.ncukit.profile]\npreset = 'x'\n")

    with pytest.raises(NcukitError, match=r"tool\.ncukit\.profile\.preset"):
        config.load(tmp_path)


def test_bytes_that_are_no_text_are_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "ncukit.toml").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(NcukitError, match="is not TOML"):
        config.load(tmp_path)


def test_two_files_in_one_folder_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "ncukit.toml", "")
    write(tmp_path / "pyproject.toml", "[tool.ncukit]\n")

    with pytest.raises(NcukitError, match="both configure ncukit"):
        config.load(tmp_path)


def test_an_explicit_file_is_used_and_must_be_there(tmp_path: Path) -> None:
    path = write(tmp_path / "other.toml", "[profile]\npreset = 'quick'\n")

    assert config.load(explicit=path).profile.preset == "quick"
    with pytest.raises(NcukitError, match="cannot be read"):
        config.load(explicit=tmp_path / "absent.toml")
    with pytest.raises(NcukitError, match=r"no \[tool.ncukit\] table"):
        config.load(explicit=write(tmp_path / "pyproject.toml", "[project]\n"))
