"""A kernel writes into a tensor that its wrapper was given as an input.

What it means
    The wrapper passes its own argument to a pointer that the kernel stores to, and the kernel reads the same tensor:
    the caller's input is gone after the call. Nothing in the names says so.

Why it matters
    The first call is right and the second is not, so a test that calls once passes. A benchmark normalises what it has
    normalised before; a training step loses an activation that the backward pass needs. A sample kernel of a public
    optimiser does it.

How it is found
    In the function that launches the kernel: what is passed to a stored pointer is a parameter of the function (as it
    is, or a view of it), the kernel also loads from that tensor, and nothing allocates it anew. Silent where the
    function returns nothing or is a backward pass, where its name or a parameter's says that something is written
    (``_`` at the end, ``inplace``, ``update``), where a comment or docstring of the function, the kernel or the class
    says so, and where the parameter is not called like an input (``x``, ``input``, ``q``, ``hidden_states`` …).

Instead
    ``y = torch.empty_like(x)``, and pass ``y`` to the stored pointer.

When to ignore it
    When it is meant: give the function a name with ``_`` at its end, as torch does.

Sources
    PyTorch's convention for in-place functions. KernelAgent's retrieval sample for RMSNorm overwrites its input.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ncukit.source.lint import violation
from ncukit.source.lint.host import bindings, own, parameters
from ncukit.source.lint.pointers import uses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.source.inspection import Severity, Violation
    from ncukit.source.lint.module import Module, Site

CODE = "TRI207"
NAME = "input-overwritten"
SEVERITY: Severity = "warning"
_INPUT = re.compile(r"x\d?|xs|in|inp|input\d?|inputs?|input_tensor|data|src|source|a|b|q|k|v|query|key|value|"
                    r"hidden|hidden_states?|activations?|logits?|weights?|w|bias|mat\d?", re.IGNORECASE)  # fmt: skip
_OUTPUT = re.compile(r"out|dst|dest|res|y(_|$)|z(_|$)|o(_|$)", re.IGNORECASE)
_MEANT = re.compile(r"in[-_ ]?place|inplace|overwrit|updat|mutat|modif|donat|reuse|alias|into|copy_|_to_|fill|write",
                    re.IGNORECASE)  # fmt: skip
VIEWS = (
    "view",
    "reshape",
    "flatten",
    "contiguous",
    "detach",
    "squeeze",
    "unsqueeze",
    "transpose",
    "permute",
    "t",
    "view_as",
)


def check(module: Module) -> Iterator[Violation]:
    """Look at what every launch passes to the pointers that its kernel stores to."""
    for site in module.sites:
        if not isinstance(site.scope, ast.FunctionDef) or _announced(module, site):
            continue
        found = uses(module, site.kernel)
        if any(u.argument is None and u.kind != "load" for u in found):
            continue
        given = site.given()
        taken = {name: _parameter(module, site.scope, value) for name, value in given.items()}
        loaded = {taken.get(u.argument) for u in found if u.kind == "load" and u.argument}
        stores = {u.argument: u for u in reversed(found) if u.kind == "store" and u.argument}
        for argument, use in stores.items():
            name = taken.get(argument)
            if name is None or name not in loaded or not _INPUT.fullmatch(name):
                continue
            if _OUTPUT.match(argument) and list(taken.values()).count(name) == 1:
                continue
            yield violation(
                __name__,
                module,
                given[argument],
                f"`{name}` is an input of `{site.scope.name}`, and `{site.kernel.name}` stores to it (`{argument}`, "
                f"line {use.node.lineno}): the caller's tensor is overwritten",
                instead=f"`out = torch.empty_like({name})`, and pass `out` as `{argument}`; or call the function "
                f"`{site.scope.name}_`",
                kernel=site.kernel.name,
            )


def _parameter(module: Module, scope: ast.FunctionDef, node: ast.expr, depth: int = 6) -> str | None:
    """The parameter of ``scope`` whose memory ``node`` is; None when it is another tensor's, or may be."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in VIEWS and depth:
        return _parameter(module, scope, node.func.value, depth - 1)
    if not isinstance(node, ast.Name):
        return None
    bound = bindings(module, scope).get(node.id, [])
    if node.id in parameters(scope):
        others = bound[1:]
        # `x = x.contiguous()` may be a copy, and usually is none; anything else gives the name another tensor
        if all(o is not None and _is_view(o, node.id) for o in others):
            return node.id
        return None
    if len(bound) == 1 and bound[0] is not None and depth:
        return _parameter(module, scope, bound[0], depth - 1)
    return None


def _is_view(node: ast.expr, name: str) -> bool:
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in VIEWS:
        node = node.func.value
    return isinstance(node, ast.Name) and node.id == name


def _announced(module: Module, site: Site) -> bool:
    """Whether names, comments or docstrings say that something is written in place."""
    scope = site.scope
    if not isinstance(scope, ast.FunctionDef):
        return True
    owner = next((n for n in module.around(scope) if isinstance(n, ast.ClassDef)), None)
    said = [scope.name, site.kernel.name, owner.name if owner is not None else ""]
    if scope.name.endswith("_") or any("backward" in s.lower() or "bwd" in s.lower() for s in said):
        return True
    if not any(isinstance(n, ast.Return) and n.value is not None for n in own(scope)):
        return True
    said += [a.arg for a in (*scope.args.args, *scope.args.kwonlyargs)]
    said += _words(module, scope) + _words(module, site.kernel.node)
    if owner is not None:
        said += [ast.get_docstring(owner) or ""]
    dirty = any(isinstance(n, ast.Attribute) and n.attr == "mark_dirty" for n in ast.walk(scope))
    return dirty or any(_MEANT.search(text) for text in said)


def _words(module: Module, function: ast.FunctionDef) -> list[str]:
    """Docstring and comments of a function."""
    lines = module.lines[max(0, function.lineno - 2) : function.end_lineno]
    return [ast.get_docstring(function) or "", *(line.partition("#")[2] for line in lines if "#" in line)]
