"""Runs bundled kernel files on the CPU and prints what it found, a line of JSON for each file.

A child process of test_interpreter.py: the interpreter is chosen when triton is first imported, so it cannot be
switched on inside a test run that also compiles kernels. With TRITON_INTERPRET=1, `interp_check.py values FILE...`
compares results with float64; without it, `interp_check.py layout FILE...` looks at what a file offers.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import runpy
import sys
import traceback
from pathlib import Path

import pytest
import torch

spec = importlib.util.spec_from_file_location("norms_table", Path(__file__).parents[2] / "norms.py")
norms = importlib.util.module_from_spec(spec)
spec.loader.exec_module(norms)
NORMS = norms.NORMS

# The interpreter runs one program after another, some milliseconds each: the plain kernels' programs set the sizes.
SHAPES = {
    "usual": (2, 3, 16, 32),
    "odd": (2, 3, 33, 17),
    "one value": (1, 1, 1, 1),
    "one position": (2, 5, 1, 1),
    "one channel": (2, 1, 9, 11),
    "many channels": (2, 40, 7, 7),
    "large slice": (1, 2, 190, 181),
    "large even slice": (1, 1, 256, 256),
    "3-D": (2, 3, 37),
    "5-D": (2, 3, 4, 5, 6),
    "no sample": (0, 3, 4, 4),
    "no position": (2, 3, 0, 4),
}
# Rows along dim 1: a program for every sample and position, so these are few and the channels many.
ROWS = SHAPES | {
    "usual": (2, 64, 3, 4),
    "odd": (2, 67, 5, 3),
    "one channel": (2, 1, 4, 5),
    "many channels": (1, 1030, 3, 3),
    "large slice": (1, 34391, 1, 2),
    "large even slice": (1, 65536, 1, 1),
    "3-D": (2, 37, 5),
    "5-D": (2, 7, 2, 3, 2),
    "2-D": (3, 1037),
    "KernelBench's rows": (2, 65535),
}
SHAPES_OF = dict.fromkeys(NORMS, SHAPES) | {
    "batch_norm": SHAPES | {"many channels": (1, 40, 7, 7)},
    "instance_norm": SHAPES | {"more channels than a tile holds": (1, 150, 5, 5)},
    "group_norm": SHAPES | {"usual": (2, 16, 8, 16), "odd": (1, 24, 5, 7)},
    "rms_norm": SHAPES | {"more channels than a tile holds": (1, 1030, 3, 3)},
    "l1_norm": ROWS,
    "l2_norm": ROWS,
}
SLOW = ("many channels", "more channels than a tile holds", "large slice", "large even slice", "KernelBench's rows")
LAYOUTS = ("contiguous", "channels_last", "sliced", "transposed", "channel slice")

Case = tuple[str, str, str, object]  # shape, dtype, layout, and a mean or what is special


def cases(name: str) -> list[Case]:
    shapes = SHAPES_OF[name]
    found: list[Case] = [(s, "float32", "contiguous", mean) for s in shapes for mean in (0, 1000)]
    found += [
        (s, "float32", "channels_last", 1000) for s in ("usual", "odd", "many channels", "large slice", "one position")
    ]
    found += [(s, "float32", layout, 0) for s in ("usual", "2-D") for layout in LAYOUTS[1:]]
    found += [("usual", d, layout, 0) for d in ("float16", "bfloat16") for layout in LAYOUTS[:3]]
    found += [("odd", d, "contiguous", 0) for d in ("float16", "bfloat16")]
    found += [("usual", "float32", "contiguous", odd) for odd in ("nan", "inf", "outlier", "zeros")]
    if name in ("batch_norm", "group_norm", "layer_norm"):
        found += [("usual", "float32", layout, "no parameters") for layout in LAYOUTS[:2]]
        found += [("usual", "float32", "contiguous", missing) for missing in ("no bias", "no weight")]
        found += [("usual", dtype, "contiguous", "fp32 parameters") for dtype in ("float16", "bfloat16")]
    return [
        (shape, dtype, layout, kind)
        for shape, dtype, layout, kind in found
        if shape in shapes
        and (layout != "channels_last" or len(shapes[shape]) == 4)
        and (kind or shape not in SLOW)
        and not (name == "batch_norm" and shape == "one value")  # an error, as in PyTorch
    ]


def label(case: Case) -> str:
    return ", ".join(str(part) for part in case)


def make(shape: tuple[int, ...], dtype: str, layout: str, kind: object) -> torch.Tensor:
    torch.manual_seed(len(shape) + shape[-1])
    wide = [n + 2 for n in shape] if layout == "sliced" else list(shape)
    if layout == "channel slice":
        wide[1] += 3
    if layout == "transposed":
        wide[-2:] = wide[:-3:-1]
    x = torch.rand(wide)
    if isinstance(kind, int):
        x += kind
    elif kind == "outlier":
        x[..., 0] *= 1e6
    elif kind == "zeros":
        x.zero_()
    elif kind in ("nan", "inf"):
        x.view(-1)[5] = float(kind)
    x = x.to(getattr(torch, dtype))
    if layout == "channels_last":
        return x.contiguous(memory_format=torch.channels_last)
    if layout == "sliced":
        return x[tuple(slice(1, n - 1) for n in wide)]
    if layout == "transposed":
        return x.transpose(-1, -2)
    return x[:, 1 : 1 + shape[1]] if layout == "channel slice" else x


@contextlib.contextmanager
def poisoned():
    """Fresh memory is full of NaN, or the largest integer: a value never written, or a counter not reset, shows."""
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


def worst(values: torch.Tensor) -> float:
    return values.abs().max().item() if values.numel() else 0.0


def compare(name: str, module, case: Case) -> dict[str, object]:
    shape, dtype, layout, kind = case
    norm, x = NORMS[name], make(SHAPES_OF[name][shape], dtype, layout, kind)
    parameters = {} if kind == "no parameters" else norm.parameters(x)
    if kind in ("no bias", "no weight"):
        del parameters[kind.removeprefix("no ")]
    if kind == "fp32 parameters":
        parameters = norm.parameters(x.float())
    given = [x, *parameters.values()]
    before = [tensor.clone() for tensor in given]
    with poisoned():
        y = norm.ours(module, x, parameters)
    wanted = norm.exact(x, parameters)
    own = {key: value.to(x.dtype) for key, value in parameters.items()}  # PyTorch's take their input's type
    theirs = norm.theirs(x, own).double() if x.numel() else wanted
    finite = torch.isfinite(wanted)
    return {
        "error": worst((y.double() - wanted)[finite]),
        "torch_error": worst((theirs - wanted)[finite]),
        "scale": worst(wanted[finite]),
        "same_special": torch.equal(torch.isnan(y), torch.isnan(wanted)),
        "strides": list(y.stride()) == list(torch.empty_like(x).stride()),
        "dtype": y.dtype == x.dtype and y.shape == x.shape,
        "inputs_kept": all(
            torch.equal(a.nan_to_num(7.0), b.nan_to_num(7.0)) for a, b in zip(given, before, strict=True)
        ),
    }


SIZES = {"batch_size": 3, "features": 8, "num_groups": 4, "dim1": 5, "dim2": 7, "dim": 37}


def shrunk(module) -> None:
    """Sizes that a CPU can do: get_inputs() and get_init_inputs() read them when they are called."""
    for constant, value in SIZES.items():
        if hasattr(module, constant):
            setattr(module, constant, value)


def agree(found: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def models(name: str, module) -> None:
    """ModelNew does as Model does: same state dict, same results, same state after two batches and in evaluation."""
    shrunk(module)
    reference, ours = (kind(*module.get_init_inputs()) for kind in (module.Model, module.ModelNew))
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.uniform_(0.5, 1.5)
    ours.load_state_dict(reference.state_dict())
    for _ in range(2):
        inputs = module.get_inputs()
        with poisoned():
            y = ours(*inputs)
        agree(y, reference(*inputs).detach())
    left, right = ours.state_dict(), reference.state_dict()
    assert list(left) == list(right)
    for key, value in left.items():
        agree(value, right[key])
    agree(ours.eval()(*inputs), reference.eval()(*inputs).detach())


def running_statistics(name: str, module) -> None:
    """Training moves them as PyTorch does, evaluation takes them as they are, and nothing writes to them then."""
    from torch.nn import functional

    for shape, layout, mean, momentum in (
        ((3, 5, 6, 4), "channels_last", 0, 0.1),
        ((7, 3), "contiguous", 3, 1.0),
        ((2, 4, 300), "contiguous", 1000, 0.75),
    ):
        x = make(shape, "float32", layout, mean)
        parameters = NORMS[name].parameters(x)
        theirs = torch.rand(shape[1]), torch.rand(shape[1]) + 0.5
        ours = tuple(t.clone() for t in theirs)
        for training in (True, True, False):
            kept = tuple(t.clone() for t in ours)
            wanted = functional.batch_norm(x, *theirs, **parameters, training=training, momentum=momentum)
            with poisoned():
                y = module.batch_norm(
                    x, parameters["weight"], parameters["bias"], *ours, training=training, momentum=momentum
                )
            # PyTorch on a CPU folds the mean into the bias, at a cost in digits far from zero.
            torch.testing.assert_close(y, wanted, rtol=1e-5, atol=2e-3 if mean == 1000 else 1e-5)
            for a, b, rounding in zip(ours, theirs, (1e-6, 1e-5), strict=True):
                torch.testing.assert_close(a, b, rtol=rounding, atol=1e-6)
            assert training or all(torch.equal(a, b) for a, b in zip(ours, kept, strict=True))


def one_value_a_channel(name: str, module) -> None:
    """An error in training, as in PyTorch; fine in evaluation."""
    for shape in ((1, 3, 1, 1), (1, 3)):
        x, mean, var = torch.rand(shape), torch.zeros(3), torch.ones(3)
        with pytest.raises(ValueError, match="Expected more than 1 value per channel when training"):
            module.batch_norm(x, None, None, mean, var)
        assert torch.equal(mean, torch.zeros(3))
        agree(module.batch_norm(x, None, None, mean, var, training=False), x / (1 + 1e-5) ** 0.5)


def average_of_all_batches(name: str, module) -> None:
    """momentum=None, in both models."""
    shrunk(module)
    reference, ours = (kind(*module.get_init_inputs()) for kind in (module.Model, module.ModelNew))
    reference.bn.momentum = ours.bn.momentum = None
    for _ in range(3):
        inputs = module.get_inputs()
        agree(ours(*inputs).detach(), reference(*inputs).detach())
    for key, value in ours.state_dict().items():
        agree(value, reference.state_dict()[key])


EXTRA = (running_statistics, one_value_a_channel, average_of_all_batches)  # batch_norm's


def attempt(check, *arguments: object) -> dict[str, object]:
    """What `check` returns, or how it failed: one failure does not hide the other results."""
    try:
        return check(*arguments) or {}
    except Exception:
        return {"failed": traceback.format_exc()[-3000:]}


def values(path: Path) -> dict[str, dict]:
    name, module = path.stem, norms.load(path)
    found = {label(case): attempt(compare, name, module, case) for case in cases(name)}
    for check in (models, *(EXTRA if name == "batch_norm" else ())):
        found[check.__name__] = attempt(check, name, norms.load(path))
    return found


def layout(path: Path) -> dict[str, dict]:
    return {check.__name__: attempt(check, path) for check in (kernelbench, alone)}


def kernelbench(path: Path) -> None:
    """The problem's own sizes, KernelBench's names, explain() in one line, and no import of ncukit."""
    module, norm = norms.load(path), NORMS[path.stem]
    sizes = ("batch_size", "dim") if len(norm.shape) == 2 else ("batch_size", "features", "dim1", "dim2")

    def init_inputs() -> list:
        if norm.name == "layer_norm":
            return [(module.features, module.dim1, module.dim2)]
        if norm.name in ("frobenius_norm", "l1_norm", "l2_norm"):
            return []
        return [module.features, module.num_groups] if norm.name == "group_norm" else [module.features]

    assert tuple(getattr(module, size) for size in sizes) == norm.shape
    assert getattr(module, "num_groups", 8) == 8
    assert module.get_init_inputs() == init_inputs()
    shrunk(module)
    assert module.get_init_inputs() == init_inputs()
    (x,) = module.get_inputs()
    assert x.shape == tuple(SIZES[size] for size in sizes)
    assert x.device.type == "cpu"
    module.Model(*module.get_init_inputs())(x)
    module.ModelNew(*module.get_init_inputs())
    said = norm.explain(module, x)
    assert isinstance(said, str)
    assert said
    assert "\n" not in said
    assert "ncukit" not in sys.modules


def alone(path: Path) -> dict[str, object]:
    """As `python FILE` would run it."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        runpy.run_path(str(path), run_name="__main__")
    return {"said": said.getvalue()}


if __name__ == "__main__":
    torch.set_num_threads(1)  # two of these run side by side
    for argument in sys.argv[2:]:
        found = attempt({"values": values, "layout": layout}[sys.argv[1]], Path(argument))
        print(json.dumps([argument, found]), flush=True)
