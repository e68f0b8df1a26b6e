"""Which constants a kernel is compiled with, as far as launches, configurations and defaults tell."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ncukit.source.lint import host

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ncukit.source.lint.module import Kernel, Module

MOST = 64
"""Compilations of one kernel that are looked at."""


@dataclass(frozen=True, slots=True)
class Compilation:
    """One set of constants that a kernel is compiled with."""

    constants: Mapping[str, Any]
    """Those that are known."""
    why: str
    """Where they come from: ``passed in line 40``; empty when nothing is known but literals."""


def compilations(module: Module, kernel: Kernel) -> tuple[Compilation, ...]:
    """Every known compilation, at most ``MOST``; one without constants where there is nothing to know."""
    return module.remembered(("compilations", kernel.node), lambda: tuple(_compilations(module, kernel)[:MOST]))


def _compilations(module: Module, kernel: Kernel) -> list[Compilation]:
    seen = [launch for launch in module.launches if launch.kernel == kernel.name]
    if seen:
        return [Compilation(x.constexprs, f"launched in line {x.launch_line}" if x.launch_line else "") for x in seen]
    launches = [Compilation({}, "")]
    sites = [site for site in module.sites if site.kernel is kernel]
    if sites:
        launches = []
        for site in sites:
            given = site.given()
            starred = any(isinstance(a, ast.Starred) for a in site.call.args) or any(
                k.arg is None for k in site.call.keywords
            )
            free = kernel.constexprs - kernel.heuristics
            constants = {n: v for n, v in host.literals(module, site).items() if n in free}
            if not starred:
                constants |= _defaults(module, kernel, set(given))
            launches.append(Compilation(constants, f"passed in line {site.call.lineno}" if constants else ""))
    configs = _configs(module, kernel)
    if not configs:
        return launches
    return [
        Compilation({**launch.constants, **config.constants}, config.why) for launch in launches for config in configs
    ]


def _defaults(module: Module, kernel: Kernel, given: set[str]) -> dict[str, Any]:
    """Defaults of the constexprs that nobody passes or tunes."""
    tuned = kernel.heuristics | (kernel.autotune.meta if kernel.autotune is not None else frozenset())
    if kernel.autotune is not None and kernel.autotune.configs is None:
        return {}
    free = kernel.constexprs - given - tuned
    found = {name: host.literal(module, kernel.defaults[name]) for name in free if name in kernel.defaults}
    return {name: value for name, value in found.items() if value is not None}


def _configs(module: Module, kernel: Kernel) -> list[Compilation]:
    """What each configuration of the autotuner sets; empty when there is none that can be read."""
    tuner = kernel.autotune
    if tuner is None or not tuner.configs:
        return []
    if any(k.arg == "prune_configs_by" for k in tuner.node.keywords):
        return []  # which of them are tried is not known
    found = []
    for config in tuner.configs:
        table = next((k.value for k in config.keywords if k.arg == "kwargs"), config.args[0] if config.args else None)
        constants: dict[str, Any] = {}
        if isinstance(table, ast.Dict):
            for key, value in zip(table.keys, table.values, strict=True):
                known = host.literal(module, value)
                if isinstance(key, ast.Constant) and isinstance(key.value, str) and known is not None:
                    constants[key.value] = known
        kept = {k: v for k, v in constants.items() if k not in kernel.heuristics}
        found.append(Compilation(kept, f"configuration in line {config.lineno}"))
    return found
