"""The ``ncukit`` script, and ``python -m ncukit``."""

from __future__ import annotations


def main() -> None:
    """Load and run the command line; Ctrl-C while it loads ends as it does later, without a traceback."""
    try:
        from ncukit.cli import main as command_line

        command_line()
    except KeyboardInterrupt:
        raise SystemExit(130) from None  # ncukit.errors.Exit.INTERRUPTED, which may not be loaded yet


if __name__ == "__main__":
    main()
