"""What runs in a child process of ``tune``, ``check`` and ``optimize``: it executes kernels, so it may crash or hang.

Standard library, torch, triton, and ``ncukit.collect.harness``; the parent is ``ncukit.optimize.session``.
"""
