"""A measured launch as something to compile, and what was compiled back to the launch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncukit.model import TritonLaunch
    from ncukit.source.inspection import Argument, Compiled


def as_recording(launches: Sequence[TritonLaunch]) -> dict[str, Any]:
    """These launches as ``launches.json`` has them, with what compiling needs and no more: the answer is kept by it."""
    return {
        "kernels": {
            str(i): {
                "name": x.kernel,
                "num_warps": x.num_warps,
                "num_stages": x.num_stages,
                "num_ctas": x.num_ctas,
                "options": dict(x.options),
                "constexprs": dict(x.constexprs),
            }
            for i, x in enumerate(launches)
        },
        "launches": [
            {
                "kernel": str(i),
                "grid": list(x.grid),
                "scalars": dict(x.scalars),
                "tensors": [
                    {"name": t.name, "dtype": t.dtype, "shape": list(t.shape), "aligned": t.aligned} for t in x.tensors
                ],
            }
            for i, x in enumerate(launches)
        ],
    }


def find(launch: TritonLaunch, compiled: Sequence[Compiled]) -> Compiled | None:
    """The code of a launch: equal launches were compiled once, under the first one's values."""
    fitting = [one for one in compiled if _fits(launch, one)]

    def likeness(one: Compiled) -> tuple[int, int]:
        known = [a for a in one.launch.arguments if a.name in launch.scalars]
        return sum(a.divisible for a in known), sum(a.value == launch.scalars[a.name] for a in known)

    return max(fitting, key=likeness, default=None)


def _fits(launch: TritonLaunch, one: Compiled) -> bool:
    shapes = {t.name: t.shape for t in launch.tensors}
    told = (launch.kernel, launch.num_warps, launch.num_stages, launch.num_ctas)
    if told != (one.launch.kernel, one.launch.num_warps, one.launch.num_stages, one.launch.num_ctas):
        return False
    for argument in one.launch.arguments:
        name = argument.name
        if name in launch.constexprs and str(argument.value) != str(launch.constexprs[name]):
            return False
        if name in shapes and argument.shape != shapes[name]:
            return False
        if name in launch.scalars and not _serves(argument, launch.scalars[name]):
            return False
    return True


def _serves(argument: Argument, value: Any) -> bool:
    """Whether code for this argument serves that value."""
    if argument.type == "constexpr":
        return bool(argument.value == value)
    return not argument.divisible or (isinstance(value, int) and value % 16 == 0)
