"""Where a search begins: what recorded measurements suggest for the knobs, and what that should be worth."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest
from tunable import file, kernel, knobs_of

from ncukit.diagnose import diagnose
from ncukit.model import Gain
from ncukit.optimize.tune.advice import advise
from ncukit.read import read

ROOT = Path(__file__).resolve().parents[4]


def recorded(name: str):
    """The knobs of a bundled kernel, and the diagnosis of its recording."""
    code = (ROOT / "kernels" / f"{name}.py").read_text()
    return knobs_of(code), diagnose(read(ROOT / "profiles/h200" / name.replace("/", "_")), recompile=False)


def test_a_search_begins_with_what_the_findings_suggest():
    knobs, diagnosis = recorded("clinic/sick/low_occupancy")
    advice = advise(knobs, diagnosis)

    assert knobs.groups[0].own == (16384, 8)
    assert advice.suggested == (
        {
            (2048, 8): "PAR302 low-occupancy: BLOCK=2048",
            (16384, 16): "PAR302 low-occupancy: num_warps=16",
        },
    )
    (found,) = [f for f in diagnosis.kernels[0].findings if f.code == "PAR302"]
    assert advice.predicted is not None
    assert advice.predicted.best == pytest.approx(found.gain.best)
    assert advice.because == "PAR302 low-occupancy in sqrt_kernel"


def test_a_gain_of_one_kernel_counts_for_its_share_of_the_time():
    knobs, diagnosis = recorded("naive/group_norm")
    advice = advise(knobs, diagnosis)
    times = {k.name: k.duration_us for k in diagnosis.kernels}
    share = times["compute_moments_kernel"] / sum(times.values())
    (found,) = [f for f in diagnosis.kernels[0].findings if f.code == "LAT201"]

    assert advice.suggested[0] == {(2048, 4): "LAT201 memory-latency: BLOCK_SIZE=2048"}
    assert advice.suggested[1] == {}
    assert advice.predicted.best == pytest.approx(1 / (1 - share + share / found.gain.best))
    assert 1 < advice.predicted.best < found.gain.best
    assert advice.order == tuple(sorted((0, 1), key=lambda i: -list(times.values())[i]))


def test_what_is_no_knob_is_not_suggested():
    knobs, diagnosis = recorded("naive/l1_norm")  # its finding would change the problem's size
    advice = advise(knobs, diagnosis)

    assert [(s.knob, s.to_value) for f in diagnosis.kernels[0].findings for s in f.suggestions if s.knob]
    assert advice.suggested == ({},)
    assert advice.predicted is None
    assert advice.because == "no finding names a number that can be turned here"


def test_the_kernel_that_takes_longest_comes_first():
    knobs, diagnosis = recorded("naive/batch_norm")
    names = [group.kernels[0] for group in knobs.groups]  # PyTorch's own kernels have none
    times = {k.name: k.duration_us * k.launches for k in diagnosis.kernels if k.name in names}
    order = [names[index] for index in advise(knobs, diagnosis).order]

    assert order == sorted(times, key=lambda name: -times[name])
    assert order != names


def test_launches_of_one_name_with_several_grids_count_together():
    knobs, diagnosis = recorded("naive/group_norm")
    first, second = diagnosis.kernels
    # as if the second kernel, the shorter one, ran with three grids
    longer, shorter = sorted((first, second), key=lambda k: -k.duration_us)
    several = replace(diagnosis, kernels=(longer, *[shorter] * 3))

    assert 3 * shorter.duration_us > longer.duration_us
    assert knobs.groups[advise(knobs, several).order[0]].kernels == (shorter.name,)
    gains = [
        advise(knobs, replace(diagnosis, kernels=kernels)).predicted.best
        for kernels in ((first, second), (first, first, second), (first, second, second))
    ]
    assert gains[2] < gains[0] < gains[1]


def test_without_a_time_nothing_is_predicted():
    knobs, diagnosis = recorded("clinic/sick/low_occupancy")
    untimed = replace(diagnosis, kernels=tuple(replace(k, duration_us=None) for k in diagnosis.kernels))
    advice = advise(knobs, untimed)

    assert advice.predicted is None
    assert (2048, 8) in advice.suggested[0]


def test_the_largest_gain_of_a_kernel_is_the_prediction():
    knobs, diagnosis = recorded("clinic/sick/low_occupancy")
    (measured,) = diagnosis.kernels
    (found,) = [f for f in measured.findings if f.code == "PAR302"]
    larger = replace(found, code="LAT201", cause="memory-latency", gain=Gain(low=2.0, best=3.0, high=4.0))
    findings = (replace(found, gain=None), found, larger, found)
    advice = advise(knobs, replace(diagnosis, kernels=(replace(measured, findings=findings),)))

    assert advice.predicted == Gain(low=pytest.approx(2.0), best=pytest.approx(3.0), high=pytest.approx(4.0))
    assert advice.because == "LAT201 memory-latency in sqrt_kernel"


@pytest.mark.parametrize("value", ["1e9", "²", "-2048", "3000", "9" * 30, "", None])
def test_a_suggestion_that_no_knob_takes_is_left(value):
    knobs, diagnosis = recorded("clinic/sick/low_occupancy")
    (measured,) = diagnosis.kernels
    findings = tuple(
        replace(f, suggestions=tuple(replace(s, to_value=value) for s in f.suggestions)) for f in measured.findings
    )
    advice = advise(knobs, replace(diagnosis, kernels=(replace(measured, findings=findings),)))

    assert (advice.suggested, advice.predicted) == (({},), None)


CONFIGS = "[triton.Config({'BLOCK': 64}, num_warps=2), triton.Config({'BLOCK': 256})]"


def test_an_autotuner_begins_with_its_own_configurations():
    decorators = f"@triton.autotune({CONFIGS}, key=['n'])\n@triton.jit"
    knobs = knobs_of(file("copy[(1,)](x, y, n)", kernel(decorators=decorators)))
    advice = advise(knobs, None, "there is no run")

    own = "one of its own configurations"
    assert advice.suggested == ({(64, 2): own, (256, 4): own},)
    assert (advice.order, advice.predicted, advice.because) == ((0,), None, "there is no run")


def test_without_a_measurement_it_says_so():
    knobs = knobs_of(file("copy[(1,)](x, y, n, 1024)"))
    assert advise(knobs, None).because == "nothing was measured"
    assert ast.literal_eval(repr(advise(knobs, None).suggested)) == ({},)
