"""A function of Triton's language, or a kernel, is called with arguments that it does not take.

What it means
    ``tl.sum`` has ``axis`` and ``keep_dims``, not ``dim`` and ``keepdim``; ``tl.arange`` needs both ends, ``tl.zeros``
    a type. A launch has to give every parameter that has no default and that nothing tunes.

Why it matters
    The kernel does not compile: ``sum() got an unexpected keyword argument 'dim'``, ``arange() missing 1 required
    positional argument: 'end'``.

How it is found
    Calls of ``tl.…`` held against the parameters that the function has in Triton 3.6.0, 3.7.1, 3.8.0 and 3.9.0; what
    any of them takes is no error. Calls with ``*`` or ``**`` are left alone, as are methods. Launches of kernels of the
    same file are held against their parameters, unless decorators of others may change these or a tuner's list of
    configurations is computed.

Instead
    The message names the nearest parameter, or the whole signature.

When to ignore it
    When the code is for a fork of Triton, or for a version outside of that range.

Sources
    Part of the 24 type errors and 86 compilation errors of other kinds among 804 failed candidates of a public
    optimisation run. Signatures read from the four versions.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.errors import nearest
from ncukit.source.lint import violation
from ncukit.source.lint.kinds import kinds
from ncukit.source.lint.module import DECORATORS
from ncukit.source.lint.names import known
from ncukit.source.lint.scopes import stored
from ncukit.source.lint.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.source.inspection import Severity, Violation
    from ncukit.source.lint.module import Module, Site

CODE = "TRI112"
NAME = "wrong-arguments"
SEVERITY: Severity = "error"

OTHERS = {
    "dim": "axis",
    "keepdim": "keep_dims",
    "keepdims": "keep_dims",
    "default": "other",
    "fill_value": "value",
    "ptr": "pointer",
    "stages": "num_stages",
}
"""Parameter of torch, NumPy or another function → Triton's."""


def check(module: Module) -> Iterator[Violation]:
    """Every such call, in kernels and of kernels."""
    yield from _calls(module)
    for site in module.sites:
        problem = _launch(module, site)
        if problem:
            parameters = ", ".join(site.kernel.parameters)
            yield violation(
                __name__,
                module,
                site.call,
                f"the launch of `{site.kernel.name}` {problem}",
                instead=f"its parameters are `{parameters}`",
                kernel=site.kernel.name,
            )


def _launch(module: Module, site: Site) -> str:
    """What a launch gives too much or too little; empty where it fits or nobody can tell."""
    kernel, call = site.kernel, site.call
    spread = any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords)
    if spread or kernel.node.args.vararg or kernel.node.args.kwarg:
        return ""
    named = [module.dotted(d.func if isinstance(d, ast.Call) else d) for d in kernel.node.decorator_list]
    if not all(name.startswith("triton.") and name.rsplit(".", 1)[-1] in DECORATORS for name in named):
        return ""
    if kernel.autotune is not None and kernel.autotune.configs is None:
        return ""
    if not all(map(_told, kernel.node.decorator_list)):
        return ""
    if len(call.args) > len(kernel.parameters):
        return f"gives {len(call.args)} arguments, and it takes {len(kernel.parameters)}"
    tuned = kernel.autotune.meta if kernel.autotune is not None else frozenset()
    given = {*site.given(), *kernel.defaults, *tuned, *kernel.heuristics}
    missing = [name for name in kernel.parameters if name not in given]
    return f"does not give `{'`, `'.join(missing[:4])}`" if missing else ""


def _told(decorator: ast.expr) -> bool:
    """Whether the text names everything that a tuner or a heuristic sets: no dict of it comes from elsewhere."""
    if not isinstance(decorator, ast.Call):
        return True
    kind = decorator.func.attr if isinstance(decorator.func, ast.Attribute) else ""
    if kind == "heuristics":
        given = [*decorator.args, *(k.value for k in decorator.keywords)]
        return all(isinstance(one, ast.Dict) and None not in one.keys for one in given)
    calls = [n for n in ast.walk(decorator) if isinstance(n, ast.Call) and ast.unparse(n.func).endswith("Config")]
    tables: list[ast.expr | None] = [
        next((k.value for k in c.keywords if k.arg == "kwargs"), c.args[0] if c.args else None) for c in calls
    ]
    return all(isinstance(one, ast.Dict) and None not in one.keys for one in tables)


def _calls(module: Module) -> Iterator[Violation]:
    """Calls of Triton's language."""
    for kernel in module.kernels.values():
        dead = kinds(module, kernel).dead
        local = set(kernel.parameters) | set(stored(module, kernel))
        for node in module.nodes(kernel):
            if not isinstance(node, ast.Call) or node in dead:
                continue
            name = (module.language(node) or "").removeprefix("math.")
            signatures = known.signatures(name)
            starred = any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords)
            if not signatures or starred or _root(node.func) in local:
                continue
            problems = [_problem(node, signature) for signature in signatures]
            if all(problems):
                what, instead = problems[-1] or ("", "")
                yield violation(
                    __name__,
                    module,
                    node,
                    f"`{shown(node.func)}` {what}",
                    instead=instead or f"`{shown(node.func)}({', '.join(_written(p) for p in signatures[-1])})`",
                    kernel=kernel.name,
                )


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _written(parameter: str) -> str:
    return parameter.replace("?", "=…")


def _problem(call: ast.Call, signature: tuple[str, ...]) -> tuple[str, str] | None:
    """What is wrong with a call of a function with these parameters, and a replacement if there is a short one."""
    if any(p.startswith("**") for p in signature):
        return None
    plain = [p.rstrip("?") for p in signature]
    positional = plain[: next((i for i, p in enumerate(plain) if p.startswith("*")), len(plain))]
    many = len(positional) < len(plain)
    if len(call.args) > len(positional) and not many:
        return f"takes {len(positional)} arguments, and {len(call.args)} are given", ""
    given = set(positional[: len(call.args)])
    for keyword in call.keywords:
        if keyword.arg in given:
            return f"gets too much: `{keyword.arg}` is given twice", ""
        if keyword.arg not in plain:
            return f"has no argument `{keyword.arg}`", _nearest(str(keyword.arg), [p for p in plain if "*" not in p])
        given.add(str(keyword.arg))
    missing = [p for p, raw in zip(plain, signature, strict=True) if "?" not in raw and "*" not in p and p not in given]
    return (f"needs more arguments: `{missing[0]}` is missing", "") if missing else None


def _nearest(name: str, parameters: list[str]) -> str:
    if name in ("trans_a", "trans_b"):
        return "`tl.trans(…)` around the operand"
    if OTHERS.get(name) in parameters:
        return f"`{OTHERS[name]}=`"
    close = nearest(name, parameters)
    return f"`{close[0]}=`" if close else ""
