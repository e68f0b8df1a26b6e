"""Widths and kinds of accesses, the line of a loop, and text that is none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncukit.source.inspection import Sass
from ncukit.source.sass import read_sass


@pytest.mark.parametrize(
    ("instruction", "space", "kind", "bits"),
    [
        ("LDG.E R0, desc[UR4][R2.64]", "global", "load", 32),
        ("LDG.E.U8 R0, desc[UR4][R2.64]", "global", "load", 8),
        ("LDG.E.S16 R0, desc[UR4][R2.64]", "global", "load", 16),
        ("LDG.E.64 R0, desc[UR4][R2.64]", "global", "load", 64),
        ("LDG.E.LTC128B R0, desc[UR4][R2.64]", "global", "load", 32),
        ("LDG.E.EF.128.STRONG.SM R0, desc[UR4][R2.64]", "global", "load", 128),
        ("LDG.E.ENL2.256 R8, R4, desc[UR4][R2.64]", "global", "load", 256),
        ("LD.E.128 R0, [R2.64]", "global", "load", 128),
        ("STG.E.U16 desc[UR4][R2.64], R0", "global", "store", 16),
        ("STG.E.ENL2.256 desc[UR4][R2.64], R4, R8", "global", "store", 256),
        ("ATOMG.E.CAS.64.STRONG.GPU PT, R12, [R4], R12, R14", "global", "atomic", 64),
        ("ATOMG.E.ADD.F64.RN.STRONG.GPU PT, R12, [R4], R12", "global", "atomic", 64),
        ("REDG.E.ADD.F32x4.FTZ.RN.STRONG.GPU [R2.64], R8", "global", "atomic", 128),
        ("REDG.E.ADD.F16x2.RN.STRONG.GPU [R2.64], R8", "global", "atomic", 32),
        ("RED.E.ADD.STRONG.GPU [R2.64], R8", "global", "atomic", 32),
        ("LDGSTS.E [R21], desc[UR10][R2.64]", "global", "async-copy", 32),
        ("LDGSTS.E.BYPASS.LTC128B.128 [R21], desc[UR10][R2.64]", "global", "async-copy", 128),
        ("UTMALDG.2D [UR8], [UR4]", "global", "bulk-copy", None),
        ("UTMASTG.2D [UR8], [UR4]", "global", "bulk-copy", None),
        ("UBLKCP.S.G [UR8], [UR6], UR4", "global", "bulk-copy", None),
        ("LDS.U.128 R4, [R2]", "shared", "load", 128),
        ("LDSM.16.M88 R4, [R2]", "shared", "load", 32),
        ("LDSM.16.MT88.2 R4, [R2]", "shared", "load", 64),
        ("STSM.16.M88.4 [R2], R4", "shared", "store", 128),
        ("STS.U8 [R2], R4", "shared", "store", 8),
        ("ATOMS.ADD RZ, [R2], R4", "shared", "atomic", 32),
        ("LDL.LU.64 R4, [R1+0x8]", "local", "load", 64),
    ],
)
def test_access(instruction, space, kind, bits):
    (access,) = read_sass(f" /*0000*/ {instruction} ;\n").accesses
    assert (access.space, access.kind, access.bits, access.count, access.loop) == (space, kind, bits, 1, None)


@pytest.mark.parametrize(
    "instruction", ["@!PT LDS RZ, [RZ]", "CCTL.E.PF2 [R2]", "UTMAPF.L2.2D [UR4], [UR6]", "LDGDEPBAR"]
)
def test_what_never_runs_or_only_prefetches_is_no_access(instruction):
    sass = read_sass(f" /*0000*/ {instruction} ;\n")
    assert (sass.accesses, sass.instructions, sass.mix.get("shared")) == ((), 1, None)


def at(line, *instructions):
    return f'\t//## File "k.py", line {line}\n' + "".join(f" /*0000*/ {text} ;\n" for text in instructions)


def test_a_loop_has_the_line_of_its_branch_back_or_of_what_decides_it():
    body = ".L_x_0:\n" + at(12, "LDG.E R0, [R2.64]")
    assert read_sass(body + at(10, "@P0 BRA `(.L_x_0)", "EXIT")).loops[0].line == 10
    decided = at(10, "ISETP.GE.AND P1, PT, R3, R4, PT") + at(12, "FADD R5, R0, R5", "@!P1 BRA `(.L_x_0)", "EXIT")
    assert read_sass(body + decided).loops[0].line == 10
    uniform = at(10, "UISETP.GE.AND UP0, UPT, UR4, UR8, UPT") + at(12, "BRA.U !UP0, `(.L_x_0)", "EXIT")
    assert read_sass(body + uniform).loops[0].line == 10


def test_a_loop_without_lines_has_none():
    assert read_sass(".L_x_0:\n /*0000*/ @P0 BRA `(.L_x_0) ;\n /*0010*/ EXIT ;\n").loops[0].line is None


def test_a_loop_that_works_while_it_waits_is_no_wait():
    asks, again = "SYNCS.PHASECHK.TRANS64.TRYWAIT P0, [UR4], R2", "@!P0 BRA `(.L_x_0)"
    assert read_sass(".L_x_0:\n" + at(3, asks, again, "EXIT")).loops[0].waits
    assert not read_sass(".L_x_0:\n" + at(3, asks, "LDG.E R0, [R2.64]", again, "EXIT")).loops[0].waits


def check(sass):
    """What holds of every answer."""
    assert isinstance(sass, Sass)
    assert sass.instructions == sum(sass.mix.values())
    for index, loop in enumerate(sass.loops):
        inner = [other for other in sass.loops if other.parent == index]
        assert loop.instructions == sum(loop.mix.values())
        assert loop.instructions >= sum(other.instructions for other in inner)
        assert loop.instructions <= sass.instructions
        assert loop.depth == (1 if loop.parent is None else sass.loops[loop.parent].depth + 1)
    assert all(access.loop is None or access.loop < len(sass.loops) for access in sass.accesses)
    assert all(spill.bytes > 0 for spill in sass.spills)


def test_empty_text():
    assert read_sass("") == Sass(instructions=0, mix={})


@given(st.text(), st.text() | st.none())
def test_any_text_is_read_without_an_error(text, ptx):
    check(read_sass(text, "k.py", (1, 9), ptx=ptx))


LINES = st.sampled_from([
    '\t//## File "/a/k.py", line 7', '\t//## File ".nv_debug_ptx_txt", line 3', "k:", ".text.k:", ".L_x_0:", ".L_x_1:",
    ".L_x_2:", " /*0010*/ @P0 BRA `(.L_x_0) ;", " /*0020*/ BRA `(.L_x_1) ;", " /*0020*/ @!P1 BRA `(.L_x_2) ;",
    " /*0030*/ BRA.U UP0, `(.L_x_1) ;", " /*0030*/ BRA.DIV UR4, `(.L_x_2) ;", " /*0040*/ CALL.REL.NOINC `($slow) ;",
    " /*0040*/ @P2 CALL.REL.NOINC `(.L_x_0) ;", "$slow:", " /*0050*/ RET.REL.NODEC R6 `(k) ;", " /*0060*/ EXIT ;",
    " /*0060*/ @P0 EXIT ;", " /*0070*/ STL [R1+0x8], R5 ;", " /*0070*/ STL.64 [R1], R6 ;", " /*0080*/ MOV R5, R6 ;",
    " /*0080*/ MOV R6, R5 ;", " /*0090*/ LDG.E.128 R4, [R2.64] ;", " /*00a0*/ NOP;", " /*00a0*/ BRX R4 ;",
    " /*00b0*/ BRA ;",
    " /*00c0*/ STL ;", " /*00c0*/ IMAD.MOV.U32 ;", " /*00c0*/ LDSM ;", " /*00d0*/ DFMA R4, R4, R6, R8 ;",
    " /*00d0*/ HGMMA.64x999x16 R4 ;", "\t.loc\t1 3 4 // k.py:3:4 @[ k.py:9:9 ]", " /*00e0*/ LDG.E.",
])  # fmt: skip


@given(st.lists(LINES, max_size=60), st.lists(LINES, max_size=5))
def test_any_order_of_instructions_is_read(rows, ptx):
    check(read_sass("\n".join(rows), "k.py", (1, 9), ptx="\n".join(ptx)))


@settings(max_examples=25)
@given(st.data())
def test_a_text_that_was_cut_off_is_read_up_to_there(golden, data):
    kept = golden("cooperative")
    end = data.draw(st.integers(0, len(kept.text)))
    sass = read_sass(kept.text[:end], kept.file, ptx=kept.ptx)
    check(sass)
    assert sass.instructions <= 938
