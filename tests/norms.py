"""The eight problems that the bundled kernels solve: PyTorch's own answer, the exact one, and how to call ours.

KernelBench level 1, problems 33 to 40. The tests on the CPU, those on a GPU and the bench share this table; they load
it by its path, so it keeps to torch and the standard library.
"""

# No `from __future__ import annotations`: dataclasses look string annotations up in sys.modules, where a module
# loaded by its path need not be.
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import torch
from torch.nn import functional

EPS = 1e-5

Parameters = dict[str, torch.Tensor]


def load(path: Path) -> ModuleType:
    """A kernel file as a module of its own: kernels/l1_norm.py and kernels/naive/l1_norm.py do not meet."""
    name = "loaded_" + "_".join(path.resolve().with_suffix("").parts[-3:])
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Norm:
    """One problem. `x` is (N, C, ...) throughout; `parameters` is what `parameters(x)` gives, or None for none."""

    name: str
    shape: tuple[int, ...]
    """KernelBench's input."""

    def arguments(self, x: torch.Tensor) -> tuple:
        """What the function and `explain` take right after x."""
        return ()

    def parameter_shape(self, x: torch.Tensor) -> tuple[int, ...] | None:
        """Of weight and of bias; None where the problem has neither."""
        return None

    def parameters(self, x: torch.Tensor, seed: int = 0) -> Parameters:
        """Weights around 1 and biases around 0, where there are any. The same values on every device."""
        shape = self.parameter_shape(x)
        if shape is None:
            return {}
        source = torch.Generator().manual_seed(seed)
        weight, bias = torch.rand(shape, generator=source) + 0.5, torch.rand(shape, generator=source) - 0.5
        return {"weight": weight.to(x.device, x.dtype), "bias": bias.to(x.device, x.dtype)}

    def ours(
        self, module: ModuleType, x: torch.Tensor, parameters: Parameters | None = None, **tunables: int
    ) -> torch.Tensor:
        return getattr(module, self.name)(x, *self.arguments(x), **(parameters or {}), **tunables)

    def explain(self, module: ModuleType, x: torch.Tensor, **tunables: int) -> str:
        return module.explain(x, *self.arguments(x), **tunables)

    def theirs(self, x: torch.Tensor, parameters: Parameters | None = None) -> torch.Tensor:
        """PyTorch's result, in x's dtype."""
        raise NotImplementedError

    def exact(self, x: torch.Tensor, parameters: Parameters | None = None) -> torch.Tensor:
        """The result in float64, from one copy of x and at most one more at a time."""
        raise NotImplementedError


def standardised(x: torch.Tensor, dims: tuple[int, ...]) -> torch.Tensor:
    """A new float64 tensor of mean 0 and (almost) variance 1 along `dims`."""
    d = x.to(torch.float64, copy=True)
    if d.numel() == 0:
        return d
    var, mean = torch.var_mean(d, dims, correction=0, keepdim=True)
    return d.sub_(mean).div_(torch.sqrt(var + EPS))


def affine(y: torch.Tensor, parameters: Parameters | None, shape: tuple[int, ...]) -> torch.Tensor:
    """Weight and bias applied in place; `shape` lays them along the right dimensions."""
    parameters = parameters or {}
    if "weight" in parameters:
        y.mul_(parameters["weight"].double().view(shape))
    if "bias" in parameters:
        y.add_(parameters["bias"].double().view(shape))
    return y


class ChannelParameters(Norm):
    """Weight and bias have one value for each channel."""

    def parameter_shape(self, x):
        return (x.shape[1],)

    def per_channel(self, x):
        return (1, x.shape[1]) + (1,) * (x.dim() - 2)


class BatchNorm(ChannelParameters):
    def theirs(self, x, parameters=None):
        return functional.batch_norm(x, None, None, training=True, eps=EPS, **(parameters or {}))

    def exact(self, x, parameters=None):
        return affine(standardised(x, (0, *range(2, x.dim()))), parameters, self.per_channel(x))


class InstanceNorm(Norm):
    def theirs(self, x, parameters=None):
        return torch.instance_norm(x, None, None, None, None, True, 0.1, EPS, False)  # allows one value a slice

    def exact(self, x, parameters=None):
        return standardised(x, tuple(range(2, x.dim())))


class GroupNorm(ChannelParameters):
    def groups(self, x: torch.Tensor) -> int:
        """KernelBench's 8, or one group where the channels do not divide."""
        return 8 if x.shape[1] % 8 == 0 else 1

    def arguments(self, x):
        return (self.groups(x),)

    def theirs(self, x, parameters=None):
        return torch.group_norm(x, self.groups(x), eps=EPS, **(parameters or {}))  # allows one value a group

    def exact(self, x, parameters=None):
        y = x.to(torch.float64, memory_format=torch.contiguous_format, copy=True)
        if y.numel() > 0:
            rows = y.view(x.shape[0] * self.groups(x), -1)
            var, mean = torch.var_mean(rows, 1, correction=0, keepdim=True)
            rows.sub_(mean).div_(torch.sqrt(var + EPS))
        return affine(y, parameters, self.per_channel(x))


class RMSNorm(Norm):
    def theirs(self, x, parameters=None):
        return x / torch.sqrt(torch.mean(x**2, dim=1, keepdim=True) + EPS)

    def exact(self, x, parameters=None):
        d = x.to(torch.float64, copy=True)
        return d.div_(torch.sqrt(d.square().mean(1, keepdim=True) + EPS))


class FrobeniusNorm(Norm):
    def theirs(self, x, parameters=None):
        return x / torch.norm(x, p="fro")

    def exact(self, x, parameters=None):
        d = x.to(torch.float64, copy=True)
        return d.div_(d.square().sum().sqrt())


class L1Norm(Norm):
    def theirs(self, x, parameters=None):
        return x / torch.mean(torch.abs(x), dim=1, keepdim=True)

    def exact(self, x, parameters=None):
        d = x.to(torch.float64, copy=True)
        return d.div_(d.abs().mean(1, keepdim=True))


class L2Norm(Norm):
    def theirs(self, x, parameters=None):
        return x / torch.norm(x, p=2, dim=1, keepdim=True)

    def exact(self, x, parameters=None):
        d = x.to(torch.float64, copy=True)
        return d.div_(d.square().sum(1, keepdim=True).sqrt())


class LayerNorm(Norm):
    def arguments(self, x):
        return (tuple(x.shape[1:]),)

    def parameter_shape(self, x):
        return tuple(x.shape[1:])

    def theirs(self, x, parameters=None):
        return functional.layer_norm(x, x.shape[1:], eps=EPS, **(parameters or {}))

    def exact(self, x, parameters=None):
        return affine(standardised(x, tuple(range(1, x.dim()))), parameters, (1, *x.shape[1:]))


NORMS: dict[str, Norm] = {
    norm.name: norm
    for norm in (
        BatchNorm("batch_norm", (64, 64, 512, 512)),
        InstanceNorm("instance_norm", (112, 64, 512, 512)),
        GroupNorm("group_norm", (112, 64, 512, 512)),
        RMSNorm("rms_norm", (112, 64, 512, 512)),
        FrobeniusNorm("frobenius_norm", (112, 64, 512, 512)),
        L1Norm("l1_norm", (32768, 65535)),
        L2Norm("l2_norm", (32768, 65535)),
        LayerNorm("layer_norm", (16, 64, 256, 256)),
    )
}
