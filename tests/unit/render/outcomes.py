"""A run of the loop to draw."""

from __future__ import annotations

from ncukit.optimize.journal import Entry, Outcome, Settings, Stop
from ncukit.optimize.timing import Race, Timing
from ncukit.optimize.verdict import Checked, Reason, Round


def race(before: float, after: float) -> Race:
    def timing(us: float) -> Timing:
        return Timing(median_us=us, low_us=us, high_us=us, runs=9)

    ratio = before / after
    return Race(
        before=timing(before), after=timing(after), ratio=ratio, low=ratio * 0.995, high=ratio * 1.005,
        gpu="NVIDIA H200", versions={},
    )  # fmt: skip


def entry(number: int, outcome: str, ratio: float | None = None, **fields: object) -> Entry:
    own = {name: fields.pop(name) for name in ("reasons", "summary", "stage") if name in fields}
    one = Round(number=number, outcome=outcome, ratio=ratio, **{"stage": "memory", **own})
    return Entry(round=one, agent_s=12.0, wall_s=61.0, spent_s=61.0 * number, **fields)


WRONG = Reason(code="wrong-values", line=41, message="half of y is not written", instead="cover all rows")
ENTRIES = (
    entry(1, "refused", reasons=(WRONG, WRONG), verdict="refused"),
    entry(2, "faster", 1.43, repair=True, verdict="accepted", summary="One pass.", median_us=3900.0),
    entry(3, "no faster", 0.98, against=2, verdict="accepted", summary="More warps.", median_us=3980.0),
    entry(4, "late", reasons=(Reason(code="late", line=None, message="no answer after 300 s: it was ended"),)),
    entry(5, "faster", 1.1, against=2, verdict="unproven", unproven=("bfloat16 was declined",), summary="Stripes."),
)
SETTINGS = Settings(
    file="kernels/naive/instance_norm.py",
    sha256="0" * 64,
    agent="claude -p",
    gpu="NVIDIA H200",
    versions={"python": "3.11.9", "torch": "2.11.0", "triton": "3.6.0"},
)


def outcome(**fields: object) -> Outcome:
    own = {
        "settings": SETTINGS,
        "folder": "runs/naive_instance_norm",
        "entries": ENTRIES,
        "stop": Stop(code="nothing-left", reason="it runs at the DRAM roof"),
        "start": race(5580, 5580),
        "gain": race(5580, 3570),
        "again": Checked(path="best.py", verdict="accepted"),
        "notes": ("going on without metrics: no permission",),
    }
    return Outcome(**{**own, **fields})
