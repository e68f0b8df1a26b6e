"""A meta-parameter is both passed at the launch and set by autotune, or by heuristics.

What it means
    ``@triton.autotune`` chooses the value of a parameter from its configurations, and the launch gives it one too.
    Launch options count as well: every ``triton.Config`` carries ``num_warps``, ``num_stages`` and ``num_ctas``,
    whether they are written there or not, so none of them can be passed at the launch of an autotuned kernel.

Why it matters
    Triton raises at the first launch: ``ValueError: Conflicting meta-parameters`` where there are several
    configurations, ``TypeError: got multiple values for keyword argument`` where there is one, and for launch options
    in both cases. 30 of 804 failed kernels of a public optimisation run failed this way. What ``@triton.heuristics``
    computes is another matter: passed by name it is silently replaced by the computed value.

How it is found
    The names in the configurations' tables, or in the heuristics' table, are compared with what the launch passes, by
    name or by position. A heuristic that reads the value that is passed is left alone.

Instead
    Leave it out at the launch. If you mean that value, make it the only configuration, or take the decorator off.

When to ignore it
    Never for an error; a warning (heuristics) when the replaced value is passed on purpose, as a default.

Sources
    Triton 3.6.0 and 3.7.1, runtime/autotuner.py: Autotuner._bench, Autotuner.run, Config.all_kwargs, Heuristics.run;
    each case was run. Counts: results of a public optimisation run over KernelBench (1716 evaluations).
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.source.lint import violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.source.inspection import Severity, Violation
    from ncukit.source.lint.module import Kernel, Module, Site

CODE = "TRI203"
NAME = "tuned-and-passed"
SEVERITY: Severity = "error"
ALWAYS = ("num_warps", "num_stages", "num_ctas")
"""What a configuration sets even when it does not say so."""


def check(module: Module) -> Iterator[Violation]:
    """Compare what decorators set with what launches pass."""
    for site in module.sites:
        kernel, given = site.kernel, site.given()
        tuned = kernel.autotune
        named = {k.arg for k in site.call.keywords}
        for name, value in given.items():
            if tuned is not None and name in tuned.meta:
                how = "passed here and set by @triton.autotune: Triton raises "
                error = "ValueError: Conflicting meta-parameters" if name in named and _several(site) else "TypeError"
                yield _said(module, site, name, value, f"{how}{error}", drop=True)
            elif tuned is not None and (name in ALWAYS or name in tuned.options) and name not in kernel.parameters:
                always = "every triton.Config sets it" if name in ALWAYS else "the configurations set it"
                why = f"passed at the launch of an autotuned kernel, and {always}: Triton raises TypeError"
                yield _said(module, site, name, value, why, drop=True)
            elif name in kernel.heuristics and name in named:
                if not _blind(kernel, name):
                    continue
                why = "passed here, but @triton.heuristics computes it: the value that is passed is ignored"
                yield _said(module, site, name, value, why, severity="warning")
            elif name in kernel.heuristics:
                why = "passed by position, but @triton.heuristics sets it too: Triton raises TypeError"
                yield _said(module, site, name, value, why)


def _blind(kernel: Kernel, name: str) -> bool:
    """Whether the heuristic surely never looks at the value that is passed: a lambda that does not name it."""
    for decorator in kernel.node.decorator_list:
        for table in ast.walk(decorator):
            for key, value in zip(table.keys, table.values, strict=True) if isinstance(table, ast.Dict) else ():
                if isinstance(key, ast.Constant) and key.value == name:
                    spoken = {n.value for n in ast.walk(value) if isinstance(n, ast.Constant)}
                    return isinstance(value, ast.Lambda) and name not in spoken
    return False


def _several(site: Site) -> bool:
    tuned = site.kernel.autotune
    return tuned is None or tuned.configs is None or len(tuned.configs) > 1


def _said(
    module: Module,
    site: Site,
    name: str,
    value: ast.expr,
    why: str,
    *,
    drop: bool = False,
    severity: Severity | None = None,
) -> Violation:
    kernel = site.kernel.name
    instead = f"leave `{name}` out of `{kernel}[…](…)`"
    if drop:
        config = f"{name}=…" if name not in site.kernel.parameters else f'{{"{name}": …}}'
        instead += f"; for one fixed value keep a single triton.Config({config})"
    return violation(__name__, module, value, f"`{name}` is {why}", instead=instead, kernel=kernel, severity=severity)
