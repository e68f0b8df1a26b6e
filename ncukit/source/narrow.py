"""Why a global access moves fewer than 16 bytes a thread: asked of the compiler, by compiling with one more promise.

Triton widens an access as far as it can prove that neighbouring elements lie together and aligned. What it lacked is
found by giving it: each argument that it knows nothing about is promised divisible by 16 (or 1, for a stride), and the
width of the same line is looked at again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ncukit.source.inspection import Narrow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ncukit.source.inspection import Lack

WIDEST = 128
"""Bits a thread moves with one instruction at most; Blackwell's 256 are used by no Triton load so far."""
MOST = 12
"""Probes of one launch."""
_BITS = {"i1": 8, "i8": 8, "i16": 16, "i32": 32, "i64": 64, "f16": 16, "bf16": 16, "f32": 32, "f64": 64}
_INTEGERS = ("i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64")


def places(build: Mapping[str, Any], answer: Mapping[str, Any]) -> list[tuple[int, str, int, int, int]]:
    """(line, kind, bits, bits that a thread has there, bits of an element) of every narrow access to a whole tile."""
    threads = 32 * build["num_warps"] * build["num_ctas"]
    wide: dict[tuple[int, str], int] = {}
    for line, kind, bits, _ in answer["ptx"]["accesses"]:
        wide[line, kind] = max(wide.get((line, kind), 0), bits)
    found: dict[tuple[int, str], tuple[int, str, int, int, int]] = {}
    for line, kind, elements, dtype in answer["tiles"]:
        element = _BITS.get(dtype, 8 if dtype.startswith("f8") else 0)
        bits = wide.get((line, kind))
        if bits is not None and element and bits < WIDEST and elements > 1:
            held = max(1, elements // threads) * element
            before = found.get((line, kind))
            found[line, kind] = (line, kind, bits, min(held, before[3]) if before else held, element)
    return sorted(found.values())


def probes(build: Mapping[str, Any], answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What to compile again, each as an override: see ``ncukit.source.worker.build.changed_build``."""
    if not any(bits < min(held, WIDEST) for _, _, bits, held, _ in places(build, answer)):
        return []
    unknown = [
        name
        for name, kind in build["signature"].items()
        if name not in build["divisible"] and (kind in _INTEGERS or kind.startswith("*"))
    ]
    scalars = [name for name, kind in build["signature"].items() if kind in _INTEGERS]
    found: list[dict[str, Any]] = [{"divisible": [name]} for name in unknown]
    if len(unknown) > 1:
        found.insert(0, {"divisible": unknown})
    return [*found, *({"one": [name]} for name in scalars)][:MOST]


def conclude(
    build: Mapping[str, Any],
    answer: Mapping[str, Any],
    probed: Iterable[Mapping[str, Any]],
    values: Mapping[str, Mapping[str, Any]],
) -> tuple[Narrow, ...]:
    """What prevents a wider access, for every narrow one.

    Args:
        build: the build as the session described it.
        answer: its compilation.
        probed: the compilations with one more promise; each with its ``override``.
        values: argument → its value or tensor, as launched.
    """
    asked = list(probed)
    ready = [p for p in asked if "error" not in p]
    unasked = not asked and bool(probes(build, answer))
    found = []
    for line, kind, bits, held, element in places(build, answer):
        wider = [(_width(p, line, kind), p["override"]) for p in ready]
        wider = [(width, override) for width, override in wider if width > bits]
        single = [w for w in wider if len([*w[1].get("divisible", ()), *w[1].get("one", ())]) == 1]
        # a promise of divisibility is the smaller wish: being 1 implies all that it says, and more
        best = max(single or wider, key=lambda w: (w[0], "divisible" in w[1]), default=None)
        argument, text = None, ""
        lack: Lack
        if best is not None:
            names = [*best[1].get("divisible", ()), *best[1].get("one", ())]
            argument = names[0] if len(names) == 1 else None
            lack = "several" if argument is None else _lack(values.get(argument, {}).get("value"), "one" in best[1])
            text = _because(names, "one" in best[1], values)
        elif bits >= min(held, WIDEST):
            count = held // element
            size = f"{count} element{'s' if count > 1 else ''} of {element // 8} bytes"
            lack, text = "tile", f"a thread has {size} here: a larger tile or fewer warps give it more"
        elif unasked:
            lack, text = "unasked", "why was not looked into: --probe compiles again to find out"
        else:
            lack = "order"
            text = "no promise about an argument widens it: the addresses themselves are not consecutive for a thread"
        found.append(
            Narrow(
                line=line or None,
                kind="load" if kind == "load" else "store",
                bits=bits,
                cause=text,
                argument=argument,
                wider_bits=best[0] if best else None,
                lack=lack,
            )
        )
    return tuple(found)


def _width(probe: Mapping[str, Any], line: int, kind: str) -> int:
    return max((bits for at, what, bits, _ in probe["ptx"]["accesses"] if (at, what) == (line, kind)), default=0)


def _lack(value: Any, one: bool) -> Lack:
    if value is None:
        return "aligned"
    if one:
        return "one"
    return "promise" if isinstance(value, int) and value % 16 == 0 else "divisible"


def _because(names: Sequence[str], one: bool, values: Mapping[str, Mapping[str, Any]]) -> str:
    said = []
    for name in names:
        value = values.get(name, {}).get("value")
        if value is None:
            said.append(f"{name} does not start at a multiple of 16 bytes")
        elif one:
            said.append(f"{name} = {value} is a stride that is not 1")
        elif isinstance(value, int) and value % 16 == 0:
            said.append(f"Triton was not told that 16 divides {name} = {value} (do_not_specialize)")
        else:
            said.append(f"{name} = {value} is not divisible by 16")
    return " and ".join(said)
