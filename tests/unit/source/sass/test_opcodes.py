"""Categories of instructions."""

from __future__ import annotations

import re

import pytest

from ncukit.source.sass import opcodes
from ncukit.source.sass.opcodes import CATEGORIES, category


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [
        ("FFMA R0, R1, R2, R3", "fp32"),
        ("FFMA2 R0, R2, R4, R6", "fp32"),
        ("FSETP.GT.AND P0, PT, R1, R2, PT", "fp32"),
        ("HFMA2.BF16_V2 R0, R1, R2, R3", "fp16"),
        ("HFMA2.MMA R11, -RZ, RZ, 0, 0", "move"),
        ("HFMA2 R11, -RZ, RZ, 1.875, 0", "move"),
        ("HADD2.F32 R0, -RZ, R1.H0_H0", "convert"),
        ("HADD2 R0, R1, R2", "fp16"),
        ("IMAD.MOV.U32 R0, RZ, RZ, R1", "move"),
        ("IMAD.U32 R5, RZ, RZ, UR6", "move"),
        ("IMAD.WIDE.U32 R4, R27, UR8, RZ", "integer"),
        ("PLOP3.LUT P0, PT, PT, PT, UP0, 0x80, 0x0", "integer"),
        ("DFMA R36, R36, -R18, R8", "fp64"),
        ("DSETP.GT.AND P0, PT, R2, R4, PT", "fp64"),
        ("DMMA.8x8x4 R0, R2, R4, R6", "tensor"),
        ("HMMA.16816.F32 R0, R4, R8, R0", "tensor"),
        ("HGMMA.64x128x16.F32 R24, gdesc[UR4], R24", "tensor"),
        ("QGMMA.64x128x32.F32.E4M3.E4M3 R24, gdesc[UR4], R24", "tensor"),
        ("IGMMA.64x128x32.S8.S8 R24, gdesc[UR4], R24", "tensor"),
        ("UTCHMMA gdesc[UR4], gdesc[UR6], tmem[UR8], tmem[UR18], idesc[UR19], UPT", "tensor"),
        ("UTCQMMA gdesc[UR4], gdesc[UR6], tmem[UR8], tmem[UR18], idesc[UR19], UPT", "tensor"),
        ("OMMA.SF.16864.F32 R0, R4, R8, R0", "tensor"),
        ("LDTM.x64 R4, tmem[UR11]", "tensor-memory"),
        ("MUFU.RCP R0, R1", "special"),
        ("F2FP.BF16.F32.PACK_AB R0, R1, R2", "convert"),
        ("I2FP.F32.S32 R0, R1", "convert"),
        ("SHFL.BFLY PT, R1, R2, 0x10, 0x1f", "shuffle"),
        ("REDUX.SUM.S32 UR4, R2", "shuffle"),
        ("BAR.SYNC.DEFER_BLOCKING 0x0", "barrier"),
        ("BSYNC B0", "control"),
        ("WARPSYNC.ALL", "control"),
        ("LDG.E.128 R4, [R2.64]", "global"),
        ("LD.E R4, [R2.64]", "global"),
        ("REDG.E.ADD.F32x4.FTZ.RN.STRONG.GPU [R2.64], R8", "global"),
        ("LDGSTS.E.BYPASS.128 [R21], [R2.64]", "async"),
        ("LDGDEPBAR", "async"),
        ("UTMALDG.2D [UR8], [UR4]", "async"),
        ("UBLKCP.S.G [UR8], [UR6], UR4", "async"),
        ("SYNCS.PHASECHK.TRANS64.TRYWAIT P0, [UR4], R2", "async"),
        ("LDSM.16.M88.4 R4, [R2]", "shared"),
        ("ATOMS.ADD RZ, [R2], R4", "shared"),
        ("STL.64 [R1], R2", "local"),
        ("LDC.64 R2, c[0x0][0x210]", "constant"),
        ("LDCU.64 UR10, c[0x0][0x358]", "constant"),
        ("UIADD3 UR4, UR4, 0x400, URZ", "uniform"),
        ("UIADD3_64 UR4, UR4, 0x400, URZ", "uniform"),
        ("UFFMA UR4, UR4, UR5, UR6", "uniform"),
        ("NOP", "other"),
        ("FENCE.VIEW.ASYNC.S", "other"),
        ("NEWTHING.X R0", "other"),
        ("U", "other"),
    ],
)
def test_category(instruction, expected):
    name, _, rest = instruction.partition(" ")
    opcode, *modifiers = name.split(".")
    assert category(opcode, modifiers, re.split(r", ", rest) if rest else ()) == expected


def test_no_opcode_stands_in_two_categories():
    names = [name for listed in opcodes._OPCODES.values() for name in listed.split()]
    assert len(names) == len(set(names))
    assert set(opcodes._OPCODES) == set(CATEGORIES)


def test_every_opcode_that_triton_was_seen_to_use_is_known(any_golden):
    used = set(re.findall(r"/\*[0-9a-f]{4,}\*/ +(?:@!?\w+ +)?([A-Z]\w*)", any_golden.text))
    unknown = {name for name in used if name not in opcodes._TABLE and category(name) == "other"}
    assert unknown == set()
