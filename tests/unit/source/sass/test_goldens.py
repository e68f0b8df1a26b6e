"""Facts of real machine code. The numbers were counted in the disassemblies, with `grep -c` between two labels."""

from __future__ import annotations

import re

import pytest

INSTRUCTION = re.compile(r"^ +/\*[0-9a-f]{4,}\*/ ", re.MULTILINE)


def accesses(sass, space, kind):
    """Line, bits, instructions and loop of each."""
    return [(a.line, a.bits, a.count, a.loop) for a in sass.accesses if (a.space, a.kind) == (space, kind)]


def test_moments_shuffles_after_its_loop_and_loads_16_bytes_a_thread(golden):
    """Line 34 is `for start in range(…)`, 36 the load in it, 44 and 46 are the two `tl.sum` behind it."""
    sass = golden("moments").read()
    assert sass.instructions == 309
    (loop,) = sass.loops
    assert (loop.line, loop.depth, loop.parent, loop.instructions) == (34, 1, None, 93)
    assert (sass.mix["shuffle"], sass.mix["barrier"], sass.mix["special"]) == (14, 5, 2)
    assert (loop.mix.get("shuffle"), loop.mix.get("barrier"), loop.mix["special"]) == (None, None, 1)
    assert accesses(sass, "global", "load") == [(33, 32, 1, None), (36, 128, 2, 0)]
    assert accesses(sass, "global", "store") == [(47, 32, 1, None), (48, 32, 1, None)]
    assert accesses(sass, "shared", "store") == [(44, 32, 2, None), (46, 32, 2, None)]
    assert (sass.tensor_core, sass.fp64_lines, sass.spills) == (0, (), ())


@pytest.mark.parametrize("capability", [80, 89, 90, 100, 120])
def test_moments_is_alike_on_every_architecture(golden, capability):
    sass = golden("moments", capability).read()
    assert [(loop.line, loop.depth) for loop in sass.loops] == [(34, 1)]
    assert accesses(sass, "global", "load")[-1] == (36, 128, 2, 0)
    assert sass.mix["shuffle"] == 14


def test_both_triton_versions_are_read(golden):
    old, new = golden("moments", 90, "3.6.0").read(), golden("moments", 90, "3.7.1").read()
    assert (old.instructions, new.instructions) == (313, 309)
    assert old.accesses == new.accesses
    assert old.loops == new.loops


def test_without_the_ptx_an_inlined_sum_has_no_line_of_the_kernel(golden):
    kept = golden("moments")
    from ncukit.source.sass import read_sass

    sass = read_sass(kept.text, kept.file)
    assert accesses(sass, "shared", "store") == [(None, 32, 4, None)]
    assert accesses(sass, "global", "load") == [(33, 32, 1, None), (36, 128, 2, 0)]


def test_an_unrolled_loop_counts_its_four_trips_and_the_rest_stands_outside(golden):
    """`normalize_kernel` loads (line 59) and stores (60) twice a trip; the slow path of `sqrt_rn` is no loop's."""
    sass = golden("normalize").read()
    assert [(loop.line, loop.instructions) for loop in sass.loops] == [(57, 124)]
    assert accesses(sass, "global", "store") == [(60, 128, 8, 0), (60, 128, 6, None)]
    assert sass.loops[0].mix.get("special") is None
    assert sass.mix["special"] == 3  # two of the kernel, one of the slow path


