"""The child process that runs a kernel file's host code and compiles its launches; torch and triton are loaded here.

``main`` forks: one session a pretended GPU runs the file, and one process a compilation keeps the rest alive when the
compiler aborts. Parent and child speak JSON through files; whatever the file prints goes elsewhere.
"""
