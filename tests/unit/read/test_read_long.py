"""The details page, on real output and in the shapes of other releases."""

import csv
import io

import pytest
from read_support import GOLDEN, IDENTITY, golden_bytes

from ncukit.errors import Exit, NcukitError
from ncukit.read import read
from ncukit.read.long import name_of

HEADER = [*IDENTITY, "Section Name", "Metric Name", "Metric Unit", "Metric Value"]
HEADER += ["Rule Name", "Rule Type", "Rule Description", "Estimated Speedup Type", "Estimated Speedup"]
SPEED = "GPU Speed Of Light Throughput"


def details(*rows: tuple[str, ...], header: list[str] = HEADER) -> str:
    """A details page from (launch, section, label, unit, value); metric rows end with one comma."""
    out = io.StringIO()
    table = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    table.writerow(header)
    for launch, *cells in rows:
        identity = [
            launch,
            "780",
            "python3.12",
            "127.0.0.1",
            "k",
            "1",
            "7",
            "(128, 1, 1)",
            "(8, 1, 1)",
            "0",
            "9.0",
        ]
        table.writerow([*identity, *cells])
        out.seek(out.tell() - 1)
        out.write(",\n")
    return out.getvalue()


def test_a_page_with_sections_and_rules(put) -> None:
    """Labels become short names, units are undone for each row, rule rows and words are skipped."""
    report = read(put(golden_bytes("details-set-detailed-en_US.csv.gz")))
    frame = report.frame

    assert report.kind == "csv-details"
    assert list(frame.kernel) == ["compute_moments_kernel", "normalize_kernel"]
    assert frame.duration_ns[0] == pytest.approx(1.74e6)
    assert frame.sm_active_cycles[0] == 3244327.41
    assert frame.dram_pct[0] == 89.87
    assert frame.registers[0] == 27
    assert frame["Launch Statistics/Dynamic Shared Memory Per Block"][0] == 16
    assert not [name for name in frame if "Policy" in name or "Rule" in name]
    assert (report.environment.compute_capability, report.environment.sm_count) == ("9.0", 132)


def test_labels_that_repeat_across_sections_stay_apart(put) -> None:
    frame = read(put(golden_bytes("details-set-detailed-en_US.csv.gz"))).frame

    assert frame.memory_pct[0] == 89.87
    assert frame["Memory Workload Analysis/Memory Throughput"][0] == pytest.approx(4.32e12)


def test_both_pages_of_one_report_agree(put) -> None:
    details_page = read(put(golden_bytes("details-set-detailed-en_US.csv.gz"), "details")).frame
    raw = read(put(golden_bytes("raw-set-detailed-en_US.csv.gz"), "raw")).frame
    shared = [name for name in details_page if name in raw and name not in ("kernel", "grid", "block", "stream")]

    assert len(shared) > 20
    for name in shared:
        assert list(details_page[name]) == pytest.approx(list(raw[name]), rel=0.01, abs=0.006), name


def test_a_metrics_run_has_real_names() -> None:
    report = read(GOLDEN / "details-six-metrics.txt")

    assert report.frame.dram_pct[0] == 9.74
    assert report.frame.stall_long_scoreboard_pct[0] == 82.78
    assert report.environment.clock_control == "none"


def test_each_launch_has_its_own_unit(put) -> None:
    page = details(("0", SPEED, "Duration", "ms", "1.74"), ("1", SPEED, "Duration", "us", "4.45"))

    assert list(read(put(page)).frame.duration_ns) == pytest.approx([1.74e6, 4450])


def test_names_instead_of_labels(put) -> None:
    """--print-metric-name name keeps the section."""
    page = details(("0", SPEED, "gpu__time_duration.sum", "us", "4.45"))

    assert read(put(page)).frame.duration_ns[0] == pytest.approx(4450)


def test_chart_items_of_print_details_all_do_not_replace_header_readings(put) -> None:
    header = [*HEADER[:12], "Body Item Label", *HEADER[12:]]
    page = details(
        ("0", SPEED, "", "Duration", "ns", "10"), ("0", SPEED, "Chart", "Duration", "ns", "99"), header=header
    )

    assert read(put(page + "No NVLink was found\n")).frame.duration_ns[0] == 10


def test_the_page_of_2022_without_grid_and_device(put) -> None:
    gone = {"Block Size", "Grid Size", "Device", "CC"}
    text = details(("0", SPEED, "Duration", "usecond", "4.45"))
    rows = list(csv.reader(io.StringIO(text)))
    kept = [i for i, name in enumerate(rows[0]) if name not in gone]
    page = "".join(",".join(f'"{row[i]}"' for i in kept if i < len(row)) + "\n" for row in rows)
    frame = read(put(page)).frame

    assert frame.duration_ns[0] == pytest.approx(4450)
    assert (frame.grid[0], frame.device[0]) == ("", 0)


def test_a_cut_last_row_is_left_out_and_noted(put) -> None:
    page = details(("0", SPEED, "Duration", "ns", "10"), ("0", SPEED, "DRAM Throughput", "%", "89.87"))
    report = read(put(page[:-5]))

    assert report.frame.duration_ns[0] == 10
    assert "dram_pct" not in report.frame
    assert any("cut off" in note for note in report.notes)


def test_several_processes_may_use_the_same_ids(put) -> None:
    page = details(("0", SPEED, "Duration", "ns", "10"))
    frame = read(put(page + page.replace('"780"', '"781"').replace('"10"', '"20"'))).frame

    assert list(frame.duration_ns) == [10, 20]
    assert list(frame.process) == [780, 781]


def test_a_page_of_failed_launches_holds_nothing(put) -> None:
    page = details(("0", SPEED, "Duration", "ns", "nan")).replace("(8, 1, 1)", "(0, 0, 0)")

    with pytest.raises(NcukitError) as caught:
        read(put(page + "==ERROR== LaunchFailed\n"))
    assert caught.value.exit_code == Exit.NOTHING


@pytest.mark.parametrize(
    ("section", "label", "expected"),
    [
        (SPEED, "Duration", "gpu__time_duration.sum"),
        ("Command line profiler metrics", "a__b.sum", "a__b.sum"),
        ("Elsewhere", "Duration", "Elsewhere/Duration"),
    ],
)
def test_name_of_a_reading(section: str, label: str, expected: str) -> None:
    assert name_of(section, label) == expected


@pytest.mark.parametrize(
    "header",
    [
        '"Process ID","Process Name","Host Name","Kernel Name","Context","Stream","Block Size",'
        '"Grid Size","Device","CC","Invocations","Section Name","Metric Name","Metric Unit",'
        '"Minimum","Maximum","Average"',
        '"Kernel Name","copy_kernel"',
    ],
)
def test_pages_without_launches_are_refused(put, header: str) -> None:
    with pytest.raises(NcukitError, match="page"):
        read(put(header + "\n"))
