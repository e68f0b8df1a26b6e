"""From a plan to a run directory: the ncu command, the process, the harness inside it, and what went wrong."""
