"""The raw page, on real output and on the shapes that real output takes under other locales and accidents."""

import math
import re

import numpy as np
import pandas as pd
import pytest
from read_support import GOLDEN, golden_bytes, raw_page

import ncukit.read.wide
from ncukit.errors import Exit, NcukitError
from ncukit.read import read

RAW = [
    "raw-base-units.csv", "raw-auto-units.csv", "raw-imported.csv", "raw-with-program-output.txt",
    "raw-five-metrics-en_US.txt", "raw-unknown-metric-en_US.txt", "raw-set-full.csv.gz",
    "raw-set-detailed-en_US.csv.gz", "three-metrics.csv",
]  # fmt: skip


def test_a_live_page_is_read_in_base_units() -> None:
    report = read(GOLDEN / "raw-base-units.csv")
    first = report.frame.iloc[0]

    assert report.kind == "csv-raw"
    assert list(report.frame.kernel) == ["copy_kernel", "sum_kernel", "empty_kernel"]
    assert list(report.frame.columns[:6]) == ["kernel", "grid", "block", "device", "stream", "process"]
    assert (first.grid, first.block, first.device, first.process) == (
        "(2097152, 1, 1)",
        "(128, 1, 1)",
        0,
        780,
    )
    assert first.duration_ns == 4018272
    assert first.dram_read_bytes == 8590103296
    assert first.dram_pct == 88.73
    assert first["sm__cycles_active.sum"] == 1045028371


def test_the_device_goes_into_the_environment_and_not_into_columns() -> None:
    report = read(GOLDEN / "raw-base-units.csv")
    environment = report.environment

    assert (environment.gpu, environment.compute_capability, environment.sm_count) == (
        "NVIDIA H200",
        "9.0",
        132,
    )
    assert environment.clock_control == "none"
    assert environment.peak_dram_gbps == pytest.approx(4814.3, rel=1e-4)
    unwanted = re.compile(r"device__|nvlink__|numa__|c2clink__|Triage|tempMetric|profiler__|^CC$|^ID$|Host")
    assert [name for name in report.frame if unwanted.search(name)] == []
    assert list(report.frame.replay_passes) == [5, 5, 5]


def test_scaled_units_are_undone() -> None:
    scaled = read(GOLDEN / "raw-auto-units.csv").frame.iloc[0]

    assert scaled.duration_ns == pytest.approx(4018240)
    assert scaled.dram_read_bytes == pytest.approx(8.589979e9)
    assert scaled.shared_bytes == pytest.approx(1024)
    assert scaled["launch__persisting_l2_cache_size"] == pytest.approx(11796480)


def test_thousands_separators_of_en_us() -> None:
    report = read(GOLDEN / "raw-five-metrics-en_US.txt")

    assert report.environment.attributes["max_gpu_frequency_khz"] == 1980000
    assert list(report.frame.grid_size) == [7168, 7168]