@pytest.mark.parametrize(
    ("capability", "triton", "outer", "inner"),
    [(80, "3.7.1", 811, 88), (90, "3.7.1", 828, 91), (90, "3.6.0", 822, 89), (100, "3.7.1", 787, 91)],
)
def test_a_polling_loop_stands_in_the_loop_over_tickets(golden, capability, triton, outer, inner):
    """Line 210 is the `while`, 234 the call of `gather`, whose own `while` polls two words and sums over the block."""
    sass = golden("cooperative", capability, triton).read()
    assert [(loop.line, loop.depth, loop.parent, loop.instructions) for loop in sass.loops] == [
        (210, 1, None, outer),
        (234, 2, 0, inner),
    ]
    polling = sass.loops[1].mix
    assert (polling["shuffle"], polling["barrier"], polling["global"]) == (21, 6, 2)
    assert not sass.loops[1].waits  # it is the kernel's own
    assert (234, 32, 2, 1) in accesses(sass, "global", "load")
    assert (217, 128, 16, 0) in accesses(sass, "global", "load")
    assert accesses(sass, "global", "atomic") == [(246, 32, 1, 0)]


def test_lines_outside_the_kernels_span_are_left_out(golden):
    sass = golden("cooperative").read((210, 230))
    assert {a.line for a in sass.accesses} == {217, 220, 223, None}


