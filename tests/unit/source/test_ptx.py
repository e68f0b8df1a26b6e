"""What PTX and Triton's intermediate text tell; the texts are cut from Triton 3.7.1's for sm_90."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ncukit.source import ptx

PTX = """
	.file	1 "/src" "instance_norm.py"
	.file	2 "/lib" "standard.py"
	.loc	1 33 22                         // instance_norm.py:33:22
	mov.u64 	%rd1, 0x0;
	@%p1 ld.global.b32 { %r1 }, [ %rd2 + 0 ];
	.loc	1 36 38
	@%p2 ld.global.L1::evict_last.v4.b32 { %r2, %r3, %r4, %r5 }, [ %rd3 + 0 ];
	@%p2 ld.global.v4.b32 { %r6, %r7, %r8, %r9 }, [ %rd4 + 0 ];
	.loc	2 263 15                        // standard.py:263:15 @[ instance_norm.py:44:19 ]
	st.global.v2.b64 [ %rd5 + 0 ], { %rd6, %rd7 };
	.loc	1 50 1
	st.global.b16 [ %rd5 + 0 ], { %rs1 };
	cp.async.cg.shared.global [ %r1 + 0 ], [ %rd1 + 0 ], 0x10, %r2;
	ld.shared.v4.b32 { %r2, %r3, %r4, %r5 }, [ %r9 ];
"""


def test_accesses_by_line_and_width() -> None:
    assert ptx.facts(PTX, "instance_norm.py", (30, 60))["accesses"] == [
        [33, "load", 32, 1],
        [36, "load", 128, 2],
        [44, "store", 128, 1],
        [50, "load", 128, 1],
        [50, "store", 16, 1],
    ]
    assert ptx.facts(PTX)["async"] == 1


INLINE = """
	.file	1 "/src" "k.py"
	.loc	1 36 13
	// begin inline asm
	.loc	1 36 13
	mov.u32 %r8, %r12;
	.loc	1 37 13
	mov.u32 %r9, %r12;
	.loc	1 38 13
	@%p2 ld.global.v2.b32 { %r8, %r9 }, [ %rd10 + 0 ];
	// end inline asm
	// begin inline asm
	.loc	1 39 13
	ld.global.b32 { %r8 }, [ %rd10 + 0 ];
	// end inline asm
	.loc	1 40 13
	st.global.b32 [ %rd5 + 0 ], { %r1 };
"""


def test_lines_within_inline_assembly_are_llvm_s_own_count() -> None:
    assert ptx.facts(INLINE, "k.py", (30, 60))["accesses"] == [
        [36, "load", 32, 1],
        [36, "load", 64, 1],
        [40, "store", 32, 1],
    ]


def test_the_hash_is_of_the_instructions_alone() -> None:
    moved = PTX.replace(".loc	1 36 38", ".loc	1 99 1").replace("// instance_norm.py:33:22", "// other.py:1:1")
    assert ptx.facts(moved)["hash"] == ptx.facts(PTX)["hash"]
    assert ptx.facts(PTX.replace("%rd1, 0x0", "%rd1, 0x1"))["hash"] != ptx.facts(PTX)["hash"]


TTIR = """
    %17 = tt.load %16, %15, %cst : tensor<1024x!tt.ptr<f32>> loc(#loc11)
    %18 = tt.load %3 : !tt.ptr<f32> loc(#loc12)
    tt.store %20, %19, %15 : tensor<64x32x!tt.ptr<bf16>> loc(#loc12)
#loc11 = loc("x.py":36:20)
#loc12 = loc("x.py":40:8)
"""


def test_tiles_are_the_tensor_accesses() -> None:
    assert ptx.tiles(TTIR) == [[36, "load", 1024, "f32"], [40, "store", 2048, "bf16"]]


def test_buffers_only_where_something_is_copied_asynchronously() -> None:
    allocated = "%1 = ttg.local_alloc : () -> !ttg.memdesc<3x64x128xf16, #shared, #smem, mutable>"
    assert ptx.buffers(allocated) is None
    assert ptx.buffers(f"{allocated}\n%2 = ttg.async_copy_global_to_local %a, %b") == 3


def test_code_ends_after_the_last_instruction() -> None:
    assert ptx.code_bytes("  /*0000*/ LDC R1 ;\n  /*0010*/ EXIT ;\n") == 32
    assert ptx.code_bytes("") == 0


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    assert set(ptx.facts(text)) == {"accesses", "hash", "async"}
    assert isinstance(ptx.tiles(text), list)
    assert ptx.code_bytes(text) >= 0
