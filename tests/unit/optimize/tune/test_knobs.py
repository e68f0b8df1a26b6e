"""What of a file is turned, how far, and that a setting is the same file with other numbers."""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tunable import file, kernel, knobs_of, reasons, shown

from ncukit.collect.target import constants
from ncukit.optimize.tune.edits import Text
from ncukit.optimize.tune.knobs import MOST_SETTINGS
from ncukit.optimize.tune.places import Places
from ncukit.optimize.tune.problem_names import problem_names

ROOT = Path(__file__).resolve().parents[4]
LAUNCH = "copy[(triton.cdiv(n, 1024),)](x, y, n, BLOCK=1024, num_warps=4)"
PIPELINED = kernel().replace("at = ", "tl.dot(x, y)\n    at = ")


# every setting is the same program with other numbers

ODD = file(
    """
    BLOCK = 1_024  # größer? (nein, µ)
    W, S = 4, 2
    grid = (triton.cdiv((n), 1024), (1))
    if True: first[grid](x, y, (n), BLOCK)   # kein Komma, (
    second[(triton.cdiv(n, 64), triton.cdiv(n, 64))](
        x,  # ein Kommentar, mit )
        y, (n), COLS=64,
        ROWS=64,
        num_warps=W, num_stages=S,  # zuletzt
    )
    first[grid](
        x, y, (n),  # ½
        BLOCK  # am Ende, ohne
        # Komma
    )
    third[{"a": (1,)}["a"]](y, x, (n), BLOCK=0x400, num_warps = 8 ,)
    """,
    kernel("first"),
    kernel("second", "ROWS: tl.constexpr, COLS: tl.constexpr").replace("at = ", "tl.dot(x, y)\n    at = "),
    kernel("third"),
    top="TURNS, WIDE = 7, 32  # ß\nNARROW = 3",
    rest="def turns():\n    return TURNS * WIDE * NARROW * size\n\n\n",
)
TEXTS = {
    "odd": ODD,
    "odd, CRLF": ODD.replace("\n", "\r\n"),
    **{
        str(path.relative_to(ROOT / "kernels")): path.read_text()
        for folder in ("naive", "clinic/sick", "clinic/cured", ".")
        for path in sorted((ROOT / "kernels" / folder).glob("*.py"))
    },
}


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_any_setting_of_any_file_is_the_same_file_with_other_numbers(data):
    code = TEXTS[data.draw(st.sampled_from([*TEXTS][:2]) | st.sampled_from([*TEXTS]))]
    knobs = knobs_of(code)
    chosen = {
        index: tuple(data.draw(st.sampled_from(knob.values)) for knob in group.knobs)
        for index, group in enumerate(knobs.groups)
        if data.draw(st.booleans())
    }
    after = knobs.edited(chosen)

    assert skeleton(after) == skeleton(code)
    assert tokens(after, tokenize.COMMENT) == tokens(code, tokenize.COMMENT)
    assert after.count("\r\n") == code.count("\r\n")
    assert after.count("\n") == code.count("\n")
    asked = {index: group.own for index, group in enumerate(knobs.groups)} | chosen
    for index, setting in asked.items():
        group = knobs.groups[index]
        for knob, value in zip(group.knobs, setting, strict=True):
            assert {read(after, kernel, name) for kernel, names in knob.names.items() for name in names} <= {value}
            if not group.kernels:
                assert constants(ast.parse(after))[knob.name].value == value


def read(code: str, kernel: str, name: str) -> int | None:
    """A number of the launches as another reading of the text finds it."""
    tree = ast.parse(code)
    places = Places(tree, Text(code), problem_names(tree))
    found = places.option(kernel, name) if name in ("num_warps", "num_stages") else places.constant(kernel, name)
    return found[0] if found[0] is not None or found[3] else {"num_warps": 4, "num_stages": 3}[name]


