"""Every bundled kernel compiles, without a GPU, for the architectures in use, and spills no register."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

triton = pytest.importorskip("triton")
pytest.importorskip("torch")

KERNELS = Path(__file__).parents[3] / "kernels"
ARCHITECTURES = (80, 89, 90)
SLACK = 16  # bytes of stack that a cooperative kernel may have: it fills all the registers there are

NAIVE_INSTANCE, NAIVE_RMS = "naive/instance_norm.py", "naive/rms_norm.py"
FAST, RMS, GROUP, L1, L2 = "instance_norm.py", "rms_norm.py", "group_norm.py", "l1_norm.py", "l2_norm.py"
BATCH, FROBENIUS, LAYER = "batch_norm.py", "frobenius_norm.py", "layer_norm.py"

# File, kernel, warps, which dimension is contiguous (its strides are 1, which Triton makes constants),
# constexprs. These are what plan() gives, the largest of each kind; EVEN=0 stands for odd sizes, compiled
# without promised divisibility.
CONFIGURATIONS = {
    "cooperative": (
        FAST, "cooperative_kernel", 4, "", {"ROWS": 16, "COLS": 512, "NEAR": 32, "EVEN": 1, "PARTS": 128},
    ),
    "cooperative, odd": (
        FAST, "cooperative_kernel", 4, "", {"ROWS": 8, "COLS": 512, "NEAR": 1, "EVEN": 0, "PARTS": 512},
    ),
    "group": (
        GROUP, "cooperative_kernel", 4, "",
        {"ROWS": 16, "COLS": 512, "NEAR": 32, "EVEN": 1, "PARTS": 256, "AFFINE": 1},
    ),
    "group, odd": (
        GROUP, "cooperative_kernel", 4, "",
        {"ROWS": 4, "COLS": 512, "NEAR": 1, "EVEN": 0, "PARTS": 1024, "AFFINE": 1},
    ),
    "group, one set": (GROUP, "one_tile_kernel", 16, "", {"SETS": 1, "BLOCK": 16384, "EVEN": 1, "AFFINE": 1}),
    "group, one set, odd": (GROUP, "one_tile_kernel", 16, "", {"SETS": 1, "BLOCK": 8192, "EVEN": 0, "AFFINE": 1}),
    "group, small sets": (GROUP, "one_tile_kernel", 8, "", {"SETS": 32, "BLOCK": 128, "EVEN": 0, "AFFINE": 1}),
    "group, moments": (GROUP, "span_moments_kernel", 8, "", {"BLOCK": 4096}),
    "group, normalize": (
        GROUP, "span_normalize_kernel", 8, "", {"BLOCK": 2048, "EVEN": 0, "AFFINE": 1, "PARTS": 1024},
    ),
} | {
    f"{name}{kind}": (file, kernel, warps, "", constants)
    for name, file in (("l1", L1), ("l2", L2))
    for kind, kernel, warps, constants in (
        ("", "cooperative_kernel", 4, {"ROWS": 16, "COLS": 512, "NEAR": 8, "EVEN": 0, "VEC": 4, "PARTS": 128}),
        (", even", "cooperative_kernel", 4, {"ROWS": 16, "COLS": 512, "NEAR": 32, "EVEN": 1, "VEC": 4, "PARTS": 128}),
        (", one row", "one_tile_kernel", 16, {"ROWS": 1, "BLOCK": 32768, "EVEN": 1}),
        (", one row, odd", "one_tile_kernel", 16, {"ROWS": 1, "BLOCK": 16384, "EVEN": 0}),
        (", sums", "span_sum_kernel", 8, {"BLOCK": 4096}),
        (", division", "span_divide_kernel", 8, {"BLOCK": 4096, "PARTS": 1024}),
    )
} | {
    "one slice": (FAST, "one_tile_kernel", 16, "p", {"BLOCK": 32768, "COLS": 1, "EVEN": 1}),
    "one slice, odd": (FAST, "one_tile_kernel", 16, "p", {"BLOCK": 16384, "COLS": 1, "EVEN": 0}),
    "small slices": (FAST, "one_tile_kernel", 8, "p", {"BLOCK": 64, "COLS": 64, "EVEN": 0}),
    "one tile, channels_last": (FAST, "one_tile_kernel", 16, "c", {"BLOCK": 1024, "COLS": 32, "EVEN": 1}),
    "moments": (FAST, "span_moments_kernel", 8, "p", {"BLOCK": 4096, "COLS": 1, "EVEN": 0}),
    "moments, channels_last": (FAST, "span_moments_kernel", 8, "c", {"BLOCK": 128, "COLS": 32, "EVEN": 1}),
    "normalize": (
        FAST, "span_normalize_kernel", 8, "p", {"BLOCK": 4096, "COLS": 1, "EVEN": 0, "PARTS": 1024},
    ),
    "normalize, channels_last": (
        FAST, "span_normalize_kernel", 8, "c", {"BLOCK": 128, "COLS": 32, "EVEN": 1, "PARTS": 64},
    ),
    "rms": (RMS, "rms_norm_tile_kernel", 8, "p", {"CHANNELS": 64, "BLOCK": 256, "EVEN": 1}),
    "rms, odd": (RMS, "rms_norm_tile_kernel", 8, "p", {"CHANNELS": 64, "BLOCK": 128, "EVEN": 0}),
    "rms, many channels": (RMS, "rms_norm_tile_kernel", 16, "p", {"CHANNELS": 1024, "BLOCK": 32, "EVEN": 1}),
    "rms, many channels, odd": (
        RMS, "rms_norm_tile_kernel", 16, "p", {"CHANNELS": 512, "BLOCK": 32, "EVEN": 0},
    ),
    "rms, one row of channels": (
        RMS, "rms_norm_tile_kernel", 16, "c", {"CHANNELS": 16384, "BLOCK": 1, "EVEN": 0},
    ),
    "rms, channels_last": (RMS, "rms_norm_tile_kernel", 8, "c", {"CHANNELS": 64, "BLOCK": 256, "EVEN": 1}),
    "rms, channels_last, odd": (
        RMS, "rms_norm_tile_kernel", 8, "c", {"CHANNELS": 64, "BLOCK": 128, "EVEN": 0},
    ),
    "rms, streaming": (RMS, "rms_norm_stream_kernel", 8, "p", {"CHANNELS": 32, "BLOCK": 128}),
    "naive moments": (NAIVE_INSTANCE, "compute_moments_kernel", 4, "", {"BLOCK_SIZE": 1024}),
    "naive normalize": (NAIVE_INSTANCE, "normalize_kernel", 4, "", {"BLOCK_SIZE": 1024}),
    "naive rms": (NAIVE_RMS, "rms_norm_kernel", 4, "", {"BLOCK_SIZE": 1024}),
    "naive batch moments": ("naive/batch_norm.py", "compute_moments_kernel", 4, "", {"BLOCK_SIZE": 1024}),
    "naive batch merge": ("naive/batch_norm.py", "merge_kernel", 4, "", {"BLOCK_SIZE": 1024}),
    "naive batch normalize": ("naive/batch_norm.py", "normalize_kernel", 4, "", {"BLOCK_SIZE": 1024}),
    "naive group moments": ("naive/group_norm.py", "compute_moments_kernel", 4, "", {"BLOCK_SIZE": 1024}),
    "naive group normalize": ("naive/group_norm.py", "normalize_kernel", 4, "", {"BLOCK_SIZE": 1024}),
    "naive frobenius squares": (
        "naive/frobenius_norm.py", "sum_squares_kernel", 4, "", {"SPAN": 262144, "BLOCK_SIZE": 1024},
    ),
    "naive frobenius norm": ("naive/frobenius_norm.py", "norm_kernel", 4, "", {"BLOCK_SIZE": 1024}),
    "naive frobenius divide": (
        "naive/frobenius_norm.py", "divide_kernel", 4, "", {"SPAN": 262144, "BLOCK_SIZE": 1024},
    ),
    "naive l1": ("naive/l1_norm.py", "l1_norm_kernel", 4, "", {"BLOCK_SIZE": 1024}),
    "naive l2": ("naive/l2_norm.py", "l2_norm_kernel", 4, "", {"BLOCK_SIZE": 1024}),
    "naive layer": ("naive/layer_norm.py", "layer_norm_kernel", 4, "", {"BLOCK_SIZE": 1024}),
}  # fmt: skip


def load(file: str):
    spec = importlib.util.spec_from_file_location("compiled_" + file.replace("/", "_")[:-3], KERNELS / file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compiled(configuration: str, arch: int, dtype: str = "fp32"):
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    file, name, warps, contiguous, constants = CONFIGURATIONS[configuration]
    kernel = getattr(load(file), name)
    exact = bool(constants.get("EVEN", True))
    constants = {k: bool(v) if k in ("EVEN", "AFFINE") else v for k, v in constants.items()}
    constants |= {stride: 1 for stride in (f"x{contiguous}", f"y{contiguous}") if stride in kernel.arg_names}
    if "PACKED" in kernel.arg_names:
        constants["PACKED"] = dtype != "fp32"
    options = {"num_warps": warps}
    if name == "cooperative_kernel":
        options |= {"maxnreg": 168, "launch_cooperative_grid": True}  # what plan() gives for 3 programs of 128 threads
        if dtype != "fp32":  # as many bytes of a part for each thread
            constants |= {"COLS": 1024} | ({"VEC": 8} if "VEC" in constants else {})
    kinds = {"x_ptr": f"*{dtype}", "y_ptr": f"*{dtype}", "eps": "fp32"}
    kinds |= dict.fromkeys(("told_ptr", "ticket_ptr"), "*i32") | dict.fromkeys(("w_ptr", "b_ptr"), f"*{dtype}")
    signature = {
        arg: "constexpr" if arg in constants else kinds.get(arg, "*fp32" if arg.endswith("_ptr") else "i32")
        for arg in kernel.arg_names
    }
    divisible = {
        (i,): [["tt.divisibility", 16]]
        for i, (arg, kind) in enumerate(signature.items())
        if (kind.startswith("*") and arg != "ticket_ptr") or (exact and kind == "i32")
    }
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants, attrs=divisible)
    return triton.compile(source, target=GPUTarget("cuda", arch, 32), options=options)


@pytest.fixture(autouse=True)
def no_interpreter() -> None:
    if not isinstance(load(FAST).cooperative_kernel, triton.JITFunction):
        pytest.skip("triton was imported in interpreter mode")


def resources(cubin: bytes, folder: Path) -> dict[str, int]:
    import triton.backends.nvidia as nvidia

    tool = Path(nvidia.__file__).parent / "bin" / "cuobjdump"
    (folder / "kernel.cubin").write_bytes(cubin)
    shown = subprocess.run([tool, "-res-usage", folder / "kernel.cubin"], capture_output=True, text=True, check=True)
    return {key: int(value) for key, value in re.findall(r"(REG|STACK|SHARED):(\d+)", shown.stdout)}


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_compiles_without_spilling(configuration: str, arch: int, tmp_path: Path) -> None:
    handle = compiled(configuration, arch)
    used = resources(handle.asm["cubin"], tmp_path)
    print(f"{configuration} sm_{arch}: {used['REG']} registers, {handle.metadata.shared} B shared")
    allowed = SLACK if "cooperative_kernel" in CONFIGURATIONS[configuration] else 0
    assert used["STACK"] <= allowed, f"{used['REG']} registers and {used['STACK']} bytes of stack"
    # Every program of the launch has to fit the register file, or the launch fails.
    assert used["REG"] * 32 * handle.metadata.num_warps <= 65536


@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
@pytest.mark.parametrize(
    "configuration", ["cooperative", "group", "l1", "l2", "one slice", "rms", "naive moments", "naive rms"]
)
def test_half_precision_compiles(configuration: str, dtype: str, tmp_path: Path) -> None:
    assert resources(compiled(configuration, 90, dtype).asm["cubin"], tmp_path)["STACK"] <= SLACK


WAITING = ["cooperative", "group", "l1", "l2"]


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("configuration", WAITING)
def test_waiting_programs_are_resident_by_construction(configuration: str, arch: int, tmp_path: Path) -> None:
    """CTAS programs an SM, as plan() counts on: registers and shared memory allow it."""
    module = load(CONFIGURATIONS[configuration][0])
    handle = compiled(configuration, arch)
    used = resources(handle.asm["cubin"], tmp_path)
    assert handle.metadata.launch_cooperative_grid
    granules = -(-used["REG"] // 8) * 8 * 32 * module.WARPS * module.CTAS
    assert granules <= 65536
    assert (handle.metadata.shared + 1024) * module.CTAS <= 64 * 1024


@pytest.mark.parametrize("configuration", WAITING)
def test_a_part_is_told_before_anybody_waits(configuration: str) -> None:
    """Loads, then the part's own words, then the look at the others' and the store, then the next ticket."""
    ptx = compiled(configuration, 90).asm["ptx"]
    steps = re.findall(
        r"ld\.global\.v4|st\.global\.wt|ld\.volatile\.global|st\.global\.v4|atom\.global\.gpu\.relaxed\.add", ptx
    )
    order = list(dict.fromkeys(steps))
    first = order.index("ld.global.v4")  # the compiler may write a loop down from any point on
    assert order[first:] + order[:first] == [
        "ld.global.v4", "st.global.wt", "ld.volatile.global", "st.global.v4", "atom.global.gpu.relaxed.add",
    ]  # fmt: skip
    words = 1 if configuration in ("l1", "l2") else 2
    assert steps.count("st.global.wt") == words
    assert steps.count("atom.global.gpu.relaxed.add") == 1


@pytest.mark.parametrize("dtype", ["fp32", "fp16", "bf16"])
@pytest.mark.parametrize("configuration", WAITING)
def test_full_width_memory_access(configuration: str, dtype: str) -> None:
    """32 KiB by 128 threads: 16 loads and 16 stores of 16 bytes each, and no other way for the part itself."""
    ptx = compiled(configuration, 90, dtype).asm["ptx"]
    assert len(re.findall(r"ld\.global\.v4", ptx)) == 16
    assert len(re.findall(r"st\.global\.v4", ptx)) == 16
