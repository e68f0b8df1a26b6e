"""Registers that an instruction writes, and the way back from a spill."""

from __future__ import annotations

import pytest

from ncukit.source.sass import read_sass
from ncukit.source.sass.instructions import parse
from ncukit.source.sass.lines import Lines
from ncukit.source.sass.registers import register, written


def one(text):
    return parse(f" /*0000*/ {text} ;\n", Lines(None, None, None)).instructions[0]


@pytest.mark.parametrize(
    ("instruction", "registers"),
    [
        ("FADD R29, R30, R29", [29]),
        ("LDG.E.128 R4, desc[UR12][R8.64]", [4, 5, 6, 7]),
        ("LDG.E.ENL2.256 R8, R4, desc[UR10][R2.64]", [8, 9, 10, 11, 4, 5, 6, 7]),
        ("LDL.LU.64 R22, [R1+0x40]", [22, 23]),
        ("LDSM.16.M88.4 R8, [R2]", [8, 9, 10, 11]),
        ("HMMA.16816.F32 R4, R8, R12, R4", [4, 5, 6, 7]),
        ("HMMA.16816.F16 R4, R8, R12, R4", [4, 5]),
        ("HGMMA.64x16x16.F32 R24, gdesc[UR4], R24", list(range(24, 32))),
        ("LDTM.x4 R4, tmem[UR11]", [4, 5, 6, 7]),
        ("IMAD.WIDE.U32 R4, R27, UR8, RZ", [4, 5]),
        ("DFMA R36, R36, -R18, R8", [36, 37]),
        ("F2F.F64.F32 R2, R23", [2, 3]),
        ("F2F.F32.F64 R2, R22", [2]),
        ("CS2R R8, SRZ", [8, 9]),
        ("CS2R.32 R8, SR_CLOCKLO", [8]),
        ("SHFL.BFLY PT, R29, R30, 0x10, 0x1f", [29]),
        ("ATOMG.E.ADD.STRONG.GPU PT, R3, desc[UR4][R4.64], R5", [3]),
        ("ISETP.GE.AND P0, PT, R32, R27, PT", []),
        ("STL.64 [R1+0x10], R58", []),
        ("STG.E desc[UR12][R4.64], R27", []),
        ("R2UR UR12, R2", []),
        ("MOV R300000, R1", []),
    ],
)
def test_written(instruction, registers):
    assert list(written(one(instruction))) == registers


def test_register():
    assert [register(text) for text in ("R58", "-R58.reuse", "|R5|", "RZ", "UR4", "c[0x0][0x28]", "0x10", "")] == [
        58, 58, 5, None, None, None, None, None,
    ]  # fmt: skip


def spills(*rows):
    """Rows are ``LINE INSTRUCTION``, or a label."""
    text = ""
    for row in rows:
        line, _, instruction = row.partition(" ")
        label = f"{row}\n"
        text += label if row.endswith(":") else f'\t//## File "k.py", line {line}\n /*0000*/ {instruction} ;\n'
    return [(s.line, s.bytes, s.in_loop) for s in read_sass(text).spills]


def test_the_last_write_in_front_of_the_store_computed_it():
    assert spills("3 FADD R5, R1, R2", "4 FADD R5, R5, R2", "9 STL [R1+0x8], R5", "5 FADD R5, R5, R5") == [
        (4, 4, False)
    ]


def test_copies_are_followed():
    rows = ("3 LDG.E.128 R4, [R2.64]", "7 MOV R9, R6", "8 IMAD.MOV.U32 R10, RZ, RZ, R9", "9 STL [R1], R10", "9 EXIT")
    assert spills(*rows) == [(3, 4, False)]


def test_the_way_back_leads_over_blocks_and_round_a_loop():
    rows = ("3 FADD R5, R1, R2", "4 @P0 BRA `(.L_a)", "4 FADD R6, R1, R2", ".L_a:", "9 STL.64 [R1+0x8], R5", "9 EXIT")
    assert spills(*rows) == [(3, 8, False)]
    assert spills(".L_a:", "9 STL [R1], R5", "6 FADD R5, R5, R2", "4 @P0 BRA `(.L_a)", "4 EXIT") == [(6, 4, True)]


def test_a_zero_is_computed_where_it_is_stored_and_an_unknown_value_nowhere():
    assert spills("3 STL [R1], RZ", "4 STL [R1+0x4], R5", "4 EXIT") == [(3, 4, False), (None, 4, False)]


def test_registers_that_only_copy_each_other_end_the_way_back():
    rows = (".L_a:", "2 STL [R1], R5", "3 MOV R5, R6", "4 MOV R6, R5", "5 @P0 BRA `(.L_a)", "5 EXIT")
    assert spills(*rows) == [(3, 4, True)]


def test_an_address_that_is_computed_is_an_array_and_no_spill():
    text = " /*0000*/ STL [R7+0x8], R5 ;\n /*0010*/ EXIT ;\n"
    sass = read_sass(text)
    assert sass.spills == ()
    assert [(a.space, a.kind, a.bits) for a in sass.accesses] == [("local", "store", 32)]


def test_bytes_of_one_line_add_up():
    rows = ("3 FADD R5, R1, R2", "4 STL [R1], R5", "4 STL.64 [R1+0x8], R5", "4 @P0 STL.U8 [R1+0x10], R5", "4 EXIT")
    assert spills(*rows) == [(3, 4 + 8 + 1, False)]
