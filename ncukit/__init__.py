"""ncukit: from a Triton kernel to a measured, explained and gated result.

A notebook needs two names::

    import ncukit
    report = ncukit.read("profiles/h200/naive_instance_norm")
    report.frame            # pandas: one row a launch, one float64 column a metric, base units
    ncukit.diagnose(report) # the ladder of limits, findings and suggestions
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ncukit.diagnose import diagnose as diagnose
    from ncukit.read import read as read

__version__ = "0.1.0"
__all__ = ["__version__", "diagnose", "read"]


class _CallableRoom(ModuleType):
    """A room named like its main function, and callable in its place.

    Importing ``ncukit.read`` binds the module to the name ``read`` of this package, over any function of that
    name. So the module itself answers the call: ``ncukit.read(path)`` means the same before and after the
    import.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return getattr(self, self.__name__.rpartition(".")[2])(*args, **kwargs)


def make_callable(room: str) -> None:
    """Let the module ``room`` be called as the function of its own last name."""
    sys.modules[room].__class__ = _CallableRoom


def __getattr__(name: str) -> Any:
    """Load the reading rooms on first use, so that importing ncukit stays free of pandas."""
    if name in ("read", "diagnose"):
        return import_module(f"ncukit.{name}")
    raise AttributeError(f"module 'ncukit' has no attribute {name!r}")