@pytest.mark.parametrize("name", RAW)
def test_both_ways_of_reading_agree(name: str, put, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fast path and the careful one give the same frame, cell for cell."""
    path = put(golden_bytes(name))
    fast = read(path)
    monkeypatch.setattr(ncukit.read.wide, "read_fast", lambda *_: None)
    careful = read(path)

    pd.testing.assert_frame_equal(fast.frame, careful.frame, rtol=1e-15)
    assert fast.missing == careful.missing
    assert fast.notes == careful.notes
    assert fast.environment == careful.environment


@pytest.mark.parametrize("name", RAW)
def test_real_pages_take_the_fast_path(name: str, put, monkeypatch: pytest.MonkeyPatch) -> None:
    def careful(*_: object) -> None:
        raise AssertionError("a clean table was read row by row")

    monkeypatch.setattr(ncukit.read.wide, "read_careful", careful)

    assert len(read(put(golden_bytes(name))).frame) > 0


def test_metrics_without_any_value_are_missing_with_a_reason(put) -> None:
    report = read(put(golden_bytes("raw-set-full.csv.gz")))

    assert report.missing["sass__inst_executed_register_spilling_mem_local"] == "ncu returned n/a for every launch"
    assert report.missing["ctc__rx_bytes_data_user.sum"] == "ncu was unable to access it"
    assert not set(report.missing) & set(report.frame.columns)
    assert "launch__kernel_name" not in report.missing


def test_every_metric_is_float64_even_in_a_full_set(put) -> None:
    frame = read(put(golden_bytes("raw-set-full.csv.gz"))).frame

    assert {str(dtype) for dtype in frame.dtypes.iloc[6:]} == {"float64"}
    assert frame.shape[1] > 1900
    assert not frame.iloc[:, 6:].isna().all().any()


def test_a_failed_launch_does_not_count() -> None:
    """ncu prints a row for it, with grid (0, 0, 0) and nan everywhere."""
    with pytest.raises(NcukitError, match="LaunchFailed") as caught:
        read(GOLDEN / "failed-launch.log")

    assert caught.value.exit_code == Exit.NOTHING
    assert "==ERROR== LaunchFailed" in caught.value.detail


def test_a_failed_launch_among_others_is_left_out_with_a_note(put) -> None:
    page = raw_page({"gpu__time_duration.sum": ("ns", ["10", "nan"])}, grids=["(8, 1, 1)", "(0, 0, 0)"])
    report = read(put(page + "==ERROR== LaunchFailed\n"))

    assert list(report.frame.kernel) == ["kernel_0"]
    assert list(report.frame.grid.cat.categories) == ["(8, 1, 1)"]
    assert any("1 launch(es) failed" in note for note in report.notes)
    assert "ncu: LaunchFailed" in report.notes


def test_german_numbers(put) -> None:
    page = raw_page(
        {
            "device__attribute_max_grid_dim_x": ("", ["2.147.483.647"] * 2),
            "dram__bytes_read.sum": ("byte", ["1.420.832", "65.536"]),
            "dram__throughput.avg.pct_of_peak_sustained_elapsed": ("%", ["22,60", "0,02"]),
            "dram__bytes_write.sum": ("Mbyte", ["1.420832", "0.500000"]),
        }
    )
    frame = read(put(page)).frame

    assert list(frame.dram_read_bytes) == [1420832, 65536]
    assert list(frame.dram_pct) == [22.6, 0.02]
    assert list(frame.dram_write_bytes) == pytest.approx([1420832, 500000])


def test_french_numbers(put) -> None:
    page = raw_page(
        {
            "dram__bytes_read.sum": ("byte", ["1\u202f420\u202f832", "512"]),
            "x__y.avg": ("", ["22,60", "1,50"]),
        }
    )
    frame = read(put(page)).frame

    assert list(frame.dram_read_bytes) == [1420832, 512]
    assert list(frame["x__y.avg"]) == [22.6, 1.5]


def test_a_doubtful_number_is_noted(put) -> None:
    report = read(put(raw_page({"dram__bytes_read.sum": ("byte", ["65.536", "1.5"])}).replace('"1.5"', '"12"')))

    assert report.frame.dram_read_bytes[0] == 65.536
    assert any("65.536" in note for note in report.notes)


def test_missing_cells_are_nan_and_counted(put) -> None:
    cells = ["1", "", "n/a", "nan", "no data", "(!) n/a", "(!) nan"]
    report = read(put(raw_page({"gpu__time_duration.sum": ("ns", cells)})))

    assert report.frame.duration_ns.isna().sum() == 6
    assert any("duration_ns (6)" in note for note in report.notes)


def test_a_multi_instance_reading_is_its_aggregate(put) -> None:
    page = raw_page({"inst_executed": ("inst", ["23592960 (5242880; 18350080)", "12 (5; 7)"])})

    assert list(read(put(page)).frame["inst_executed"]) == [23592960, 12]


def test_words_in_a_column_of_numbers_are_noted_and_a_column_of_words_is_dropped(put) -> None:
    page = raw_page({"a__b.sum": ("", ["1", "oops"]), "launch__mode": ("", ["PolicySpread", "PolicySpread"])})
    report = read(put(page))

    assert math.isnan(report.frame["a__b.sum"][1])
    assert "launch__mode" not in report.frame
    assert any("no numbers" in note and "a__b.sum" in note for note in report.notes)


def test_an_unknown_unit_keeps_the_value_and_is_noted(put) -> None:
    report = read(put(raw_page({"a__b.sum": ("furlong", ["3"])})))

    assert report.frame["a__b.sum"][0] == 3
    assert any("furlong" in note for note in report.notes)


def test_an_unknown_metric_is_just_not_there() -> None:
    """ncu drops it without a word; only a run directory knows that it was asked for."""
    frame = read(GOLDEN / "raw-unknown-metric-en_US.txt").frame

    assert not [name for name in frame if "memory_dependency" in name]


def test_nvtx_columns_between_host_and_kernel_do_not_shift_the_others(put) -> None:
    page = raw_page({"gpu__time_duration.sum": ("ns", ["10"])})
    lines = page.splitlines()
    nvtx = '"thread Domain:Push/Pop_Range:PL_Type:PL_Value","Id:Domain:Start/Stop_Range:PL_Type:PL_Value"'
    lines[0] = lines[0].replace('"Kernel Name"', f'{nvtx},"Kernel Name"')
    lines[1] = '"","",' + lines[1]
    lines[2] = lines[2].replace('"127.0.0.1",', '"127.0.0.1","main:r:none","",')
    frame = read(put("\n".join(lines) + "\n")).frame

    assert list(frame.kernel) == ["kernel_0"]
    assert list(frame.duration_ns) == [10]
    assert not [name for name in frame if "Domain" in name]


def test_several_processes_with_a_repeated_header(put) -> None:
    """Tables differ in columns and units; a metric that one of them lacks is NaN there."""
    first = raw_page({"gpu__time_duration.sum": ("ns", ["10", "20"])}, process=1)
    second = raw_page({"gpu__time_duration.sum": ("us", ["3"]), "a__b.sum": ("", ["7"])}, process=2)
    frame = read(put(f"==PROF== Connected\n{first}hello\n==PROF== Disconnected\n{second}rc=0\n")).frame

    assert list(frame.duration_ns) == [10, 20, 3000]
    assert list(frame.process) == [1, 1, 2]
    assert np.isnan(frame["a__b.sum"][:2]).all()
    assert frame["a__b.sum"][2] == 7


def test_several_processes_in_one_table(put) -> None:
    page = raw_page({"gpu__time_duration.sum": ("ns", ["10", "20"])}).replace('"1","780"', '"1","781"')

    assert list(read(put(page)).frame.process) == [780, 781]


def test_program_output_between_rows(put) -> None:
    lines = raw_page({"gpu__time_duration.sum": ("ns", ["10", "20", "30"])}).splitlines()
    noisy = ["warm", *lines[:3], '"quoted, but no row"', "50%....100%", "", *lines[3:], "done", "rc=0"]
    report = read(put("\n".join(noisy) + "\n"))

    assert list(report.frame.duration_ns) == [10, 20, 30]
    assert any("1 damaged row" in note for note in report.notes)


def test_log_lines_between_rows_do_not_cost_the_fast_path(put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ncukit.read.wide, "read_careful", None)
    lines = raw_page({"gpu__time_duration.sum": ("ns", ["10", "20"])}).splitlines()
    report = read(put("\n".join([*lines[:3], "==ERROR== LaunchFailed", lines[3], "rc=0", ""])))

    assert list(report.frame.duration_ns) == [10, 20]
    assert report.notes == ("ncu: LaunchFailed",)


@pytest.mark.parametrize("cut", [1, 5, 30, 90])
def test_a_cut_last_row_is_left_out_and_noted(put, cut: int) -> None:
    page = raw_page({"gpu__time_duration.sum": ("ns", ["10", "20"]), "a__b.sum": ("", ["123456", "123456"])})
    report = read(put(page[: -1 - cut]))

    assert list(report.frame.duration_ns) == [10]
    assert any("cut off" in note for note in report.notes)


def test_a_missing_final_newline_is_no_cut(put) -> None:
    page = raw_page({"gpu__time_duration.sum": ("ns", ["10", "20"])})
    report = read(put(page.rstrip("\n")))

    assert list(report.frame.duration_ns) == [10, 20]
    assert report.notes == ()


def test_an_unquoted_table_that_another_program_saved(put) -> None:
    page = raw_page({"gpu__time_duration.sum": ("ns", ["10", "20"])}, kernels=["f(int, int)", "g"])
    rows = [line.split('","') for line in page.strip('"').splitlines()]
    plain = "\n".join(",".join(f'"{c}"' if "," in c else c for c in (x.strip('"') for x in row)) for row in rows)
    frame = read(put(plain + "\n")).frame

    assert list(frame.kernel) == ["f(int, int)", "g"]
    assert list(frame.duration_ns) == [10, 20]
    assert len(read(put(plain)).frame) == 1, "without a final newline the last number may be cut"


@pytest.mark.parametrize(
    "name",
    [
        'void f<a, "b">(int, int)',
        'say ""hi""',
        "two\nlines",
        "nan",
        "1,2",
        "naïve",
        "1e5",
        "007",
        "True",
        "NA",
    ],
)
def test_kernel_names_with_anything_in_them(put, name: str) -> None:
    page = raw_page({"gpu__time_duration.sum": ("ns", ["10", "20"])}, kernels=[name, "plain"])
    report = read(put(page))

    assert list(report.frame.kernel) == [name, "plain"]
    assert report.notes == ()

    alone = read(put(raw_page({"gpu__time_duration.sum": ("ns", ["10"])}, kernels=[name])))
    assert list(alone.frame.kernel) == [name]


def test_latin_1_bytes_in_a_kernel_name_are_replaced(put) -> None:
    page = raw_page({"gpu__time_duration.sum": ("ns", ["10"])}, kernels=["na\u00efve"])

    assert list(read(put(page.encode("latin-1"))).frame.kernel) == ["na\ufffdve"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks(put, encoding: str) -> None:
    page = golden_bytes("raw-base-units.csv").decode()

    assert read(put(page.encode(encoding))).frame.duration_ns[0] == 4018272
    first_line = page[page.index('"ID"') :]
    assert read(put(first_line.encode(encoding))).frame.duration_ns[0] == 4018272


def test_crlf(put) -> None:
    page = golden_bytes("raw-base-units.csv").replace(b"\n", b"\r\n")

    assert list(read(put(page)).frame.duration_ns)[:2] == [4018272, 1890976]


def test_a_table_without_units_is_refused(put) -> None:
    lines = raw_page({"gpu__time_duration.sum": ("ns", ["10"])}).splitlines()

    with pytest.raises(NcukitError, match="row of units"):
        read(put("\n".join([lines[0], *lines[2:]]) + "\n"))


@pytest.mark.parametrize("rows", [1, 2])
def test_a_table_without_rows_holds_nothing(put, rows: int) -> None:
    lines = raw_page({"gpu__time_duration.sum": ("ns", ["10"])}).splitlines()

    with pytest.raises(NcukitError, match="no launch was measured") as caught:
        read(put("\n".join(lines[:rows]) + "\n"))
    assert caught.value.exit_code == Exit.NOTHING


def test_launches_on_several_devices_are_noted(put) -> None:
    page = raw_page({"gpu__time_duration.sum": ("ns", ["10", "20"])})
    page = page.replace('"0","9.0","20"', '"1","9.0","20"')

    assert any("2 devices" in note for note in read(put(page)).notes)


def test_the_first_name_of_the_catalogue_that_has_a_value_wins(put) -> None:
    asked = "dram__throughput.avg.pct_of_peak_sustained_elapsed"
    other = "gpu__dram_throughput.avg.pct_of_peak_sustained_elapsed"
    both = read(put(raw_page({other: ("%", ["2"]), asked: ("%", ["1"])}))).frame
    one = read(put(raw_page({other: ("%", ["2"]), asked: ("%", ["n/a"])}))).frame

    assert both.dram_pct[0] == 1
    assert one.dram_pct[0] == 2