def test_spills_are_told_by_the_line_that_computed_them(golden):
    """Line 20 loads 128 values a thread, 22 is the step in the loop, 23 the store."""
    sass = golden("spills").read()
    assert sass.mix["local"] == 442
    assert [(loop.line, loop.mix["local"]) for loop in sass.loops] == [(21, 172)]
    assert {(s.line, s.in_loop): s.bytes for s in sass.spills} == {
        (20, False): 832,
        (22, True): 336,
        (21, True): 8,  # two registers that the loop's own copies took
    }
    stored = [(a.bits or 0) // 8 * a.count for a in sass.accesses if (a.space, a.kind) == ("local", "store")]
    assert sum(stored) == sum(s.bytes for s in sass.spills) == 1176


def test_a_loop_that_is_left_with_a_call_stays_small(golden):
    """Up to 8.9 ptxas leaves this loop with `@P0 CALL.REL.NOINC` of a label."""
    kept = golden("spills", 80)
    assert "CALL.REL.NOINC `(.L_x_" in kept.text
    (loop,) = kept.read().loops
    assert (loop.line, loop.instructions) == (21, 434)


@pytest.mark.parametrize("capability", [80, 90])
def test_copies_of_shuffles_for_drifted_warps_are_in_no_loop(golden, capability):
    """`tl.min` in the loop takes 5 shuffles; `BRA.DIV` leads to a second set behind the last EXIT."""
    kept = golden("diverging", capability)
    assert "BRA.DIV" in kept.text
    (loop,) = kept.read().loops
    assert (loop.line, loop.mix["shuffle"]) == (22, 5)


def test_narrow_loads_have_8_bits(golden):
    for capability in (90, 100):
        sass = golden("narrow", capability).read()
        assert accesses(sass, "global", "load") == [(25, 8, 8, None), (27, 8, 58, None)]
        assert accesses(sass, "global", "store") == [(28, 8, 8, None)]
        assert sass.loops == ()


@pytest.mark.parametrize("capability", [90, 120])
def test_double_precision_has_its_line(golden, capability):
    sass = golden("double", capability).read()
    assert (sass.fp64_lines, sass.mix["fp64"], sass.loops[0].mix["fp64"]) == ((23,), 24, 24)


def test_other_kernels_have_none_and_address_arithmetic_is_no_double(any_golden):
    if not any_golden.name.startswith("double"):
        sass = any_golden.read()
        assert (sass.fp64_lines, sass.mix.get("fp64")) == ((), None)


def test_shared_memory_of_a_transpose(golden):
    sass = golden("transpose").read()
    assert accesses(sass, "shared", "store") == [(28, 128, 8, None)]
    assert accesses(sass, "shared", "load") == [(29, 32, 32, None)]


def test_atomics_of_a_histogram(golden):
    assert accesses(golden("histogram").read(), "global", "atomic") == [(21, 32, 32, None)]


@pytest.mark.parametrize(
    ("stages", "capability", "tensor", "in_loop"),
    [(1, 80, 32, 32), (3, 80, 32, 32), (1, 90, 28, 16), (3, 90, 4, 4), (3, 100, 4, 2), (3, 120, 32, 32)],
)
def test_tensor_core_instructions_of_a_dot(golden, stages, capability, tensor, in_loop):
    """HMMA on 8.0 and 12.0, HGMMA on 9.0 (four trips in one with one stage), UTCHMMA on 10.0."""
    sass = golden(f"matmul{stages}", capability).read()
    loop = next(loop for loop in sass.loops if not loop.waits)
    assert (sass.tensor_core, loop.mix["tensor"], loop.line) == (tensor, in_loop, 16)


def test_stages_turn_loads_into_asynchronous_copies(golden):
    """Lines 17 and 18 load; two of three stages are copied before the loop."""
    one, three = golden("matmul1", 80).read(), golden("matmul3", 80).read()
    assert accesses(one, "global", "async-copy") == []
    assert accesses(one, "global", "load") == [(17, 128, 4, 0), (18, 128, 2, 0)]
    assert accesses(three, "global", "load") == []
    assert accesses(three, "global", "async-copy") == [
        (17, 128, 8, None), (18, 128, 4, None), (17, 128, 4, 0), (18, 128, 2, 0),
    ]  # fmt: skip
    assert (17, 128, 8, 0) in accesses(three, "shared", "load")  # LDSM.16.M88.4


def test_loads_that_never_run_are_no_accesses(golden):
    """ptxas puts three `@!PT LDS RZ, [RZ]` in front of asynchronous copies."""
    kept = golden("matmul3", 80)
    assert kept.text.count("@!PT LDS") == 6
    assert sum(count for *_, count, _ in accesses(kept.read(), "shared", "load")) == 8 + 4 + 8


@pytest.mark.parametrize("capability", [90, 100])
def test_tensor_descriptors_are_bulk_copies_without_a_width(golden, capability):
    sass = golden("descriptor", capability).read()
    copies = accesses(sass, "global", "bulk-copy")
    assert copies[-1] == (35, None, 1, None)
    assert {line for line, *_ in copies} == {34, 35}
    main = next(i for i, loop in enumerate(sass.loops) if not loop.waits)
    assert (34, None, 2, main) in copies


def test_loops_that_wait_for_a_copy_are_told_apart(golden):
    sass = golden("matmul3", 100).read()
    assert [(loop.line, loop.depth, loop.waits) for loop in sass.loops] == [
        (8, 1, True), (16, 1, False), (19, 2, True), (19, 1, True),
    ]  # fmt: skip


def test_local_stores_are_there_exactly_when_there_is_a_stack(any_golden):
    sass = any_golden.read()
    assert bool(sass.spills) == bool(sass.mix.get("local")) == bool(any_golden.stack)
    kept = {a.kind for a in sass.accesses if a.space == "local"}
    assert kept == ({"load", "store"} if any_golden.stack else set())


def test_every_instruction_in_front_of_the_padding_counts(any_golden):
    """A function ends with a branch to itself and `NOP;` without a blank before the semicolon."""
    written = len(INSTRUCTION.findall(any_golden.text))
    padding = len(re.findall(r" NOP;", any_golden.text)) + 1
    sass = any_golden.read()
    assert sass.instructions == written - padding
    assert sum(sass.mix.values()) == sass.instructions


def test_loops_are_nested(any_golden):
    loops = any_golden.read().loops
    for index, loop in enumerate(loops):
        inner = [other for other in loops if other.parent == index]
        assert loop.instructions == sum(loop.mix.values())
        assert loop.instructions >= sum(other.instructions for other in inner)
        assert all(other.depth == loop.depth + 1 for other in inner)
        assert (loop.parent is None) == (loop.depth == 1)
        assert loop.parent is None or loop.parent < index


def test_no_golden_knows_a_path_of_the_machine_that_made_it(any_golden):
    named = set(re.findall(r'(?:File|\.file\s+\d+) "([^"]*)"', any_golden.text + any_golden.ptx))
    assert all(path.startswith(("/src/", "/lib/", ".nv_debug")) for path in named)
