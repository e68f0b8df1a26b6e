"""The lint rules: one mistake a file."""
