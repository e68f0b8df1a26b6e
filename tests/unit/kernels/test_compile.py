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

NAIVE_INSTANCE, NAIVE_RMS = "naive/instance_norm.py", "naive/rms_norm.py"
FAST, RMS = "instance_norm.py", "rms_norm.py"

# File, kernel, warps, which dimension is contiguous (its strides are 1, which Triton makes constants),
# constexprs. These are what plan() gives, the largest of each kind; EVEN=0 stands for odd sizes, compiled
# without promised divisibility.
CONFIGURATIONS = {
    "cooperative": (FAST, "cooperative_kernel", 4, "p", {"BLOCK": 8192, "EVEN": 1, "PARTS": 32}),
    "cooperative, odd": (FAST, "cooperative_kernel", 4, "p", {"BLOCK": 4096, "EVEN": 0, "PARTS": 512}),
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
    constants = {k: bool(v) if k == "EVEN" else v for k, v in constants.items()}
    constants |= {stride: 1 for stride in (f"x{contiguous}", f"y{contiguous}") if stride in kernel.arg_names}
    options = {"num_warps": warps}
    if name == "cooperative_kernel":
        options |= {"maxnreg": 96, "launch_cooperative_grid": True}
    kinds = {"x_ptr": f"*{dtype}", "y_ptr": f"*{dtype}", "arrived_ptr": "*i32", "eps": "fp32"}
    signature = {
        arg: "constexpr" if arg in constants else kinds.get(arg, "*fp32" if arg.endswith("_ptr") else "i32")
        for arg in kernel.arg_names
    }
    divisible = {
        (i,): [["tt.divisibility", 16]]
        for i, (arg, kind) in enumerate(signature.items())
        if kind.startswith("*") or (exact and kind == "i32")
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
    assert used["STACK"] == 0, f"{used['REG']} registers and {used['STACK']} bytes of stack"
    # Every program of the launch has to fit the register file, or the launch fails.
    assert used["REG"] * 32 * handle.metadata.num_warps <= 65536


@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
@pytest.mark.parametrize("configuration", ["cooperative", "one slice", "rms", "naive moments", "naive rms"])
def test_half_precision_compiles(configuration: str, dtype: str, tmp_path: Path) -> None:
    assert resources(compiled(configuration, 90, dtype).asm["cubin"], tmp_path)["STACK"] == 0


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_waiting_programs_are_resident_by_construction(arch: int, tmp_path: Path) -> None:
    """CTAS_PER_SM programs an SM, as plan() counts on: registers and shared memory allow it."""
    module = load(FAST)
    handle = compiled("cooperative", arch)
    used = resources(handle.asm["cubin"], tmp_path)
    assert handle.metadata.launch_cooperative_grid
    granules = -(-used["REG"] // 8) * 8 * 32 * module.WARPS * module.CTAS_PER_SM
    assert granules <= 65536
    assert (handle.metadata.shared + 1024) * module.CTAS_PER_SM <= 64 * 1024


def test_the_exchange_is_ordered() -> None:
    """Partials, barrier, release; acquire, barrier, reads past L1: the order that makes the exchange safe."""
    ptx = compiled("cooperative", 90).asm["ptx"]
    steps = re.findall(r"bar\.sync|st\.global\.b32|atom\.global\.gpu\.acq_rel|\w+\.global\.gpu\.acquire", ptx)
    release = steps.index("atom.global.gpu.acq_rel")
    assert steps[release - 3 : release] == ["st.global.b32", "st.global.b32", "bar.sync"]
    assert any(step.endswith("acquire") for step in steps[release:])
    assert len(re.findall(r"ld\.global\.cg", ptx)) == 2, "partials may come from a stale L1 line"


def test_full_width_memory_access() -> None:
    ptx = compiled("cooperative", 90).asm["ptx"]
    assert len(re.findall(r"ld\.global\.v4", ptx)) == 16
    assert len(re.findall(r"st\.global\.v4", ptx)) == 16
