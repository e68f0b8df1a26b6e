"""An agent whose answers stand fixed: ``scripted.py COUNTER TURN …`` does the first turn when first asked, and so on.

A turn is the name of a text in ``answers/``, the path of one, or one of ``TRICKS``. COUNTER is a file that holds how
often it was asked; beside it, ``COUNTER.brief`` holds the last brief. After the last turn it begins again.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

ANSWERS = Path(__file__).parent / "answers"


def slow() -> None:
    print("Let me think.", flush=True)
    time.sleep(600)


def endless() -> None:
    while True:
        print("and then " * 1000)


def crashing() -> None:
    print("```python\nimport torch\n", flush=True)
    print("no credit left", file=sys.stderr, flush=True)
    os.abort()


def prose() -> None:
    print("I am sorry, I cannot help with kernels.")


TRICKS = {"slow": slow, "endless": endless, "crashing": crashing, "empty": lambda: None, "prose": prose}


def main() -> None:
    counter, turns = Path(sys.argv[1]), sys.argv[2:]
    asked = int(counter.read_text()) if counter.exists() else 0
    counter.with_name(f"{counter.name}.brief").write_text(sys.stdin.read(), encoding="utf-8")
    counter.with_name(f"{counter.name}.new").write_text(str(asked + 1))
    counter.with_name(f"{counter.name}.new").replace(counter)
    turn = turns[asked % len(turns)]
    if turn in TRICKS:
        TRICKS[turn]()
    else:
        file = Path(turn) if "/" in turn else ANSWERS / f"{turn}.md"
        sys.stdout.write(file.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
