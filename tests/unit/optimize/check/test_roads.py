"""The lists of what may be named, held against the torch and Triton that are installed."""

from __future__ import annotations

import importlib
import types

import pytest

from ncukit.optimize.check import roads
from ncukit.optimize.check.roads import Barrier, Road, follow

TABLE = roads._table()
REAL = [
    (module, kind, name)
    for module, kinds in TABLE.items()
    if module.startswith("torch") and not module.startswith("torch.version")
    for kind, names in kinds.items()
    for name in sorted(names)
]


def test_every_name_of_torch_leads_to_what_it_is_said_to_be() -> None:
    wrong = []
    for module, kind, name in REAL:
        place = importlib.import_module(module)
        value = getattr(place, name, None)
        fits = {
            "call": callable(value) and not isinstance(value, type),
            "type": isinstance(value, type),
            "data": not callable(value),
        }[kind]
        if (value is None and name != "newaxis") or isinstance(value, types.ModuleType) or not fits:
            wrong.append(f"{module}.{name} as {kind}")
    assert wrong == []


def test_no_name_is_allowed_and_refused() -> None:
    assert roads.listed("attributes") & roads.listed("never") == frozenset()
    assert {
        name for name in roads._refused() if isinstance(follow(name), Road) and follow(name).kind != "module"
    } == set()


def test_no_attribute_of_values_leads_into_a_module() -> None:
    import torch
    import triton
    import triton.language as tl
    from triton.runtime.autotuner import Autotuner

    allowed = roads.listed("attributes")
    kernel = triton.jit(roads_kernel)
    complex_ones = torch.ones(2, 2, dtype=torch.complex64)  # has attributes that others only raise for
    values = [complex_ones, torch.nn.Linear(2, 2), kernel, torch.float32, torch.device("cpu"), tl.float32, "", {}, []]
    found = [
        f"{type(value).__name__}.{name}"
        for value in (*values, Autotuner)
        for name in allowed
        if isinstance(getattr(value, name, None), types.ModuleType)
    ]
    assert found == []


def roads_kernel(x_ptr):
    pass


@pytest.mark.parametrize(
    ("name", "kind", "rest"),
    [
        ("torch", "module", ()),
        ("torch.empty_like", "call", ()),
        ("torch.Tensor", "type", ()),
        ("torch.float32.itemsize", "data", ("itemsize",)),
        ("torch.nn.functional.pad", "call", ()),
        ("triton.language.load", "data", ()),
        ("triton.language.nosuch", "call", ()),  # the lint says what to write instead
        ("triton.language.constexpr", "type", ()),
        ("triton.language.math.rsqrt", "call", ()),
        ("triton.language.extra.cuda.libdevice.tanh", "call", ()),
        ("triton.runtime.driver.active.get_current_target", "call", ()),
        ("math.pi", "call", ()),
    ],
)
def test_where_a_name_leads(name, kind, rest) -> None:
    assert follow(name) == Road(kind, rest)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("torch.cuda.Stream", "hidden-stream"),
        ("torch.cuda.streams.Stream", "hidden-stream"),
        ("torch.compile", "library-compute"),
        ("torch.utils.data", "foreign-code"),
        ("torch.nosuch", "forbidden-name"),
        ("triton.language._core", "forbidden-name"),
        ("triton.language.math.core", "forbidden-name"),
        ("triton.testing.do_bench", "testing-code"),
        ("triton.experimental.gluon", "forbidden-name"),
        ("nosuch.thing", "forbidden-import"),
        ("math._secret", "forbidden-import"),
    ],
)
def test_why_a_name_leads_nowhere(name, code) -> None:
    found = follow(name)
    assert isinstance(found, Barrier)
    assert found.code == code
    assert found.what
    assert found.instead


def test_an_engineers_file_may_time_itself_and_use_gluon() -> None:
    assert follow("triton.testing.do_bench", testing=True) == Road("call")
    assert follow("triton.experimental.gluon.language.load", testing=True) == Road("call")
    for name in (
        "triton.experimental.gluon.language.os",
        "triton.experimental.gluon.x.torch.load",
        "triton.testing.perf_report",
    ):
        assert isinstance(follow(name, testing=True), Barrier)
