"""Writes the pages that the code already says: docs/rules/ and docs/lint/ from the rules, docs/metrics.md.

    python docs/generate.py [--check]

With --check nothing is written; the exit code is 1 when a page is not what the code says (a test holds it to that).
"""

from __future__ import annotations

import sys
from pathlib import Path

from ncukit import gpus, metrics
from ncukit.diagnose import rules
from ncukit.render.catalogue import UNNAMED
from ncukit.source import lint

DOCS = Path(__file__).parent
CHIPS = ("gh100", "gb202")


def rule_page(code: str, cause: str) -> str:
    """One rule's page: its docstring, with its sections as headings."""
    return _page(f"{code} {cause}", rules.page(code), rules.SECTIONS)


def lint_page(code: str, slug: str) -> str:
    """The same of a lint rule."""
    return _page(f"{code} {slug}", lint.page(code) or "", lint.SECTIONS)


def _page(title: str, text: str, sections: tuple[str, ...]) -> str:
    lines = [f"# {title}", "", "<!-- generated from the rule's docstring by docs/generate.py -->", ""]
    for line in text.splitlines()[2:]:
        if line.strip() in sections and not line.startswith(" "):
            lines += [f"## {line.strip()}", ""]
        else:
            lines.append(line.strip())
    return "\n".join(lines).rstrip() + "\n"


def rules_index() -> str:
    """The table of all rules."""
    rows = [f"| [{code}]({cause}.md) | `{cause}` | {title} |" for code, cause, title in rules.codes()]
    head = [
        "# Rules",
        "",
        "`ncukit explain CODE` prints the same pages.",
        "",
        "| code | cause | says |",
        "|---|---|---|",
    ]
    return "\n".join([*head, *rows]) + "\n"


def lint_index() -> str:
    """The table of all lint rules."""
    severities = {rule.CODE: rule.SEVERITY for rule in lint.every_rule()}
    rows = [
        f"| [{code}]({slug}.md) | `{slug}` | {severities[code]} | {title.replace('|', '&#124;')} |"
        for code, slug, title in lint.codes()
    ]
    head = [
        "# Lint rules",
        "",
        "<!-- generated from the rules' docstrings by docs/generate.py -->",
        "",
        "What [`ncukit inspect`](../inspect.md) says of a file's text, without running or compiling anything. An",
        "error does not compile, or computes something wrong for certain; all else is a warning. `ncukit explain",
        "CODE` prints the same pages.",
        "",
        "| code | name | severity | says |",
        "|---|---|---|---|",
    ]
    return "\n".join([*head, *rows]) + "\n"


def metrics_page() -> str:
    """The catalogue as a table."""
    presets = metrics.presets()
    lines = [
        "# Metrics",
        "",
        "<!-- generated from ncukit/metrics/catalogue.toml by docs/generate.py -->",
        "",
        "Users, budgets and JSON speak short names; ncu's stand in the catalogue alone. Readings are in base units.",
        "",
        "On an H200 (ncu 2025.3.1, Triton 3.6, the two-kernel InstanceNorm) `quick` takes one replay pass, `default`",
        "eight and `full` fourteen; `ncu --set full` takes 38. `tests/bench/profiling.py` measures it again.",
        "",
        "| short name | unit | better | ncu name (gh100) or formula | preset | what it is |",
        "|---|---|---|---|---|---|",
    ]
    for metric in metrics.catalogue().values():
        named = metric.ncu_name(CHIPS[0])
        by = f"`{metric.formula}`" if metric.formula and (metric.prefer_formula or not named) else f"`{named}`"
        if not named and not metric.formula:
            by = UNNAMED.get(metric.name, "recorded by the harness")
        preset = next((p for p in ("quick", "default", "full") if metric.name in presets[p]), "")
        unit = metric.unit or "–"
        lines.append(f"| `{metric.name}` | {unit} | {metric.better} | {by} | {preset} | {metric.about} |")
    lines += ["", f"Names differ by chip where the catalogue says so: {_chip_names()}."]
    lines += ["", f"GPUs whose limits are known: {', '.join(g.name for g in gpus.all_gpus())} (`ncukit gpus`)."]
    return "\n".join(lines) + "\n"


def _chip_names() -> str:
    pairs = [(m.name, prefix, name) for m in metrics.catalogue().values() for prefix, name in m.chips.items()]
    return "; ".join(f"`{short}` is `{name}` on {prefix}*" for short, prefix, name in pairs)


def pages() -> dict[Path, str]:
    """Path → text of every generated page."""
    found = {DOCS / "rules" / f"{cause}.md": rule_page(code, cause) for code, cause, _ in rules.codes()}
    found |= {DOCS / "lint" / f"{slug}.md": lint_page(code, slug) for code, slug, _ in lint.codes()}
    found |= {DOCS / "rules" / "README.md": rules_index(), DOCS / "lint" / "README.md": lint_index()}
    return {**found, DOCS / "metrics.md": metrics_page()}


def main() -> int:
    """Write the pages, or compare them."""
    wanted = pages()
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    # a rule that was renamed leaves its page behind
    left = [path for folder in ("rules", "lint") for path in (DOCS / folder).glob("*.md") if path not in wanted]
    if "--check" in sys.argv:
        return 1 if stale or left else 0
    for path in left:
        path.unlink()
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(wanted[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