def skeleton(code: str) -> str:
    """The tree without its numbers, and without launch options."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and type(node.value) is int:
            node.value = 0
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Subscript):
            node.keywords = [k for k in node.keywords if k.arg not in ("num_warps", "num_stages")]
    return ast.dump(tree)


def tokens(code: str, kind: int) -> list[str]:
    lines = io.StringIO(code, newline="").readline
    return [token.string for token in tokenize.generate_tokens(lines) if token.type == kind]


def test_the_odd_file_offers_all_it_has():
    first, second, third, constant = ({k.name: k.value for k in g.knobs} for g in knobs_of(ODD).groups)

    assert first == {"BLOCK": 1024, "num_warps": 4}
    assert second == {"ROWS=COLS": 64, "num_warps": 4, "num_stages": 2}
    assert third == {"BLOCK": 1024, "num_warps": 8}
    assert constant == {"TURNS": 7, "WIDE": 32, "NARROW": 3}


def test_the_files_own_setting_changes_nothing():
    for code in TEXTS.values():
        knobs = knobs_of(code)
        assert knobs.edited({i: g.own for i, g in enumerate(knobs.groups) if g.own}) == code


# what is turned


def test_a_tile_and_the_warps_of_one_launch():
    code = file(LAUNCH)
    knobs = knobs_of(code)
    (group,) = knobs.groups

    assert (group.kernels, group.own, group.title) == (("copy",), (1024, 4), "copy")
    assert [(k.name, k.values, len(k.spans)) for k in group.knobs] == [
        ("BLOCK", (128, 256, 512, 1024, 2048, 4096, 8192), 2),
        ("num_warps", (1, 2, 4, 8, 16, 32), 1),
    ]
    assert group.words((2048, 8)) == "BLOCK=2048, num_warps=8"
    assert knobs.edited({0: (2048, 8)}) == code.replace("1024", "2048").replace("num_warps=4", "num_warps=8")
    assert {code.splitlines()[line - 1].strip() for line in (knobs.first["copy"], group.knobs[0].line)} == {LAUNCH}


def test_a_launch_that_lacks_an_option_gets_it_where_another_value_is_wanted():
    code = file("copy[(1,)](x, y, n, 1024)\ncopy[(2,)](\n    x, y, (n),\n    1024,  # wide\n)", PIPELINED)
    knobs = knobs_of(code)

    assert knobs.groups[0].own == (1024, 4, 3)
    assert knobs.edited({0: (1024, 4, 3)}) == code
    wanted = code.replace("n, 1024)", "n, 1024, num_warps=8, num_stages=2)")
    wanted = wanted.replace("1024,  #", "1024, num_warps=8, num_stages=2,  #")
    assert ast.dump(ast.parse(knobs.edited({0: (1024, 8, 2)}))) == ast.dump(ast.parse(wanted))


def test_stages_are_left_where_nothing_is_pipelined():
    assert "num_stages" in shown(file(LAUNCH, PIPELINED))
    assert "num_stages" not in shown(file(LAUNCH))
    assert reasons(file(LAUNCH))["num_stages"].startswith("no dot, descriptor or tl.range(num_stages=)")


def test_stages_of_a_loop_are_turned_in_the_kernel():
    code = file(
        LAUNCH, kernel().replace("    at", "    for i in tl.range(0, 9, num_stages=2):\n        n += i\n    at")
    )
    (group,) = knobs_of(code).groups

    assert [k.name for k in group.knobs] == ["BLOCK", "num_warps", "num_stages of line 10"]
    after = knobs_of(code).edited({0: (1024, 4, 5)})
    assert after == code.replace("num_stages=2", "num_stages=5")


def test_a_literal_for_two_tiles_in_the_grid_turns_both():
    launch = "k[(triton.cdiv(n, 64), triton.cdiv(n, 64))](x, y, n, A=64, B=64, C=64)"
    code = file(launch, kernel("k", "A: tl.constexpr, B: tl.constexpr, C: tl.constexpr"))
    (group,) = knobs_of(code).groups

    assert (group.knobs[0].sides, sorted(group.knobs[0].names["k"])) == (3, ["A", "B", "C"])
    assert sorted(group.knobs[0].name.split("=")) == ["A", "B", "C"]
    after = knobs_of(code).edited({0: (32, 4)})
    assert "k[(triton.cdiv(n, 32), triton.cdiv(n, 32))](x, y, n, A=32, B=32, C=32)" in after


def test_one_name_for_two_tiles_turns_both():
    code = file("B = 64\nk[(1,)](x, y, n, ROWS=B, COLS=B)", kernel("k", "ROWS: tl.constexpr, COLS: tl.constexpr"))

    assert shown(code) == {"ROWS=COLS": 64, "num_warps": 4}
    assert "\n    B = 128\n" in knobs_of(code).edited({0: (128, 4)})


def test_two_kernels_whose_one_grid_repeats_the_number_are_turned_together():
    code = file("g = (triton.cdiv(n, 1024),)\none[g](x, y, n, 1024)\ntwo[g](x, y, n, TILE=1024)", *TWO)
    (group,) = knobs_of(code).groups

    assert group.kernels == ("one", "two")
    assert knobs_of(code).edited({0: (512, 4, 4)}) == code.replace("1024", "512")


SHARING = "B = 1024\none[(1,)](x, y, n, B, num_warps=4)\ntwo[(1,)](x, y, n, TILE=B, num_warps=8)"
TWO = (kernel("one"), kernel("two", "TILE: tl.constexpr"))


def test_two_kernels_that_share_a_tile_are_turned_together():
    code = file(SHARING, *TWO)
    (group,) = knobs_of(code).groups

    assert group.kernels == ("one", "two")
    assert group.knobs[0].names == {"one": ("BLOCK",), "two": ("TILE",)}
    assert group.words((512, 1, 2)) == "BLOCK=512, one.num_warps=1, two.num_warps=2"
    after = knobs_of(code).edited({0: (512, 1, 2)})
    assert after == code.replace("1024", "512").replace("num_warps=4", "num_warps=1").replace("=8", "=2")


def test_two_kernels_with_numbers_of_their_own_are_turned_apart():
    code = file("one[(1,)](x, y, n, 1024)\ntwo[(1,)](x, y, n, 1024)", *TWO)
    assert [group.kernels for group in knobs_of(code).groups] == [("one",), ("two",)]


def test_a_setting_gives_each_thread_of_each_kernel_between_one_value_and_512():
    (group,) = knobs_of(file("one[(1,)](x, y, n, 64)", *TWO)).groups
    assert (64, 4) in group.settings  # the file's own, though two warps would do
    assert (64, 2) in group.settings
    assert (64, 8) not in group.settings

    # of two kernels that share their warps each has a tile of its own: not the product of both
    (group,) = knobs_of(
        file("W = 4\none[(1,)](x, y, n, 1024, num_warps=W)\ntwo[(1,)](x, y, n, 2048, num_warps=W)", *TWO)
    ).groups
    assert [k.name for k in group.knobs] == ["BLOCK", "num_warps", "TILE"]
    assert (2048, 8, 4096) in group.settings
    assert (128, 8, 4096) not in group.settings
    assert (2048, 1, 16384) in group.settings
    assert (32768, 1, 2048) not in group.settings


@pytest.mark.parametrize(
    ("value", "values"),
    [
        (1024, (128, 256, 512, 1024, 2048, 4096, 8192)),
        (32, (8, 16, 32, 64, 128, 256)),
        (16, (4, 8, 16, 32, 64, 128)),
        (131072, (16384, 32768, 65536, 131072)),
    ],
)
def test_how_far_a_tile_is_turned(value, values):
    assert knobs_of(file(f"copy[(1,)](x, y, n, {value})")).groups[0].knobs[0].values == values


def test_tiles_with_several_sides_are_turned_less_far():
    code = file("k[(1,)](x, y, n, 64, 256)", kernel("k", "A: tl.constexpr, B: tl.constexpr"))
    assert [k.values for k in knobs_of(code).groups[0].knobs][:2] == [(16, 32, 64, 128, 256), (64, 128, 256, 512, 1024)]


def test_a_number_of_warps_that_is_not_usual_is_kept_among_the_values():
    knob = knobs_of(file("copy[(1,)](x, y, n, num_warps=3, BLOCK=1000)")).groups[0].knobs[0]
    assert (knob.name, knob.value, knob.values) == ("num_warps", 3, (1, 2, 3, 4, 8, 16, 32))


# what is not turned


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("1000", "1000 is no power of two from 16"),
        ("8", "8 is no power of two from 16"),
        ("n", "it is computed"),
        ("size", "it is a size of the problem"),
    ],
)
def test_a_tile_that_is_not_turned_has_a_reason(value, why):
    code = file(f"copy[(1,)](x, y, n, BLOCK={value})")
    assert "BLOCK" not in shown(code)
    assert reasons(code)["BLOCK"] == why


def test_numbers_of_the_problem_are_never_turned():
    top = (
        "WARPS, size = 4, 4096\nDIM = 64\nSHAPE = (DIM, 8)\n\n\ndef shape():\n    return SHAPE[0] * ROWS\n\n\nROWS = 16"
    )
    rest = "def other():\n    return DIM + ROWS + WARPS + size\n\n\n"
    code = file(LAUNCH, top=top, rest=rest).replace("torch.rand(size)", "torch.rand(shape(), size)")

    assert {"DIM", "ROWS", "size"} <= problem_names(ast.parse(code))
    assert shown(code) == {"BLOCK": 1024, "num_warps": 4, "WARPS": 4}


def test_numbers_that_a_statement_of_the_file_makes_a_size_of_are_the_problems():
    top = "ROWS = 16\nTURNS = 4\nif ROWS > 8:\n    size = 256 * ROWS\n"
    rest = "def other():\n    return ROWS + TURNS\n\n\nif __name__ == '__main__':\n    size = TURNS\n\n\n"

    assert shown(file(LAUNCH, top=top, rest=rest)) == {"BLOCK": 1024, "num_warps": 4, "TURNS": 4}


def test_only_constants_that_the_host_code_reads_are_turned():
    top = "READ = 8\nUNREAD = 8\nlower = 8\nFLOAT = 0.5\nNEGATIVE = -1\nZERO = 0\nFLAG = True\nODD = 7\nONE = 1"
    rest = "def other():\n    return READ, lower, FLOAT, NEGATIVE, ZERO, FLAG, ODD, ONE\n\n\n"
    code = file(LAUNCH, top=top, rest=rest)
    *_, group = knobs_of(code).groups

    assert {k.name: k.values for k in group.knobs} == {
        "READ": (2, 4, 8, 16, 32),
        "ODD": (5, 6, 7, 8, 9),
        "ONE": (1, 2, 4),
    }
    assert (group.title, group.kernels) == ("constants READ, ODD, ONE", ())
    assert "KERNEL" not in shown(file(LAUNCH, kernel().replace("    at", "    n += KERNEL\n    at"), top="KERNEL = 8"))


def test_more_constants_than_can_be_searched_together_are_several_groups():
    names = [f"N{n}" for n in range(7)]
    rest = f"def other():\n    return {', '.join(names)}\n\n\n"
    _, *batches = knobs_of(file(LAUNCH, top="\n".join(f"{name} = 8" for name in names), rest=rest)).groups

    assert [[k.name for k in group.knobs] for group in batches] == [names[:5], names[5:]]
    assert all(len(group.settings) <= MOST_SETTINGS for group in batches)
    assert len({group.title for group in batches}) == 2


def test_a_file_without_launches_has_no_knob():
    assert knobs_of("x = 1\n").groups == ()
    assert knobs_of(file("k = copy\nk[(1,)](x, y, n, 1024)")).groups == ()


# autotuned kernels


def tuned(configs: str) -> str:
    return kernel(decorators=f"@triton.autotune({configs}, key=['n'])\n@triton.jit")


CONFIGS = (
    "[triton.Config({'BLOCK': 64}, num_warps=2), triton.Config({'BLOCK': 256}, num_warps=8), "
    "triton.Config({'BLOCK': 64})]"
)


def test_one_configuration_takes_the_place_of_an_autotuners_list():
    code = file("copy[lambda m: (triton.cdiv(n, m['BLOCK']),)](x, y, n)", tuned(CONFIGS))
    (group,) = knobs_of(code).groups

    assert group.own is None
    assert group.listed == ((64, 2), (256, 8), (64, 4))
    assert [(k.name, k.values) for k in group.knobs] == [
        ("BLOCK", (32, 64, 256, 512)),
        ("num_warps", (1, 2, 4, 8, 16)),
    ]
    after = knobs_of(code).edited({0: (512, 16)})
    assert after == code.replace(CONFIGS, '[triton.Config({"BLOCK": 512}, num_warps=16)]')


def test_a_configuration_is_made_as_the_file_makes_its_own():
    code = file("copy[(1,)](x, y, n)", tuned("[Config({'BLOCK': 64}, 2)]"), top="from triton import Config")
    assert 'autotune([Config({"BLOCK": 128}, num_warps=4)], key' in knobs_of(code).edited({0: (128, 4)})


def test_kernels_that_share_a_list_of_configurations_are_turned_together():
    decorators = "@triton.autotune(configs=CONFIGS, key=['n'])\n@triton.jit"
    both = kernel("one", decorators=decorators), kernel("two", decorators=decorators)
    code = file("one[(1,)](x, y, n)\ntwo[(1,)](x, y, n)", *both, top=f"CONFIGS = {CONFIGS}")
    (group,) = knobs_of(code).groups

    assert group.kernels == ("one", "two")
    assert group.knobs[0].names == {"one": ("BLOCK",), "two": ("BLOCK",)}
    assert knobs_of(code).edited({0: (64, 2)}).count('CONFIGS = [triton.Config({"BLOCK": 64}, num_warps=2)]') == 1


def test_computed_configurations_say_why_they_are_not_turned():
    code = file("copy[(1,)](x, y, n)", tuned("[triton.Config({'BLOCK': b}) for b in (64, 128)]"))
    (fixed,) = knobs_of(code).fixed

    assert knobs_of(code).groups == ()
    assert (fixed.kernel, fixed.name, fixed.why) == ("copy", "autotune", "its configurations are computed")


def test_configurations_of_different_constants_are_not_turned():
    configs = "[triton.Config({'BLOCK': 64}), triton.Config({'BLOCK': 64, 'GROUP': 2})]"
    assert reasons(file("copy[(1,)](x, y, n)", tuned(configs))) == {
        "autotune": "its configurations set different constants"
    }


def test_what_is_no_tile_keeps_to_the_values_that_are_there():
    configs = "[triton.Config({'BLOCK': 64, 'GROUP': 3}), triton.Config({'BLOCK': 64, 'GROUP': 0}, num_stages=2)]"
    (group,) = knobs_of(file("copy[(1,)](x, y, n)", tuned(configs))).groups

    assert {k.name: k.values for k in group.knobs} == {
        "BLOCK": (32, 64, 128),
        "GROUP": (0, 3),
        "num_warps": (2, 4, 8),
        "num_stages": (1, 2, 3, 4, 5),
    }
