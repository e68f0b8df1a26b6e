"""``python -m ncukit``: the command line without its entry point."""

from ncukit.cli import main

main()
