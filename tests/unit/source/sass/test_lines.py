"""Source lines of instructions, through the calls that were inlined."""

from __future__ import annotations

import pytest

from ncukit.source.sass.instructions import parse
from ncukit.source.sass.lines import Lines

PTX = """\
	.loc	1 30 24                         // k.py:30:24
	mov.u32 	%r1, %tid.x;
	.loc	2 263 15                        // standard.py:263:15 @[ standard.py:293:36 @[ k.py:44:19 ] ]
	add.f32 	%f1, %f2, %f3;
	.loc	1 12 4                          // k.py:12:4 @[ k.py:45:9 ]
	add.f32 	%f1, %f2, %f3;
	.loc	1 0 4                           // k.py:0:4
	add.f32 	%f1, %f2, %f3;
	.file	1 "/home/me/kernels" "k.py"
	.file	2 "/lib/triton/language/standard.py"
"""
STANDARD = (("/lib/triton/language/standard.py", 263),)


def test_the_chain_in_the_ptx_leads_to_the_kernels_line():
    lines = Lines("kernels/k.py", (20, 60), PTX)
    assert lines.line(STANDARD, 4) == 44
    assert lines.line((("/home/me/kernels/k.py", 12),), 6) == 45  # a function of the same file
    assert lines.line((("/home/me/kernels/k.py", 30),), 2) == 30


def test_line_0_is_no_line_even_where_ptxas_repeats_the_one_before():
    assert Lines("k.py", None, PTX).line((("/home/me/kernels/k.py", 45),), 8) is None


def test_without_ptx_only_lines_of_the_kernels_own_span_count():
    lines = Lines("kernels/k.py", (20, 60), None)
    assert lines.line(STANDARD, 4) is None
    assert lines.line((("/home/me/kernels/k.py", 12),), 6) is None
    assert lines.line((("/home/me/kernels/k.py", 30),), None) == 30


def test_ptx_without_positions_leaves_the_disassemblys_own():
    assert Lines("k.py", None, "// nothing\n").line((("/x/k.py", 5),), 1) == 5


@pytest.mark.parametrize("file", ["k.py", "kernels/k.py", "./kernels/k.py", "../kernels/k.py", "/home/me/kernels/k.py"])
def test_a_file_is_known_by_any_part_of_its_path_from_the_right(file):
    assert Lines(file, None, None).line((("/home/me/kernels/k.py", 5),), None) == 5


@pytest.mark.parametrize("file", ["naive/k.py", "other.py", "py", "kernels"])
def test_another_file_is_not_taken_for_it(file):
    assert Lines(file, None, None).line((("/home/me/kernels/k.py", 5),), None) is None


@pytest.mark.parametrize(
    "comment",
    [
        '\t//## File "/s/standard.py", line 263 inlined at "/s/standard.py", line 293\n\t//## File "/s/standard.py", '
        'line 293 inlined at "/k/k.py", line 44\n\t//## File "/k/k.py", line 44\n',
        '\t//## File "/s/standard.py", line 263 inlined at "/k/k.py", line 44\n',
    ],
)
def test_inlining_that_the_disassembler_knows_is_read_too(comment):
    listing = parse(comment + " /*0000*/ FADD R0, R1, R2 ;\n", Lines("k.py", None, None))
    assert [i.line for i in listing.instructions] == [44]
