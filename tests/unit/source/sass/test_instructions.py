"""One line of a disassembly after the other."""

from __future__ import annotations

from ncukit.source.sass.instructions import parse
from ncukit.source.sass.lines import Lines

TEXT = """
	.section	.text.k,"ax",@progbits
k:
.text.k:
	//## File "/a/k.py", line 7
        /*0000*/                   LDC R1, c[0x0][0x28] ;
        /*0010*/              @!P0 LDG.E.128 R4, desc[UR12][R8.64+0x10] ;
.L_x_1:
	//## File "/a/k.py", line 8
        /*0020*/               @P0 BRA `(.L_x_1) ;
        /*0030*/                   CALL.REL.NOINC `($__internal_0_$__cuda_sm20_sqrt_rn_f32_slowpath) ;
        /*0040*/                   EXIT ;
        .weak           $__internal_0_$__cuda_sm20_sqrt_rn_f32_slowpath
$__internal_0_$__cuda_sm20_sqrt_rn_f32_slowpath:
        /*0050*/                   MUFU.RSQ R7, R0 ;
        /*0060*/                   RET.REL.NODEC R6 `(k) ;
.L_x_2:
        /*0070*/                   BRA `(.L_x_2);
        /*0080*/                   NOP;
        /*0090*/                   NOP;
.L_x_3:
"""


def read(text):
    return parse(text, Lines(None, None, None))


def test_an_instruction_has_its_parts():
    load = read(TEXT).instructions[1]
    assert (load.guard, load.opcode, load.modifiers) == ("!P0", "LDG", ("E", "128"))
    assert load.operands == ("R4", "desc[UR12][R8.64+0x10]")
    assert (load.category, load.line, load.never) == ("global", 7, False)


def test_labels_functions_and_targets():
    listing = read(TEXT)
    assert [i.opcode for i in listing.instructions] == ["LDC", "LDG", "BRA", "CALL", "EXIT", "MUFU", "RET"]
    assert listing.functions == (0, 5)
    assert listing.labels[".L_x_1"] == 2
    assert listing.instructions[2].targets == (".L_x_1",)
    assert listing.instructions[3].targets == ("$__internal_0_$__cuda_sm20_sqrt_rn_f32_slowpath",)


def test_a_line_holds_until_the_next_comment_and_ends_with_the_function():
    assert [i.line for i in read(TEXT).instructions] == [7, 7, 8, 8, 8, None, None]


def test_padding_goes_between_functions_too():
    other = TEXT.replace("k:", "other:").replace(".L_x_", ".L_x_1")
    assert len(read(TEXT + other).instructions) == 14
    assert read(TEXT + other).functions == (0, 5, 7, 12)


def test_nop_and_a_loop_that_do_not_end_the_function_stay():
    text = ".L_x_0:\n /*0000*/ NOP ;\n /*0010*/ BRA `(.L_x_0) ;\n /*0020*/ NOP;\n"
    assert [i.opcode for i in read(text).instructions] == ["NOP", "BRA"]


def test_an_instruction_that_was_cut_off_is_none():
    whole = read(TEXT[: TEXT.index(" ;", TEXT.index("LDG.E")) + 2])
    cut = read(TEXT[: TEXT.index(", desc")])
    assert (len(whole.instructions), len(cut.instructions)) == (2, 1)


def test_targets_that_the_disassembler_lists_for_a_branch_through_a_register():
    text = ' /*0000*/ BRX R4 -0x10 (*"BRANCH_TARGETS .L_x_1,.L_x_2"*) ;\n'
    assert read(text).instructions[0].targets == (".L_x_1", ".L_x_2")


def test_text_that_is_no_disassembly_is_empty():
    for text in ("", "\n\n", "hello", "/*0000*/", '{"json": 1}'):
        listing = read(text)
        assert (listing.instructions, listing.functions) == ((), ())
