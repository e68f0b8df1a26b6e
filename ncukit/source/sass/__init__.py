"""What a kernel's machine code tells: text of ``nvdisasm -c -g -gp -ndf`` to ``Sass``.

Nothing is run here and nothing but text is needed, so a disassembly from anywhere can be read. Text that is cut off or
is none at all gives what is there: an empty ``Sass`` at worst, never an error.
"""

from __future__ import annotations

from ncukit.source.inspection import Sass
from ncukit.source.sass.facts import facts
from ncukit.source.sass.instructions import parse
from ncukit.source.sass.lines import Lines

__all__ = ["Sass", "read_sass"]


def read_sass(
    text: str, file: str | None = None, span: tuple[int, int] | None = None, *, ptx: str | None = None
) -> Sass:
    """Read a disassembly.

    Args:
        text: What nvdisasm printed, with ``-c`` and with ``-g`` or ``-g -gp``.
        file: The kernel's file; any part of its path from the right will do. Lines of other files are left out.
        span: First and last line of the kernel's function. Lines outside it are left out.
        ptx: The PTX that the machine code was made of. With it and ``-gp``, an instruction of an inlined function has
            the line of the kernel that calls it; without, it has none.
    """
    return facts(parse(text, Lines(file, span, ptx)))
