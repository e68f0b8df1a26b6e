"""What each expression of a kernel is to the compiler: a constant, one value at run time, a block of values.

``kinds(module, kernel)`` follows the body once, as Triton's compiler does, and knows only what is certain: whatever the
text leaves open is ``unknown``. Rules ask ``kinds(...).of(node)`` and stay silent on ``unknown``.

This file has the values and how they combine; ``infer.py`` follows statements, ``calls.py`` knows Triton's functions.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterable, Mapping, Sequence

    from ncukit.source.lint.module import Kernel, Module

Form = Literal["unknown", "constexpr", "scalar", "block", "tuple", "none", "dtype", "callable", "module", "global"]
"""``constexpr`` is known while compiling, ``scalar`` is one value at run time or a pointer, ``block`` a tile of them;
``global`` is a name of the file that is none of the others."""
Dims = tuple["int | str | None", ...]
UNSET: Any = object()
"""In place of a literal that is not known; None is a literal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """What is certain of one expression."""

    form: Form = "unknown"
    dtype: str | None = None
    """``int32``, ``fp32``, ``int1``, ``pointer``; ``int`` or ``float`` when the width is open; None when unknown."""
    dims: Dims | None = None
    """Of a block: a number, or the text of its size; None when even their number is unknown."""
    items: tuple[Value, ...] | None = None
    """Of a tuple."""
    literal: Any = UNSET
    """Of a constexpr or a dtype."""
    decayed: ast.stmt | None = None
    """The plain assignment that made a run-time scalar of a constexpr."""

    @property
    def is_tensor(self) -> bool:
        """Whether it is certain that the value is only known at run time."""
        return self.form in ("scalar", "block")

    @property
    def rank(self) -> int | None:
        """Number of dimensions; 0 for a scalar, None when unknown."""
        if self.form == "scalar":
            return 0
        return len(self.dims) if self.form == "block" and self.dims is not None else None

    @property
    def single(self) -> bool:
        """Whether a block certainly has one element, or might have: every dimension is 1 or unknown."""
        return self.form == "block" and (self.dims is None or all(d in (1, None) for d in self.dims))


