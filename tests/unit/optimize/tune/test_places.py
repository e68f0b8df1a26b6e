"""Where a launch's numbers come from, and why some cannot be turned."""

from __future__ import annotations

import ast

import pytest
from tunable import file, kernel

from ncukit.optimize.tune.edits import Text
from ncukit.optimize.tune.knobs import find_knobs
from ncukit.optimize.tune.places import Places
from ncukit.optimize.tune.problem_names import problem_names


def places(code: str) -> Places:
    tree = ast.parse(code)
    return Places(tree, Text(code), problem_names(tree))


def block(code: str) -> tuple[int | None, list[str], str]:
    """The value of BLOCK, the lines where it stands, and why it has none."""
    value, spans, _, why = places(code).constant("copy", "BLOCK")
    return value, [code.splitlines()[span.line - 1].strip() for span in spans], why


LAUNCH = "copy[(1,)](x, y, n, BLOCK=BLOCK)"
KNOWN = {
    "as it stands": (file("copy[(1,)](x, y, n, BLOCK=1024)"), "copy[(1,)](x, y, n, BLOCK=1024)"),
    "by position": (file("copy[(1,)](x, y, n, 1024)"), "copy[(1,)](x, y, n, 1024)"),
    "after another argument": (file("copy[(1,)](x, n=n, BLOCK=1024, y=y)"), "copy[(1,)](x, n=n, BLOCK=1024, y=y)"),
    "a name": (file(f"BLOCK = 1024\n{LAUNCH}"), "BLOCK = 1024"),
    "an annotated name": (file(f"BLOCK: int = 1024\n{LAUNCH}"), "BLOCK: int = 1024"),
    "a tuple": (file(f"a, BLOCK = 7, 1024\n{LAUNCH}"), "a, BLOCK = 7, 1024"),
    "two names at once": (file(f"a = BLOCK = 1024\n{LAUNCH}"), "a = BLOCK = 1024"),
    "a constant of the file": (file(LAUNCH, top="BLOCK = 1024"), "BLOCK = 1024"),
    "one of several constants": (file(LAUNCH, top="TURNS, BLOCK = 7, 1024"), "TURNS, BLOCK = 7, 1024"),
    "a default of the function": (file(LAUNCH, parameters="x, *, BLOCK=1024"), "def run(x, *, BLOCK=1024):"),
    "a default that is a constant": (
        file("copy[(1,)](x, y, n, BLOCK=b)", parameters="x, b=BLOCK", top="BLOCK = 1024"),
        "BLOCK = 1024",
    ),
    "a default of the kernel": (
        file("copy[(1,)](x, y, n)", kernel(constants="BLOCK: tl.constexpr = 1024")),
        "def copy(x, y, n, BLOCK: tl.constexpr = 1024):",
    ),
    "a name that a neighbour has too": (
        file(f"BLOCK = 1024\n{LAUNCH}", rest="def other():\n    BLOCK = 7\n"),
        "BLOCK = 1024",
    ),
    "a name of the function around": (
        file(f"BLOCK = 1024\ndef launch():\n    {LAUNCH}\nlaunch()"),
        "BLOCK = 1024",
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_a_number_is_followed_to_where_it_stands(name):
    code, line = KNOWN[name]
    assert block(code) == (1024, [line], "")


PROBLEMS = "size = 4096\nBLOCK = size"
UNKNOWN = {
    "computed": (file("copy[(1,)](x, y, n, BLOCK=triton.next_power_of_2(n))"), "it is computed"),
    "a computed name": (file(f"BLOCK = 2 * 512\n{LAUNCH}"), "it is computed"),
    "an attribute": (file("copy[(1,)](x, y, n, BLOCK=x.block)"), "it is computed"),
    "a name for a name": (file(f"b = 1024\nBLOCK = b\n{LAUNCH}"), "it is computed"),
    "a loop's": (file(f"for BLOCK in (512, 1024):\n    {LAUNCH}"), "it is computed"),
    "assigned twice": (file(f"BLOCK = 1024\nif n > 9:\n    BLOCK = 512\n{LAUNCH}"), "it is assigned more than once"),
    "counted up": (file(f"BLOCK = 512\nBLOCK += 512\n{LAUNCH}"), "it is assigned more than once"),
    "assigned where it fails": (
        file(f"try:\n    BLOCK = 1024\nexcept ValueError:\n    BLOCK = 512\n{LAUNCH}"),
        "it is assigned more than once",
    ),
    "assigned by case": (
        file(f"match n:\n    case 1:\n        BLOCK = 1024\n    case _:\n        BLOCK = 512\n{LAUNCH}"),
        "it is assigned more than once",
    ),
    "a default that is replaced": (
        file(f"if n > 9:\n    BLOCK = 512\n{LAUNCH}", parameters="x, BLOCK=1024"),
        "it is assigned more than once",
    ),
    "passed by callers": (
        file(LAUNCH, parameters="x, BLOCK=1024", rest="def again(x):\n    return run(x, 512)\n"),
        "its function's callers pass it",
    ),
    "passed by callers by name": (
        file(LAUNCH, parameters="x, BLOCK=1024", rest="def again(x):\n    return run(x, BLOCK=512)\n"),
        "its function's callers pass it",
    ),
    "perhaps passed by callers": (
        file(LAUNCH, parameters="x, BLOCK=1024", rest="def again(*x):\n    return run(*x)\n"),
        "its function's callers pass it",
    ),
    "not passed": (file("copy[(1,)](x, y, n)"), "no launch passes it"),
    "in keywords": (file("copy[(1,)](x, y, n, **more)"), "it is passed in *arguments or **keywords"),
    "in arguments": (file("copy[(1,)](*all)"), "it is passed in *arguments or **keywords"),
    "two launches": (
        file("copy[(1,)](x, y, n, BLOCK=1024)\ncopy[(1,)](x, y, n, BLOCK=512)"),
        "its launches say it differently",
    ),
    "a size of the problem": (file("copy[(1,)](x, y, n, BLOCK=size)"), "it is a size of the problem"),
    "a size that makes the inputs by way of others": (
        file(LAUNCH, top="BLOCK = 1024\nshape = (BLOCK, 4)\ndef sizes():\n    return shape").replace(
            "(size)", "(sizes())"
        ),
        "it is a size of the problem",
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_cannot_be_followed_has_a_reason(name):
    code, why = UNKNOWN[name]
    ast.parse(code)
    assert block(code) == (None, [], why)


def test_a_method_gets_itself_before_what_is_passed():
    host = "class Runner:\n    def go(self, x, BLOCK=1024):\n        copy[(1,)](x, x, 1, BLOCK=BLOCK)\nRunner().go(x{})"

    assert block(file(host.format("")))[0] == 1024
    assert block(file(host.format(", 512"))) == (None, [], "its function's callers pass it")


def test_two_launches_of_one_number_are_two_places():
    code = file("copy[(1,)](x, y, n, BLOCK=1024)\ncopy[(2,)](x, y, n, BLOCK=1024)")
    assert block(code)[:2] == (1024, ["copy[(1,)](x, y, n, BLOCK=1024)", "copy[(2,)](x, y, n, BLOCK=1024)"])


@pytest.mark.parametrize("grid", ["(triton.cdiv(n, 1024),)", "lambda meta: (cdiv(n, 1024),)", "(n // 1024,)"])
def test_a_grid_that_repeats_the_number_goes_with_it(grid):
    code = file(f"grid = {grid}\ncopy[grid](x, y, n, BLOCK=1024)")
    assert block(code)[:2] == (1024, ["copy[grid](x, y, n, BLOCK=1024)", f"grid = {grid}"])


def test_a_grid_that_is_rounded_up_by_hand_keeps_its_tile():
    value, _, why = block(file("grid = ((n + 1023) // 1024, 1)\ncopy[grid](x, y, n, BLOCK=1024)"))

    assert value is None
    assert "rounded up by hand" in why


def test_two_launches_in_one_function_edit_each_grid_once():
    code = file(
        "copy[(triton.cdiv(n, 1024),)](x, y, n, BLOCK=1024)\ncopy[(triton.cdiv(n, 1024),)](x, y, n, BLOCK=1024)"
    )
    knobs = find_knobs(code, ast.parse(code))

    assert knobs.edited({0: (2048, *knobs.groups[0].own[1:])}) == code.replace("1024", "2048")


def test_what_divides_beside_the_grid_stays():
    code = file("scale = n // 1024\ncopy[(triton.cdiv(n, 1024),)](x, y, scale, BLOCK=1024)")
    knobs = find_knobs(code, ast.parse(code))

    assert "scale = n // 1024" in knobs.edited({0: (2048, *knobs.groups[0].own[1:])})


@pytest.mark.parametrize("grid", ["(triton.cdiv(n, 512),)", "(triton.cdiv(1024, n),)", "(n * 1024,)", "(n % 1024,)"])
def test_other_numbers_of_a_grid_stay(grid):
    assert block(file(f"copy[{grid}](x, y, n, 1024)"))[1] == [f"copy[{grid}](x, y, n, 1024)"]


def test_a_grid_that_is_rounded_up_by_hand_does_not_follow():
    for grid in ("((n + 1023) // 1024,)", "((n - 1) // 1024 + 1,)"):
        value, spans, why = block(file(f"grid = {grid}\ncopy[grid](x, y, n, BLOCK=1024)"))
        assert (value, spans) == (None, [])
        assert why == "its grid is rounded up by hand, where triton.cdiv(n, BLOCK) would follow it"
    assert block(file("B = 1024\ncopy[((n + B - 1) // B,)](x, y, n, B)"))[0] == 1024


def test_the_way_to_the_grid_is_followed_and_no_other():
    code = file(
        """
        rows = n // 1024
        many = triton.cdiv(n, 1024)
        half = many // 2
        copy[(half, 1)](x, y, rows, 1024)
        """
    )
    assert block(code)[1] == ["copy[(half, 1)](x, y, rows, 1024)", "many = triton.cdiv(n, 1024)"]


def test_what_divides_in_another_function_stays():
    rest = "def programs(n):\n    return triton.cdiv(n, 1024)\n"
    assert block(file("copy[(1,)](x, y, n, 1024)", rest=rest))[1] == ["copy[(1,)](x, y, n, 1024)"]


@pytest.mark.parametrize(
    ("launches", "value", "why"),
    [
        ("copy[(1,)](x, y, n, 1024, num_warps=8)", 8, ""),
        ("W = 8\ncopy[(1,)](x, y, n, 1024, num_warps=W)", 8, ""),
        ("copy[(1,)](x, y, n, 1024)", None, ""),
        ("copy[(1,)](x, y, n, 1024, num_warps=n)", None, "it is computed"),
        ("copy[(1,)](x, y, n, 1024, **more)", None, "it may be passed in **keywords"),
        ("copy[(1,)](x, y, n, 1024)\ncopy[(1,)](x, y, n, 1024, num_warps=8)", None, "its launches say it differently"),
    ],
)
def test_an_option_of_the_launch(launches, value, why):
    found = places(file(launches)).option("copy", "num_warps")
    assert (found[0], found[3]) == (value, why)


def test_tiles_are_what_bounds_an_arange():
    body = "    a = tl.arange(0, ROWS)[:, None]\n    b = tl.arange(0, COLS)\n    c = tl.arange(0, SIDE)[None, :]\n"
    body += "    d = tl.arange(0, SIDE)\n    e = tl.arange(0, 16) + EPS\n"
    names = ", ".join(f"{name}: tl.constexpr" for name in ("ROWS", "COLS", "SIDE", "EPS"))
    code = file("two[(1,)](x)", f"@triton.jit\ndef two(x, {names}):\n{body}\n\n")

    assert places(code).tiles("two") == {"ROWS": 1, "COLS": 1, "SIDE": 1}


def test_the_one_side_of_a_square_counts_twice():
    body = "    a = tl.arange(0, SIDE)[:, None] + tl.arange(0, SIDE)[None, :]\n"
    code = file("square[(1,)](x)", f"@triton.jit\ndef square(x, SIDE: tl.constexpr):\n{body}\n\n")

    assert places(code).tiles("square") == {"SIDE": 2}


def test_a_tile_and_a_dot_may_stand_in_a_helper():
    helpers = "@triton.jit\ndef square(x, WIDE):\n    return tl.dot(x, tl.arange(0, WIDE))\n\n\n"
    helpers += "@triton.jit\ndef twice(x, N: tl.constexpr):\n    return square(square(x, N), WIDE=N)\n\n\n"
    body = "@triton.jit\ndef k(x, A: tl.constexpr, B: tl.constexpr):\n    twice(x, A) + B\n\n\n"
    found = places(file("k[(1,)](x, 64, 64)", helpers, body))

    assert found.tiles("k") == {"A": 1}
    assert found.pipelined("k")
    endless = "@triton.jit\ndef k(x, A: tl.constexpr):\n    k(x, A)\n\n\n"
    assert places(file("k[(1,)](x, 64)", endless)).tiles("k") == {}


def test_what_a_heuristic_computes_is_left_to_it():
    decorators = "@triton.heuristics({'num_warps': lambda a: 4})\n@triton.jit"
    found = places(file("copy[(1,)](x, y, n, 1024)", kernel(decorators=decorators)))

    assert found.option("copy", "num_warps")[::3] == (None, "a heuristic computes it")
    assert found.option("copy", "num_stages")[::3] == (None, "")


@pytest.mark.parametrize("line", ["tl.dot(a, b)", "tl.make_tensor_descriptor(x, [n], [1], [16])", "tl.dot_scaled(a)"])
def test_stages_matter_where_loads_are_pipelined(line):
    code = file("k[(1,)](x)", f"@triton.jit\ndef k(x):\n    for i in range(9):\n        {line}\n\n\n")
    assert places(code).pipelined("k")


def test_stages_of_a_loop_are_the_loops_own():
    code = file(
        "k[(1,)](x)", "@triton.jit\ndef k(x):\n    for i in tl.range(0, 9, num_stages=3):\n        x += i\n\n\n"
    )

    assert not places(code).pipelined("k")
    assert [(value, Text(code).read(span)) for value, span in places(code).staged("k")] == [(3, "3")]


CONFIGS = {
    "[triton.Config({'BLOCK': 64}, num_warps=2)]": [("triton.Config", {"BLOCK": 64}, {"num_warps": 2})],
    "[Config({'BLOCK': 64, 'N': 3}, 2, 4), Config({})]": [
        ("Config", {"BLOCK": 64, "N": 3}, {"num_warps": 2, "num_stages": 4}),
        ("Config", {}, {}),
    ],
}


@pytest.mark.parametrize("text", CONFIGS)
@pytest.mark.parametrize("how", ["{}, key=['n']", "configs={}, key=['n']"])
def test_the_configurations_of_an_autotuner(text, how):
    code = file("copy[(1,)](x, y, n)", kernel(decorators=f"@triton.autotune({how.format(text)})\n@triton.jit"))
    found, span, why = configurations(code)

    assert [(one.made, one.numbers, one.options) for one in found] == CONFIGS[text]
    assert Text(code).read(span) == text
    assert why == ""


def test_the_configurations_may_have_a_name():
    text = "[triton.Config({'BLOCK': 64})]"
    decorators = "@triton.autotune(CONFIGS, key=['n'])\n@triton.jit"
    code = file("copy[(1,)](x, y, n)", kernel(decorators=decorators), top=f"CONFIGS = {text}")

    assert Text(code).read(configurations(code)[1]) == text
    assert configurations(code.replace("size = 4096", "CONFIGS = []"))[2] == "its configurations are computed"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[triton.Config({'BLOCK': b}) for b in (64, 128)]", "its configurations are computed"),
        ("make()", "its configurations are computed"),
        ("[dict(BLOCK=64)]", "its configurations are computed"),
        ("[triton.Config(dict(BLOCK=64))]", "its configurations are computed"),
        ("[triton.Config({'BLOCK': 2 * 32})]", "its configurations hold more than numbers"),
        ("[triton.Config({'BLOCK': True})]", "its configurations hold more than numbers"),
        ("[triton.Config({**more})]", "its configurations hold more than numbers"),
        ("[triton.Config({'BLOCK': 64}, **more)]", "its configurations hold more than numbers"),
        ("[triton.Config({'BLOCK': 64}, 4, 3, 2)]", "its configurations hold more than numbers"),
        ("[triton.Config({'BLOCK': 64}, pre_hook=zero)]", "its configurations hold more than numbers"),
        ("[triton.Config({'BLO\\x1b[2JCK\"': 64})]", "its configurations hold more than numbers"),
        ("[]", "it has no configuration"),
    ],
)
def test_configurations_that_cannot_be_turned_say_why(text, why):
    found, _, said = configurations(
        file("copy[(1,)](x, y, n)", kernel(decorators=f"@triton.autotune({text}, key=['n'])\n@triton.jit"))
    )
    assert (found, said) == ([], why)


def configurations(code: str):
    found = places(code)
    tuner = found.autotuner("copy")
    assert tuner is not None
    return found.configurations(tuner)
