"""Compiled launches in the order in which they are read: by kernel, then by launch, then by architecture."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ncukit.render import inspect_text as words
from ncukit.render.gate_text import bounded
from ncukit.source.fit import fits_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ncukit.source.fit import Fit
    from ncukit.source.inspection import Compiled, Launch

MOST_COLUMNS = 5
"""Settings that may have a column each."""
FULL = 99.9
"""Percent from which an SM counts as full."""
_SHORT = {"shared memory": "shared", "registers": "regs"}
"""Limiters as the columns of the table are called."""
_TITLES = {"num_warps": "warps", "num_stages": "stages", "num_ctas": "cluster"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One kernel."""

    launches: tuple[tuple[Compiled, ...], ...]
    """Launches and autotune configurations; each on every architecture that compiled it."""

    @property
    def first(self) -> Compiled:
        """What stands for the kernel where they are alike."""
        return self.launches[0][0]

    @property
    def every(self) -> tuple[Compiled, ...]:
        """All, launch by launch."""
        return tuple(one for row in self.launches for one in row)

    @property
    def archs(self) -> tuple[str, ...]:
        """All architectures."""
        return tuple(dict.fromkeys(one.arch for one in self.every))

    @property
    def tuned(self) -> bool:
        """Whether they are configurations of an autotuner."""
        return any(one.launch.config is not None for one in self.every)


def sections(compiled: Iterable[Compiled]) -> list[Section]:
    """Compiled launches by kernel, the same launch on several architectures together."""
    kernels: dict[tuple[object, ...], dict[tuple[object, ...], list[Compiled]]] = {}
    seen: Counter[tuple[object, ...]] = Counter()
    for one in compiled:
        launch = one.launch
        same = (launch.launch_line, launch.config, *settings(launch).values())
        key = (launch.kernel, launch.file, launch.line)
        seen[(one.arch, *key, *same)] += 1  # equal ones differ in shapes: the first belongs to the first elsewhere
        kernels.setdefault(key, {}).setdefault((*same, seen[(one.arch, *key, *same)]), []).append(one)
    return [Section(launches=tuple(map(tuple, rows.values()))) for rows in kernels.values()]


def settings(launch: Launch) -> dict[str, str]:
    """Everything of a launch that makes other code of it, by name."""
    found = {name: words.value_of(value) for name, value in (*launch.constexprs.items(), *launch.options.items())}
    return found | {name: str(getattr(launch, name)) for name in _TITLES}


def differing(section: Section) -> list[str]:
    """Settings in which the launches of a kernel differ, in their order."""
    every = [settings(row[0].launch) for row in section.launches]
    names = dict.fromkeys(name for one in every for name in one)
    return [name for name in names if len({other.get(name) for other in every}) > 1]


def common(section: Section) -> list[str]:
    """Constants and options that all launches of a kernel share."""
    first = section.first.launch
    shared = settings(first).keys() - set(differing(section))
    return [*words.options(first, shared), *words.constants(first, shared)]


def labels(section: Section) -> list[str]:
    """What tells the launches of a kernel apart, each by a text of its own."""
    names = differing(section)
    found = []
    for row in section.launches:
        launch = row[0].launch
        found.append(" ".join([*words.constants(launch, names), *words.options(launch, names)]))
    return [f"{text} #{number}".strip() if many else text for text, number, many in _counted(found)]


def label_columns(section: Section) -> tuple[list[str], list[list[str]]]:
    """The same as columns: their titles, and the cells of every launch."""
    names = differing(section)
    lines = [row[0].launch.launch_line for row in section.launches]
    titles, rows = [], [[] for _ in lines]  # type: tuple[list[str], list[list[str]]]
    if len(set(lines)) > 1:
        titles.append("launched")
        rows = [[f":{line}" if line else "-"] for line in lines]
    if 0 < len(names) <= MOST_COLUMNS:
        titles += [bounded(_TITLES.get(name, name), 20) for name in names]
        found = [settings(row[0].launch) for row in section.launches]
        rows = [[*cells, *(one.get(name, "-") for name in names)] for cells, one in zip(rows, found, strict=True)]
    elif names:
        titles.append("launch")
        rows = [[*cells, bounded(text, 60)] for cells, text in zip(rows, labels(section), strict=True)]
    numbers = list(_counted([" ".join(cells) for cells in rows]))
    if any(many for _, _, many in numbers):
        titles.append("")
        rows = [[*cells, f"#{n}" if many else ""] for cells, (_, n, many) in zip(rows, numbers, strict=True)]
    return titles, rows


def _counted(texts: Sequence[str]) -> list[tuple[str, int, bool]]:
    """Each text, the how-manieth of its kind it is, and whether there are several."""
    every, taken = Counter(texts), Counter[str]()
    found = []
    for text in texts:
        taken[text] += 1
        found.append((text, taken[text], every[text] > 1))
    return found


def reference(compiled: Compiled) -> Fit | None:
    """The fit on the GPU that the launch was looked at for; None where the architecture has none in the table."""
    first = next(iter(compiled.grids), None)
    return next((fit for fit in fits_of(compiled) if fit.gpu == first), None)


def ordered_fits(compiled: Compiled) -> list[Fit]:
    """Every GPU's, the one that the launch was looked at for first."""
    first = next(iter(compiled.grids), None)
    return sorted(fits_of(compiled), key=lambda fit: fit.gpu != first)


def limiters(fit: Fit) -> list[str]:
    """What holds more back; nothing where an SM is as full as it can be."""
    return [] if fit.occupancy_pct > FULL else [_SHORT.get(name, name) for name in fit.limiters]


def occupancy(fit: Fit | None) -> str:
    """``75 % regs``."""
    if fit is None:
        return "-"
    if not fit.blocks_per_sm:
        return "does not fit"
    return f"{fit.occupancy_pct:.3g} % {', '.join(limiters(fit))}".rstrip()


def waves(fit: Fit | None) -> str:
    """``5.53``; a dash where there are none."""
    return "-" if fit is None or fit.waves is None else words.three(fit.waves)


def tail(fit: Fit | None) -> str:
    """``53 % full``: places that are taken in the last wave; ``48 % SMs``: those that get a block, in less than one."""
    if fit is None or fit.tail is None:
        return "-"
    if not fit.full_waves and fit.busy_sms is not None:
        return f"{100 * fit.busy_sms:.0f} % SMs"
    return f"{100 * fit.tail:.0f} % full"
