"""Which kind of work an instruction is: opcode → category, for compute capability 8.0 to 12.x.

The opcodes are those of the instruction set tables in NVIDIA's manual of the CUDA binary utilities (Ampere and Ada,
Hopper, Blackwell). One table serves all: no opcode changes its meaning from one architecture to the next. The
categories answer questions that somebody asks of a kernel, so they part from the manual's headings in places:

- ``fp32`` ``fp16`` ``fp64`` ``integer``: arithmetic, comparison and selection; logic on predicates is ``integer``,
  since the same units do it. ``fp16`` is bf16 too.
- ``tensor``: matrix products and nothing else, so that its count is the number of tensor-core instructions;
  ``tensor-memory`` is what moves Blackwell's accumulators (``LDTM``, ``STTM``).
- ``special``: ``MUFU`` (reciprocal, roots, exponential, sine); ``convert``: between number types.
- ``move``: copies, constants, selection of registers, special registers. Compilers write many copies with arithmetic
  opcodes, because those units are free: ``IMAD.MOV``, ``HFMA2 R0, -RZ, RZ, 0, 0``. They count as the copies they are.
- ``shuffle``: one lane's value in another lane: ``SHFL``, ``REDUX``, ``MATCH`` and the ballot ``VOTE``.
- ``barrier``: the block or the cluster waits (``BAR``, ``UCGABAR``). The convergence of one warp (``BSYNC``,
  ``WARPSYNC``) is ``control``.
- ``async``: copies past the registers (``LDGSTS``, ``UTMALDG``), and what commits them and waits for them.
- ``global`` ``shared`` ``local`` ``constant``: other memory accesses. A generic access (``LD``, ``ST``, ``ATOM``) is
  ``global``: Triton's pointers point there.
- ``uniform``: arithmetic that a warp does once instead of once a lane.
- ``control``: branches, calls, convergence. ``other``: fences, cache hints, textures, ``NOP``, what no table names, and
  what no lane ever does (``@!PT``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CATEGORIES = (
    "fp32", "fp16", "fp64", "integer", "tensor", "special", "convert", "move", "control", "shuffle", "barrier",
    "global", "shared", "local", "constant", "async", "tensor-memory", "uniform", "other",
)  # fmt: skip

_OPCODES = {
    "fp32": "FADD FADD2 FADD32I FCHK FFMA FFMA2 FFMA32I FMNMX FMNMX3 FMUL FMUL2 FMUL32I FSEL FSET FSETP FSWZADD",
    "fp16": "FHADD FHFMA HADD2 HADD2_32I HFMA2 HFMA2_32I HMNMX2 HMUL2 HMUL2_32I HSET2 HSETP2 VHMNMX",
    "fp64": "DADD DFMA DMNMX DMUL DSET DSETP",
    "integer": "BMSK BREV FLO IABS IADD IADD3 IADD32I IDP IDP4A IMAD IMNMX IMUL IMUL32I ISCADD ISCADD32I ISETP LEA LOP "
    "LOP3 LOP32I PLOP3 POPC PSETP SGXT SHF SHL SHR VABSDIFF VABSDIFF4 VIADD VIADDMNMX VIMNMX VIMNMX3",
    "tensor": "BGMMA BMMA DMMA HGMMA HMMA IGMMA IMMA OMMA QGMMA QMMA UTCHMMA UTCIMMA UTCOMMA UTCQMMA",
    "special": "MUFU",
    "convert": "F2F F2FP F2I F2IP FRND I2F I2FP I2I I2IP",
    "move": "B2R CS2R CS2UR MOV MOV32I MOVM P2R PRMT R2B R2P R2UR S2R S2UR SEL",
    "control": "BMOV BPT BRA BREAK BRX BRXU BSSY BSYNC CALL ELECT ENDCOLLECTIVE EXIT JMP JMX JMXU KILL LEPC NANOSLEEP "
    "PREEXIT RET RPCMOV RTT USETMAXREG WARPSYNC YIELD",
    "shuffle": "CREDUX MATCH REDUX SHFL VOTE",
    "barrier": "BAR UCGABAR_ARV UCGABAR_WAIT",
    "global": "ATOM ATOMG LD LDG LDGMC RED REDG ST STG UREDGR USTGR",
    "shared": "ATOMS LDS LDSM REDAS STAS STS STSM",
    "local": "LDL STL",
    "constant": "LDC LDCU ULDC",
    "async": "ACQBULK ARRIVES DEPBAR LDGDEPBAR LDGSTS SYNCS UBLKCP UBLKPF UBLKRED UTCBAR UTCCP UTMACCTL UTMACMDFLUSH "
    "UTMALDG UTMAPF UTMAREDG UTMASTG WARPGROUP WARPGROUPSET",
    "tensor-memory": "LDT LDTM STT STTM TCATOMSWS TCLDSWS TCSTSWS UTCATOMSWS UTCSHIFT UVIRTCOUNT",
    "other": "ACQSHMINIT CCTL CCTLL CCTLT CGAERRBAR ERRBAR FENCE GETLMEMBASE MEMBAR NOP PMTRIG QSPC SETCTAID "
    "SETLMEMBASE SUATOM SULD SURED SUST TEX TLD TLD4 TMML TXD TXQ UGETNEXTWORKID UMEMSETS USETSHMSZ",
    "uniform": "UCLEA ULEPC UP2UR UR2UP USEL VOTEU",
}
_TABLE = {opcode: category for category, opcodes in _OPCODES.items() for opcode in opcodes.split()}
_ARITHMETIC = {"fp32", "fp16", "fp64", "integer", "convert", "move"}
_ZERO = ("RZ", "-RZ", "URZ")


def category(opcode: str, modifiers: Sequence[str] = (), operands: Sequence[str] = ()) -> str:
    """The category of an instruction: ``category("LDG", ("E", "128"))`` is ``"global"``.

    An opcode with ``U`` in front of a known arithmetic one works on uniform registers: the manual lists some forty.
    """
    known = _TABLE.get(opcode)
    if known is None:
        return "uniform" if opcode[:1] == "U" and _TABLE.get(opcode[1:].partition("_")[0]) in _ARITHMETIC else "other"
    if opcode == "IMAD" and (("MOV" in modifiers) or _zeros(operands)):
        return "move"
    if opcode in ("HFMA2", "HFMA2_32I") and _zeros(operands):
        return "move"
    if opcode == "HADD2" and "F32" in modifiers:
        return "convert"  # HADD2.F32 R0, -RZ, R1.H0_H0: fp16 to fp32
    return known


def _zeros(operands: Sequence[str]) -> bool:
    """Whether a product is of zeros, which leaves the summand alone."""
    return len(operands) > 2 and operands[1] in _ZERO and operands[2] in _ZERO
