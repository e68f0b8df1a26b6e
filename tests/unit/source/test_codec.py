from __future__ import annotations

import json

import pytest

from ncukit.source.codec import decode, encode
from ncukit.source.inspection import Access, Argument, Launch, Loop, Sass

LAUNCH = Launch(
    kernel="k",
    file="k.py",
    line=3,
    launch_line=None,
    grid=(4, 1, 1),
    arguments=(
        Argument(name="x", type="*fp32", shape=(4, 8), stride=(8, 1), bytes=128, divisible=True),
        Argument(name="eps", type="fp32", value=1e-5),
        Argument(name="EVEN", type="constexpr", value=True),
    ),
    num_warps=4,
    num_stages=3,
    options={"maxnreg": 168},
)
SASS = Sass(
    instructions=9,
    mix={"fp32": 9},
    loops=(Loop(line=None, depth=1, parent=None, instructions=3, mix={}),),
    accesses=(Access(space="global", kind="load", line=7, bits=128, count=2, loop=0),),
)


@pytest.mark.parametrize("value", [LAUNCH, SASS])
def test_there_and_back(value) -> None:
    assert decode(type(value), json.loads(json.dumps(encode(value)))) == value


@pytest.mark.parametrize(
    "change",
    [
        {"kernel": 3},
        {"grid": [4, 1]},
        {"grid": "4"},
        {"num_warps": "4"},
        {"num_warps": True},
        {"origin": "dreamt"},
        {"arguments": [{"name": "x"}]},
        {"arguments": [{"name": "x", "type": "i32", "shape": [1.5]}]},
        {"nosuch": 1},
        {"options": []},
    ],
)
def test_what_is_not_of_the_type_is_refused(change) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode(Launch, {**encode(LAUNCH), **change})


def test_what_lacks_a_field_or_is_no_object_is_refused() -> None:
    for value in ({}, [], None, {"kernel": "k"}):
        with pytest.raises(ValueError, match=r".+"):
            decode(Launch, value)
