"""Loops of a listing: written ones, and random ones against a plain definition."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ncukit.source.sass.flow import flow
from ncukit.source.sass.instructions import parse
from ncukit.source.sass.lines import Lines


def listing(*rows):
    """Rows ``a:`` are labels, others instructions."""
    text = "".join(f".L_{row}\n" if row.endswith(":") else f" /*0000*/ {row} ;\n" for row in rows)
    return parse(text, Lines(None, None, None))


def to(label):
    return f"BRA `(.L_{label})"


def loops(*rows):
    """Depth, parent and number of own blocks of each loop."""
    ways = flow(listing(*rows))
    return [(loop.depth, loop.parent, ways.innermost.count(i)) for i, loop in enumerate(ways.loops)]


def test_straight_code_has_no_loop():
    assert loops("FADD R0, R0, R1", "@P0 BRA `(.L_a)", "FADD R0, R0, R1", "a:", "EXIT") == []


def test_a_loop_in_a_loop():
    found = loops("a:", "FADD R0, R0, R1", "b:", "FMUL R0, R0, R1", "@P0 " + to("b"), "@P1 " + to("a"), "EXIT")
    assert found == [(1, None, 2), (2, 0, 1)]


def test_two_branches_back_to_one_header_are_one_loop():
    assert loops("a:", "@P0 " + to("a"), "FADD R0, R0, R1", "@P1 " + to("a"), "EXIT") == [(1, None, 2)]


def test_conditions_in_front_of_the_label_fall_through():
    for branch in ("BRA P1, `(.L_a)", "BRA.U !UP0, `(.L_a)"):
        ways = flow(listing("a:", "FADD R0, R0, R1", branch, "EXIT"))
        assert ways.blocks[0].successors == (0, 1)
        assert len(ways.loops) == 1


def test_a_branch_back_out_of_code_behind_the_end_makes_no_loop():
    """Slow code at the end of the function returns into the middle, which is also reached without it."""
    found = loops(
        "FADD R0, R0, R1", "@P0 " + to("slow"), "a:", "FMUL R0, R0, R1", "EXIT", "slow:", "MOV R0, R1", to("a")
    )
    assert found == []


def test_slow_code_behind_the_end_belongs_to_the_loop_that_branches_there():
    ways = flow(listing("a:", "@P0 " + to("slow"), "b:", "@P1 " + to("a"), "EXIT", "slow:", "MOV R0, R1", to("b")))
    assert len(ways.loops) == 1
    assert ways.innermost == (0, 0, None, 0)


def test_what_a_drifted_warp_does_is_in_no_loop():
    ways = flow(
        listing("a:", "BRA.DIV UR4, `(.L_slow)", "b:", "@P1 " + to("a"), "EXIT", "slow:", "SHFL R0, R1", to("b"))
    )
    assert ways.innermost == (0, 0, None, None)


def test_a_subroutine_is_in_no_loop_of_its_caller():
    text = (
        ".L_a:\n /*0000*/ CALL.REL.NOINC `($slow) ;\n /*0010*/ @P0 BRA `(.L_a) ;\n /*0020*/ EXIT ;\n"
        "$slow:\n /*0030*/ MUFU.RSQ R0, R0 ;\n.L_b:\n /*0040*/ @P0 BRA `(.L_b) ;\n /*0050*/ RET.REL.NODEC R6 `(k) ;\n"
    )
    ways = flow(parse(text, Lines(None, None, None)))
    assert [(loop.depth, loop.parent) for loop in ways.loops] == [(1, None), (1, None)]
    assert ways.innermost == (0, 0, None, None, 1, None)


def test_a_call_of_a_label_leaves_the_loop():
    found = loops("a:", "FADD R0, R0, R1", "@P0 CALL.REL.NOINC `(.L_out)", to("a"), "out:", "FADD R0, R0, R1", "EXIT")
    assert found == [(1, None, 2)]


def test_a_cycle_with_two_ways_in_is_no_natural_loop():
    assert loops("@P0 " + to("b"), "a:", "FADD R0, R0, R1", "b:", "FMUL R0, R0, R1", "@P1 " + to("a"), "EXIT") == []


def test_code_that_nothing_reaches_is_in_no_loop():
    assert loops("EXIT", "a:", "FADD R0, R0, R1", "@P0 " + to("a"), "EXIT") == []


ENDS = st.sampled_from(["FADD R0, R0, R1", "@P0 BRA", "BRA", "@P0 BRA", "EXIT", "@P0 EXIT"])


@st.composite
def programs(draw):
    """Up to 14 blocks that branch anywhere."""
    count = draw(st.integers(1, 14))
    rows = []
    for number in range(count):
        end = draw(ENDS)
        goal = draw(st.integers(0, count - 1))
        rows += [f"{number}:", "FADD R0, R0, R1", f"{end} `(.L_{goal})" if end.endswith("BRA") else end]
    return rows


def reachable(blocks, start, without=None):
    seen, work = set(), [start]
    while work:
        block = work.pop()
        if block != without and block not in seen:
            seen.add(block)
            work.extend(blocks[block].successors)
    return seen


@given(programs())
def test_loops_are_what_their_definition_says(rows):
    """A header leads to every way to its branch back; the body is what gets to that branch without the header."""
    code = listing(*rows)
    ways = flow(code)
    blocks = ways.blocks
    bodies: dict[int, set[int]] = {}
    for latch in reachable(blocks, 0) if blocks else ():
        for header in blocks[latch].successors:
            if latch != header and latch in reachable(blocks, 0, without=header):
                continue
            body = {b for b in reachable(blocks, 0) if b != header and latch in reachable(blocks, b, without=header)}
            bodies.setdefault(header, {header}).update(body)
    found = {loop.header: {b for b, inner in enumerate(ways.innermost) if _within(ways, inner, i)}
             for i, loop in enumerate(ways.loops)}  # fmt: skip
    assert found == bodies


def _within(ways, inner, index):
    while inner is not None and inner != index:
        inner = ways.loops[inner].parent
    return inner == index
