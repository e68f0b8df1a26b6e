"""Atomic additions of an autotuned kernel add up over the tuner's trials.

What it means
    ``@triton.autotune`` runs the kernel many times for each configuration, on the very arguments of the launch. A
    ``tl.atomic_add`` into an argument adds its share in every trial, unless the memory is put back between them.

Why it matters
    The first call with a new key returns a sum of dozens of runs; later calls are right. A benchmark that warms up
    never sees it, a test that calls once does. A public kernel for the Frobenius norm was wrong by 73 % of full scale
    this way, and passed because the tolerance allowed it.

How it is found
    An atomic that is no idempotent one (add, xor) into an argument of a kernel with more than one configuration, where
    neither ``reset_to_zero`` nor ``restore_value`` names the argument and no hook is set. An argument that the kernel
    also writes with a plain store or exchange (a lock, a counter that resets itself) is left alone.

Instead
    ``@triton.autotune(..., reset_to_zero=["argument"])``, or ``restore_value=`` when it does not start at zero.

When to ignore it
    When the result of the first call is thrown away anyway.

Sources
    Triton's documentation of ``triton.autotune`` (note on repeated evaluation); runtime/autotuner.py of 3.6.0 and
    3.7.1. The Frobenius kernel: problem 37 of KernelBench level 1, in a public optimisation run.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.source.lint import violation
from ncukit.source.lint.pointers import uses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.source.inspection import Severity, Violation
    from ncukit.source.lint.module import Autotune, Module

CODE = "TRI202"
NAME = "atomic-under-autotune"
SEVERITY: Severity = "error"
ADDING = ("atomic_add", "atomic_xor")


def check(module: Module) -> Iterator[Violation]:
    """Look at every autotuned kernel's atomics."""
    for kernel in module.kernels.values():
        tuned = kernel.autotune
        if tuned is None or (tuned.configs is not None and len(tuned.configs) < 2):
            continue
        put_back = _put_back(tuned)
        if put_back is None:
            continue
        found = uses(module, kernel)
        written = {u.argument for u in found if u.kind == "store" or u.name == "atomic_xchg"}
        told = set()
        for use in found:
            name = use.argument
            if use.name not in ADDING or name is None or name in put_back or name in written or name in told:
                continue
            told.add(name)
            yield violation(
                __name__,
                module,
                use.node,
                f"`tl.{use.name}` into `{name}` under @triton.autotune: every trial adds to it again, so the first "
                "call returns the sum of all trials",
                instead=f'@triton.autotune(…, reset_to_zero=["{name}"])',
                kernel=kernel.name,
            )


def _put_back(tuned: Autotune) -> set[str] | None:
    """Arguments that are reset between trials; None when a hook may do anything."""
    given = {k.arg: k.value for k in tuned.node.keywords}
    if None in given or len(tuned.node.args) > 3:
        return None
    if any(not _nothing(given.get(n)) for n in ("pre_hook", "post_hook", "do_bench")):
        return None
    found: set[str] = set()
    for name in ("reset_to_zero", "restore_value"):
        listed = given.get(name)
        if _nothing(listed):
            continue
        if not isinstance(listed, ast.List | ast.Tuple):
            return None
        for entry in listed.elts:
            if not (isinstance(entry, ast.Constant) and isinstance(entry.value, str)):
                return None
            found.add(entry.value)
    hooked = tuned.resets and all(_nothing(given.get(n)) for n in ("reset_to_zero", "restore_value"))
    return None if hooked else found


def _nothing(node: ast.expr | None) -> bool:
    return node is None or (isinstance(node, ast.Constant) and node.value is None)
