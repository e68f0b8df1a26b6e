"""Derived metrics: the catalogue's formulas over a report's columns, and the bytes a launch cannot avoid."""

from __future__ import annotations

import ast
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ncukit import gpus, metrics

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence

    from ncukit.model import Environment, TritonLaunch
    from ncukit.read.numbers import FloatArray

_FUNCTIONS = {"minimum": np.minimum, "maximum": np.maximum}


def derive(columns: MutableMapping[str, FloatArray], environment: Environment) -> dict[str, str]:
    """Add every catalogue metric that can be computed, in place.

    A formula is used where ncu gave no value, and instead of ncu's value where the catalogue prefers it: ncu
    rounds ratios to 0.01. Division by zero gives NaN. A metric whose inputs are missing gets no column.

    Args:
        columns: short name → one value a launch, in base units.
        environment: for ``sm_count`` and the peak bandwidth; the spec table fills in what it lacks.

    Returns:
        Computed metrics that are NaN in some launch although their inputs are there → why.
    """
    solver = _Solver(columns, _constants(environment))
    found = {name: solver.value(name) for name in metrics.catalogue()}
    columns.update({name: values for name, values in found.items() if values is not None})
    return solver.undefined


def _constants(environment: Environment) -> dict[str, float]:
    spec = gpus.find(environment.gpu) if environment.gpu else None
    values = {
        "peak_dram_gbps": environment.peak_dram_gbps or (spec.dram_gbps if spec else None),
        "sm_count": environment.sm_count or (spec.sm_count if spec else None),
    }
    return {name: float(value) for name, value in values.items() if value}


class _Solver:
    """Resolves formulas in dependency order, each once; a formula that needs itself has no value."""

    def __init__(self, columns: Mapping[str, FloatArray], constants: Mapping[str, float]) -> None:
        self._columns = columns
        self._constants = constants
        self._known: dict[str, FloatArray | None] = {}
        self._open: set[str] = set()
        self.undefined: dict[str, str] = {}

    def value(self, name: str) -> FloatArray | None:
        """The column ``name``: measured, computed, or None."""
        if name in self._known:
            return self._known[name]
        metric = metrics.catalogue()[name]
        measured = self._columns.get(name)
        complete = measured is not None and not np.isnan(measured).any()
        if not metric.formula or (complete and not metric.prefer_formula):
            self._known[name] = measured
            return measured
        if name in self._open:  # load_sector_use_pct and load_bytes_per_sector name each other
            return measured
        self._open.add(name)
        computed = self._compute(name, metric.formula)
        self._open.discard(name)
        first, second = (computed, measured) if metric.prefer_formula else (measured, computed)
        result = second if first is None else first
        if first is not None and second is not None:
            result = np.where(
                self._no_input(metric.formula) if metric.prefer_formula else np.isnan(first), second, first
            )
        if not self._open:  # inside a cycle the answer may depend on where it was asked from
            self._known[name] = result
        return result

    def _compute(self, name: str, formula: str) -> FloatArray | None:
        inputs: dict[str, FloatArray | float] = {}
        for part in _names(formula):
            value = self._constants.get(part) if part in self._constants else None
            column = self.value(part) if value is None and part in metrics.catalogue() else value
            if column is None:
                return None
            inputs[part] = column
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            result = np.asarray(_evaluate(_parsed(formula), inputs), dtype=np.float64)
        result = np.where(np.isfinite(result), result, np.nan)
        if (np.isnan(result) & ~self._no_input(formula)).any():
            self.undefined[name] = f"{formula} divides by zero"
        return result

    def _no_input(self, formula: str) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Launches in which some input of the formula is NaN."""
        parts = [self.value(part) for part in _names(formula) if part in metrics.catalogue()]
        missing = [np.isnan(part) for part in parts if part is not None]
        return np.asarray(np.logical_or.reduce(missing), dtype=np.bool_)


@cache
def _parsed(formula: str) -> ast.expr:
    return ast.parse(formula, mode="eval").body


@cache
def _names(formula: str) -> tuple[str, ...]:
    nodes = (node.id for node in ast.walk(_parsed(formula)) if isinstance(node, ast.Name))
    return tuple(name for name in dict.fromkeys(nodes) if name not in _FUNCTIONS)


def _evaluate(node: ast.expr, inputs: Mapping[str, FloatArray | float]) -> FloatArray | float:
    """Arithmetic only: names, numbers, + - * / and minimum, maximum of two.

    Raises:
        ValueError: the formula holds anything else; the catalogue's test finds such a formula.
    """
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return inputs[name]
        case ast.BinOp(left=left, op=op, right=right):
            a, b = _evaluate(left, inputs), _evaluate(right, inputs)
            match op:
                case ast.Add():
                    return a + b
                case ast.Sub():
                    return a - b
                case ast.Mult():
                    return a * b
                case ast.Div():
                    return np.divide(a, b)
        case ast.Call(func=ast.Name(id=name), args=[left, right], keywords=[]) if name in _FUNCTIONS:
            return np.asarray(_FUNCTIONS[name](_evaluate(left, inputs), _evaluate(right, inputs)))
    raise ValueError(f"a formula may not hold {ast.unparse(node)}")


def spills(launches: Sequence[TritonLaunch | None]) -> FloatArray:
    """Words of registers that each launch's compiler spilled; NaN for a launch that is not Triton's, or unknown."""
    counts = [None if launch is None else launch.spills for launch in launches]
    return np.array([np.nan if count is None else count for count in counts], dtype=np.float64)


def compulsory_bytes(launches: Sequence[TritonLaunch | None]) -> FloatArray:
    """Bytes each launch cannot avoid: every distinct buffer read once if loaded, written once if stored.

    NaN for a launch that is not Triton's, and where a tensor's loads or stores could not be followed.
    """
    return np.array([_needed(launch) for launch in launches], dtype=np.float64)


def _needed(launch: TritonLaunch | None) -> float:
    traffic = None if launch is None else compulsory_traffic(launch)
    return np.nan if traffic is None else traffic[0] + traffic[1]


def compulsory_traffic(launch: TritonLaunch) -> tuple[float, float] | None:
    """(bytes read, bytes written) that a launch cannot avoid; None when an argument could not be followed.

    One buffer passed twice (in place, or as two arguments) crosses the memory bus once each way.
    """
    reads: dict[int, int] = {}
    writes: dict[int, int] = {}
    for tensor in launch.tensors:
        if tensor.loaded is None or tensor.stored is None:
            return None
        for touched, side in ((tensor.loaded, reads), (tensor.stored, writes)):
            if touched:
                side[tensor.buffer] = max(tensor.bytes, side.get(tensor.buffer, 0))
    return float(sum(reads.values())), float(sum(writes.values()))