UNKNOWN = Value()
NONE = Value(form="none", literal=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Why a name that is assigned in the kernel is not there where it is read."""

    how: Literal["loop", "branch", "later"]
    """Assigned in a loop that has ended, in one branch of an ``if``, or further down."""
    node: ast.stmt
    """That loop, ``if`` or assignment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A name read where the compiler does not have it."""

    node: ast.Name
    lost: Lost | None
    """None when the kernel assigns it nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A name that has one type before a loop and another after its body, or another in each branch of an ``if``."""

    name: str
    node: ast.For | ast.While | ast.If
    before: Value
    """Of an ``if``: after its first branch."""
    after: Value
    assigned: ast.stmt
    """The last assignment in the loop, or in a branch."""
    start: ast.stmt | None
    """The assignment before the loop, or in the other branch; None for a parameter."""


@dataclass
class Kinds:
    """What is known of one kernel."""

    values: dict[ast.AST, Value] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    dead: set[ast.AST] = field(default_factory=set)
    """Statements that are not compiled: the other side of an ``if`` whose constant is known."""
    complete: bool = True
    """Whether the whole body was followed; else nothing is known."""

    def of(self, node: ast.AST | None) -> Value:
        """What is certain of an expression."""
        return self.values.get(node, UNKNOWN) if node is not None else UNKNOWN


def constant(value: object) -> Value:
    """A Python value known while compiling."""
    if value is None:
        return NONE
    return Value(form="constexpr", literal=value, dtype=number_type(value))


def number_type(value: object) -> str | None:
    """The type that Triton gives a Python number; None for anything else."""
    if isinstance(value, bool):
        return "int1"
    if isinstance(value, int):
        if -(2**31) <= value < 2**31:
            return "int32"
        return "uint32" if 0 < value < 2**32 else "int64"
    return "fp32" if isinstance(value, float) else None


def assigned(value: Value, statement: ast.stmt) -> Value:
    """What a plain assignment keeps of ``value``: a constant number becomes a scalar in a register."""
    if value.form == "constexpr" and not isinstance(value.literal, str | tuple):
        return Value(form="scalar", dtype=value.dtype, decayed=statement)
    if value.form == "tuple" and value.items is not None:
        return replace(value, items=tuple(assigned(item, statement) for item in value.items))
    return value


def join(values: Iterable[Value]) -> Value:
    """What is certain when either of ``values`` may be there."""
    first, *rest = values
    for value in rest:
        if value == first:
            continue
        if first.form != value.form:
            return Value(dtype=first.dtype if first.dtype == value.dtype else None)
        items = None
        if first.items is not None and value.items is not None and len(first.items) == len(value.items):
            items = tuple(join(pair) for pair in zip(first.items, value.items, strict=True))
        dims = None
        if first.dims is not None and value.dims is not None and len(first.dims) == len(value.dims):
            dims = tuple(a if a == b else None for a, b in zip(first.dims, value.dims, strict=True))
        first = Value(
            form=first.form,
            dtype=first.dtype if first.dtype == value.dtype else None,
            dims=dims,
            items=items,
            literal=first.literal if _same(first.literal, value.literal) else UNSET,
            decayed=first.decayed if first.decayed is value.decayed else None,
        )
    return first


def _same(a: object, b: object) -> bool:
    return a is b or (type(a) is type(b) and a == b)


def family(dtype: str | None) -> str | None:
    """``bool``, ``int``, ``float`` or ``pointer``."""
    if dtype is None or dtype == "pointer":
        return dtype
    if dtype == "int1":
        return "bool"
    return "int" if "int" in dtype else "float"


def conflict(before: Value, after: Value) -> bool:
    """Whether Triton certainly refuses ``after`` for a variable that was ``before`` when the loop began."""
    if before.form == "unknown" or after.form == "unknown":
        # 0 and then something of floats is wrong whatever its shape
        return before.is_tensor | after.is_tensor and _types_differ(before.dtype, after.dtype)
    if before.form == "constexpr" or before.form == "none":
        return after.form != before.form
    if not (before.is_tensor and after.is_tensor):
        return False
    if before.form != after.form:
        return True
    ranks = before.rank, after.rank
    if None not in ranks and ranks[0] != ranks[1]:
        return True
    if before.dims and after.dims:
        sizes = zip(before.dims, after.dims, strict=True)
        if any(isinstance(a, int) and isinstance(b, int) and a != b for a, b in sizes):
            return True
    return _types_differ(before.dtype, after.dtype)


def _types_differ(a: str | None, b: str | None) -> bool:
    if a is None or b is None or a == b:
        return False
    if "int" in (a, b) or "float" in (a, b):  # the width is open
        return family(a) != family(b)
    return True


_HALVES = ("fp16", "bf16")
_ORDER = {"bool": 0, "int": 1, "float": 2}


def promote(a: Value, b: Value, *, divides: bool = False) -> str | None:
    """The type of an operation on both, as Triton's rules have it; None when it is not certain."""
    x, y = family(a.dtype), family(b.dtype)
    if "pointer" in (x, y):
        return "pointer" if x != y else None
    if x is None or y is None:
        # whatever the other is, a float at run time makes a float of it
        return "float" if "float" in (x, y) else None
    if (a.form == "constexpr") != (b.form == "constexpr") and "unknown" not in (a.form, b.form):
        number, tensor = (a, b) if a.form == "constexpr" else (b, a)
        if _ORDER[family(number.dtype) or "float"] <= _ORDER[family(tensor.dtype) or "bool"]:
            return "fp32" if divides and tensor.dtype in _HALVES else tensor.dtype
    elif "constexpr" in (a.form, b.form):
        return "float" if "float" in (x, y) else None
    if "float" in (a.dtype, b.dtype):
        return "float"
    if "float" in (x, y):
        return _floats(a.dtype, b.dtype, divides=divides)
    return _integers(str(a.dtype), str(b.dtype))


def _floats(a: str | None, b: str | None, *, divides: bool) -> str:
    both = (a, b)
    for wide in ("fp64", "fp32"):
        if wide in both:
            return wide
    if "fp16" in both:
        return "fp32" if divides else "fp16"
    if both == ("bf16", "bf16"):
        return "fp32" if divides else "bf16"
    return "float"


def _integers(a: str, b: str) -> str:
    if "int" in (a, b):
        return "int"
    if a == b:
        return a
    if "int1" in (a, b):
        return b if a == "int1" else a
    signs = a.startswith("u"), b.startswith("u")
    widths = int(a.lstrip("uint")), int(b.lstrip("uint"))
    if signs[0] == signs[1]:
        return a if widths[0] > widths[1] else b
    unsigned, other = (0, 1) if signs[0] else (1, 0)
    return (a, b)[unsigned] if widths[unsigned] >= widths[other] else (a, b)[other]


def broadcast(a: Value, b: Value) -> Value:
    """Form and dimensions of an elementwise operation on both; its type is for the caller to say."""
    if "block" in (a.form, b.form):
        if a.form == b.form == "block":
            return Value(form="block", dims=_broadcast_dims(a.dims, b.dims))
        block, other = (a, b) if a.form == "block" else (b, a)
        return Value(form="block", dims=block.dims if other.form in ("scalar", "constexpr") else None)
    if a.form == b.form == "constexpr":
        return Value(form="constexpr")
    if {a.form, b.form} <= {"scalar", "constexpr"}:
        return Value(form="scalar")
    return UNKNOWN


def _broadcast_dims(a: Dims | None, b: Dims | None) -> Dims | None:
    if a is None or b is None:
        return None
    longer, shorter = (a, b) if len(a) >= len(b) else (b, a)
    shorter = (1,) * (len(longer) - len(shorter)) + shorter
    return tuple(_dim(x, y) for x, y in zip(longer, shorter, strict=True))


def _dim(x: int | str | None, y: int | str | None) -> int | str | None:
    if x == y or y == 1:
        return x
    return y if x == 1 else None


def kinds(module: Module, kernel: Kernel, constants: Mapping[str, object] | None = None) -> Kinds:
    """What is known of ``kernel``; with ``constants``, of its compilation with these values of its constexprs.

    Without them, code that no known launch of this kernel compiles counts as dead.
    """
    from ncukit.source.lint.infer import infer

    def found() -> Kinds:
        known = infer(module, kernel, constants)
        if constants is None:
            known.dead |= _dead_everywhere(module, kernel)
        return known

    values = None if constants is None else tuple(sorted((k, repr(v)) for k, v in constants.items()))
    return module.remembered(("kinds", kernel.node, values), found)


def _dead_everywhere(module: Module, kernel: Kernel) -> set[ast.AST]:
    """Statements that no launch in ``module.launches`` compiles; empty when none of this kernel is known."""
    known: Sequence[Mapping[str, object]] = [
        launch.constexprs for launch in module.launches if launch.kernel == kernel.name
    ]
    dead = [kinds(module, kernel, constants).dead for constants in known[:32]]
    return set.intersection(*dead) if dead else set()
