"""The problem that kernels are held to: a file's reference model and what makes its inputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ncukit.collect.target import LAYOUT, constants, module_names, parse_sizes
from ncukit.errors import NcukitError
from ncukit.source.text import read_text

if TYPE_CHECKING:
    import ast
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A kernel file as a problem: ``Model``, ``get_inputs`` and ``get_init_inputs`` are trusted, the rest is not."""

    path: str
    code: str
    """Its whole text."""
    tree: ast.Module
    sizes: Mapping[str, str] = field(default_factory=dict)
    """``--size`` settings of its module-level constants."""
    fenced: bool = False
    """Whether it was cut out of a text, so that ``code`` is not all that the file holds."""

    @property
    def constants(self) -> dict[str, int | float]:
        """Its module-level numbers, as ``sizes`` leave them."""
        own = {name: node.value for name, node in constants(self.tree).items()}
        given = {name: float(text) if "." in text else int(text) for name, text in self.sizes.items()}
        return {**own, **given}  # type: ignore[dict-item]


def read_problem(path: str, sizes: tuple[str, ...] = ()) -> Problem:
    """Read the file that states a problem.

    Args:
        path: a kernel file.
        sizes: ``NAME=NUMBER`` settings for its module-level constants.

    Raises:
        NcukitError: it cannot be read, is not Python, or does not state a problem.
    """
    source = read_text(path)
    names = module_names(source.tree)
    lacking = [name for name in ("Model", *LAYOUT) if name not in names]
    if lacking:
        raise NcukitError(
            f"{path} states no problem: it does not define {' and '.join(lacking)}",
            causes=("a kernel is held to a reference: Model (PyTorch), get_inputs() and get_init_inputs()",),
            next_command=f"add {lacking[0]} to {path}; kernels/naive/rms_norm.py shows the layout",
        )
    settings = dict(parse_sizes(path, source.tree, sizes))
    return Problem(path=path, code=source.code, tree=source.tree, sizes=settings, fenced=source.fenced)
